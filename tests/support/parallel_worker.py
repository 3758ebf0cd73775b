"""What `torchrun` starts for tests/test_parallel.py: the toy recipe, its first gradient kept.

torchrun --standalone --nproc-per-node 2 tests/parallel_worker.py CORPUS OUT
"""

import sys
from pathlib import Path

import safetensors.torch
import torch

from asr import cli, config
from asr.support.parallel import Group
from asr.training import loop


def recipe():
    units = {"kind": "characters", "alphabet": "abcd"}
    settings = {"epochs": 2, "batch": 7, "learning_rate": 0.03, "noise": 0.2}
    parts = {"units": units, "encoder": {"hidden": 16, "layers": 2}, "training": settings}
    return config.parse(parts | {"augment": {"time_masks": 1, "frequency_masks": 1}}, "test")


def gradients_kept(path):
    """Return `Group.add` with the first sum written to a file, the gradients alone, before clipping changes them."""
    real = Group.add

    def add(self, values):
        real(self, values)
        if self.leads and not path.exists():
            safetensors.torch.save_file({str(i): value.clone() for i, value in enumerate(values[:-1])}, path)

    return add


def main(corpus, out):
    torch.set_num_threads(1)
    Group.add = gradients_kept(out.with_suffix(".gradient"))
    best = loop.run(recipe(), corpus, out, torch.device("cpu"))
    sys.argv = ["asr", "transcribe", "--bundle", str(best), str(corpus / "test.jsonl")]
    cli.main()
    sys.argv = ["asr", "evaluate", str(best), "--data", str(corpus.parent), "--manifest", str(corpus / "test.jsonl")]
    cli.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

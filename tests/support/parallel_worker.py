"""The program that test_parallel.py starts with `torchrun`: trains the toy recipe and keeps its first gradient.

torchrun --standalone --nproc-per-node 2 tests/support/parallel_worker.py CORPUS OUT
"""

import sys
from pathlib import Path

import safetensors.torch
import torch

from asr import cli, config
from asr.support.parallel import ProcessGroup
from asr.training import loop


def recipe():
    units = {"kind": "characters", "alphabet": "abcd"}
    settings = {"epochs": 2, "batch": 7, "learning_rate": 0.03, "noise": 0.2}
    parts = {"units": units, "encoder": {"hidden": 16, "layers": 2}, "training": settings}
    return config.parse(parts | {"augment": {"time_masks": 1, "frequency_masks": 1}}, "test")


def gradients_kept(path):
    """Return `ProcessGroup.all_reduce` that also writes the first sum of gradients, not clipped yet, to a file."""
    real = ProcessGroup.all_reduce

    def all_reduce(self, values):
        real(self, values)
        if self.leads and not path.exists():
            safetensors.torch.save_file({str(i): value.clone() for i, value in enumerate(values[:-1])}, path)

    return all_reduce


def main(corpus, out):
    torch.set_num_threads(1)
    ProcessGroup.all_reduce = gradients_kept(out.with_suffix(".gradient"))
    best = loop.run(recipe(), corpus, out, torch.device("cpu"))
    sys.argv = ["asr", "transcribe", "--bundle", str(best), str(corpus / "test.jsonl")]
    cli.main()
    sys.argv = ["asr", "evaluate", str(best), "--data", str(corpus.parent), "--manifest", str(corpus / "test.jsonl")]
    cli.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""The program that test_parallel.py starts: trains the toy recipe as one process and as two, and keeps gradients.

python tests/support/parallel_worker.py CORPUS OUT

`torchrun` itself starts the two, by forking this process, so that they need not import torch again.
"""

import sys
from pathlib import Path

import safetensors.torch
import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from asr import cli, config
from asr.support.parallel import ProcessGroup
from asr.training import loop

ALL_REDUCE = ProcessGroup.all_reduce


def recipe():
    units = {"kind": "characters", "alphabet": "abcd"}
    settings = {"epochs": 2, "batch": 7, "learning_rate": 0.03, "noise": 0.2}
    parts = {"units": units, "encoder": {"hidden": 16, "layers": 2}, "training": settings}
    return config.parse(parts | {"augment": {"time_masks": 1, "frequency_masks": 1}}, "test")


def gradients_kept(path):
    """Return `ProcessGroup.all_reduce` that also writes the first sum of gradients, not clipped yet, to a file."""

    def all_reduce(self, values):
        ALL_REDUCE(self, values)
        if self.leads and not path.exists():
            safetensors.torch.save_file({str(i): value.clone() for i, value in enumerate(values[:-1])}, path)

    return all_reduce


def train(corpus, out):
    ProcessGroup.all_reduce = gradients_kept(out.with_suffix(".gradient"))
    best = loop.run(recipe(), corpus, out, torch.device("cpu"))
    sys.argv = ["asr", "transcribe", "--bundle", str(best), str(corpus / "test.jsonl")]
    cli.main()
    sys.argv = ["asr", "evaluate", str(best), "--data", str(corpus.parent), "--manifest", str(corpus / "test.jsonl")]
    cli.main()


def main(corpus, out):
    torch.set_num_threads(1)
    train(corpus, out / "one")
    sys.stdout.flush()
    meeting = {"run_id": "two", "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
    two = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=2, start_method="fork", **meeting)
    elastic_launch(two, train)(corpus, out / "two")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

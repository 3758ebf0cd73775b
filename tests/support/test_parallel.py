"""Training with two processes is equivalent to training with one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from asr import bundle
from asr.support import parallel

WORKER = Path(__file__).with_name("parallel_worker.py")


@pytest.fixture(scope="module")
def runs(toy, tmp_path_factory):
    """The folders of the same run by one process and by two."""
    folder = tmp_path_factory.mktemp("parallel")
    # A process that has seen a GPU cannot be forked.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, WORKER, toy, folder]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("2 processes") == 1
    lines = done.stdout.replace("/two", "/one").splitlines()
    assert lines[:13] == lines[13:] and len(lines) == 2 * (12 + 1)
    results = [json.loads((out / "test.json").read_text()) for out in (folder / "one", folder / "two")]
    assert all(results[0][key] == results[1][key] for key in ("errors", "total", "conventions", "manifest_sha256"))
    return folder / "one", folder / "two"


def test_the_gradient_equals_that_of_one_process(runs):
    one, two = (safetensors.torch.load_file(out.with_suffix(".gradient")) for out in runs)
    largest = max(float(value.abs().max()) for value in one.values())
    assert len(one) == len(two) and largest > 0.1
    for name in one:
        assert torch.allclose(one[name], two[name], rtol=0, atol=1e-5 * largest), name


def test_two_processes_report_and_learn_the_same_as_one(runs):
    rows = [[json.loads(line) for line in (out / "epochs.jsonl").read_text().splitlines()] for out in runs]
    for one, two in zip(*rows, strict=True):
        for key in ("loss", "dev_loss", "gradient_norm", "gradient_norm_max", "learning_rate"):
            assert one[key] == pytest.approx(two[key], rel=1e-3), key
        assert one["dev"]["hits"] + one["dev"]["substitutions"] + one["dev"]["deletions"] == (
            two["dev"]["hits"] + two["dev"]["substitutions"] + two["dev"]["deletions"]
        )
    weights = [bundle.load(out / "best.safetensors").model.state_dict() for out in runs]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-3) for name in weights[0])


def test_a_single_process_joins_no_group():
    with parallel.group(torch.device("cpu")) as group:
        assert group == parallel.ALONE and group.leads
        values = [torch.ones(2)]
        group.all_reduce(values)
        assert torch.equal(values[0], torch.ones(2)) and group.gather({"a": 1}) == {"a": 1}
        assert not torch.distributed.is_initialized()

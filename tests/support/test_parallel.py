"""Two processes that train together give what one gives."""

import contextlib
import importlib.util
import io
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
_spec = importlib.util.spec_from_file_location("parallel_worker", WORKER)
parallel_worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(parallel_worker)


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, timeout=100)


@pytest.fixture(scope="module")
def both(toy, tmp_path_factory):
    """The folder of a run by one process, and of the same by two."""
    folder = tmp_path_factory.mktemp("parallel")
    heard = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(heard):
        patch.setattr(parallel.Group, "add", parallel.Group.add)  # what is put back
        patch.setattr(sys, "argv", sys.argv)
        parallel_worker.main(toy, folder / "one")
    two = torchrun(WORKER, toy, folder / "two")
    assert two.returncode == 0, two.stderr
    assert "2 processes" in two.stderr
    said = [text.replace("/two", "/one").splitlines() for text in (heard.getvalue(), two.stdout)]
    assert said[0] == said[1] and len(said[0]) == 12 + 1
    results = [json.loads((out / "test.json").read_text()) for out in (folder / "one", folder / "two")]
    assert all(results[0][key] == results[1][key] for key in ("errors", "total", "conventions", "manifest_sha256"))
    return folder / "one", folder / "two"


def test_the_gradient_of_a_batch_is_that_of_one_process(both):
    one, two = (safetensors.torch.load_file(out.with_suffix(".gradient")) for out in both)
    largest = max(float(value.abs().max()) for value in one.values())
    assert len(one) == len(two) and largest > 0.1
    for name in one:
        assert torch.allclose(one[name], two[name], rtol=0, atol=1e-5 * largest), name


def test_what_is_learned_and_told_is_the_same(both):
    rows = [[json.loads(line) for line in (out / "epochs.jsonl").read_text().splitlines()] for out in both]
    for one, two in zip(*rows, strict=True):
        for key in ("loss", "dev_loss", "gradient_norm", "gradient_norm_max", "learning_rate"):
            assert one[key] == pytest.approx(two[key], rel=1e-3), key
        assert one["dev"]["hits"] + one["dev"]["substitutions"] + one["dev"]["deletions"] == (
            two["dev"]["hits"] + two["dev"]["substitutions"] + two["dev"]["deletions"]
        )
    weights = [bundle.load(out / "best.safetensors").model.state_dict() for out in both]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-3) for name in weights[0])


def test_alone_nothing_is_connected():
    with parallel.group(torch.device("cpu")) as group:
        assert group == parallel.ALONE and group.leads
        values = [torch.ones(2)]
        group.add(values)
        assert torch.equal(values[0], torch.ones(2)) and group.merged({"a": 1}) == {"a": 1}
        assert not torch.distributed.is_initialized()

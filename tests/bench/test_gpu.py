"""`make gpu` runs where there is no GPU, on small sizes; only its figures need one."""

import json
from pathlib import Path

import pytest
import torch


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import gpu

    return gpu


def run(gpu, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["gpu.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        gpu.main()
    return done.value.code


def test_each_part_runs(gpu, monkeypatch, tmp_path):
    parts = ("environment", "steps", "routes", "precision", "epochs", "resume")
    out = tmp_path / "gpu.json"
    assert run(gpu, monkeypatch, "--device", "cpu", "--tiny", "--out", out, "--only", *parts) == 0
    result = json.loads(out.read_text())
    assert result["tiny"] and result["environment"]["torch"] == torch.__version__
    assert [row["route"] for row in result["routes"]] == ["packed", "unpacked"] and result["routes"][0]["kernels"]
    assert result["steps"][0]["apart"] < 1e-5 and result["precision"][0]["from the CPU"] == 0
    assert result["epochs"][0]["epochs"] == 2 and result["epochs"][0]["frames per second"] > 0
    assert result["resume"]["apart"] == 0


def test_a_part_that_fails_is_recorded_and_the_others_run(gpu, monkeypatch, tmp_path):
    def fails(at):
        """Fail."""
        raise ValueError("no such kernel")

    monkeypatch.setitem(gpu.PARTS, "routes", fails)
    out = tmp_path / "gpu.json"
    assert run(gpu, monkeypatch, "--device", "cpu", "--tiny", "--out", out, "--only", "routes", "environment") == 1
    result = json.loads(out.read_text())
    assert result["routes"] == {"error": "ValueError: no such kernel"} and "torch" in result["environment"]


def test_what_a_failing_part_measured_before_is_kept(gpu, monkeypatch, tmp_path):
    """As if the device had run out of memory at its second row; what is measured is never rounded to TF32."""
    seen = []

    def fails(at):
        """Fail."""
        seen.append(torch.backends.cudnn.allow_tf32)
        yield {"batch": 16}
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setitem(gpu.PARTS, "steps", fails)
    out = tmp_path / "gpu.json"
    assert run(gpu, monkeypatch, "--device", "cpu", "--tiny", "--out", out, "--only", "steps") == 1
    assert json.loads(out.read_text())["steps"] == {"error": "OutOfMemoryError: out of memory", "rows": [{"batch": 16}]}
    assert seen == [False]


def test_without_a_gpu_it_says_so_in_one_line(gpu, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run(gpu, monkeypatch, "--out", tmp_path / "gpu.json") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "finds no CUDA device; run it where there is one" in line and not (tmp_path / "gpu.json").exists()


def test_failed_and_skipped_tests_are_not_passed(gpu):
    report = '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>'
    assert gpu.counted(report) == {"passed": 3, "failed": 3, "skipped": 3}

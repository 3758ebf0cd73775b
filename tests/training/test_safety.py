"""A run survives interruption anywhere, non-finite values, a full disk, a lost folder and a second run."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asr import bundle, config, dataset, manifest
from asr.errors import AsrError
from asr.features.store import Store
from asr.support import parallel
from asr.training import checkpoint, loop
from asr.training.learner import Learner

CPU = torch.device("cpu")


def recipe(**training):
    settings = {"epochs": 3, "batch": 8, "learning_rate": 0.1, "noise": 0.1} | training
    encoder = {"hidden": 16, "layers": 1, "dropout": 0.1}
    return config.parse(
        {"units": {"kind": "characters", "alphabet": "abcd"}, "encoder": encoder, "training": settings}, "test"
    )


STEPS = 3 * 6  # of that recipe on the toy corpus


def state(out):
    """Everything in a run's folder that must not depend on interruptions."""
    newest = checkpoint.newest(out)
    progress = dict(newest.header["progress"])
    for row in progress["records"]:
        del row["seconds"], row["frames_per_second"]
    tensors = {name: tensor.tobytes() for name, tensor in newest.tensors.items()}
    best = {name: tensor.tobytes() for name, tensor in bundle.load(out / "best.safetensors").weights.items()}
    return progress, tensors, best, len((out / "epochs.jsonl").read_text().splitlines())


@pytest.fixture(scope="module")
def whole(toy, tmp_path_factory):
    """The state after an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole")
    loop.run(recipe(), toy, out, CPU)
    return state(out)


class Killed(BaseException):
    """Like SIGKILL: no handler of the code runs."""


def killed(monkeypatch, where, times):
    """Make a function raise Killed at its call number `times`, before it does anything."""
    owner, name = where
    real, calls = getattr(owner, name), [0]

    def call(*args, **kwargs):
        calls[0] += 1
        if calls[0] == times:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("interval", [0.0, 60.0])
@pytest.mark.parametrize("step", [1, 2, 6, 7, 11, 18])
def test_a_run_killed_at_any_step_resumes_bit_exactly(toy, tmp_path, whole, monkeypatch, step, interval, capsys):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", interval)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed(patch, (Learner, "step"), step)
        loop.run(recipe(), toy, tmp_path, CPU)
    loop.run(recipe(), toy, tmp_path, CPU)
    assert state(tmp_path) == whole
    assert ("resuming at" in capsys.readouterr().err) == (step > (1 if interval == 0 else 6))


def stored(path):
    dataset.stored(bundle.build_features(recipe().features), path, manifest.read(path))


@pytest.mark.parametrize("where", [(os, "replace"), (os, "fsync")])
@pytest.mark.parametrize("times", range(2, 9))
def test_a_run_killed_while_writing_resumes_bit_exactly(toy, tmp_path, whole, monkeypatch, where, times):
    stored(toy / "train.jsonl")  # written before
    stored(toy / "dev.jsonl")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed(patch, where, times)
        loop.run(recipe(), toy, tmp_path, CPU)
    loop.run(recipe(), toy, tmp_path, CPU)
    assert state(tmp_path) == whole


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_after_a_checkpoint_and_the_run_resumes(
    toy, tmp_path, whole, monkeypatch, number, status, capsys
):
    real, calls = Learner.step, [0]  # the number of the step in which the signal comes

    def step(*args, **kwargs):
        calls[0] += 1
        if calls[0] == 9:
            os.kill(os.getpid(), number)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(Learner, "step", step)
        loop.run(recipe(), toy, tmp_path, CPU)
    assert stop.value.code == status and calls[0] in (9, 10)
    assert checkpoint.newest(tmp_path).progress.step == calls[0] - 6
    assert "stopped by" in capsys.readouterr().err
    loop.run(recipe(), toy, tmp_path, CPU)
    assert state(tmp_path) == whole


def test_a_signal_during_dev_decoding_loses_nothing(toy, tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(loop, "_loss", lambda *args: os.kill(os.getpid(), signal.SIGTERM) or 0.0)
        loop.run(recipe(), toy, tmp_path, CPU)
    assert checkpoint.newest(tmp_path).progress.step == 6
    loop.run(recipe(), toy, tmp_path, CPU)
    assert state(tmp_path) == whole


def test_a_damaged_checkpoint_is_reported_and_the_one_before_it_used(toy, tmp_path, whole, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed(patch, (Learner, "step"), 14)
        loop.run(recipe(), toy, tmp_path, CPU)
    last, before = checkpoint.paths(tmp_path)
    content = bytearray(last.read_bytes())
    content[-100] ^= 1
    last.write_bytes(content)
    loop.run(recipe(), toy, tmp_path, CPU)
    said = capsys.readouterr().err
    assert said.count(f"{last}: its contents do not match") == 1 and f"({before.name})" in said
    assert state(tmp_path) == whole


def test_changed_manifests_are_refused_when_resuming(toy, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed(patch, (Learner, "step"), 8)
        loop.run(recipe(), toy, tmp_path, CPU)
    (tmp_path / "corpus").mkdir()
    for name in ("train", "dev"):
        lines = (toy / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "corpus" / f"{name}.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(AsrError, match="was trained on different data"):
        loop.run(recipe(), tmp_path / "corpus", tmp_path, CPU)


def test_changed_recordings_are_refused_when_resuming(toy, tmp_path, monkeypatch):
    shutil.copytree(toy, tmp_path / "toy")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed(patch, (Learner, "step"), 8)
        loop.run(recipe(), tmp_path / "toy", tmp_path / "run", CPU)
    path = tmp_path / "toy" / "train" / "07.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[::-1], rate)
    with pytest.raises(AsrError, match="run: was trained on different recordings"):
        loop.run(recipe(), tmp_path / "toy", tmp_path / "run", CPU)


def test_features_that_are_rounded_differently_are_resumed_with_a_warning(toy, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed(patch, (Learner, "step"), 8)
        loop.run(recipe(), toy, tmp_path, CPU)
    sketch = Store.sketch
    monkeypatch.setattr(Store, "digest", property(lambda self: "another processor's"))
    monkeypatch.setattr(Store, "sketch", lambda self: sketch(self) + 1e-5)
    loop.run(recipe(), toy, tmp_path, CPU)
    said = capsys.readouterr().err
    assert "warning: the features are rounded differently here: results will not be bit-identical" in said


def test_a_different_recipe_is_refused_even_without_recipe_toml(toy, tmp_path):
    loop.run(recipe(epochs=1), toy, tmp_path, CPU)
    (tmp_path / "recipe.toml").unlink()
    with pytest.raises(AsrError, match=r"belongs to a different recipe \(training.seed: 1 → 2\)"):
        loop.run(recipe(epochs=1, seed=2), toy, tmp_path, CPU)
    loop.run(recipe(epochs=1), toy, tmp_path, CPU)
    assert config.load(tmp_path / "recipe.toml") == bundle.resolve(recipe(epochs=1))


@pytest.mark.parametrize("lost", ["best", "checkpoints"])
def test_a_run_that_starts_over_ignores_its_old_files(toy, tmp_path, whole, monkeypatch, lost):
    """An earlier run's files must neither be mistaken for the new run's nor displace its checkpoints."""
    loop.run(recipe(), toy, tmp_path, CPU)
    for path in [tmp_path / "best.safetensors"] if lost == "best" else checkpoint.paths(tmp_path):
        path.write_bytes(b"damaged")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed(patch, (Learner, "step"), 9)
        loop.run(recipe(), toy, tmp_path, CPU)
    assert [path.name for path in checkpoint.paths(tmp_path)] == ["step-00000006.safetensors"]
    old = {path.name for path in tmp_path.glob("*.old")}  # kept, in case somebody can repair them
    assert old == {f"{name}.safetensors.old" for name in ("best", "step-00000012", "step-00000018")}
    loop.run(recipe(), toy, tmp_path, CPU)
    assert state(tmp_path) == whole


def test_a_nan_weight_leaves_files_on_disk_unchanged(toy, tmp_path, monkeypatch):
    real = loop._evaluate

    def evaluate(run):
        if run.progress.epoch == 1:
            with torch.no_grad():
                run.system.model.projection.bias[0] = float("nan")
        count, _, blank = real(run)
        return replace(count, hits=10_000) if run.progress.epoch else count, 1.0, blank  # a better one

    monkeypatch.setattr(loop, "_evaluate", evaluate)
    with pytest.raises(AsrError, match="projection.bias contains NaN or Inf; not saved"):
        loop.run(recipe(), toy, tmp_path, CPU)
    for path in tmp_path.glob("*.safetensors"):
        assert all(bool(tensor.isfinite().all()) for tensor in bundle.load(path).model.state_dict().values())
    assert len((tmp_path / "epochs.jsonl").read_text().splitlines()) == 1


def test_a_changed_environment_is_reported_when_resuming(toy, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "environment", lambda *_: {"torch": "1.0", "device": "cpu"})
        killed(patch, (Learner, "step"), 8)
        loop.run(recipe(), toy, tmp_path, CPU)
    loop.run(recipe(), toy, tmp_path, CPU)
    assert (
        f"torch changed from 1.0 to {torch.__version__}: results will not be bit-identical" in capsys.readouterr().err
    )


def test_a_folder_in_use_by_another_run_is_refused(toy, tmp_path):
    code = """if True:
        import sys, pathlib
        from asr.support import files
        with files.locked(pathlib.Path(sys.argv[1])):
            print('held', flush=True)
            input()
    """
    lock = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", code, lock], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AsrError, match=f"is in use by process {other.pid}; wait for it"):
            loop.run(recipe(), toy, tmp_path, CPU)
        other.kill()
    loop.run(recipe(epochs=1), toy, tmp_path, CPU)


def corrupted(monkeypatch, steps, kind):
    """Put NaN into the features, the gradient or the loss of some steps, by their number."""
    real = Learner._losses

    def losses(self, batch, position):
        if position.global_step not in steps:
            return real(self, batch, position)
        if kind == "features":
            batch.features[1, 0, 0] = float("nan")
        found = real(self, batch, position)
        if kind == "loss":
            found = found * torch.tensor([1.0, float("inf")] + [1.0] * (len(found) - 2))
        if kind == "gradient":
            found.register_hook(lambda gradient: gradient * float("nan"))
        return found

    monkeypatch.setattr(Learner, "_losses", losses)


@pytest.mark.parametrize("kind", ["features", "loss", "gradient"])
def test_non_finite_steps_are_skipped_reported_and_counted(toy, tmp_path, monkeypatch, kind, capsys):
    corrupted(monkeypatch, {2, 3, 9}, kind)
    best = loop.run(recipe(), toy, tmp_path, CPU)
    rows = [json.loads(line) for line in (tmp_path / "epochs.jsonl").read_text().splitlines()]
    assert [row["skipped"] for row in rows] == [2, 1, 0]
    assert all(tensor.isfinite().all() for tensor in bundle.load(best).model.state_dict().values())
    lines = [line for line in capsys.readouterr().err.splitlines() if "skipped, loss" in line]
    assert len(lines) == 3
    named = {"features": "non-finite features", "loss": "loss inf", "gradient": "non-finite gradient"}
    assert all(named[kind] in line and "train-" in line for line in lines)
    assert kind == "gradient" or all(line.count("train-") == 1 for line in lines), "only the culprit is named"


def test_too_many_consecutive_non_finite_steps_end_the_run(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    corrupted(monkeypatch, range(7, 100), "loss")
    with pytest.raises(
        AsrError,
        match=r"epoch 3, step 5: 10 consecutive steps had a non-finite loss or gradient \(train-\d\d: loss inf\); ",
    ):
        loop.run(recipe(), toy, tmp_path, CPU)
    assert checkpoint.newest(tmp_path).progress.streak == 0, "the last good one"
    assert checkpoint.newest(tmp_path).progress.step == 1
    assert all(np.isfinite(tensor).all() for tensor in checkpoint.newest(tmp_path).tensors.values())


def test_a_non_finite_weight_is_never_saved(toy, tmp_path):
    system = bundle.build(recipe())
    learner = Learner(system.model, recipe().training, 10, CPU, parallel.ALONE)
    with torch.no_grad():
        system.model.projection.bias[2] = float("inf")
    with pytest.raises(AsrError, match="projection.bias contains NaN or Inf; not saved"):
        checkpoint.save(tmp_path, 1, system, learner.optimizer, checkpoint.Progress())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("point", range(4))
def test_a_full_disk_keeps_the_last_checkpoint(toy, tmp_path, whole, monkeypatch, point):
    loop.run(recipe(epochs=1), toy, tmp_path / "once", CPU)  # features are written before
    real, calls = Path.write_bytes, [0]

    def write(path, content):
        calls[0] += 1
        if calls[0] > point:
            real(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content)

    with monkeypatch.context() as patch, pytest.raises(AsrError, match="cannot be written .No space left on device."):
        patch.setattr(Path, "write_bytes", write)
        loop.run(recipe(), toy, tmp_path / "run", CPU)
    assert not list((tmp_path / "run").glob(".*.tmp"))
    for path in checkpoint.paths(tmp_path / "run"):
        bundle.load(path)
    loop.run(recipe(), toy, tmp_path / "run", CPU)
    assert state(tmp_path / "run") == whole


def test_a_folder_removed_during_training_is_not_recreated(toy, tmp_path, monkeypatch):
    real = loop._evaluate

    def evaluate(run):
        run.out.rename(tmp_path.parent / "moved")
        return real(run)

    monkeypatch.setattr(loop, "_evaluate", evaluate)
    with pytest.raises(AsrError, match="run: was removed or renamed during training"):
        loop.run(recipe(), toy, tmp_path / "run", CPU)
    assert not (tmp_path / "run").exists()


def test_progress_round_trips_through_json():
    progress = checkpoint.Progress(
        2, 3, checkpoint.EpochSums(loss=0.1 + 0.2, seconds=1 / 3), [{"a": 1e-300}], 0.5, 1, 2
    )
    row = json.loads(json.dumps(progress.as_dict()))
    assert checkpoint.Progress.from_dict(row) == progress


def test_temporary_files_of_a_killed_run_are_removed(toy, tmp_path):
    (tmp_path / ".best.safetensors.123.tmp").write_bytes(b"half")
    loop.run(recipe(epochs=1), toy, tmp_path, CPU)
    assert not list(tmp_path.glob(".*.tmp"))

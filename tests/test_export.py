"""An exported system is the system: features before normalization and lengths in, log-probs out, in ONNX Runtime."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from asr import bundle, config, engines, export
from asr.cli import cli
from asr.errors import AsrError
from asr.evaluation import measurement
from asr.features.normalise import NORMALISERS, Statistics

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

FRAMES = [90, 31, 4, 1]


def made(path, frontend="none", normalise="utterance", kind="mfcc", prior=0.0, **encoder):
    parts = {
        "units": {"kind": "characters", "alphabet": "ab "},
        "features": {"kind": kind, "normalise": normalise, "prior": prior},
        "encoder": {"hidden": 7, "layers": 2} | encoder,
        "frontend": {"kind": frontend},
    }
    recipe = config.parse(parts, "test")
    dimension = bundle.build_features(recipe.features).dimension
    frames = np.random.default_rng(1).normal(2, 3, (500, dimension)).astype(np.float32)
    bundle.build(recipe, Statistics.of(frames)).save(path)
    return bundle.load(path)


@pytest.mark.parametrize(
    "parts",
    [{"normalise": kind} for kind in NORMALISERS]
    + [{"prior": 40.0}, {"frontend": "stack", "norm": True, "dense": 5}, {"cell": "gru", "direction": "forward"}]
    + [{"frontend": "pool", "kind": "fbank"}, {"frontend": "conv", "kind": "fbank", "cell": "lstm-peephole"}]
    + [{"cell": "lstm-coupled"}, {"cell": "lstm-1997", "recurrence": "cells"}],
    ids=str,
)
def test_it_gives_the_systems_log_probs_whatever_the_lengths(tmp_path, parts):
    system = made(tmp_path / "best.safetensors", **parts)
    export.write(system, tmp_path / "model.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    generator = np.random.default_rng(2)
    matrices = [generator.normal(1, 4, (n, system.features.dimension)).astype(np.float32) for n in FRAMES]
    features = np.full((len(FRAMES), max(FRAMES), system.features.dimension), 1e3, np.float32)  # padding
    for own, matrix in zip(features, matrices, strict=True):
        own[: len(matrix)] = matrix
    log_probs, counts = session.run(None, {"features": features, "lengths": np.array(FRAMES)})
    torch = engines.ENGINES["torch"](system, "cpu")
    for own, count, matrix in zip(log_probs, counts, matrices, strict=True):
        expected = torch(system.normaliser(matrix)[None], np.array([len(matrix)]))[0][0]
        assert count == len(expected)
        np.testing.assert_allclose(own[:count], expected, atol=1e-4, rtol=1e-5)


def test_beside_it_are_tokens_and_in_it_is_how_features_are_made(tmp_path):
    system = made(tmp_path / "best.safetensors", kind="fbank")
    export.write(system, tmp_path / "model.onnx")
    assert (tmp_path / "tokens.txt").read_text(encoding="utf-8") == "<blk> 0\na 1\nb 2\n▁ 3\n"
    entries = {one.key: one.value for one in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(entries["asr.features"]) == dict(system.features.settings)
    assert (entries["model_type"], entries["vocab_size"], entries["subsampling_factor"]) == ("wenet_ctc", "4", "1")
    assert "model_type" not in export.metadata(made(tmp_path / "a.safetensors"))


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"kind": "fbank", "mels": 80, "high": 7600.0}, "sherpa-onnx reads it as wenet_ctc with feature_dim=80"),
        ({"kind": "fbank"}, "sherpa-onnx will use features.high = 7600.0, not 0.0; train with its value"),
        ({"kind": "fbank", "deltas": 1}, "sherpa-onnx cannot read it: it computes filter banks without Δ, not "),
        ({}, "sherpa-onnx cannot read it: it computes filter banks without Δ, not mfcc"),
    ],
    ids=str,
)
def test_what_sherpa_onnx_makes_of_it_is_said(features, said):
    parts = {"units": {"kind": "characters", "alphabet": "ab"}, "encoder": {"hidden": 4}, "features": features}
    assert export.for_sherpa(bundle.build(config.parse(parts, "test"))).startswith(said)


def test_a_graph_that_does_not_agree_is_not_written(tmp_path, monkeypatch):
    system = made(tmp_path / "best.safetensors")
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    with pytest.raises(AsrError, match=r"model\.onnx: log-probs differ by .*; not written"):
        export.write(system, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists() and not (tmp_path / "tokens.txt").exists()


def test_8_bit_integers_are_smaller_and_less_exact(tmp_path, recwarn):
    system = made(tmp_path / "best.safetensors", hidden=64)
    whole, small = (export.write(system, tmp_path / f"{int8}.onnx", int8=int8) for int8 in (False, True))
    assert small.size < whole.size / 2 and 1e-4 < small.probability < 0.1 and whole.difference < 1e-4


def test_what_8_bit_integers_cost_is_measured_where_there_is_a_set(tmp_path, toy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = {"units": {"kind": "characters", "alphabet": "abcd"}, "corpus": {"name": "toy"}}
    system = bundle.build(config.parse(parts | {"encoder": {"hidden": 8, "layers": 1}}, "test"))
    for value in system.model.state_dict().values():
        value.mul_(9)  # so that some units are heard, and rounding changes them
    system.save(tmp_path / "best.safetensors")
    words = ["export", str(tmp_path), str(tmp_path / "model.onnx"), "--int8"]
    done = CliRunner().invoke(cli, words)
    assert "data/toy: has no dev or test set; what 8-bit integers cost was not measured" in done.stderr
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toy").symlink_to(toy)
    line = CliRunner().invoke(cli, words).stdout.splitlines()[-1]
    found = re.fullmatch(r"dev  CER (.* ins\]) with 8-bit integers, (.* ins\]) with floats", line)
    whole = measurement.run(tmp_path / "best.safetensors", toy / "dev.jsonl", tmp_path / "dev", "cpu")
    assert found[2] == str(whole.count) and found[1] != found[2]


def test_what_cannot_be_exported_is_one_line(tmp_path):
    made(tmp_path / "best.safetensors", cell="clockwork", hidden=8)
    command = [sys.executable, "-m", "asr", "export", str(tmp_path), str(tmp_path / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True)
    cells = "lstm, lstm-peephole, lstm-coupled, lstm-1997, gru, rnn"
    assert done.stderr == f"asr: the cell 'clockwork' has no ONNX node; only {cells} can be exported\n"
    assert done.returncode == 2


@pytest.mark.parametrize("name", ["model", "README.md"])
def test_a_name_that_does_not_say_what_to_write_is_refused(tmp_path, name):
    made(tmp_path / "best.safetensors")
    (tmp_path / name).write_text("precious")
    error = CliRunner().invoke(cli, ["export", str(tmp_path), str(tmp_path / name)]).exception
    assert str(error).startswith(f"{tmp_path / name}: ends in none of .onnx, .html")
    assert (tmp_path / name).read_text() == "precious"


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(AsrError, match=r"onnxruntime is not installed; run `pip install 'asr\[onnx\]'`"):
        export.write(made(tmp_path / "best.safetensors"), tmp_path / "model.onnx")

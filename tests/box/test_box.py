"""The system that comes with the package answers where nothing was trained, and says what it is."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

import asr
from asr import box, bundle
from asr.errors import AsrWarning

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def making():
    spec = importlib.util.spec_from_file_location("box_making", ROOT / "recipes" / "box.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_fresh_install_transcribes_and_says_what_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(AsrWarning, match=r"runs/espeak: not trained here; .* synthetic voices; .* on people"):
        recognizer = asr.load(device="cpu")
    found = recognizer.transcribe(ROOT / "data" / "tiny" / "one.wav")
    assert found.text.startswith("sil sh iy") and len(found.units) > 20


def test_what_was_trained_here_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "espeak").mkdir(parents=True)
    shutil.copy(box.FILE, tmp_path / "runs" / "espeak" / "best.safetensors")
    said = []
    assert box.opened(None, said.append)[0] == Path("runs/espeak/best.safetensors")
    assert box.opened(box.FILE, said.append)[0] == box.FILE and said == []


def test_the_box_has_the_default_recipe_and_its_provenance():
    system = bundle.load(box.FILE)
    assert system.model.parameter_count == 59_880
    assert system.facts["trained"]["commit"] and system.facts["finished"]
    assert all(system.facts["box"][corpus]["errors"] > 0 for corpus in ("espeak", "timit-sample"))
    assert box.FILE.stat().st_size < 300_000


def test_making_it_again_says_what_differs(making):
    one, other = bundle.load(box.FILE), bundle.load(box.FILE)
    assert making.differences(one, other) == []
    other.read = {name: array.copy() for name, array in other.read.items()}
    other.read["projection.bias"][0] += np.float32(0.5)
    other.facts["box"]["espeak"]["rate"] = 0.5
    weights, rate = making.differences(one, other)
    assert (
        weights == "weights: by at most 0.5" and rate.startswith("espeak: error rate 0.0") and rate.endswith("to 0.5")
    )

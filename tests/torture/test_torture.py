"""What `make torture` does to a training; what it finds, it finds in minutes."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "0.2.0"


@pytest.fixture
def trainings(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("trainings")


def test_damaged_bundles_are_refused(trainings, tmp_path):
    outcomes = list(trainings.flipped(tmp_path, np.random.default_rng(1), 10))
    assert [outcome.checks for outcome in outcomes] == [{"refused": True}] * 10


def test_a_run_has_a_state_without_its_times(trainings, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(GOLDEN / "half", half)
    progress, bits, epochs = trainings.state(half)
    assert epochs == 2 and len(progress["records"]) == 2 and "seconds" not in progress["records"][0]
    assert {of for of, _ in bits} == {"now", "best"} and all(isinstance(value, bytes) for value in bits.values())
    assert trainings.readable(half)


def test_every_kind_of_training_has_a_recipe(trainings, tmp_path):
    assert len({str(trainings.recipe(kind, tmp_path)) for kind in trainings.CHANGES}) == len(trainings.CHANGES) == 4

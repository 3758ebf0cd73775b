"""A good run, to be damaged by the tests."""

import shutil

import pytest
import torch

from asr import config
from asr.training import loop


@pytest.fixture(scope="session")
def toy_recipe():
    """The toy corpus's recipe with other training settings."""

    def recipe(**training):
        settings = {"epochs": 12, "batch": 4, "learning_rate": 0.03} | training
        units = {"kind": "characters", "alphabet": "abcd"}
        table = {"corpus": {"name": "toy"}, "units": units, "encoder": {"hidden": 24, "layers": 1}}
        return config.parse(table | {"training": settings}, "test")

    return recipe


@pytest.fixture(scope="session")
def learn(toy, toy_recipe, tmp_path_factory):
    """Train on the toy corpus with other settings; return the run's folder."""

    def run(**training):
        out = tmp_path_factory.mktemp("runs") / "toy"
        loop.run(toy_recipe(**training), toy, out, torch.device("cpu"))
        return out

    return run


@pytest.fixture(scope="session")
def learned(learn):
    return learn()


@pytest.fixture
def sound(learned, tmp_path):
    """A copy of the good run."""
    return shutil.copytree(learned, tmp_path / "run")

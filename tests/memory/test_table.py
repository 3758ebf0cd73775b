"""Every experiment of the table keeps the contract."""

import json

import pytest

from asr.memory import EXPERIMENTS
from asr.memory.trials import _slug


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_says_what_it_is(name):
    experiment = EXPERIMENTS[name]
    assert experiment.claim.endswith(".") and experiment.source.endswith(".")
    slugs = [_slug(case.name) for case in experiment.cases]
    assert len(set(slugs)) == len(slugs)
    for case in experiment.cases:
        assert case.quick or case.full
        assert json.loads(json.dumps(dict(case.settings))) == dict(case.settings)

"""Training as in the papers: noise on the weights, plain gradient descent, halving; and every cell, interrupted."""

import numpy as np
import pytest
import torch

from asr import bundle, config
from asr.cells import CELLS
from asr.config import Training
from asr.errors import AsrError
from asr.model import Model
from asr.support.parallel import ALONE
from asr.training import checkpoint, loop
from asr.training.learner import Learner
from asr.training.weight_noise import noisy

CPU = torch.device("cpu")


def recipe(encoder, **training):
    settings = {"epochs": 2, "batch": 16, "learning_rate": 0.01} | training
    units = {"kind": "characters", "alphabet": "abcd"}
    encoder = {"hidden": 8, "layers": 2} | encoder
    return config.parse({"units": units, "encoder": encoder, "training": settings}, "test")


class Killed(BaseException):
    """Like SIGKILL: no handler of the code runs."""


def tensors(out):
    return checkpoint.newest(out).tensors


def check_that_it_resumes(made, toy, tmp_path, monkeypatch):
    """Train at once, and in two parts; return the first run's rows and bundle."""
    loop.run(made, toy, tmp_path / "whole", CPU)
    real, calls = Learner.step, []

    def step(*args):
        calls.append(1)
        if len(calls) == 5:  # the second of the second epoch's three
            raise Killed
        return real(*args)

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(Killed):
        loop.run(made, toy, tmp_path / "parts", CPU)
    loop.run(made, toy, tmp_path / "parts", CPU)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys() and all(np.array_equal(whole[key], parts[key]) for key in whole)
    return bundle.load(tmp_path / "whole")


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_trains_is_saved_and_resumes_bit_exactly(name, toy, tmp_path, monkeypatch):
    pieces = {"direction": "forward", "dropout": 0.2}, {"truncate": 9}
    encoder, training = pieces if name == "gru" else ({}, {})
    made = recipe({"cell": name, **encoder}, **training)
    system = check_that_it_resumes(made, toy, tmp_path, monkeypatch)
    assert system.recipe.encoder.own["direction"] == ("forward" if name == "gru" else "both")
    fresh = bundle.build(made).model.state_dict()
    changed = [key for key, value in system.model.state_dict().items() if not torch.equal(value, fresh[key])]
    assert changed == list(fresh)


def test_weight_noise_and_halving_resume_bit_exactly_and_fixed_weights_stay(toy, tmp_path, monkeypatch):
    encoder = {"cell": "rnn", "radius": 0.9, "leak": [0.5]}
    training = {"optimizer": "sgd", "schedule": "halving", "weight_noise": 0.05, "clip_value": 0.5}
    made = recipe(encoder, **training)
    system = check_that_it_resumes(made, toy, tmp_path, monkeypatch)
    fresh = bundle.build(made).model.state_dict()
    for key, value in system.model.state_dict().items():
        assert torch.equal(value, fresh[key]) == ("weight_hh" in key), key


def test_noise_is_one_draw_and_goes_to_the_last_bit():
    weights = [torch.linspace(-1, 1, 4000), torch.zeros(3, 5)]
    before, found = [weight.clone() for weight in weights], []
    for seed in (1, 1, 2):
        with noisy(weights, 0.075, seed):
            found.append([weight.clone() for weight in weights])
        assert all(torch.equal(one, other) for one, other in zip(weights, before, strict=True))
    assert torch.equal(found[0][0], found[1][0]) and not torch.equal(found[0][0], found[2][0])
    assert float((found[0][0] - before[0]).std()) == pytest.approx(0.075, rel=0.05)


def test_gradients_are_those_at_the_noisy_weights():
    weight = torch.ones(3, requires_grad=True)
    with noisy([weight], 0.5, 1):
        there = weight.detach().clone()
        weight.square().sum().backward()
    assert torch.equal(weight.grad, 2 * there) and torch.equal(weight, torch.ones(3))


def learner(**settings):
    model = Model(features=3, units=5, cell=CELLS["lstm"], layers=1, hidden=4)
    return Learner(model, Training(learning_rate=0.4, **settings), 10, CPU, ALONE)


def test_the_rate_is_halved_as_often_as_the_loop_says():
    ours = learner(optimizer="sgd", schedule="halving", momentum=0.8)
    ours.halvings = 3
    assert ours.rate(0) == ours.rate(9) == 0.05
    ours = learner(optimizer="sgd", schedule="constant", momentum=0.8)
    ours.halvings = 3
    assert ours._rate_and_momentum(0) == ours._rate_and_momentum(9) == (0.4, 0.8)


def test_gradient_descent_has_the_settings_momentum():
    ours = learner(optimizer="sgd", schedule="halving", momentum=0.8, weight_decay=0.0)
    before = [parameter.detach().clone() for parameter in ours.model.parameters()]
    for parameter in ours.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    ours._update(0)
    ours._update(1)
    for parameter, old in zip(ours.model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, old - 0.4 * (1 + 1.8))


def test_an_unknown_optimizer_or_schedule_is_refused():
    with pytest.raises(AsrError, match="unknown optimizer 'adam': choose from adamw, sgd; did you mean 'adamw'"):
        learner(optimizer="adam")
    with pytest.raises(AsrError, match="unknown schedule 'half'"):
        learner(schedule="half")

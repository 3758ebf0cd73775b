"""Truncated back-propagation through time, beside plain loops that detach what they carry on."""

import weakref
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from asr import config, ctc
from asr.cells import CELLS, fused, recurrence
from asr.errors import AsrError
from asr.model import Model
from asr.training import learner, loop, truncation

FEATURES, HIDDEN, UNITS = 3, 4, 5
LENGTHS, TARGETS = torch.tensor([11, 4, 8]), torch.tensor([[1, 2, 1], [3, 0, 0], [4, 4, 0]])
COUNTS = torch.tensor([3, 1, 2])
STEPS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


def model(name, dtype=torch.float64, dropout=0.0, layers=2):
    torch.manual_seed(1)
    cell = partial(CELLS[name], direction="forward")
    made = Model(features=FEATURES, units=UNITS, cell=cell, layers=layers, hidden=HIDDEN, dropout=dropout)
    return made.to(dtype)


def inputs(dtype=torch.float64):
    return torch.randn(3, 11, FEATURES, generator=torch.Generator().manual_seed(2)).to(dtype)


def gradients(made, log_probs):
    """Return the CTC loss's gradients, by name."""
    made.zero_grad()
    ctc.loss(log_probs, LENGTHS, TARGETS, COUNTS).sum().backward()
    return {name: one.grad.clone() for name, one in made.named_parameters()}


def by_hand(made, name, frames):
    """Return log-probs of a stack of torch's single steps, detached before every so many frames."""
    hidden = inputs()
    for layer in made.cells:
        step = STEPS[name](hidden.shape[2], HIDDEN).double()
        own = dict(layer.named_parameters())
        theirs = {key: own[f"{key}_l0"] for key, _ in step.named_parameters()}
        state = torch.zeros(3, HIDDEN, dtype=torch.float64)
        state = (state, state) if name == "lstm" else state
        outputs = []
        for t in range(hidden.shape[1]):
            if t % frames == 0:
                state = tuple(one.detach() for one in state) if name == "lstm" else state.detach()
            state = torch.func.functional_call(step, theirs, (hidden[:, t], state))
            outputs.append(state[0] if name == "lstm" else state)
        hidden = torch.stack(outputs, dim=1)
    return F.linear(hidden, made.projection.weight, made.projection.bias).log_softmax(-1)


@pytest.mark.parametrize("frames", [1, 3, 5])
@pytest.mark.parametrize("name", STEPS)
def test_gradients_are_those_of_a_loop_that_detaches(name, frames):
    made = model(name)
    log_probs, _ = truncation.in_pieces(made, inputs(), LENGTHS, frames)
    ours = gradients(made, log_probs)
    made.zero_grad()
    losses = F.ctc_loss(by_hand(made, name, frames).transpose(0, 1), TARGETS, LENGTHS, COUNTS, reduction="sum", blank=0)
    losses.backward()
    for key, parameter in made.named_parameters():
        torch.testing.assert_close(ours[key], parameter.grad, atol=1e-12, rtol=1e-9, msg=key)


@pytest.mark.parametrize("name", CELLS)
def test_log_probs_are_those_of_the_whole_and_gradients_too_if_a_piece_is_as_long(name):
    made = model(name, torch.float32)
    whole, _ = made(inputs(torch.float32), LENGTHS)
    expected = gradients(made, whole)
    for frames in (3, 11, 50):
        log_probs, lengths = truncation.in_pieces(made, inputs(torch.float32), LENGTHS, frames)
        assert torch.equal(lengths, LENGTHS)
        for b, n in enumerate(LENGTHS.tolist()):
            torch.testing.assert_close(log_probs[b, :n], whole[b, :n], atol=1e-6, rtol=0)
        found = gradients(made, log_probs)
        same = [torch.equal(found[key], expected[key]) for key in found]
        assert all(same) if frames >= 11 else not all(same)


def test_what_is_computed_twice_has_the_same_dropout():
    made, features = model("lstm", dropout=0.5).train(), inputs()
    torch.manual_seed(3)
    ours = gradients(made, truncation.in_pieces(made, features, LENGTHS, 11)[0])
    torch.manual_seed(3)
    plain, _ = made.onward(features, LENGTHS, [])
    expected = gradients(made, plain)
    assert all(torch.equal(ours[key], expected[key]) for key in ours)


def test_a_process_may_begin_with_it():
    """The trial of the compiled walks then is inside what is computed twice, and happens once."""
    fused.works.cache_clear()
    made = model("lstm")
    ours = gradients(made, truncation.in_pieces(made, inputs(), LENGTHS, 5)[0])
    again = gradients(made, truncation.in_pieces(made, inputs(), LENGTHS, 5)[0])
    assert all(torch.equal(ours[key], again[key]) for key in ours)


def test_only_one_piece_is_kept_for_the_backward_pass_at_a_time(monkeypatch):
    alive, most = [0], [0]
    real = recurrence._reused

    def counted(rows, columns, dtype):
        array = real(rows, columns, dtype)
        alive[0] += rows
        most[0] = max(most[0], alive[0])
        weakref.finalize(array, lambda: alive.__setitem__(0, alive[0] - rows))
        return array

    monkeypatch.setattr(recurrence, "_reused", counted)
    made = model("lstm", torch.float32, layers=1)
    features, lengths = torch.randn(2, 200, FEATURES), torch.tensor([200, 200])
    log_probs, _ = truncation.in_pieces(made, features, lengths, 10)
    assert alive == [0] and most[0] > 0
    most[0] = 0
    log_probs.sum().backward()
    assert alive == [0] and 0 < most[0] <= 2 * (2 * 10 + 2)  # sums and states, of 10 frames and of the state before


def test_a_state_of_both_directions_is_refused(toy, tmp_path):
    parts = {"units": {"kind": "characters", "alphabet": "abcd"}, "training": {"truncate": 50}}
    made = config.parse(parts, "test")
    with pytest.raises(AsrError, match=r"training.truncate = 50: needs layers that only go forward in time, and enc"):
        loop.run(made, toy, tmp_path / "run", torch.device("cpu"))


def test_the_learner_truncates(monkeypatch, toy, tmp_path):
    asked = []
    real = truncation.in_pieces
    monkeypatch.setattr(learner.truncation, "in_pieces", lambda *args: asked.append(args[3]) or real(*args))
    encoder = {"hidden": 4, "layers": 1, "direction": "forward"}
    training = {"truncate": 20, "epochs": 1, "batch": 16, "learning_rate": 0.01}
    parts = {"units": {"kind": "characters", "alphabet": "abcd"}, "encoder": encoder, "training": training}
    loop.run(config.parse(parts, "test"), toy, tmp_path / "run", torch.device("cpu"))
    assert asked == [20] * 3

"""Cells that torch does not have, beside their equations written down once more from the papers, in plain NumPy."""

import numpy as np
import pytest
import torch
from torch import nn

from asr.cells import CELLS
from asr.cells.clockwork import moving
from asr.cells.mingru import scan
from asr.errors import AsrError
from asr.model import Model

FEATURES, HIDDEN, FRAMES = 3, 4, 7


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def peephole(x, w, gates="ifo", **_):
    p = {gate: w.get(f"peephole_{gate}", 0.0) for gate in "ifo"}
    h = c = np.zeros(HIDDEN)
    for now in x:
        i, f, g, o = (w["weight_ih"] @ now + w["weight_hh"] @ h + w["bias"]).reshape(4, -1)
        i, f = sigmoid(i + p["i"] * c), sigmoid(f + p["f"] * c)
        c = f * c + i * np.tanh(g)
        h = sigmoid(o + p["o"] * c) * np.tanh(c)
        yield h


def coupled(x, w, block=1):
    h = c = np.zeros(HIDDEN)
    gates = HIDDEN // block
    for now in x:
        i, g, o = np.split(w["weight_ih"] @ now + w["weight_hh"] @ h + w["bias"], [gates, gates + HIDDEN])
        i, o = (np.repeat(sigmoid(gate), block) for gate in (i, o))
        c = (1 - i) * c + i * np.tanh(g)
        h = o * np.tanh(c)
        yield h


def first(x, w, block=1, recurrence="gates"):
    gates = HIDDEN // block
    c, read = np.zeros(HIDDEN), np.zeros(w["weight_hh"].shape[1])
    for now in x:
        i, g, o = np.split(w["weight_ih"] @ now + w["weight_hh"] @ read + w["bias"], [gates, gates + HIDDEN])
        i, o = sigmoid(i), sigmoid(o)
        c = c + np.repeat(i, block) * (4 * sigmoid(g) - 2)
        h = np.repeat(o, block) * (2 * sigmoid(c) - 1)
        read = np.concatenate([h, i, o]) if recurrence == "gates" else h
        yield h


def before(x, w, **_):
    h = np.zeros(HIDDEN)
    wr, wz, wn = np.split(w["weight_ih_l0"], 3)
    ur, uz, un = np.split(w["weight_hh_l0"], 3)
    br, bz, bn = np.split(w["bias_ih_l0"] + w["bias_hh_l0"], 3)
    for now in x:
        r, z = sigmoid(wr @ now + ur @ h + br), sigmoid(wz @ now + uz @ h + bz)
        h = (1 - z) * np.tanh(wn @ now + un @ (r * h) + bn) + z * h
        yield h


def leaky(x, w, activation="tanh", leak=(1.0,), **_):
    h, a = np.zeros(HIDDEN), np.repeat(leak, HIDDEN // len(leak))
    for now in x:
        total = w["weight_ih_l0"] @ now + w["weight_hh_l0"] @ h + w["bias_ih_l0"] + w["bias_hh_l0"]
        h = (1 - a) * h + a * (np.tanh(total) if activation == "tanh" else np.maximum(total, 0))
        yield h


def minimal(x, w):
    h = np.zeros(HIDDEN)
    for now in x:
        z, v = (w["weight_ih"] @ now + w["bias"]).reshape(2, -1)
        z = sigmoid(z)
        h = (1 - z) * h + z * np.where(v >= 0, v + 0.5, sigmoid(v))
        yield h


def clockwork(x, w, modules=4):
    size, h = HIDDEN // modules, np.zeros(HIDDEN)
    u, left = np.zeros((HIDDEN, HIDDEN)), iter(w["weight_hh"].ravel())
    for row in range(HIDDEN):
        for column in range(row // size * size, HIDDEN):
            u[row, column] = next(left)
    for t, now in enumerate(x):
        new = np.tanh(w["weight_ih"] @ now + u @ h + w["bias"])
        moves = np.array([t % 2 ** (unit // size) == 0 for unit in range(HIDDEN)])
        h = np.where(moves, new, h)
        yield h


def plain_lstm(x, w):
    return peephole(x, w)


REFERENCES = [
    ("lstm-peephole", {}, peephole),
    ("lstm-peephole", {"gates": "o"}, peephole),
    ("lstm-coupled", {}, coupled),
    ("lstm-coupled", {"block": 2}, coupled),
    ("lstm-1997", {}, first),
    ("lstm-1997", {"block": 2}, first),
    ("lstm-1997", {"block": 2, "recurrence": "cells"}, first),
    ("gru", {"reset": "before"}, before),
    ("rnn", {"activation": "relu"}, leaky),
    ("rnn", {"activation": "relu", "leak": (0.5, 0.125), "identity": 1.0}, leaky),
    ("rnn", {"leak": (0.25,), "radius": 0.9}, leaky),
    ("mingru", {}, minimal),
    ("clockwork", {}, clockwork),
    ("clockwork", {"modules": 2}, clockwork),
    ("lstm-depth-gated", {}, plain_lstm),
]


def made(name, own, dtype=torch.float32):
    """Return a cell with all parameters moved from what they are initialized to."""
    torch.manual_seed(1)
    cell = CELLS[name](FEATURES, HIDDEN, **own).to(dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return cell


def weights(cell, suffix):
    found = {name: one.detach().double().numpy() for name, one in cell.named_parameters()}
    return {
        name.removesuffix("_reverse"): one for name, one in found.items() if name.endswith("_reverse") == bool(suffix)
    }


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize(("name", "own", "reference"), REFERENCES, ids=lambda one: getattr(one, "__name__", str(one)))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_outputs_are_those_of_the_papers_equations(name, own, reference, dtype, monkeypatch):
    """In single precision by the compiled walks, if there are any; in double precision by torch."""
    cell, inputs = made(name, own, dtype), numbers(2, FRAMES, FEATURES)
    if dtype == torch.float64:
        monkeypatch.setattr(cell, "_compiled", lambda inputs: False)
    lengths = [FRAMES, 4]
    outputs = cell(inputs.to(dtype), torch.tensor(lengths)).detach().double().numpy()
    for row, length in enumerate(lengths):
        x = inputs[row, :length].numpy()
        forward = list(reference(x, weights(cell, ""), **own))
        backward = list(reference(x[::-1], weights(cell, "_reverse"), **own))[::-1]
        expected = np.concatenate([forward, backward], axis=1)
        np.testing.assert_allclose(outputs[row, :length], expected, atol=1e-12 if dtype == torch.float64 else 2e-6)


def test_a_projection_is_torchs():
    cell = made("lstm", {"projection": 2}, torch.float64)
    theirs = nn.LSTM(FEATURES, HIDDEN, batch_first=True, bidirectional=True, proj_size=2).double()
    theirs.load_state_dict(cell.state_dict())
    inputs = numbers(2, FRAMES, FEATURES)
    torch.testing.assert_close(cell(inputs, torch.full((2,), FRAMES)), theirs(inputs)[0], atol=1e-14, rtol=0)


def test_a_gate_lets_the_cell_state_of_the_layer_below_in():
    torch.manual_seed(1)
    lower, upper = (CELLS["lstm-depth-gated"](size, HIDDEN).double() for size in (FEATURES, 2 * HIDDEN))
    upper.stand_on(lower)
    upper.double()
    inputs, states = numbers(1, FRAMES, FEATURES), []
    lengths = torch.tensor([FRAMES])
    below = lower(inputs, lengths, states)
    found = upper(below, lengths, states).detach().numpy()[0]
    assert [one.shape for one in states] == [(1, FRAMES, 2 * HIDDEN)] * 2
    for side, suffix in enumerate(("", "_reverse")):
        w, order = weights(upper, suffix), slice(None, None, -1 if side else 1)
        half = slice(side * HIDDEN, (side + 1) * HIDDEN)
        h = c = np.zeros(HIDDEN)
        for t in range(FRAMES)[order]:
            x, low = below[0, t].detach().numpy(), states[0][0, t, half].detach().numpy()
            i, f, g, o = (w["weight_ih"] @ x + w["weight_hh"] @ h + w["bias"]).reshape(4, -1)
            d = sigmoid(w["weight_id"] @ x + w["depth_c"] * c + w["depth_l"] * low + w["bias_d"])
            c = d * low + sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            np.testing.assert_allclose(found[t, half], h, atol=1e-13)


def count(name, features=FEATURES, hidden=HIDDEN, **own):
    cell = CELLS[name](features, hidden, direction="forward", **own)
    return sum(parameter.numel() for parameter in cell.parameters() if parameter.requires_grad)


def test_the_numbers_of_weights_are_those_that_the_files_state():
    f, h = 3, 4
    assert count("lstm") == 4 * h * (f + h) + 8 * h
    assert count("lstm", projection=2) == 4 * h * (f + 2) + 8 * h + 2 * h
    assert count("lstm-peephole") == 4 * h * (f + h) + 7 * h and count("lstm-peephole", gates="") == 4 * h * (f + h + 1)
    assert count("lstm-coupled") == 3 * h * (f + h + 1)
    assert count("lstm-depth-gated") == 4 * h * (f + h + 1)
    assert count("gru") == count("gru", reset="before") == 3 * h * (f + h) + 6 * h
    assert count("mingru") == 2 * h * (f + 1)
    assert count("rnn") == count("rnn", leak=(0.5,)) == h * (f + h) + 2 * h
    assert count("rnn", radius=0.9) == h * f + 2 * h
    assert count("clockwork") == h * f + h + 5 * h * h // 8
    assert count("clockwork", hidden=8, modules=8) == 8 * f + 8 + 36


@pytest.mark.parametrize(
    ("features", "blocks", "size", "outputs", "published"), [(2, 2, 2, 1, 93), (8, 2, 2, 4, 156), (8, 3, 2, 8, 308)]
)
def test_the_networks_of_1997_have_the_published_numbers_of_weights(features, blocks, size, outputs, published):
    """Tasks 4, 6a and 6b; their outputs read the cells and have a bias."""
    hidden = blocks * size
    assert count("lstm-1997", features, hidden, block=size) + outputs * (hidden + 1) == published


def test_initial_biases_are_those_of_the_settings():
    bias = CELLS["lstm-peephole"](3, 400, forget_bias=2.0).bias
    assert (bias[400:800] == 2).all() and (bias[:400] == 0).all()
    assert (CELLS["lstm-coupled"](3, 4, forget_bias=2.0).bias[:4] == -2).all()
    torch.manual_seed(1)
    lstm = CELLS["lstm"](3, 400, chrono=101)
    forget = (lstm.bias_ih_l0 + lstm.bias_hh_l0)[400:800]
    assert torch.equal(lstm.bias_ih_l0[:400], -forget) and not lstm.bias_hh_l0[:800].any()
    assert 1 <= forget.exp().min() < 5 and 95 < forget.exp().max() <= 100
    chrono = CELLS["lstm-coupled"](3, 400, chrono=101).bias[:400]
    assert (chrono <= 0).all() and chrono.exp().min() < 0.011


def test_fixed_weights_have_the_spectral_radius_and_are_not_trained():
    cell = CELLS["rnn"](3, 40, radius=0.9)
    radii = [np.abs(np.linalg.eigvals(w.detach().double().numpy())).max() for _, w, *_ in cell._weights()]
    assert radii == pytest.approx([0.9, 0.9], abs=1e-6)
    trained = [name for name, one in cell.named_parameters() if one.requires_grad]
    assert trained and not any("hh" in name and "weight" in name for name in trained)
    assert not any("leak" in name for name in cell.state_dict())


def test_the_clocks_of_a_clockwork_network():
    assert [moving(t, 4) for t in range(9)] == [4, 1, 2, 1, 3, 1, 2, 1, 4]


def test_the_scan_is_the_recurrence():
    kept, added = numbers(2, 2, 37, 3).sigmoid().unbind(0)
    h, expected = torch.zeros(2, 3, dtype=torch.float64), []
    for t in range(37):
        h = kept[:, t] * h + added[:, t]
        expected.append(h)
    torch.testing.assert_close(scan(kept, added), torch.stack(expected, dim=1), atol=1e-14, rtol=0)


@pytest.mark.parametrize(
    ("name", "own", "message"),
    [
        ("lstm", {"projection": 4}, "encoder.projection = 4: must be at least 0 and at most 3"),
        ("lstm", {"chrono": 2}, "encoder.chrono = 2: must be at least 3"),
        ("lstm-peephole", {"gates": "ix"}, "encoder.gates = 'ix': use some of the letters ifo"),
        ("lstm-coupled", {"block": 3}, "encoder.block = 3: must divide the 4 hidden units"),
        ("lstm-1997", {"block": 0}, "encoder.block = 0: must divide"),
        ("lstm-1997", {"recurrence": "all"}, "unknown recurrence 'all'"),
        ("gru", {"reset": "never"}, "unknown reset 'never'"),
        ("rnn", {"activation": "sin"}, "unknown activation 'sin'"),
        ("rnn", {"leak": (0.0,)}, "encoder.leak = 0: must be at least 1e-06 and at most 1"),
        ("rnn", {"leak": (0.1, 0.2, 0.3, 0.4, 0.5)}, "encoder.leak: has 5 values for 4 units"),
        ("rnn", {"radius": -1.0}, "encoder.radius = -1: must be"),
        ("clockwork", {"modules": 3}, "encoder.modules = 3: must divide the 4 hidden units"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_in_one_line(name, own, message):
    with pytest.raises(AsrError, match=message):
        CELLS[name](FEATURES, HIDDEN, **own)


@pytest.mark.parametrize("direction", ["both", "forward"])
@pytest.mark.parametrize("name", CELLS)
def test_a_stack_of_any_cell_gives_an_utterance_the_same_log_probs_in_any_batch(name, direction):
    torch.manual_seed(1)

    def cell(features, hidden):
        return CELLS[name](features, hidden, direction=direction)

    model = Model(features=3, units=5, cell=cell, layers=3, hidden=4, norm=True).eval()
    inputs, lengths = numbers(2, 9, 3).float(), torch.tensor([9, 4])
    together, _ = model(inputs, lengths)
    alone, _ = model(inputs[1:, :4], lengths[1:])
    torch.testing.assert_close(together[1, :4], alone[0], atol=1e-6, rtol=0)

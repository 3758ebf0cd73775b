"""What every cell of the table must do: the line that registers a new one tests it. Variants are settings of a cell."""

from copy import deepcopy

import pytest
import torch
from torch.overrides import TorchFunctionMode

from asr.cells import CELLS
from asr.cells.layer import TorchLayer
from asr.errors import AsrError
from asr.support.device import computing_on

DEVICE = "cuda"
FEATURES, HIDDEN = 5, 4
LENGTHS = torch.tensor([9, 1, 6])
VARIANTS = [
    ("lstm", {"projection": 2}),
    ("lstm-peephole", {"gates": "o"}),
    ("lstm-coupled", {"block": 2}),
    ("lstm-1997", {"block": 2}),
    ("lstm-1997", {"recurrence": "cells", "block": 2}),
    ("gru", {"reset": "before"}),
    ("rnn", {"activation": "relu", "identity": 1.0}),
    ("rnn", {"leak": (0.5, 0.1)}),
    ("clockwork", {"modules": 2}),
]


def named(variant):
    return " ".join([variant[0], *map(str, variant[1].values())])


@pytest.fixture(params=[*((name, {}) for name in CELLS), *VARIANTS], ids=named)
def cell(request):
    torch.manual_seed(1)
    name, own = request.param
    return CELLS[name](FEATURES, HIDDEN, **own)


def inputs():
    return torch.randn(3, 9, FEATURES, generator=torch.Generator().manual_seed(2))


def test_the_output_contains_both_directions(cell):
    assert cell.directions == 2 and cell.size % 2 == 0
    assert cell(inputs(), LENGTHS).shape == (3, 9, cell.size)


@pytest.mark.parametrize("name", CELLS)
def test_a_layer_forward_in_time_is_the_first_half_of_one_in_both_directions(name):
    torch.manual_seed(1)
    both, forward = CELLS[name](FEATURES, HIDDEN), CELLS[name](FEATURES, HIDDEN, direction="forward")
    assert forward.size * 2 == both.size and not any(key.endswith("reverse") for key in forward.state_dict())
    forward.load_state_dict({key: both.state_dict()[key] for key in forward.state_dict()})
    values = inputs().requires_grad_()
    outputs = forward(values, LENGTHS)
    torch.testing.assert_close(outputs, both(values, LENGTHS)[:, :, : forward.size], atol=1e-6, rtol=0)
    outputs[:, 2].sum().backward()
    assert (values.grad[:, 3:] == 0).all() and (values.grad[0, :3] != 0).any()


@pytest.mark.parametrize("name", CELLS)
def test_an_unknown_direction_is_refused(name):
    with pytest.raises(AsrError, match="unknown direction 'backward': choose from both, forward"):
        CELLS[name](FEATURES, HIDDEN, direction="backward")


def outcome(cell, call):
    cell.zero_grad()
    values = inputs().requires_grad_()
    outputs = call(values)
    outputs.square().sum().backward()
    grads = {name: one.grad.clone() for name, one in cell.named_parameters() if one.requires_grad}
    return {"outputs": outputs.detach(), "inputs": values.grad} | grads


def test_the_compiled_walks_give_what_torch_gives_with_all_gradients(cell):
    if cell.equations is None:
        pytest.skip("runs in torch only")
    assert cell._compiled(inputs())
    ours = outcome(cell, lambda x: cell(x, LENGTHS))
    torchs = outcome(cell, lambda x: cell._reversed(x, LENGTHS, cell._weights()))
    for name, one in ours.items():
        torch.testing.assert_close(one, torchs[name], atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_what_the_cpu_gives_with_all_gradients(cell):
    there = deepcopy(cell).to(DEVICE)
    with computing_on(DEVICE):  # without TF32
        found = outcome(there, lambda x: there(x.to(DEVICE), LENGTHS).cpu())
    for name, one in outcome(cell, lambda x: cell(x, LENGTHS)).items():
        torch.testing.assert_close(found[name].cpu(), one, atol=1e-5, rtol=1e-5, msg=name)


def test_the_compiled_walks_give_the_same_bits_in_any_batch(cell):
    if cell.equations is None:
        pytest.skip("runs in torch only")
    together = cell(inputs(), LENGTHS)
    for b, n in enumerate(LENGTHS.tolist()):
        assert torch.equal(together[b, :n], cell(inputs()[b : b + 1, :n], LENGTHS[b : b + 1])[0])


@pytest.mark.parametrize(("name", "own"), [*((name, {}) for name in CELLS), *VARIANTS], ids=str)
def test_a_layer_forward_in_time_goes_on_where_it_stopped(name, own):
    """To the last bit where it is compiled; the state's route through torch gives the same."""
    torch.manual_seed(1)
    layer, values = CELLS[name](FEATURES, HIDDEN, direction="forward", **own), inputs()
    whole = layer(values, torch.tensor([9, 9, 9]))
    for compiled in (True, False) if layer.equations else (False,):
        if not compiled:
            layer._compiled = lambda inputs: False
        state, pieces = [], []
        for start in (0, 1, 5):
            piece = values[:, start : {0: 1, 1: 5, 5: 9}[start]]
            outputs, state = layer.onward(piece, torch.full((3,), piece.shape[1]), state)
            pieces.append(outputs)
            assert not any(one.requires_grad for one in state)
        found = torch.cat(pieces, dim=1)
        torch.testing.assert_close(found, whole, atol=0 if compiled else 1e-6, rtol=0)


@pytest.mark.parametrize(("name", "own"), [*((name, {}) for name in CELLS), *VARIANTS], ids=str)
def test_gradients_of_a_piece_are_those_of_torch_in_double_precision(name, own):
    torch.manual_seed(1)
    layer = CELLS[name](FEATURES, HIDDEN, direction="forward", **own)
    state = layer.onward(inputs()[:2], torch.tensor([9, 9]), [])[1]
    lengths = torch.tensor([4, 2])
    ours = outcome(layer, lambda x: layer.onward(x[:2, :4], lengths, state)[0])
    double, state = layer.double(), [one.double() for one in state]
    double._compiled = lambda inputs: False
    torchs = outcome(double, lambda x: double.onward(x[:2, :4].double(), lengths, state)[0])
    for key, one in ours.items():
        torch.testing.assert_close(one.double(), torchs[key].double(), atol=1e-5, rtol=1e-5, msg=key)


def test_frames_beyond_a_length_come_out_as_zero(cell):
    outputs = cell(inputs(), LENGTHS)
    assert all((outputs[b, n:] == 0).all() for b, n in enumerate(LENGTHS.tolist()))


def test_padding_changes_no_result(cell):
    together = cell(inputs(), LENGTHS)
    for b, n in enumerate(LENGTHS.tolist()):
        alone = cell(inputs()[b : b + 1, :n], LENGTHS[b : b + 1])
        torch.testing.assert_close(together[b, :n], alone[0], atol=1e-6, rtol=0)


def test_the_contents_of_padding_change_no_result_and_get_no_gradient(cell):
    poisoned = inputs()
    for b, n in enumerate(LENGTHS.tolist()):
        poisoned[b, n:] = 1e4
    poisoned.requires_grad_()
    outputs = cell(poisoned, LENGTHS)
    torch.testing.assert_close(outputs, cell(inputs(), LENGTHS), atol=1e-6, rtol=0)
    outputs.square().sum().backward()
    assert all((poisoned.grad[b, n:] == 0).all() for b, n in enumerate(LENGTHS.tolist()))


def test_the_first_frame_depends_on_the_last_and_the_last_on_the_first(cell):
    changed = inputs()
    changed[0, 8] += 1
    changed[0, 0] -= 1
    before, after = cell(inputs(), LENGTHS)[0], cell(changed, LENGTHS)[0]
    assert (before[0] != after[0]).any() and (before[8] != after[8]).any()


@pytest.mark.parametrize("variant", [*((name, {}) for name in CELLS), *VARIANTS], ids=named)
def test_gradients_are_those_of_finite_differences(variant, monkeypatch):
    """Compiled in double precision for the three cells that torch has; the others' torch, which is compared above.

    Each weight is moved by itself, so network and batch are as small as blocks and modules allow.
    """
    torch.manual_seed(1)
    name, own = variant
    cell = CELLS[name](3, 4 if own or name == "clockwork" else 2, **own).double()
    if not isinstance(cell, TorchLayer) or cell.equations not in (type(cell)(1, 2).equations,):
        monkeypatch.setattr(cell, "_compiled", lambda inputs: False)
    values = inputs()[:2, :3, :3].double().requires_grad_()
    lengths = torch.tensor([3, 2])
    assert torch.autograd.gradcheck(lambda x, *_: cell(x, lengths), (values, *cell.parameters()))


class Types(TorchFunctionMode):
    """Records the types of all tensors that torch's functions return, and what autocast would do to recurrent ones."""

    def __init__(self):
        super().__init__()
        self.seen, self.left_to_autocast = set(), []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in ("lstm", "gru", "rnn_tanh", "rnn_relu") and torch.is_autocast_enabled("cpu"):
            self.left_to_autocast.append(name)
        found = function(*args, **(kwargs or {}))
        self.seen |= {one.dtype for one in (found if isinstance(found, tuple) else (found,)) if torch.is_tensor(one)}
        return found


@pytest.mark.parametrize("compiled", [True, False])
def test_under_autocast_nothing_runs_in_float16(cell, compiled, monkeypatch):
    """Autocast knows no type but float16 for torch's recurrent calls on CUDA, and in it small gradients vanish."""
    if not compiled and hasattr(cell, "_compiled"):
        monkeypatch.setattr(cell, "_compiled", lambda inputs: False)
    expected = cell(inputs(), LENGTHS)
    with torch.autocast("cpu", torch.bfloat16), Types() as types:
        outputs = cell(inputs(), LENGTHS)
    assert torch.float16 not in types.seen and types.left_to_autocast == []
    assert outputs.dtype in (torch.bfloat16, torch.float32)
    torch.testing.assert_close(outputs.float(), expected, atol=0.03, rtol=0)
    outputs.float().sum().backward()
    assert {parameter.grad.dtype for parameter in cell.parameters()} == {torch.float32}

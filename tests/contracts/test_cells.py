"""What every cell of the table must do: the line that registers a new one tests it."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from asr.cells import CELLS

FEATURES, HIDDEN = 5, 4
LENGTHS = torch.tensor([9, 1, 6])


@pytest.fixture(params=CELLS)
def cell(request):
    torch.manual_seed(1)
    return CELLS[request.param](FEATURES, HIDDEN)


def inputs():
    return torch.randn(3, 9, FEATURES, generator=torch.Generator().manual_seed(2))


def test_the_output_contains_both_directions(cell):
    assert cell(inputs(), LENGTHS).shape == (3, 9, 2 * HIDDEN)


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


def test_gradients_are_those_of_finite_differences(cell):
    double = cell.double()
    values = inputs()[:2, :4].double().requires_grad_()
    lengths = torch.tensor([4, 2])
    assert torch.autograd.gradcheck(lambda x, *_: double(x, lengths), (values, *double.parameters()))


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

"""What holds for every cell of the table: the line that registers a newcomer tests it."""

import pytest
import torch

from asr.cells import CELLS

FEATURES, HIDDEN = 5, 4
LENGTHS = torch.tensor([9, 1, 6])


@pytest.fixture(params=CELLS)
def cell(request):
    torch.manual_seed(1)
    return CELLS[request.param](FEATURES, HIDDEN)


def inputs():
    return torch.randn(3, 9, FEATURES, generator=torch.Generator().manual_seed(2))


def test_the_output_holds_both_directions(cell):
    assert cell(inputs(), LENGTHS).shape == (3, 9, 2 * HIDDEN)


def test_frames_beyond_a_length_come_out_as_zero(cell):
    outputs = cell(inputs(), LENGTHS)
    assert all((outputs[b, n:] == 0).all() for b, n in enumerate(LENGTHS.tolist()))


def test_padding_changes_no_result(cell):
    together = cell(inputs(), LENGTHS)
    for b, n in enumerate(LENGTHS.tolist()):
        alone = cell(inputs()[b : b + 1, :n], LENGTHS[b : b + 1])
        torch.testing.assert_close(together[b, :n], alone[0], atol=1e-6, rtol=0)


def test_what_stands_in_the_padding_changes_no_result_and_gets_no_gradient(cell):
    poisoned = inputs()
    for b, n in enumerate(LENGTHS.tolist()):
        poisoned[b, n:] = 1e4
    poisoned.requires_grad_()
    outputs = cell(poisoned, LENGTHS)
    torch.testing.assert_close(outputs, cell(inputs(), LENGTHS), atol=1e-6, rtol=0)
    outputs.square().sum().backward()
    assert all((poisoned.grad[b, n:] == 0).all() for b, n in enumerate(LENGTHS.tolist()))


def test_the_first_frame_hears_the_last_and_the_last_the_first(cell):
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

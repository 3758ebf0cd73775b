"""What holds for every front end of the table: the line that registers a newcomer tests it."""

import inspect

import pytest
import torch

from asr.frontends import FRONTENDS, strided

FEATURES, BLOCKS = 12, 2
LENGTHS = torch.tensor([9, 1, 6, 8])
SETTINGS = {"stride": 1, "channels": 3, "depth": 2}


@pytest.fixture(params=[(kind, stride) for kind in FRONTENDS for stride in (1, 2, 3)], ids=lambda p: f"{p[0]}-{p[1]}")
def frontend(request):
    kind, stride = request.param
    torch.manual_seed(1)
    accepted = inspect.signature(FRONTENDS[kind]).parameters
    settings = {key: value for key, value in (SETTINGS | {"stride": stride}).items() if key in accepted}
    return FRONTENDS[kind](FEATURES, BLOCKS, **settings)


def inputs():
    return torch.randn(4, 9, FEATURES, generator=torch.Generator().manual_seed(2))


def test_there_is_an_output_frame_for_each_stride_begun(frontend):
    outputs, lengths = frontend(inputs(), LENGTHS)
    assert lengths.dtype == torch.int64
    assert lengths.tolist() == [-(-n // frontend.stride) for n in LENGTHS.tolist()]
    assert outputs.shape == (4, strided(9, frontend.stride), frontend.dimension)


def test_padding_changes_no_result(frontend):
    together, lengths = frontend(inputs(), LENGTHS)
    for b, n in enumerate(LENGTHS.tolist()):
        alone, _ = frontend(inputs()[b : b + 1, :n], LENGTHS[b : b + 1])
        torch.testing.assert_close(together[b, : lengths[b]], alone[0], atol=1e-6, rtol=0)


def test_what_is_in_the_padding_changes_no_result_and_gets_no_gradient(frontend):
    poisoned = inputs()
    for b, n in enumerate(LENGTHS.tolist()):
        poisoned[b, n:] = 1e4
    poisoned.requires_grad_()
    outputs, lengths = frontend(poisoned, LENGTHS)
    expected, _ = frontend(inputs(), LENGTHS)
    kept = [(outputs[b, :n], expected[b, :n]) for b, n in enumerate(lengths.tolist())]
    for found, wanted in kept:
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    sum(found.square().sum() for found, _ in kept).backward()
    assert all((poisoned.grad[b, n:] == 0).all() for b, n in enumerate(LENGTHS.tolist()))


def test_an_output_frame_covers_the_input_frames_of_its_time(frontend):
    """And context on either side at most as far as the frame's own, so times of units stay what they are."""
    reach = 2 if "Convolution" in type(frontend).__name__ else 0  # two convolutions of three frames
    before, lengths = frontend(inputs(), LENGTHS)
    for t in range(9):
        changed = inputs()
        changed[0, t] += 1
        after, _ = frontend(changed, LENGTHS)
        differs = {u for u in range(int(lengths[0])) if (after[0, u] != before[0, u]).any()}
        stride = frontend.stride
        allowed = {u for u in range(int(lengths[0])) if u * stride - reach <= t < (u + 1) * stride + reach}
        assert t // stride in differs and differs <= allowed


def test_gradients_are_those_of_finite_differences(frontend):
    double, values = frontend.double(), inputs()[:2, :5].double().requires_grad_()
    lengths = torch.tensor([5, 2])

    def called(x, *_):
        outputs, found = double(x, lengths)
        return torch.cat([outputs[b, :n].flatten() for b, n in enumerate(found.tolist())])

    assert torch.autograd.gradcheck(called, (values, *double.parameters()))

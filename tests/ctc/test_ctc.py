import itertools
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
import torch
import torch.nn.functional as F

from asr import ctc
from asr.ctc import autograd
from asr.decoders import collapse
from asr.errors import InputError


def emissions(shape, seed, spread=1.0):
    logits = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (spread * logits).log_softmax(-1)


def lengthwise(*targets):
    """Return targets padded, and their lengths."""
    padded = torch.zeros(len(targets), max(map(len, targets)), dtype=torch.int64)
    for row, target in enumerate(targets):
        padded[row, : len(target)] = torch.tensor(target, dtype=torch.int64)
    return padded, torch.tensor([len(target) for target in targets])


def ours(log_probs, lengths, *targets):
    """Return losses and their gradient."""
    values = log_probs.clone().requires_grad_()
    losses = ctc.loss(values, torch.tensor(lengths), *lengthwise(*targets))
    losses.sum().backward()
    return losses.detach(), values.grad


def of_torch(log_probs, lengths, *targets):
    """Return torch's losses, and −posterior, to which its gradient adds the probabilities."""
    values = log_probs.double().clone().requires_grad_()
    padded, counts = lengthwise(*targets)
    losses = F.ctc_loss(values.transpose(0, 1), padded, torch.tensor(lengths), counts, reduction="none")
    losses.sum().backward()
    inside = torch.arange(log_probs.shape[1]) < torch.tensor(lengths)[:, None]
    return losses.detach(), values.grad - values.detach().exp() * inside[:, :, None]


def agree(log_probs, lengths, *targets, tolerance=1e-11):
    """Compare with torch; its float64 logarithms know a sum of so many nats no better than to 1e-14 of them."""
    (loss, gradient), (torchs, of_torchs) = ours(log_probs, lengths, *targets), of_torch(log_probs, lengths, *targets)
    tolerance = max(tolerance, 1e-14 * float(torchs.max()))
    torch.testing.assert_close(loss.double(), torchs, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(gradient.double(), of_torchs, rtol=0, atol=tolerance)
    inside = torch.arange(log_probs.shape[1]) < torch.tensor(lengths)[:, None]
    torch.testing.assert_close(-gradient.double().sum(-1), inside.double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("frames", [3, 5])
@pytest.mark.parametrize("target", [[], [1], [1, 2], [1, 1], [2, 1, 2], [3, 3], [1, 2, 3]])
def test_loss_and_gradient_are_those_of_all_paths_enumerated(target, frames):
    log_probs = emissions((frames, 4), seed=len(target), spread=2.0).requires_grad_()
    paths = [path for path in itertools.product(range(4), repeat=frames) if collapse(path) == tuple(target)]
    rows = torch.arange(frames)
    by_definition = -torch.stack([log_probs[rows, list(path)].sum() for path in paths]).logsumexp(0)
    (gradient,) = torch.autograd.grad(by_definition, log_probs)
    loss, found = ours(log_probs.detach()[None], [frames], target)
    torch.testing.assert_close(loss[0], by_definition.detach(), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(found[0], gradient, rtol=0, atol=1e-14)


def test_the_gradient_is_that_of_small_differences():
    log_probs = emissions((2, 6, 4), seed=5).requires_grad_()
    lengths, (targets, counts) = torch.tensor([6, 4]), lengthwise([1, 1, 3], [2])
    assert torch.autograd.gradcheck(lambda values: ctc.loss(values, lengths, targets, counts), (log_probs,))


@pytest.mark.parametrize("spread", [0.0, 1.0, 5.0, 40.0, 400.0])
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_are_those_of_torch_in_float64(seed, spread):
    generator = torch.Generator().manual_seed(seed)
    units, counts = 2 + 9 * seed, [0, 1, 2, 7, 8, 15, 40]
    targets = [torch.randint(1, units, (count,), generator=generator).tolist() for count in counts]
    spare = [1, 0, 0, 30, 0, 5, 60]  # frames more than are needed
    lengths = [ctc.frames_needed(target) + more for target, more in zip(targets, spare, strict=True)]
    agree(emissions((len(targets), max(lengths) + 3, units), seed, spread), lengths, *targets)


def test_float32_goes_in_and_comes_out():
    log_probs = emissions((3, 50, 20), seed=1).float()
    agree(log_probs, [50, 20, 33], [3, 3, 1], [5] * 9, [], tolerance=1e-5)
    assert [values.dtype for values in ours(log_probs, [50, 20, 33], [1], [2], [3])] == [torch.float32] * 2
    loss, gradient = ours(log_probs.bfloat16(), [50, 20, 33], [1], [2], [3])
    assert (loss.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)


def test_at_the_logits_the_gradient_is_torchs():
    found = []
    for loss in (ctc.loss, lambda values, *rest: of_library(values, *rest)):
        logits = torch.randn(2, 40, 9, generator=torch.Generator().manual_seed(4)).requires_grad_()
        lengths, (targets, counts) = torch.tensor([40, 25]), lengthwise([1, 2, 2, 3], [8, 7])
        (loss(logits.log_softmax(-1), lengths, targets, counts) * torch.tensor([0.5, 2.0])).sum().backward()
        found.append(logits.grad)
    torch.testing.assert_close(*found, rtol=0, atol=1e-5)


def of_library(log_probs, lengths, targets, target_lengths):
    return F.ctc_loss(log_probs.transpose(0, 1), targets, lengths, target_lengths, reduction="none")


def forced(frames, units, said, other):
    """Return emissions (1, T, V) that say one unit for certain in each frame and give the others `other` nats."""
    log_probs = torch.full((1, frames, units), other, dtype=torch.float64)
    log_probs[0, torch.arange(frames), said] = 0.0
    return log_probs


@pytest.mark.parametrize("other", [-3.0, -1000.0, -1e6])
def test_nothing_underflows_in_three_thousand_frames(other):
    target = torch.randint(1, 6, (300,), generator=torch.Generator().manual_seed(0)).tolist()
    said = torch.randint(0, 6, (3000,), generator=torch.Generator().manual_seed(1))
    agree(forced(3000, 6, said, other), [3000], target, tolerance=1e-9)  # what is said is not the target
    agree(torch.full((1, 3000, 6), other, dtype=torch.float64).log_softmax(-1), [3000], target, tolerance=1e-9)


@pytest.mark.parametrize("cost", [-800.0, -5000.0])
def test_a_state_e_to_the_minus_800_below_the_best_may_be_all_that_survives(cost):
    # Ten frames say blank; the ten after them say unit 2 and leave no way back to unit 1. So unit 1 was said in one of
    # the first ten, beside a blank e to the 800 more probable.
    log_probs = torch.full((1, 20, 3), 3 * cost, dtype=torch.float64)
    log_probs[0, :10, 0], log_probs[0, :10, 1], log_probs[0, 10:, 2] = 0.0, cost, 0.0
    loss, gradient = ours(log_probs, [20], [1, 2])
    assert float(loss) == pytest.approx(-cost - math.log(10), abs=1e-11)
    torch.testing.assert_close(gradient[0, :10, 1], torch.full((10,), -0.1, dtype=torch.float64), rtol=1e-12, atol=0)
    agree(log_probs, [20], [1, 2])


def test_off_the_path_minus_infinity_does_no_harm():
    said = [0, 1, 1, 0, 2, 0]
    loss, gradient = ours(forced(6, 4, said, -float("inf")), [6], [1, 2])
    assert float(loss) == 0.0
    torch.testing.assert_close(gradient[0], -F.one_hot(torch.tensor(said), 4).double(), rtol=0, atol=0)


@pytest.mark.parametrize("no", [-float("inf"), torch.finfo(torch.float32).min, -1e30])
def test_where_no_path_is_possible_the_loss_is_infinite(no):
    loss, gradient = ours(forced(6, 4, [0, 1, 1, 0, 2, 0], no), [6], [1, 3])
    assert float(loss) == float("inf")
    assert gradient.isnan().all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("unit", [0, 2, 4])
def test_a_nan_or_infinity_affects_only_its_own_utterance(bad, unit):
    log_probs = emissions((3, 9, 5), seed=2)
    clean = ours(log_probs, [9, 9, 7], [1, 2], [1, 2], [3])
    log_probs[1, 4, unit] = log_probs[2, 8, unit] = bad  # the second lies beyond its utterance's end
    loss, gradient = ours(log_probs, [9, 9, 7], [1, 2], [1, 2], [3])
    assert loss[1].isnan()
    assert gradient[1].isnan().all()
    for row in (0, 2):
        assert torch.equal(loss[row], clean[0][row])
        assert torch.equal(gradient[row], clean[1][row])


def test_padding_changes_no_bit():
    log_probs = emissions((2, 9, 5), seed=1).float()
    both = ours(log_probs, [9, 4], [1, 2, 3], [4])
    alone = ours(log_probs[1:, :4], [4], [4])
    assert torch.equal(both[0][1], alone[0][0])
    assert torch.equal(both[1][1, :4], alone[1][0])
    assert not both[1][1, 4:].any()


def test_every_call_gives_the_same_bits_in_whatever_thread():
    log_probs = emissions((8, 60, 12), seed=3).float()
    targets = [[1 + (i * j) % 11 for j in range(i + 1)] for i in range(8)]
    first = ours(log_probs, [60] * 8, *targets)
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: ours(log_probs, [60] * 8, *targets), range(12)):
            assert all(map(torch.equal, first, again))


def test_without_a_gradient_the_loss_is_the_same():
    log_probs = emissions((2, 30, 6), seed=6)
    with torch.no_grad():
        loss = ctc.loss(log_probs, torch.tensor([30, 22]), *lengthwise([1, 2, 3], [5, 5]))
    assert torch.equal(loss, ours(log_probs, [30, 22], [1, 2, 3], [5, 5])[0])
    assert ctc.loss(log_probs[:0], torch.zeros(0).long(), torch.zeros(0, 3).long(), torch.zeros(0).long()).shape == (0,)


@pytest.mark.parametrize(
    ("lengths", "targets", "counts", "message"),
    [
        ([6, 0], [[1, 2], [1, 2]], [2, 2], "length 0 is not in 1 … 6"),
        ([6, 7], [[1, 2], [1, 2]], [2, 2], "length 7 is not in 1 … 6"),
        ([6, 6], [[1, 2], [1, 2]], [2, 3], "target length 3 is not in 0 … 2"),
        ([6, 6], [[1, 2], [1, 2]], [2, -1], "target length -1 is not in 0 … 2"),
        ([6, 6], [[1, 2], [1, 0]], [2, 2], "target id 0 is not in 1 … 3"),
        ([6, 6], [[1, 2], [4, 1]], [2, 2], "target id 4 is not in 1 … 3"),
        ([6, 1], [[1, 2], [1, 2]], [2, 2], r"1 frame is too few for 2 units \(needs 2\)"),
        ([6, 2], [[1, 2], [3, 3]], [2, 2], r"2 frames are too few for 2 units \(needs 3, with a blank between 1 equal"),
    ],
)
def test_invalid_batches_are_refused_by_name(lengths, targets, counts, message):
    batch = (torch.zeros(2, 6, 4).log_softmax(-1), *map(torch.tensor, (lengths, targets, counts)))
    with pytest.raises(InputError, match=f"^row 1: {message}"):
        ctc.loss(*batch)
    with pytest.raises(InputError, match=f"^that one: {message}"):
        ctc.loss(*batch, ids=("this", "that one"))


def test_padding_of_targets_may_be_anything():
    log_probs, lengths = emissions((1, 6, 4), seed=0), torch.tensor([6])
    loss = ctc.loss(log_probs, lengths, torch.tensor([[1, 2, -7, 99]]), torch.tensor([2]))
    assert torch.equal(loss, ctc.loss(log_probs, lengths, torch.tensor([[1, 2]]), torch.tensor([2])))


def test_a_batch_of_unequal_parts_is_refused():
    with pytest.raises(ValueError, match="batch of 2, 1, 1 and 1"):
        ctc.loss(torch.zeros(2, 6, 4), torch.tensor([6]), *lengthwise([1]))


def test_importing_it_does_not_compile():
    code = "import sys, asr.ctc; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(("ids", "frames"), [([], 0), ([1, 2, 3], 3), ([1, 1], 3), ([1, 1, 1, 2, 2], 8)])
def test_repeats_need_a_blank_between_them(ids, frames):
    assert ctc.frames_needed(ids) == frames


@pytest.mark.parametrize("target", [(1, 1, 2), (1,), (3, 2, 1), (2, 2)])
def test_alignment_takes_the_best_of_all_paths(target):
    log_probs = emissions((6, 4), seed=3)
    paths = (path for path in itertools.product(range(4), repeat=6) if collapse(path) == target)
    best = max(paths, key=lambda path: sum(float(log_probs[t, u]) for t, u in enumerate(path)))
    spans = ctc.align(log_probs, target)
    assert path_of(spans, target, 6) == list(best)
    for id, (start, end, score) in zip(target, spans, strict=True):
        assert score == pytest.approx(float(log_probs[start:end, id].mean()), abs=1e-12)


def path_of(spans, ids, frames):
    path = [0] * frames
    for id, (start, end, _) in zip(ids, spans, strict=True):
        path[start:end] = [id] * (end - start)
    return path


@pytest.mark.parametrize("seed", range(20))
def test_alignment_is_that_of_torchaudio(seed):
    pytest.importorskip("torchaudio", exc_type=OSError, reason="torchaudio does not go with this torch")
    from torchaudio.functional import forced_align

    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(1, 3 + seed, (1 + 3 * seed,), generator=generator)
    frames = ctc.frames_needed(target.tolist()) + 7 * (seed % 4)
    log_probs = emissions((frames, 3 + seed), seed)
    path, _ = forced_align(log_probs[None], target[None])
    assert path_of(ctc.align(log_probs, target.tolist()), target.tolist(), frames) == path[0].tolist()


def test_alignment_needs_enough_frames_and_a_possible_path():
    with pytest.raises(InputError, match=r"2 frames are too few for 2 units \(needs 3, with a blank between 1 equal"):
        ctc.align(emissions((2, 4), seed=0), [1, 1])
    impossible = emissions((4, 4), seed=0)
    impossible[:, 3] = -float("inf")
    with pytest.raises(InputError, match="probability 0"):
        ctc.align(impossible, [3])
    assert ctc.align(impossible, []) == []


def test_a_boundary_is_where_the_right_unit_becomes_more_probable():
    log_probs = torch.full((8, 3), -9.0).numpy()
    log_probs[:, 0] = -0.01  # blank all along, and below it unit 1 until frame 5, then unit 2
    log_probs[:5, 1], log_probs[5:, 2] = -5.0, -5.0
    assert ctc.boundaries(log_probs, [1, 2], [ctc.Span(1, 2, -5.0), ctc.Span(7, 8, -5.0)]) == [5]
    assert ctc.boundaries(log_probs, [1], [ctc.Span(1, 2, -5.0)]) == []


def test_where_the_loss_does_not_compile_it_is_torchs(monkeypatch, capsys):
    monkeypatch.setattr(autograd, "_compiled", cache(autograd._compiled.__wrapped__))
    monkeypatch.setitem(sys.modules, "asr.ctc.loss_kernels", None)  # as if what it imports of Numba were missing
    monkeypatch.delattr(ctc, "loss_kernels", raising=False)
    log_probs = emissions((2, 9, 5), seed=2).requires_grad_()
    lengths, (targets, counts) = torch.tensor([9, 7]), lengthwise([1, 2], [3])
    losses = ctc.loss(log_probs, lengths, targets, counts)
    assert torch.equal(losses, of_library(log_probs, lengths, targets, counts))
    assert capsys.readouterr().err.startswith("the CTC loss: numba ")

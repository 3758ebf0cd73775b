import itertools
import math

import pytest
import torch

from asr import ctc
from asr.decoders import collapse


def by_enumeration(probabilities, target):
    """Sum over every path that collapses to the target: the definition itself."""
    frames, units = probabilities.shape
    total = 0.0
    for path in itertools.product(range(units), repeat=frames):
        if collapse(path) == tuple(target):
            total += math.prod(float(probabilities[t, u]) for t, u in enumerate(path))
    return -math.log(total)


@pytest.mark.parametrize("target", [[1], [1, 2], [1, 1], [2, 1, 2], [3, 3]])
def test_the_loss_is_that_of_all_paths_enumerated(target):
    log_probs = torch.randn(
        5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(len(target))
    ).log_softmax(-1)
    lengths = torch.tensor([5])
    loss = ctc.loss(log_probs[None], lengths, torch.tensor([target]), torch.tensor([len(target)]))
    assert float(loss) == pytest.approx(by_enumeration(log_probs.exp(), target), abs=1e-9)


def test_padding_changes_no_loss():
    log_probs = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(1)).log_softmax(-1)
    targets = torch.tensor([[1, 2, 3], [4, 0, 0]])
    both = ctc.loss(log_probs, torch.tensor([9, 4]), targets, torch.tensor([3, 1]))
    alone = ctc.loss(log_probs[1:, :4], torch.tensor([4]), torch.tensor([[4]]), torch.tensor([1]))
    torch.testing.assert_close(both[1], alone[0])


@pytest.mark.parametrize(("ids", "frames"), [([], 0), ([1, 2, 3], 3), ([1, 1], 3), ([1, 1, 1, 2, 2], 8)])
def test_repeats_need_a_blank_between_them(ids, frames):
    assert ctc.frames_needed(ids) == frames
    if ids:
        for count, finite in ((frames, True), (frames - 1, False)):
            log_probs = torch.zeros(1, count, 4).log_softmax(-1)
            loss = ctc.loss(log_probs, torch.tensor([count]), torch.tensor([ids]), torch.tensor([len(ids)]))
            assert bool(torch.isfinite(loss)) == finite


def test_alignment_takes_the_best_of_all_paths():
    pytest.importorskip("torchaudio", exc_type=OSError, reason="torchaudio does not go with this torch")
    log_probs = torch.randn(6, 4, generator=torch.Generator().manual_seed(3)).log_softmax(-1)
    target = (1, 1, 2)
    paths = (path for path in itertools.product(range(4), repeat=6) if collapse(path) == target)
    best = max(paths, key=lambda path: sum(float(log_probs[t, u]) for t, u in enumerate(path)))
    peaks = ctc.align(log_probs, target)
    assert [best[first] for first, _ in peaks] == list(target)
    assert sum(last - first for first, last in peaks) == sum(unit != 0 for unit in best)
    assert all(set(best[first:last]) == {unit} for unit, (first, last) in zip(target, peaks, strict=True))


def test_a_border_lies_where_the_right_unit_becomes_more_probable():
    log_probs = torch.full((8, 3), -9.0).numpy()
    log_probs[:, 0] = -0.01  # blank all along, and below it unit 1 until frame 5, then unit 2
    log_probs[:5, 1], log_probs[5:, 2] = -5.0, -5.0
    assert ctc.borders(log_probs, [1, 2], [(1, 2), (7, 8)]) == [5]
    assert ctc.borders(log_probs, [1], [(1, 2)]) == []

import itertools
import math
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import caching

from asr.decoders import beam as module
from asr.decoders import beam_kernels
from asr.decoders.beam import BeamSearch
from asr.decoders.greedy import Greedy
from asr.decoders.hypothesis import Hypothesis, collapse
from asr.errors import AsrError

Reals = npt.NDArray[np.float64]
Ids = tuple[int, ...]
INF = math.inf
seeds = st.integers(0, 2**32 - 1)


class Tables(NamedTuple):
    """A language model made by hand; state 0 is the start."""

    following: npt.NDArray[np.int32]
    score: Reals
    final: Reals

    def of(self, ids: Ids) -> float:
        state, total = 0, 0.0
        for id in ids:
            total, state = total + self.score[state, id], self.following[state, id]
        return total + self.final[state]


def emissions(g: np.random.Generator, frames: int, units: int, scale: float = 2.0, gaps: float = 0.0) -> Reals:
    """Normalised random log-probs; `gaps` is the share that is -inf, never a whole frame."""
    logits = g.normal(0, scale, (frames, units))
    logits[g.random(logits.shape) < gaps] = -INF
    logits[np.arange(frames), g.integers(0, units, frames)] = 0.0
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def language(g: np.random.Generator, units: int, states: int = 3, gaps: float = 0.0) -> Tables:
    score = np.log(g.dirichlet(np.ones(units), states))
    score[g.random(score.shape) < gaps] = -INF
    following = g.integers(0, states, score.shape).astype(np.int32)
    return Tables(following, score, np.log(g.uniform(0.1, 1, states)))


def enumerate_labellings(log_probs: Reals) -> dict[Ids, float]:
    """Every labelling's log-probability, by listing all paths (Graves 2006, equation 3)."""
    paths: dict[Ids, list[float]] = defaultdict(list)
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        paths[collapse(path)].append(sum(log_probs[t, u] for t, u in enumerate(path)))
    totals = {ids: float(np.logaddexp.reduce(scores)) for ids, scores in paths.items()}
    return {ids: total for ids, total in totals.items() if total > -INF}


def total(log_probs: Reals, ids: Ids) -> float:
    """A labelling's log-probability by the forward recursion (Graves 2006, section 4.1)."""
    extended = [0] + [u for id in ids for u in (id, 0)]
    alpha = np.full(len(extended), -INF)
    alpha[0] = 0.0  # before the first frame
    for t, row in enumerate(log_probs):
        before = alpha.copy()
        for s, unit in enumerate(extended):
            sources = [before[s]] if t or s == 0 else []
            if s >= 1:
                sources.append(before[s - 1])
            if s >= 2 and unit != 0 and unit != extended[s - 2]:
                sources.append(before[s - 2])
            alpha[s] = (np.logaddexp.reduce(sources) if sources else -INF) + row[unit]
    return float(np.logaddexp.reduce(alpha[-2:]))


def by_the_book(
    log_probs: Reals,
    width: int,
    bonus: float = 0.0,
    lm: Tables | None = None,
    weight: float = 0.0,
    top: int = 0,
) -> list[tuple[Ids, float]]:
    """Prefix beam search with a dictionary of labellings (Hannun 2014, algorithm 1), slow and plain."""

    def extra(ids: Ids, ended: bool = False) -> float:
        if lm is None:
            return bonus * len(ids)
        return weight * (lm.of(ids) - (0 if ended else lm.final[state(ids)])) + bonus * len(ids)

    def state(ids: Ids) -> int:
        here = 0
        for id in ids:
            here = int(lm.following[here, id]) if lm else 0
        return here

    units = log_probs.shape[1]
    live: dict[Ids, tuple[float, float]] = {(): (0.0, -INF)}
    for row in log_probs:
        ranked = sorted(range(1, units), key=lambda u: -row[u])
        allowed = set(ranked[: top or None])
        after: dict[Ids, tuple[float, float]] = defaultdict(lambda: (-INF, -INF))
        for ids, (blank, spoken) in live.items():
            both = np.logaddexp(blank, spoken)
            b, s = after[ids]
            after[ids] = np.logaddexp(b, both + row[0]), np.logaddexp(s, spoken + row[ids[-1]]) if ids else s
            for u in range(1, units):
                longer = (*ids, u)
                if u in allowed or longer in live:
                    b, s = after[longer]
                    before = blank if ids and ids[-1] == u else both
                    after[longer] = b, np.logaddexp(s, before + row[u])
        best = sorted(after, key=lambda ids: -(np.logaddexp(*after[ids]) + extra(ids)))
        live = {ids: after[ids] for ids in best[:width] if max(after[ids]) + extra(ids) > -INF}
    scores = {ids: float(np.logaddexp(*pair) + extra(ids, True)) for ids, pair in live.items()}
    return sorted(scores.items(), key=lambda item: -item[1])


def assert_same(found: list[Hypothesis], expected: list[tuple[Ids, float]]) -> None:
    expected = [(ids, score) for ids, score in expected if score > -INF]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected], abs=1e-9)
    # Where two scores differ by rounding only, either order is right.
    assert {h.ids: pytest.approx(h.score, abs=1e-9) for h in found} == dict(expected)


def agreement(one: list[int], other: list[int]) -> list[float]:
    """Which units of one labelling have their vote from another."""
    lengths = np.array([len(one), len(other)], np.int32)
    labellings = np.zeros((2, lengths.max()), np.int32)
    labellings[0, : len(one)], labellings[1, : len(other)] = one, other
    votes = np.zeros((1, lengths.max()))
    cells = (len(one) + 1) * (2 * beam_kernels.BAND + 2 + int(np.ptp(lengths)))
    beam_kernels.vote(labellings, lengths, np.array([0.0, 1.0]), np.empty(cells, np.int32), votes)
    return votes[0, : len(one)].tolist()


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 6), st.integers(1, 4), st.sampled_from([0.0, 0.3]))
def test_a_wide_beam_finds_every_labelling_and_its_exact_probability(seed, frames, units, gaps):
    log_probs = emissions(np.random.default_rng(seed), frames, units, gaps=gaps)
    exact = enumerate_labellings(log_probs)
    found = BeamSearch(width=5000, nbest=5000)(log_probs)
    assert_same(found, sorted(exact.items(), key=lambda item: -item[1]))
    assert all(h.acoustic == pytest.approx(exact[h.ids], abs=1e-9) for h in found)
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 5), st.integers(2, 4), st.floats(0.0, 3.0), st.floats(-2.0, 2.0))
def test_with_a_language_model_too(seed, frames, units, weight, bonus):
    g = np.random.default_rng(seed)
    log_probs, lm = emissions(g, frames, units), language(g, units)
    exact = {
        ids: acoustic + weight * lm.of(ids) + bonus * len(ids)
        for ids, acoustic in enumerate_labellings(log_probs).items()
    }
    found = BeamSearch(width=5000, nbest=5000, language=lm, weight=weight, bonus=bonus)(log_probs)
    assert_same(found, sorted(exact.items(), key=lambda item: -item[1]))
    for h in found:
        assert h.language == pytest.approx(lm.of(h.ids) if weight else 0.0, abs=1e-9)
        assert h.score == pytest.approx(h.acoustic + weight * h.language + bonus * len(h.ids), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(0, 40), st.integers(2, 9), st.floats(0.0, 2.0), st.integers(1, 6))
def test_the_labelling_alone_is_that_of_the_first_hypothesis(seed, frames, units, weight, width):
    g = np.random.default_rng(seed)
    log_probs, search = emissions(g, frames, units), BeamSearch(width=width, language=language(g, units), weight=weight)
    assert search.labelling(log_probs) == replace(search(log_probs)[0], frames=(), confidence=())


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(1, 12), st.integers(2, 6), st.sampled_from([0.3, 1.0, 4.0]), st.booleans())
def test_a_narrow_beam_keeps_what_the_algorithm_of_the_book_keeps(seed, width, units, scale, fused):
    g = np.random.default_rng(seed)
    log_probs = emissions(g, 25, units, scale)
    lm = language(g, units, gaps=0.2) if fused else None
    if lm:
        lm.score[:, 1] = -1.0  # one unit is always possible
    more: dict[str, Any] = {"weight": 0.7 if fused else 0.0, "bonus": 0.3 if fused else 0.0}
    found = BeamSearch(width=width, nbest=width, language=lm, **more)(log_probs)
    assert_same(found, by_the_book(log_probs, width, lm=lm, **more))


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(0, 7))
def test_only_the_top_units_of_a_frame_begin_new_prefixes(seed, top):
    log_probs = emissions(np.random.default_rng(seed), 20, 6)
    found = BeamSearch(width=8, nbest=8, top=top)(log_probs)
    assert_same(found, by_the_book(log_probs, 8, top=top))


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(2, 20))
def test_hypotheses_are_distinct_and_never_claim_more_than_the_truth(seed, width):
    # Flat log-probs let prefixes leave the beam while what grew from them stays, and come back.
    log_probs = emissions(np.random.default_rng(seed), 40, 4, scale=0.2)
    found = BeamSearch(width=width, nbest=width)(log_probs)
    assert len({h.ids for h in found}) == len(found) == width
    assert all(h.acoustic <= total(log_probs, h.ids) + 1e-9 for h in found)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 5), st.integers(2, 4))
def test_a_beam_that_drops_nothing_is_at_least_as_probable_as_greedy(seed, frames, units):
    log_probs = emissions(np.random.default_rng(seed), frames, units)
    best = BeamSearch(width=2000)(log_probs)[0]
    assert best.acoustic >= total(log_probs, Greedy()(log_probs)[0].ids) - 1e-9
    assert best.acoustic == pytest.approx(total(log_probs, best.ids), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([1, 5, 50]))
def test_the_order_of_the_units_changes_nothing(seed, width):
    g = np.random.default_rng(seed)
    log_probs, lm = emissions(g, 30, 8), language(g, 8)
    order = np.r_[0, 1 + g.permutation(7)]  # new id → old id; blank stays
    moved = Tables(lm.following[:, order], lm.score[:, order], lm.final)
    one = BeamSearch(width=width, nbest=width, language=lm, weight=0.5, bonus=0.1)(log_probs)
    other = BeamSearch(width=width, nbest=width, language=moved, weight=0.5, bonus=0.1)(log_probs[:, order])
    assert [(h.ids, h.score, h.frames) for h in one] == [
        (tuple(int(order[u]) for u in h.ids), h.score, h.frames) for h in other
    ]


def test_ties_go_to_the_live_prefix_and_the_lower_id():
    even = np.log(np.full((1, 3), 1 / 3))
    assert [h.ids for h in BeamSearch(width=3, nbest=3)(even)] == [(), (1,), (2,)]
    assert [h.ids for h in BeamSearch(width=2, nbest=2)(even)] == [(), (1,)]
    assert [h.ids for h in BeamSearch(width=1)(even)] == [()]


def test_the_same_call_gives_the_same_bits():
    log_probs = emissions(np.random.default_rng(3), 100, 12)
    assert len({str(BeamSearch(width=20, nbest=20)(log_probs)) for _ in range(3)}) == 1


def test_weight_zero_is_no_language_model():
    g = np.random.default_rng(1)
    log_probs, lm = emissions(g, 30, 5), language(g, 5, gaps=0.5)
    assert BeamSearch(nbest=25, language=lm, weight=0.0)(log_probs) == BeamSearch(nbest=25)(log_probs)


def test_a_language_model_of_zeros_is_none():
    log_probs = emissions(np.random.default_rng(1), 30, 5)
    zeros = Tables(np.zeros((1, 5), np.int32), np.zeros((1, 5)), np.zeros(1))
    assert BeamSearch(nbest=25, language=zeros, weight=1.0)(log_probs) == BeamSearch(nbest=25)(log_probs)


def test_no_frame_has_the_empty_labelling():
    assert BeamSearch()(np.zeros((0, 4))) == [Hypothesis((), 0.0)]


def test_blank_alone_has_the_empty_labelling():
    certain = np.full((5, 3), -INF)
    certain[:, 0] = 0.0
    assert BeamSearch(width=9, nbest=9)(certain) == [Hypothesis((), 0.0)]
    assert BeamSearch()(np.zeros((5, 1))) == [Hypothesis((), 0.0)]
    assert BeamSearch(top=2)(np.zeros((5, 1))) == [Hypothesis((), 0.0)]


def test_certain_log_probs_have_one_labelling():
    path = [0, 2, 2, 0, 2, 1, 1, 0]
    certain = np.full((8, 3), -INF)
    certain[np.arange(8), path] = 0.0
    (best,) = BeamSearch(nbest=25)(certain)
    assert best.ids == (2, 2, 1)
    assert best.frames == ((1, 3), (4, 5), (5, 7))
    assert best.confidence == (1.0, 1.0, 1.0)
    assert best.score == 0.0


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 6), st.integers(2, 4))
def test_frames_are_those_of_the_best_path(seed, frames, units):
    log_probs = emissions(np.random.default_rng(seed), frames, units)
    best: dict[Ids, tuple[float, Ids]] = {}
    for path in itertools.product(range(units), repeat=frames):
        score = sum(log_probs[t, u] for t, u in enumerate(path))
        best[collapse(path)] = max(best.get(collapse(path), (-INF, ())), (score, path))
    for h in BeamSearch(width=5000, nbest=5000)(log_probs):
        path = best[h.ids][1]
        starts = [t for t in range(frames) if path[t] and (t == 0 or path[t - 1] != path[t])]
        ends = [next((e for e in range(t, frames) if path[e] != path[t]), frames) for t in starts]
        assert h.frames == tuple(zip(starts, ends, strict=True))


def test_frames_lie_in_order_within_the_utterance_for_a_narrow_beam():
    log_probs = emissions(np.random.default_rng(5), 200, 10)
    for h in BeamSearch(width=4, nbest=4)(log_probs):
        borders = [border for span in h.frames for border in span]
        assert len(h.frames) == len(h.ids)
        assert borders == sorted(borders) and 0 <= borders[0] and borders[-1] <= 200
        assert all(start < end for start, end in h.frames)


def test_confidence_is_the_share_of_labellings_that_agree():
    log_probs = np.log(np.array([[0.2, 0.5, 0.3]]))
    assert [h.confidence for h in BeamSearch(width=9, nbest=3)(log_probs)] == [
        pytest.approx((0.5,)),
        pytest.approx((0.3,)),
        (),
    ]
    # The middle of three is uncertain; 'blank' as its rival deletes it.
    peaks = np.full((5, 4), -INF)
    peaks[[0, 4], [1, 3]] = 0.0
    peaks[[1, 3], 0] = 0.0
    peaks[2, [0, 1, 2]] = np.log([0.1, 0.3, 0.6])
    (best, *_) = BeamSearch(width=9, nbest=3)(peaks)
    assert best.ids == (1, 2, 3)
    assert best.confidence == pytest.approx((1.0, 0.6, 1.0))


@pytest.mark.parametrize(
    ("one", "other", "agreeing"),
    [
        ([1, 2, 3], [1, 2, 3], [1, 1, 1]),
        ([1, 2, 3, 4, 5], [9, 2, 3, 4, 8], [0, 1, 1, 1, 0]),
        ([1, 2, 3, 4, 5], [7, 2, 3, 9, 4], [0, 1, 1, 0, 0]),
        ([1, 2, 3], [2, 3], [0, 1, 1]),
        ([1, 1], [1], [1, 0]),
        ([1, 2], [], [0, 0]),
        ([5, 1, 2, 6], [7, 1, 3, 2, 8], [0, 1, 1, 0]),
    ],
)
def test_labellings_agree_where_the_fewest_edits_align_them(one, other, agreeing):
    assert agreement(one, other) == agreeing


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 4), max_size=20), st.lists(st.integers(1, 4), max_size=20))
def test_as_many_units_agree_as_the_fewest_edits_leave(one, other):
    edits = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i, j in itertools.product(range(1, len(one) + 1), range(1, len(other) + 1)):
        swap = edits[i - 1, j - 1] + (one[i - 1] != other[j - 1])
        edits[i, j] = min(swap, edits[i - 1, j] + 1, edits[i, j - 1] + 1)
    voted = agreement(one, other)
    kept = sum(voted)
    # What does not agree is substituted, deleted or inserted, at least as many of each as the longer side has left.
    assert max(len(one), len(other)) - kept <= edits[len(one), len(other)] <= len(one) + len(other) - 2 * kept
    assert set(voted) <= {0.0, 1.0}


def test_agreement_is_found_far_along_long_labellings():
    middle = np.random.default_rng(0).integers(1, 40, 3000).tolist()
    assert agreement([1, *middle, 2], [2, 7, *middle, 4]) == [0.0] + [1.0] * 3000 + [0.0]


def test_a_trie_that_fills_up_grows(monkeypatch):
    log_probs = emissions(np.random.default_rng(2), 120, 9, scale=0.5)
    expected = BeamSearch(width=10, nbest=10)(log_probs)
    monkeypatch.setattr(module, "NODES", 1)
    assert BeamSearch(width=10, nbest=10)(log_probs) == expected


def test_several_threads_can_share_a_search():
    g = np.random.default_rng(4)
    batch = [emissions(g, frames, 7) for frames in (0, 50, 3, 200, 1, 80)]
    search = BeamSearch(nbest=3)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(search, batch)) == [search(log_probs) for log_probs in batch]


def test_float_type_and_layout_do_not_matter_and_nothing_is_written_to():
    log_probs = emissions(np.random.default_rng(6), 40, 7).astype(np.float32)
    log_probs.flags.writeable = False
    expected = BeamSearch(nbest=5)(log_probs.astype(np.float64))
    assert BeamSearch(nbest=5)(log_probs) == expected
    assert BeamSearch(nbest=5)(np.asfortranarray(log_probs)) == expected
    assert BeamSearch(nbest=5)(np.repeat(log_probs, 2, axis=0)[::2]) == expected


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 0}, "beam: width 0: must be from 1 to"),
        ({"width": 10**9}, "beam: width 1000000000: must be from 1 to"),
        ({"nbest": 0}, "beam: nbest 0: must be from 1 to the width"),
        ({"nbest": 26}, "beam: nbest 26: must be from 1 to the width, 25"),
        ({"top": -1}, "beam: top -1: "),
        ({"bonus": math.nan}, "beam: bonus nan: must be finite"),
        ({"bonus": -INF}, "beam: bonus -inf: must be finite"),
        ({"weight": math.nan}, "beam: weight nan: must be finite and not negative"),
        ({"weight": -0.5}, "beam: weight -0.5: must be finite and not negative"),
    ],
)
def test_a_setting_without_sense_is_refused_in_one_line(setting, message):
    with pytest.raises(AsrError, match=message) as refusal:
        BeamSearch(**setting)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("value", "shown"), [(math.nan, "nan"), (INF, "inf")])
def test_log_probs_that_are_no_numbers_are_refused(value, shown):
    log_probs = emissions(np.random.default_rng(0), 6, 4, gaps=0.3)
    log_probs[2, 3] = value
    with pytest.raises(AsrError, match=f"frame 2: the log-prob of unit 3 is {shown}"):
        BeamSearch()(log_probs)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (5, 0)])
def test_what_is_no_matrix_is_refused(shape):
    with pytest.raises(AsrError, match="must be"):
        BeamSearch()(np.zeros(shape))


def test_a_frame_without_any_unit_is_named():
    log_probs = np.zeros((5, 3))
    log_probs[3] = -INF
    with pytest.raises(AsrError, match="frame 3: log-probs and language model allow no labelling"):
        BeamSearch()(log_probs)


def test_a_language_model_that_lets_nothing_end_is_named():
    lm = Tables(np.zeros((1, 3), np.int32), np.zeros((1, 3)), np.array([-INF]))
    with pytest.raises(AsrError, match="no labelling in the beam can end the sentence"):
        BeamSearch(language=lm, weight=1.0)(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("lm", "message"),
    [
        (
            Tables(np.zeros((1, 4), np.int32), np.zeros((1, 4)), np.zeros(1)),
            "has 4 units, but the log-probs have 3",
        ),
        (Tables(np.zeros((2, 3), np.int32), np.zeros((1, 3)), np.zeros(1)), "the shapes of its tables do not match"),
        (Tables(np.zeros((1, 3), np.int32), np.zeros((1, 3)), np.zeros(2)), "the shapes of its tables do not match"),
        (Tables(np.full((1, 3), 7, np.int32), np.zeros((1, 3)), np.zeros(1)), "refer to states outside 0 … 0"),
        (Tables(np.zeros((1, 3), np.int32), np.full((1, 3), math.nan), np.zeros(1)), "contain NaN"),
    ],
)
def test_a_language_model_whose_tables_do_not_fit_is_refused(lm, message):
    with pytest.raises(AsrError, match=message):
        BeamSearch(language=lm, weight=1.0)(np.zeros((2, 3)))


def test_what_stands_in_the_language_model_for_blank_is_not_read():
    g = np.random.default_rng(8)
    log_probs, lm = emissions(g, 10, 4), language(g, 4)
    expected = BeamSearch(language=lm, weight=1.0)(log_probs)
    lm.score[:, 0], lm.following[:, 0] = math.nan, -1
    assert BeamSearch(language=lm, weight=1.0)(log_probs) == expected


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from([-3.5, -1.0, -1e-9, 0.0, 1.0, 1e300, -1e300]), min_size=1, max_size=30), st.data())
def test_the_best_are_selected_in_their_order_and_the_first_of_equals(values, data):
    k = data.draw(st.integers(1, len(values)))
    scores = np.array(values)
    found = np.zeros(len(values), beam_kernels.CANDIDATE)
    found["row"] = np.arange(len(values))
    edge = beam_kernels.select(scores, found, len(values), k)
    best = sorted(sorted(range(len(values)), key=lambda i: (-values[i], i))[:k])
    assert found["row"][:k].tolist() == best
    assert scores[:k].tolist() == [values[i] for i in best]
    assert all(values[i] <= edge for i in range(len(values)) if i not in best)


def test_without_a_folder_for_compiled_code_it_is_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def double(x: int) -> int:
        return 2 * x

    assert beam_kernels.compiled(double)(3) == 6


def test_naming_the_decoders_does_not_load_numba():
    program = "import asr.decoders, asr.decoders.beam, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_an_unpruned_search_agrees_with_flashlight_text():
    text = pytest.importorskip("flashlight.lib.text.decoder", reason="flashlight-text has no wheel for this Python")
    g = np.random.default_rng(7)
    for frames, units in [(6, 4), (5, 6), (8, 3)] * 5:
        log_probs = emissions(g, frames, units).astype(np.float32)
        options = text.LexiconFreeDecoderOptions(
            beam_size=100_000,
            beam_size_token=units,
            beam_threshold=1e9,
            lm_weight=0.0,
            sil_score=0.0,
            log_add=True,
            criterion_type=text.CriterionType.CTC,
        )
        decoder = text.LexiconFreeDecoder(options, text.ZeroLM(), -1, 0, [])
        theirs = decoder.decode(log_probs.ctypes.data, frames, units)[0]
        ours = BeamSearch(width=100_000)(log_probs)[0]
        assert ours.ids == collapse([token for token in theirs.tokens if token >= 0])  # it pads with silence, -1
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)


@pytest.mark.parametrize(
    "kernel", [getattr(beam_kernels, name) for name in ("search", "climb", "align", "vote", "follow")]
)
def test_the_inner_loops_leave_other_threads_alone(kernel):
    assert kernel.targetoptions["nogil"]

import itertools
import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from asr import lm as language_models
from asr.decoders import lexicon_kernels, lexicon_net
from asr.decoders.beam import BeamSearch
from asr.decoders.hypothesis import Hypothesis, LogProbs, collapse
from asr.decoders.lexicon import LexiconSearch
from asr.errors import AsrError
from asr.lm.ngrams import Grams

Reals = npt.NDArray[np.float64]
Ids = tuple[int, ...]
Words = tuple[str, ...]
Pronunciations = dict[str, list[Ids]]
Pairs = dict[tuple[Words, Ids], float]
INF = math.inf
seeds = st.integers(0, 2**32 - 1)


class Rules(NamedTuple):
    """What a labelling must obey to hold words, apart from the lexicon."""

    free: frozenset[int] = frozenset()
    separator: int | None = None
    unknown: float | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return self._asdict()

    @property
    def longest(self) -> int:
        """As many frames as can be enumerated: a labelling of unknown words can be cut everywhere."""
        return 6 if self.unknown is None else 4


def emissions(g: np.random.Generator, frames: int, units: int, scale: float = 2.0, gaps: float = 0.0) -> Reals:
    """Normalised random log-probs; `gaps` is the share that is -inf; blank is always possible."""
    logits = g.normal(0, scale, (frames, units))
    logits[g.random(logits.shape) < gaps] = -INF
    logits[:, 0] = np.maximum(logits[:, 0], -1.0)
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def certain(path: list[int], units: int, doubt: float = 0.0) -> Reals:
    """Log-probs of one path; `doubt` is shared by all other units."""
    with np.errstate(divide="ignore"):
        values = np.log(np.full((len(path), units), doubt / (units - 1)))
    values[np.arange(len(path)), path] = np.log1p(-doubt)
    return values


def some_words(g: np.random.Generator, units: list[int]) -> Pronunciations:
    """A few short words over few units: homophones, several pronunciations, prefixes of one another."""
    names = ["a", "b", "c", "d"][: g.integers(1, 5)]
    return {
        name: [tuple(g.choice(units, g.integers(1, 4)).tolist()) for _ in range(g.integers(1, 3))] for name in names
    }


def some_language(g: np.random.Generator, words: Pronunciations, order: int = 2) -> language_models.Ngram:
    names = [*words, "other"]
    sentences = [g.choice(names, g.integers(1, 5)).tolist() for _ in range(6)] + [names]
    return language_models.estimate(sentences, order)


def labellings(log_probs: Reals) -> dict[Ids, float]:
    """Every labelling's log-probability, by listing all paths (Graves 2006, equation 3)."""
    paths: dict[Ids, list[float]] = defaultdict(list)
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        paths[collapse(path)].append(sum(log_probs[t, u] for t, u in enumerate(path)))
    totals = {ids: float(np.logaddexp.reduce(scores)) for ids, scores in paths.items()}
    return {ids: total for ids, total in totals.items() if total > -INF}


def readings(ids: Ids, words: Pronunciations, rules: Rules) -> dict[Words, float]:
    """Every word sequence that a labelling may be and its least cost, by cutting it everywhere."""
    if not set(ids) - rules.free - {rules.separator}:
        found = {(): 0.0}  # nothing but silence
    else:
        found = {}
    known = {said for pronunciations in words.values() for said in pronunciations}
    alphabet = {unit for said in known for unit in said}
    for end in range(1, len(ids) + 1):
        head, tail = ids[:end], ids[end:]
        said = tuple(unit for unit in head if unit not in rules.free)
        if rules.separator is not None:
            while said and said[0] == rules.separator:
                said = said[1:]
        if head[-1] in rules.free or not said:
            continue  # silence after a word belongs to what follows, so that each cut is made once
        firsts = {word: 0.0 for word, pronunciations in words.items() if said in pronunciations}
        if rules.unknown is not None and set(said) <= alphabet:
            firsts["<unk>"] = rules.unknown * len(said)
        heard_next = next((unit for unit in tail if unit not in rules.free), rules.separator)
        if rules.separator is not None and heard_next != rules.separator:
            continue
        rests = readings(tail, words, rules) if firsts else {}
        for (first, cost), (rest, more) in itertools.product(firsts.items(), rests.items()):
            key = (first, *rest)
            found[key] = max(found.get(key, -INF), cost + more)
    return found


def language_score(lm: language_models.LanguageModel | None, words: Words) -> float:
    if lm is None:
        return 0.0
    state, total = lm.start, 0.0
    for symbol in lm.ids(words):
        state, score = lm.score(state, symbol)
        total += score
    return total + lm.finish(state)


def enumerate_pairs(
    log_probs: Reals,
    words: Pronunciations,
    rules: Rules,
    lm: language_models.LanguageModel | None = None,
    weight: float = 0.0,
    bonus: float = 0.0,
) -> Pairs:
    pairs = {}
    for ids, acoustic in labellings(log_probs).items():
        for said, cost in readings(ids, words, rules).items():
            language = weight * language_score(lm, said) if weight else 0.0
            pairs[said, ids] = acoustic + cost + language + bonus * len(said)
    return pairs


def assert_same(found: list[Hypothesis], expected: Pairs) -> None:
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    assert len({(h.words, h.ids) for h in found}) == len(found)
    assert {(h.words, h.ids): pytest.approx(h.score, abs=1e-9) for h in found} == expected


some_rules = st.sampled_from(
    [
        Rules(),
        Rules(free=frozenset({3})),
        Rules(separator=3),
        Rules(unknown=-1.5),
        Rules(free=frozenset({3}), unknown=-0.5),
        Rules(separator=3, unknown=-0.1),
    ]
)


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(0, 6), some_rules, st.sampled_from([0.0, 0.3]))
def test_a_wide_beam_finds_every_pair_of_words_and_labelling_and_its_exact_score(seed, frames, rules, gaps):
    g = np.random.default_rng(seed)
    words = some_words(g, [1, 2])
    log_probs = emissions(g, min(frames, rules.longest), 4, gaps=gaps)
    found = LexiconSearch(pronunciations=words, width=20_000, nbest=20_000, **rules.settings)(log_probs)
    assert_same(found, enumerate_pairs(log_probs, words, rules))


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(0, 5), some_rules, st.integers(1, 3), st.floats(0.0, 3.0), st.floats(-2.0, 2.0))
def test_with_a_language_model_too(seed, frames, rules, order, weight, bonus):
    g = np.random.default_rng(seed)
    words = some_words(g, [1, 2])
    lm = some_language(g, words, order)
    log_probs = emissions(g, min(frames, rules.longest), 4)
    more = {"weight": weight, "bonus": bonus}
    found = LexiconSearch(pronunciations=words, width=20_000, nbest=20_000, language=lm, **more, **rules.settings)(
        log_probs
    )
    assert_same(found, enumerate_pairs(log_probs, words, rules, lm, **more))
    exact = labellings(log_probs)
    for h in found:
        cost = readings(h.ids, words, rules)[h.words]
        assert h.acoustic == pytest.approx(exact[h.ids], abs=1e-9)
        assert h.language == pytest.approx(language_score(lm, h.words) if weight else 0.0, abs=1e-9)
        assert h.score == pytest.approx(h.acoustic + weight * h.language + bonus * len(h.words) + cost, abs=1e-9)


Reading = tuple[Ids, Words, Ids | None]  # labelling, words, units of the word that has begun; None: separator, please


def next_masses(masses: dict[Ids, tuple[float, float]], row: Reals) -> dict[Ids, tuple[float, float]]:
    """The log-probabilities of all labellings after one more frame, in blank and not (Hannun 2014, algorithm 1)."""
    after: dict[Ids, tuple[float, float]] = defaultdict(lambda: (-INF, -INF))
    for ids, (blank, spoken) in masses.items():
        both = np.logaddexp(blank, spoken)
        b, s = after[ids]
        after[ids] = np.logaddexp(b, both + row[0]), np.logaddexp(s, spoken + row[ids[-1]]) if ids else s
        for u in range(1, len(row)):
            b, s = after[*ids, u]
            before = blank if ids and ids[-1] == u else both
            after[*ids, u] = b, np.logaddexp(s, before + row[u])
    return after


class Book(NamedTuple):
    """The search as it is meant, on dictionaries; words outside the lexicon are left out here."""

    words: Pronunciations
    rules: Rules
    lm: language_models.Ngram
    weight: float
    bonus: float

    def gain(self, said: Words, word: str) -> float:
        return self.weight * (prefix_score(self.lm, (*said, word)) - prefix_score(self.lm, said)) + self.bonus

    def ahead(self, begun: Ids | None) -> float:
        if not begun:
            return 0.0
        ways = [(word, said) for word, pronunciations in self.words.items() for said in pronunciations]
        below = [word for word, said in ways if len(said) > len(begun) and said[: len(begun)] == begun]
        return max((self.weight * score_without_context(self.lm, w) + self.bonus for w in below), default=-INF)

    def extensions(self, said: Words, begun: Ids | None, u: int) -> Iterator[tuple[Words, Ids | None, float]]:
        if u in self.rules.free:
            yield said, begun, 0.0
        elif u == self.rules.separator:
            if not begun:
                yield said, (), 0.0
        elif begun is not None:
            units = (*begun, u)
            if self.ahead(units) > -INF:
                yield said, units, 0.0
            for word in (word for word, ways in self.words.items() if units in ways):
                yield (*said, word), () if self.rules.separator is None else None, self.gain(said, word)

    def grow(self, live: dict[Reading, float], units: int) -> dict[Reading, float]:
        grown = dict(live)
        for ((ids, said, begun), extra), u in itertools.product(live.items(), range(1, units)):
            for more, place, gained in self.extensions(said, begun, u):
                grown.setdefault(((*ids, u), more, place), extra + gained)
        return grown

    def search(self, log_probs: Reals, width: int) -> Pairs:
        masses: dict[Ids, tuple[float, float]] = {(): (0.0, -INF)}
        live: dict[Reading, float] = {((), (), ()): 0.0}
        for row in log_probs:
            after, grown = next_masses(masses, row), self.grow(live, len(row))
            scores = {r: np.logaddexp(*after[r[0]]) + extra + self.ahead(r[2]) for r, extra in grown.items()}
            ranked = sorted((r for r in scores if scores[r] > -INF), key=lambda r: -scores[r])
            best, edge = ranked[:width], [scores[r] for r in ranked[width - 1 : width + 1]]
            assume(len(edge) < 2 or edge[0] - edge[1] > 1e-9)  # of equals either may be kept
            live, masses = {r: grown[r] for r in best}, {ids: after[ids] for ids, _, _ in best}
        whole = {r: extra for r, extra in live.items() if not r[2]} or live
        ends = {said: language_score(self.lm, said) - prefix_score(self.lm, said) for _, said, _ in whole}
        return {  # inside different words the same words and labelling are said: of these the last, the costs are equal
            (said, ids): np.logaddexp(*masses[ids]) + extra + self.weight * ends[said]
            for (ids, said, _), extra in whole.items()
        }


def prefix_score(lm: language_models.Ngram, words: Words) -> float:
    state, total = lm.start, 0.0
    for symbol in lm.ids(words):
        state, score = lm.score(state, symbol)
        total += score
    return total


def score_without_context(lm: language_models.Ngram, word: str) -> float:
    (id,) = lm.ids([word])
    return float(lm.grams[0].probability[id]) * math.log(10)


def uneven_language(g: np.random.Generator, words: Pronunciations) -> language_models.Ngram:
    """A bigram that finds no two things equally good, so that a search has few ties."""
    symbols = ("<s>", "</s>", *words)
    n = len(symbols)
    pairs = np.flatnonzero(g.random(n * n) < 0.4)
    one = Grams(np.arange(n, dtype=np.int32)[:, None], np.arange(n), -g.exponential(1, n), -g.exponential(0.5, n))
    ids = np.stack([pairs // n, pairs % n], axis=1).astype(np.int32)
    two = Grams(ids, pairs, -g.exponential(1, len(pairs)), np.zeros(len(pairs)))
    return language_models.Ngram.of(symbols, [one, two])


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(1, 20), st.sampled_from([Rules(), Rules(frozenset({3})), Rules(separator=3)]))
def test_a_narrow_beam_keeps_what_the_algorithm_keeps(seed, width, rules):
    g = np.random.default_rng(seed)
    words = some_words(g, [1, 2])  # few units, so that one labelling has many readings
    lm = uneven_language(g, words)
    log_probs = emissions(g, 20, 4, scale=1.0)
    more = {"language": lm, "weight": 0.8, "bonus": 0.4}
    found = LexiconSearch(pronunciations=words, width=width, nbest=width, **more, **rules.settings)(log_probs)
    expected = Book(words, rules, lm, 0.8, 0.4).search(log_probs, width)
    assert sorted(h.score for h in found) == pytest.approx(sorted(expected.values()), abs=1e-9)


@settings(deadline=None, max_examples=40)
@example(16379, 4, Rules())  # all are unfinished, and one of them reads as a whole one does
@given(seeds, st.integers(1, 10), st.sampled_from([Rules(), Rules(frozenset({3})), Rules(separator=3)]))
def test_hypotheses_are_distinct_and_never_claim_more_than_the_truth(seed, width, rules):
    g = np.random.default_rng(seed)
    words, rules = some_words(g, [1, 2]), rules._replace(unknown=-0.7)
    lm = some_language(g, words)
    log_probs = emissions(g, 5, 4, scale=0.5)
    more = {"weight": 0.5, "bonus": 0.3}
    exact = enumerate_pairs(log_probs, words, rules, lm, **more)
    decoder = LexiconSearch(pronunciations=words, width=width, nbest=width, language=lm, **more, **rules.settings)
    found = decoder(log_probs)
    assert len({(h.words, h.ids) for h in found}) == len(found)
    whole = decoder._search(np.asarray(log_probs, np.float64)).places <= lexicon_net.AFTER
    assert whole.all() or not whole.any()  # where nothing ends with a whole word, all are unfinished
    if whole.all():  # an unfinished one may have the words and units of another that is not, and says nothing of it
        assert all(h.score <= exact[h.words, h.ids] + 1e-9 for h in found)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 30), st.booleans())
def test_a_word_for_each_unit_is_a_search_over_units(seed, width, fused):
    g = np.random.default_rng(seed)
    log_probs = emissions(g, 40, 6, scale=1.0)
    symbols = ["<blank>", *"abcde"]
    lm = language_models.estimate([g.choice(symbols[1:], 9).tolist() for _ in range(20)], 3, symbols[1:])
    more = {"width": width, "nbest": width, "weight": 0.6 if fused else 0.0, "bonus": 0.2}
    words = {symbol: [(id,)] for id, symbol in enumerate(symbols) if id}
    found = LexiconSearch(pronunciations=words, language=lm, **more)(log_probs)
    expected = BeamSearch(language=lm.tables(symbols), **more)(log_probs)
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-9)
    for one, other in zip(found, expected, strict=True):
        assert one.ids == other.ids and one.words == tuple(symbols[id] for id in other.ids)
        assert one.word_frames == one.frames == other.frames
        assert one.word_confidence == pytest.approx(other.confidence) and one.confidence == one.word_confidence
        assert one.language == pytest.approx(other.language)


HOMOPHONES: Pronunciations = {"right": [(1, 2, 3)], "write": [(1, 2, 3)], "rye": [(1, 2)]}


def test_words_that_sound_alike_are_told_apart_by_the_language_model():
    log_probs = certain([0, 1, 1, 2, 3, 0], 5, doubt=0.01)
    for said in ("right", "write"):
        lm = language_models.estimate([[said]] * 3 + [["right", "write", "rye"]], 1)
        best, second = LexiconSearch(pronunciations=HOMOPHONES, language=lm, weight=1.0, nbest=2)(log_probs)
        assert best.words == (said,)
        assert set(second.words) == {"right", "write"} - {said}
        assert best.ids == second.ids == (1, 2, 3)


def test_words_that_sound_alike_share_their_labellings_probability():
    log_probs = emissions(np.random.default_rng(0), 30, 5)
    found = LexiconSearch(pronunciations=HOMOPHONES, width=40, nbest=40)(log_probs)
    by_ids = defaultdict(set)
    for h in found:
        by_ids[h.ids].add(h.acoustic)
    assert any(len(h.words) for h in found) and all(len(acoustic) == 1 for acoustic in by_ids.values())


@pytest.mark.parametrize("said", [(1, 2, 3), (1, 3), (4,)])
def test_a_word_is_heard_in_each_of_its_pronunciations(said):
    words = {"cat": [(1, 2, 3), (1, 3), (4,)], "dog": [(2, 2)]}
    best = LexiconSearch(pronunciations=words)(certain([0, *said, 0], 5, doubt=0.01))[0]
    assert (best.words, best.ids) == (("cat",), said)


def test_a_pronunciation_given_twice_is_one():
    log_probs = emissions(np.random.default_rng(0), 10, 3)
    once, twice = {"a": [(1, 2)], "b": [(2,)]}, {"a": [(1, 2), (1, 2)], "b": [(2,), (2,)]}
    assert LexiconSearch(pronunciations=twice, nbest=50)(log_probs) == LexiconSearch(pronunciations=once, nbest=50)(
        log_probs
    )


def test_a_border_that_may_move_makes_no_second_hypothesis():
    words = {"a": [(1,), (1, 2)], "b": [(2, 3), (3,)]}
    found = LexiconSearch(pronunciations=words, nbest=50)(certain([1, 2, 3], 4))
    assert [h.words for h in found] == [("a", "b")]


def test_free_units_are_heard_anywhere_and_belong_to_no_word():
    path = [4, 4, 1, 4, 2, 4, 0, 4, 3, 3, 4]
    best = LexiconSearch(pronunciations={"a": [(1, 2)], "b": [(3,)]}, free=[4])(certain(path, 5))[0]
    assert best.ids == (4, 1, 4, 2, 4, 4, 3, 4)
    assert best.words == ("a", "b")
    assert best.word_frames == ((2, 5), (8, 10))


CAT_AND_CATS: Pronunciations = {"cat": [(1, 2, 3)], "cats": [(1, 2, 3, 4)], "a": [(2,)]}
SPACE = 5


@pytest.mark.parametrize("spoken", [[1, 2, 3, 5, 2], [5, 1, 2, 3, 5, 2, 5], [1, 2, 3, 0, 5, 0, 5, 2]])
def test_a_separator_stands_between_words_and_may_at_the_ends_or_twice(spoken):
    best = LexiconSearch(pronunciations=CAT_AND_CATS, separator=SPACE)(certain(spoken, 6))[0]
    assert best.words == ("cat", "a")
    assert best.ids == collapse(spoken)
    assert [spoken[end - 1] for _, end in best.word_frames] == [3, 2]


def test_words_are_not_run_together_where_a_separator_must_stand():
    log_probs = certain([1, 2, 3, 0, 2], 6, doubt=0.01)
    assert LexiconSearch(pronunciations=CAT_AND_CATS)(log_probs)[0].words == ("cat", "a")
    assert LexiconSearch(pronunciations=CAT_AND_CATS, separator=SPACE)(log_probs)[0].words != ("cat", "a")


def test_a_word_that_is_not_in_the_lexicon_is_never_heard_without_unknown_words():
    found = LexiconSearch(pronunciations={"a": [(1, 2)], "b": [(3,)]}, nbest=100)(
        certain([1, 0, 1, 0, 2], 4, doubt=0.2)
    )
    assert all(set(h.words) <= {"a", "b"} for h in found)
    assert found[0].ids != (1, 1, 2)


def test_an_unknown_word_is_any_sequence_of_units_at_a_price():
    words = {"a": [(1, 2)], "b": [(3,)]}
    log_probs = certain([1, 2, 4, 1, 4, 1, 2, 0, 3], 5, doubt=0.001)
    best = LexiconSearch(pronunciations=words, free=[4], unknown=-2.0)(log_probs)[0]
    assert best.words == ("a", "<unk>", "a", "b")
    assert best.word_frames == ((0, 2), (3, 4), (5, 7), (8, 9))
    assert best.score == pytest.approx(best.acoustic - 2.0)
    assert LexiconSearch(pronunciations=words, free=[4], unknown=-20.0)(log_probs)[0].words == ("a", "a", "b")


def test_an_unknown_word_counts_as_the_language_models():
    lm = language_models.estimate([["a", "b"]] * 5, 2)
    best = LexiconSearch(pronunciations={"a": [(1, 2)], "b": [(3,)]}, language=lm, weight=1.0, unknown=-3.0)(
        certain([1, 2, 0, 1, 0, 3], 4, doubt=0.0001)
    )[0]
    assert best.words == ("a", "<unk>", "b")
    assert best.language == pytest.approx(language_score(lm, best.words))
    assert best.score == pytest.approx(best.acoustic + best.language - 3.0)


def test_a_word_that_the_language_model_does_not_know_is_said_as_its_unknown():
    lm = language_models.estimate([["a", "a"]], 2)
    best = LexiconSearch(pronunciations={"new": [(1, 2)]}, language=lm, weight=1.0)(certain([1, 2], 3))[0]
    assert best.words == ("new",)
    assert best.language == pytest.approx(language_score(lm, ("<unk>",)))


def test_where_no_reading_ends_with_a_whole_word_the_unfinished_one_is_left_out():
    words = {"a": [(1, 2)], "b": [(3, 1, 1)]}
    best = LexiconSearch(pronunciations=words, unknown=None)(certain([1, 2, 3, 0], 4))[0]
    assert (best.words, best.ids, best.word_frames) == (("a",), (1, 2, 3), ((0, 2),))
    assert LexiconSearch(pronunciations=words, width=500)(certain([1, 2, 3, 0], 4, doubt=1e-6))[0].words == ("a",)


def test_where_the_language_model_lets_no_words_end_it_is_said():
    g = np.random.default_rng(0)
    lm = uneven_language(g, HOMOPHONES)
    one, two = lm.grams
    one, two = (
        table._replace(probability=np.where(table.ids[:, -1] == 1, -INF, table.probability)) for table in (one, two)
    )
    endless = language_models.Ngram.of(lm.symbols, [one, two])
    with pytest.raises(
        AsrError, match=r"^lexicon: language model: no words in the beam can end the sentence; widen the beam$"
    ):
        LexiconSearch(pronunciations=HOMOPHONES, language=endless, weight=1.0)(emissions(g, 9, 4))


def test_weight_zero_is_no_language_model():
    g = np.random.default_rng(1)
    words = some_words(g, [1, 2, 3])
    log_probs, lm = emissions(g, 30, 5), some_language(g, words)
    closed = language_models.estimate([["other"]], 1, ["other"])  # does not even know the words
    expected = LexiconSearch(pronunciations=words, nbest=50)(log_probs)
    assert LexiconSearch(pronunciations=words, nbest=50, language=lm, weight=0.0)(log_probs) == expected
    assert LexiconSearch(pronunciations=words, nbest=50, language=closed, weight=0.0)(log_probs) == expected


def test_a_language_model_without_an_opinion_is_none():
    log_probs = emissions(np.random.default_rng(1), 30, 5)
    one = LexiconSearch(pronunciations=HOMOPHONES, nbest=50, language=language_models.NoLM(), weight=1.0)
    assert one(log_probs) == LexiconSearch(pronunciations=HOMOPHONES, nbest=50)(log_probs)


def test_no_frame_has_no_words():
    assert LexiconSearch(pronunciations=HOMOPHONES)(np.zeros((0, 4))) == [Hypothesis((), 0.0)]


def test_blank_alone_has_no_words():
    assert LexiconSearch(pronunciations=HOMOPHONES, nbest=9)(certain([0, 0, 0], 4)) == [Hypothesis((), 0.0)]


def test_silence_alone_has_no_words():
    best = LexiconSearch(pronunciations=HOMOPHONES, free=[4])(certain([4, 4, 0, 4], 5))[0]
    assert (best.words, best.ids, best.word_frames) == ((), (4, 4), ())


def test_one_frame_holds_one_short_word_or_none():
    log_probs = np.log(np.array([[0.2, 0.5, 0.3]]))
    found = LexiconSearch(pronunciations={"a": [(1,)], "b": [(2, 1)]}, nbest=9)(log_probs)
    assert [(h.words, h.score) for h in found] == [
        (("a",), pytest.approx(math.log(0.5))),
        ((), pytest.approx(math.log(0.2))),
    ]


def test_word_confidence_is_the_share_of_readings_with_the_word_there():
    log_probs = np.log(np.array([[0.2, 0.5, 0.3]]))
    words = {"a": [(1,)], "b": [(2,)], "c": [(2,)]}
    found = LexiconSearch(pronunciations=words, nbest=9)(log_probs)
    assert [(h.words, h.word_confidence, h.confidence) for h in found] == [
        (("a",), pytest.approx((0.5 / 1.3,)), pytest.approx((0.5 / 1.3,))),
        (("b",), pytest.approx((0.3 / 1.3,)), pytest.approx((0.6 / 1.3,))),
        (("c",), pytest.approx((0.3 / 1.3,)), pytest.approx((0.6 / 1.3,))),
        ((), (), ()),
    ]


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(1, 30), st.sampled_from([Rules(), Rules(frozenset({3})), Rules(separator=3)]))
def test_a_words_time_holds_one_of_its_pronunciations(seed, width, rules):
    g = np.random.default_rng(seed)
    words, rules = some_words(g, [1, 2]), rules._replace(unknown=-0.7)
    log_probs = emissions(g, 15, 4, scale=1.0)
    for h in LexiconSearch(pronunciations=words, width=width, nbest=width, **rules.settings)(log_probs):
        starts, ends = [start for start, _ in h.frames], [end for _, end in h.frames]
        own = [h.ids[starts.index(start) : ends.index(end) + 1] for start, end in h.word_frames]
        said = [tuple(unit for unit in ids if unit not in rules.free) for ids in own]
        assert all(ids[0] == units[0] and ids[-1] == units[-1] for ids, units in zip(own, said, strict=True))
        assert all(units in words.get(word, [units]) for word, units in zip(h.words, said, strict=True))
        unknown = sum(len(units) for word, units in zip(h.words, said, strict=True) if word == "<unk>")
        unfinished = len([unit for unit in h.ids if unit in (1, 2)]) > sum(map(len, said))
        assert unfinished or h.score == pytest.approx(h.acoustic - 0.7 * unknown)


def test_word_times_lie_in_order_within_the_utterance():
    g = np.random.default_rng(6)  # here rounding would make shares of more than 1
    words = some_words(g, [1, 2, 3])
    for h in LexiconSearch(pronunciations=words, free=[4], unknown=-1.0, width=20, nbest=20)(emissions(g, 100, 5)):
        borders = [border for span in h.word_frames for border in span]
        assert len(h.word_frames) == len(h.word_confidence) == len(h.words) > 0
        assert borders == sorted(borders) and 0 <= borders[0] and borders[-1] <= 100
        assert all(start < end for start, end in h.word_frames)
        assert {start for start, _ in h.word_frames} <= {start for start, _ in h.frames}
        assert {end for _, end in h.word_frames} <= {end for _, end in h.frames}
        assert all(0.0 <= share <= 1.0 for share in (*h.confidence, *h.word_confidence))


def test_hypotheses_hold_plain_values():
    g = np.random.default_rng(5)
    words = some_words(g, [1, 2, 3])
    lm = some_language(g, words)
    for h in LexiconSearch(pronunciations=words, language=lm, weight=1.0, nbest=20)(emissions(g, 30, 4)):
        assert all(type(value) is float for value in (h.score, h.acoustic, h.language, *h.word_confidence))
        assert all(type(id) is int for id in h.ids)
        assert all(type(border) is int for span in (*h.frames, *h.word_frames) for border in span)


def test_the_same_call_gives_the_same_bits_in_any_float_type_and_leaves_its_input_alone():
    words = some_words(np.random.default_rng(3), [1, 2, 3])
    log_probs = emissions(np.random.default_rng(3), 100, 5).astype(np.float32)
    before = log_probs.copy()
    decoder = LexiconSearch(pronunciations=words, free=[4], width=20, nbest=20)
    assert len({str(decoder(log_probs)) for _ in range(3)}) == 1
    assert decoder(log_probs.astype(np.float64)) == decoder(log_probs)
    assert np.array_equal(log_probs, before)


def test_of_words_that_are_equally_good_the_first_of_the_lexicon_is_first():
    words: Pronunciations = {f"word{i}": [(1 + i % 3,)] for i in range(150)}
    log_probs = np.log(np.array([[0.1, 0.3, 0.2, 0.4]]))
    found = LexiconSearch(pronunciations=words, width=200, nbest=200)(log_probs)
    by_unit = [tuple(f"word{i}" for i in range(unit - 1, 150, 3)) for unit in (3, 1, 2)]
    assert [h.words for h in found] == [(word,) for words in by_unit for word in words] + [()]


def test_with_and_without_a_language_model_the_same_code_runs():
    lm = some_language(np.random.default_rng(0), HOMOPHONES)
    for more in ({}, {"language": lm, "weight": 1.0}, {"language": language_models.NoLM(), "weight": 1}):
        LexiconSearch(pronunciations=HOMOPHONES, **more)(certain([1], 4, doubt=0.5))
    assert len(lexicon_kernels.search.signatures) == 1


def test_several_threads_can_share_a_search():
    g = np.random.default_rng(4)
    words = some_words(g, [1, 2, 3])
    batch: list[LogProbs] = [emissions(g, frames, units) for frames, units in [(50, 5), (0, 5), (9, 6), (80, 5)] * 4]
    decoder = LexiconSearch(pronunciations=words, free=[4], width=20, nbest=3)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(decoder, batch)) == [decoder(log_probs) for log_probs in batch]


def test_prefixes_and_words_find_room_however_many_they_are(monkeypatch):
    g = np.random.default_rng(6)
    words = some_words(g, [1, 2, 3])
    log_probs = emissions(g, 60, 5, scale=0.5)
    expected = LexiconSearch(pronunciations=words, free=[4], width=30, nbest=30)(log_probs)
    monkeypatch.setattr("asr.decoders.lexicon.NODES", 0)
    assert LexiconSearch(pronunciations=words, free=[4], width=30, nbest=30)(log_probs) == expected


def test_many_words_in_few_labellings_find_room_too(monkeypatch):
    words: Pronunciations = {letter: [(1,)] for letter in "abcdefgh"}
    lm = uneven_language(np.random.default_rng(6), words)
    decoder = LexiconSearch(pronunciations=words, width=30, nbest=30, language=lm, weight=1.0)
    log_probs = certain([1, 0] * 20, 2)
    expected = decoder(log_probs)
    monkeypatch.setattr("asr.decoders.lexicon.NODES", 0)
    assert decoder(log_probs) == expected


def test_a_word_may_come_at_its_best_in_any_state():
    g = np.random.default_rng(9)
    for _ in range(20):
        lm = uneven_language(g, {name: [] for name in "abcd"})
        one = lm.grams[0]
        lm = language_models.Ngram.of(lm.symbols, [one._replace(backoff=g.normal(0, 1, 6)), lm.grams[1]])
        most = lexicon_net.gains(lm, np.arange(6, dtype=np.int32), 1.0, 0.0).most
        for state, symbol in itertools.product(range(len(lm.automaton.final)), range(6)):
            assert lm.score(state, symbol)[1] <= most[symbol] + 1e-9


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 0}, r"^lexicon: width 0: must be from 1 to"),
        ({"width": 100_001}, r"^lexicon: width 100001: must be"),
        ({"width": 5, "nbest": 6}, r"^lexicon: nbest 6: must be from 1 to the width, 5$"),
        ({"nbest": 0}, r"^lexicon: nbest 0: must"),
        ({"weight": math.nan}, r"^lexicon: weight nan: must be finite and not negative$"),
        ({"weight": -1.0}, r"^lexicon: weight -1.0: must"),
        ({"weight": INF}, r"^lexicon: weight inf: must"),
        ({"bonus": math.nan}, r"^lexicon: bonus nan: must be finite$"),
        ({"unknown": 0.0}, r"^lexicon: unknown 0.0: must be finite and below 0$"),
        ({"unknown": math.nan}, r"^lexicon: unknown nan: must"),
        ({"pronunciations": {}}, r"^lexicon: contains no words"),
        ({"pronunciations": {"a": []}}, r"^lexicon: word 'a': has no pronunciation, or an empty one"),
        ({"pronunciations": {"a": [(1,), ()]}}, r"^lexicon: word 'a': has no pronunciation, or an empty one"),
        ({"pronunciations": {"a": [(1, 0)]}}, r"^lexicon: word 'a': unit 0 is blank, optional or the separator"),
        ({"pronunciations": {"a": [(1, -1)]}}, r"^lexicon: word 'a': unit -1"),
        ({"free": [2]}, r"^lexicon: word 'right': unit 2 is"),
        ({"separator": 3}, r"^lexicon: word 'right': unit 3 is"),
        ({"free": [0]}, r"^lexicon: optional unit 0: must be above 0 and not the separator$"),
        ({"free": [4], "separator": 4}, r"^lexicon: optional unit 4: must"),
        ({"separator": 0}, r"^lexicon: separator 0: must be above 0$"),
        (
            {"language": language_models.estimate([["a"]], 1, ["a"]), "weight": 1.0},
            r"^the language model lacks 'right' and has no <unk>",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_one_line(setting, message):
    with pytest.raises(AsrError, match=message) as caught:
        LexiconSearch(**{"pronunciations": HOMOPHONES, **setting})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (np.zeros(4), r"^lexicon: log-probs \(4,\): must be \(frames, units\)$"),
        (np.zeros((2, 3)), r"^lexicon: uses unit 3, but the log-probs have 3 units$"),
        (np.full((2, 4), math.nan), r"^lexicon: frame 0: the log-prob of unit 0 is nan; must be finite or -inf$"),
        (np.array([[0.0, 0, 0, 0], [0, 0, INF, 0]]), r"^lexicon: frame 1: the log-prob of unit 2 is inf"),
        (np.full((2, 4), -INF), r"^lexicon: frame 0: log-probs and lexicon allow no labelling"),
        (certain([1, 1, 0, 1], 4), r"^lexicon: frame 3: log-probs and lexicon allow no labelling"),
    ],
)
def test_log_probs_that_cannot_be_are_refused_in_one_line(log_probs, message):
    with pytest.raises(AsrError, match=message):
        LexiconSearch(pronunciations=HOMOPHONES)(log_probs)


def test_naming_the_decoder_does_not_load_numba():
    program = "import asr.decoders.lexicon, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("kernel", [lexicon_kernels.search, lexicon_kernels.extend])
def test_the_inner_loops_leave_other_threads_alone(kernel):
    assert kernel.targetoptions["nogil"]

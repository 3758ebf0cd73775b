import math
import subprocess
import sys

import numpy as np
import pytest

from asr import lm
from asr.errors import AsrError, AsrWarning, InputError

UNITS = ["<blank>", "a", "b", "c", "d"]


@pytest.fixture(scope="module")
def sentences():
    rng = np.random.default_rng(0)
    return [list(rng.choice(list("abcd"), rng.integers(0, 12), p=[0.5, 0.3, 0.15, 0.05])) for _ in range(80)]


def walk(model, symbols):
    state = model.start
    for id in model.ids(symbols):
        state, _ = model.score(state, id)
    return state


def test_importing_it_costs_neither_torch_nor_numba():
    code = "import sys, asr.lm; print([m for m in ('torch', 'numba', 'librosa', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("vocabulary", [None, "abcdxyz"])
def test_probabilities_sum_to_1_in_every_context(sentences, order, vocabulary):
    model = lm.estimate(sentences, order, vocabulary)
    said = [id for id, symbol in enumerate(model.symbols) if symbol not in ("<s>", "</s>")]
    for state in range(len(model.automaton.final)):
        total = math.exp(model.finish(state)) + sum(math.exp(model.score(state, id)[1]) for id in said)
        assert total == pytest.approx(1, abs=1e-12)


def test_an_open_vocabulary_has_unk_and_a_closed_one_gives_mass_to_all_its_symbols(sentences):
    opened, closed = lm.estimate(sentences, 3), lm.estimate(sentences, 3, "abcdz")
    assert opened.symbols == ("<s>", "</s>", "<unk>", "a", "b", "c", "d")
    assert closed.symbols == ("<s>", "</s>", "a", "b", "c", "d", "z")
    assert (opened.unknown, closed.unknown) == (2, None)
    assert opened.ids(["zebra", "a"]) == [2, 3]
    assert -20 < closed.score(0, closed.ids(["z"])[0])[1] < 0
    with pytest.raises(AsrError, match="lacks 'zebra' and has no <unk>; train it with this symbol"):
        closed.ids(["a", "zebra"])


def test_an_unseen_symbol_is_as_probable_as_any_other(sentences):
    closed = lm.estimate(sentences, 3, "abcdyz")
    y, z = closed.ids(["y", "z"])
    assert closed.score(walk(closed, "ab"), y)[1] == closed.score(walk(closed, "ab"), z)[1]


@pytest.mark.parametrize("bound", ["<s>", "</s>"])
def test_the_bounds_of_a_sentence_are_not_said(sentences, bound):
    model = lm.estimate(sentences, 3)
    with pytest.raises(AsrError, match=f"'{bound}' is a sentence boundary and cannot occur in text"):
        model.ids(["a", bound])
    assert model.score(model.start, model.symbols.index(bound))[1] == -math.inf
    with pytest.raises(AsrError, match="added to every sentence automatically"):
        lm.estimate([["a", bound]], 2)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_tables_are_what_score_says(sentences, order):
    model = lm.estimate(sentences, order)
    following, score, final = model.tables([*UNITS, "zebra", "okapi"])
    ids = model.ids([*UNITS[1:], "zebra", "okapi"])
    assert (following.dtype, score.dtype, final.dtype) == (np.int32, np.float64, np.float64)
    assert following.shape == score.shape == (len(final), 7)
    for state in range(len(final)):
        steps = [model.score(state, id) for id in ids]
        assert following[state].tolist() == [state, *(after for after, _ in steps)]
        assert score[state] == pytest.approx([0.0, *(gain for _, gain in steps)], abs=1e-12)
        assert final[state] == model.finish(state)


def test_tables_follow_the_order_of_the_units(sentences):
    model = lm.estimate(sentences, 3)
    _, score, _ = model.tables(UNITS)
    _, reversed_score, _ = model.tables([UNITS[0], *UNITS[:0:-1]])
    assert np.array_equal(score[:, 1:], reversed_score[:, :0:-1])


def test_tables_name_a_unit_that_the_model_does_not_know(sentences):
    with pytest.raises(AsrError, match="lacks 'x' and has no <unk>"):
        lm.estimate(sentences, 2, "abcd").tables([*UNITS, "x"])


def test_tables_that_would_be_too_large_are_refused(sentences, monkeypatch):
    model = lm.estimate(sentences, 3)
    states = len(model.automaton.final)
    monkeypatch.setattr(lm, "MAX_CELLS", states * 5 - 1)
    with pytest.raises(AsrError, match=f"{states} states × 5 units, above {states * 5 - 1}; train a lower order"):
        model.tables(UNITS)


def test_only_contexts_that_matter_are_states(sentences):
    model = lm.estimate(sentences, 3)
    contexts = {tuple(["<s>", *s][i : i + n]) for s in sentences for n in (1, 2) for i in range(len(s) + 2 - n)}
    assert len(model.automaton.final) == 1 + len(contexts)  # and the one without context


def test_numba_compiles_step_as_it_stands(sentences):
    numba = pytest.importorskip("numba")
    model = lm.estimate(sentences, 4)
    compiled = numba.njit(lm.step)
    for state in range(len(model.automaton.final)):
        for id in range(-1, len(model.symbols) + 1):  # and two that are no symbols
            assert compiled(model.automaton, state, id) == model.score(state, id)


def test_what_is_no_symbol_is_never_said(sentences):
    assert lm.estimate(sentences, 2).score(0, 99)[1] == -math.inf


def test_a_model_is_never_changed(sentences):
    model = lm.estimate(sentences, 2)
    with pytest.raises(ValueError, match="read-only"):
        model.automaton.final[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        model.grams[1].backoff[0] = 0
    with pytest.raises(AttributeError):
        model.symbols = ()
    model.tables(UNITS)[2][0] = 0
    assert model.finish(0) != 0


def test_no_language_model_has_no_opinion():
    none = lm.NoLM()
    assert none.score(none.start, none.ids(["anything"])[0]) == (0, 0.0)
    assert none.finish(0) == 0.0
    assert lm.step(none.automaton, 0, none.ids(["x"])[0]) == (0, 0.0)


def test_the_same_sentences_make_the_same_model(sentences):
    one, other = lm.estimate(sentences, 3), lm.estimate(iter(sentences), 3)
    assert one.symbols == other.symbols
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one.automaton, other.automaton, strict=True))


@pytest.mark.parametrize(
    ("text", "order", "vocabulary", "message"),
    [
        ([], 2, None, "order 2 does not fit this text; it contains no sentences"),
        ([["a"], ["a", "b"]], 5, None, "order 5 does not fit this text; use 1 to 4"),
        ([["a"]], 0, None, "order 0 does not fit this text; use 1 to 3"),
        ([["a"], ["b", "x"]], 2, "ab", "sentence 2: 'x' is not in the vocabulary"),
        ([["a"]], 2, ["a", "<s>"], "<s> and </s> are added"),
    ],
)
def test_what_cannot_be_trained_is_refused(text, order, vocabulary, message):
    with pytest.raises(AsrError, match=message):
        lm.estimate(text, order, vocabulary)


def test_the_highest_order_that_sentences_allow_is_trained():
    model = lm.estimate([["a"], []], 3)
    assert [len(table.ids) for table in model.grams] == [4, 3, 1]


def test_perplexity_worked_by_hand():
    # Seen: a 2, end 1, z 0. D = 0.5 and 1, so that 1.5 / 3 is shared by three.
    model = lm.estimate([["a", "a"]], 1, "az")
    a, z, end = 1 / 3 + 0.5 / 3, 0.5 / 3, 0.5 / 3 + 0.5 / 3
    assert lm.perplexity(model, [["a"], ["z", "a"]]) == pytest.approx(((a * end * z * a * end) ** (-1 / 5), 5, 0))


def test_perplexity_counts_what_the_model_does_not_know_as_unk():
    model = lm.estimate([["a", "b"], ["b", "a"]], 2)
    result = lm.perplexity(model, [["a", "zebra", "okapi"]])
    assert (result.tokens, result.unknown) == (4, 2)
    assert result == lm.perplexity(model, [["a", "<unk>", "<unk>"]])._replace(unknown=2)
    with pytest.raises(AsrError, match="no sentences to score"):
        lm.perplexity(model, [])


def test_perplexity_of_the_impossible_is_infinite(tmp_path):
    path = tmp_path / "lm.arpa"
    path.write_text("\\data\\\nngram 1=3\n\\1-grams:\n0 <s>\n-9999 </s>\n-1 a\n\\end\\\n")
    assert lm.perplexity(lm.read(path), [["a"]]).perplexity == math.inf


def test_a_model_that_knows_none_of_the_symbols_is_refused_and_one_that_knows_few_is_reported(tmp_path):
    path = tmp_path / "upper.arpa"
    lm.write(lm.estimate([["SHE", "HAD"], ["A", "DOG"]], 1), path)
    with pytest.raises(InputError, match="none of the 2 words of d, such as 'she', but contains 'A'; check upper"):
        lm.matching(path, ["she", "had"], "words of d")
    with pytest.warns(AsrWarning, match="lacks 2 of 3 words of d, such as 'she'; they count as <unk>"):
        lm.matching(path, ["she", "had", "DOG"], "words of d")
    assert lm.matching(path, ["SHE", "HAD", "cat"], "words of d").order == 1


def test_a_search_for_a_model_reads_its_file_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.arpa"
    lm.write(lm.estimate([["a", "b"]], 1), path)
    first = lm.matching(path, ["a"], "units")
    assert lm.matching(path, ["b"], "units") is first
    lm.write(lm.estimate([["a", "b", "c"]], 2), path)
    assert lm.matching(path, ["a"], "units").order == 2
    with pytest.raises(InputError, match="missing.arpa"):
        lm.matching(tmp_path / "missing.arpa", ["a"], "units")

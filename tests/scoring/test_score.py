import jiwer
import numpy as np
import pytest

from asr.errors import AsrError, InputError
from asr.scoring.score import score


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "total"),
    [
        ("वह किताब पढ़ता है मेरा नाम", "वह कताब पढ़ती हो मीरा नीम", 5, 6),
        ("பாடு கேள்", "பிடி கொள", 2, 2),
        ("كَتَبَ", "كُتُب", 1, 1),
        ("Cafe\u0301 “Ångström”", "café a\u030angstro\u0308m!", 0, 2),
        ("two – three", "two three", 0, 2),
    ],
)
def test_words_are_compared_in_every_script(reference, hypothesis, errors, total):
    count = score(reference, hypothesis, kind="words").count
    assert (count.errors, count.total) == (errors, total)


@pytest.mark.parametrize("kind", ["written", "characters", "words"])
def test_canonically_equivalent_text_is_equal(kind):
    assert score("caf\u00e9", "cafe\u0301", kind=kind).rate == 0
    assert score(["caf\u00e9"], ["cafe\u0301"], kind=kind).rate == 0


@pytest.mark.parametrize("seed", range(3))
def test_error_rates_are_jiwers(seed):
    generator = np.random.default_rng(seed)
    references, hypotheses = (
        [" ".join(generator.choice(list("abcde"), generator.integers(1, 12))) for _ in range(20)] for _ in "rh"
    )
    assert score(references, hypotheses, kind="written").rate == pytest.approx(jiwer.wer(references, hypotheses))
    assert score(references, hypotheses, kind="characters").rate == pytest.approx(jiwer.cer(references, hypotheses))


def test_lists_mappings_strings_and_symbols_are_scored_alike():
    lines = {"s1-a": "sh iy", "s2-b": "hh ae d"}, {"s1-a": "sh iy", "s2-b": "hh ae"}
    symbols = tuple({id: text.split() for id, text in side.items()} for side in lines)
    lists = tuple(list(side.values()) for side in lines)
    counts = [score(*sides, kind="phones39").count for sides in (lines, symbols, lists)]
    assert counts[0] == counts[1] == counts[2] and counts[0].deletions == 1


def test_the_kind_is_inferred_from_the_references():
    assert score("sh iy", "sh iy").kind == "phones39"
    assert score("h# sh iy", "sh iy").kind == "phones61"
    assert score("she had", "she had").kind == "written"


def test_speakers_are_read_from_ids_or_passed():
    references = {f"s{i % 3}-{i}": "a b c d" for i in range(12)}
    hypotheses = {id: "a b c x" if int(id[3:]) % 2 else "a b c d" for id in references}
    by_id = score(references, hypotheses, kind="written")
    assert by_id.conventions[0].resampled == "speakers" and by_id.speakers == 3
    bare = {id.partition("-")[2]: text for id, text in references.items()}
    heard = {id.partition("-")[2]: text for id, text in hypotheses.items()}
    assert score(bare, heard, kind="written").conventions[0].resampled == "utterances"
    passed = score(bare, heard, kind="written", speakers={id: f"s{int(id) % 3}" for id in bare})
    assert str(passed) == str(by_id)


def test_a_missing_hypothesis_counts_as_deletions_and_is_named():
    found = score({"a": "x y", "b": "z"}, {"a": "x y"}, kind="written")
    assert found.missing == ("b",) and found.count.deletions == 1


def test_a_score_prints_one_line_per_convention():
    lines = str(score("sh iy", "sh iy", kind="phones39")).splitlines()
    assert (
        lines[0]
        == "standard             PER 0.00 % [0 / 2: 0 sub, 0 del, 0 ins], no interval: too few utterances with errors"
    )
    assert [line[:20].strip() for line in lines[1:]] == ["optional silence", "merged silence", "mean of utterances"]


@pytest.mark.parametrize(
    ("references", "hypotheses", "kind", "message"),
    [
        (["a"], ["a", "b"], None, "1 references and 2 hypotheses; pass equally many, or use ids"),
        ({"a": "x"}, {"b": "x"}, None, "b: has a hypothesis but no reference"),
        ([], [], None, "no references"),
        (["a"], ["a"], "word", "unknown kind of symbols 'word': .* did you mean 'words'"),
        ([["a", 3]], ["a"], None, "1: 3 is not a string"),
        ([3], ["a"], None, "1: 3 is not a transcript"),
        (["sh zz"], ["sh"], "phones39", "1: 'zz' is not one of TIMIT's phones"),
    ],
)
def test_what_cannot_be_scored_is_refused(references, hypotheses, kind, message):
    with pytest.raises(AsrError, match=message):
        score(references, hypotheses, kind)
    assert issubclass(InputError, AsrError)

import pytest

from asr.errors import AsrError
from asr.scoring import conventions
from asr.units import BLANK, KINDS, Units

LETTERS = Units.of("characters", " abcdefghijklmnopqrstuvwxyz", ".,")


@pytest.mark.parametrize(("kind", "count"), [("phones39", 40), ("phones48", 49), ("phones61", 62)])
def test_phones_and_blank_are_the_units(kind, count):
    units = Units.of(kind)
    assert len(units) == count
    assert units.symbols[BLANK] == "<blank>"


def test_ids_and_symbols_are_inverse():
    for kind in KINDS:
        units = Units.of(kind, "abc ", symbols="a b c")
        ids = list(range(1, len(units)))
        assert units.ids(units.names(ids)) == ids


def test_phones_are_folded_and_q_is_deleted():
    phones = ["h#", "q", "ao", "bcl", "b", "axr", "h#"]
    assert Units.of("phones39").transcript("", phones) == ["sil", "aa", "sil", "b", "er", "sil"]
    assert Units.of("phones48").transcript("", phones) == ["sil", "ao", "vcl", "b", "er", "sil"]
    assert Units.of("phones61").transcript("", phones) == phones


@pytest.mark.parametrize("kind", ["phones39", "phones48", "phones61"])
def test_every_level_is_scored_on_the_same_39(kind):
    units = Units.of(kind)
    phones = ["h#", "q", "ao", "bcl", "b", "axr", "el", "ux", "zh", "h#"]
    scored = conventions.standard(units.kind)(units.transcript("", phones))
    assert scored == ["sil", "aa", "sil", "b", "er", "l", "uw", "sh", "sil"]


def test_characters_are_lowered_where_the_alphabet_is_and_punctuation_goes():
    assert "".join(LETTERS.transcript("She had, your.", [])) == "she had your"
    assert Units.of("characters", "Aab").transcript("Aab", []) == ["A", "a", "b"]


def test_a_unit_that_is_unknown_is_refused_by_name():
    with pytest.raises(AsrError, match=r"'é' is not a unit; add it to the units or normalize the text"):
        LETTERS.transcript("café", [])
    with pytest.raises(AsrError, match=r"'zz' is not one of TIMIT's 61 phones"):
        Units.of("phones39").transcript("", ["h#", "zz"])


def test_blank_is_no_symbol_of_a_transcript():
    with pytest.raises(AsrError, match="'<blank>' is not a unit"):
        LETTERS.ids(["<blank>"])


@pytest.mark.parametrize(
    ("kind", "missing"), [("phones39", "phones"), ("phones", "phones"), ("characters", "text"), ("words", "text")]
)
def test_an_utterance_without_a_transcript_is_refused(kind, missing):
    with pytest.raises(AsrError, match=f"has no {missing}"):
        Units.of(kind, "abc", symbols="a b").transcript("", [])


@pytest.mark.parametrize("alphabet", ["", "abca"])
def test_an_alphabet_names_each_character_once(alphabet):
    with pytest.raises(AsrError, match="must name each character exactly once"):
        Units.of("characters", alphabet)


def test_an_unknown_kind_is_named():
    with pytest.raises(AsrError, match=r"unknown units 'phones40': .* did you mean 'phones4?3?[0-9]+'\?"):
        Units.of("phones40")


@pytest.mark.parametrize("kind", ["words", "phones"])
@pytest.mark.parametrize("symbols", ["", "yes no yes"])
def test_words_and_phones_are_named_once_each(kind, symbols):
    with pytest.raises(AsrError, match=f"must name each of the {kind} exactly once, separated by spaces"):
        Units.of(kind, symbols=symbols)


def test_words_are_taken_as_written_or_in_lower_case_without_punctuation():
    units = Units.of("words", symbols="yes no U.S. ok")
    assert units.transcript('"Yes," NO -- U.S. (ok).', []) == ["yes", "no", "U.S.", "ok"]
    assert units.text([1, 2]) == "yes no"
    assert conventions.metric(units.kind) == "WER"
    with pytest.raises(AsrError, match="'maybe' is not a unit"):
        units.transcript("yes maybe", [])


def test_phones_of_another_set_are_taken_as_they_are():
    units = Units.of("phones", symbols="a: S t")
    phones = [("S", 0.0, 0.1), ("t", 0.1, 0.2), ("a:", 0.2, 0.4)]
    assert units.transcript("", [symbol for symbol, *_ in phones]) == ["S", "t", "a:"]
    assert units.starts(phones) == [0.0, 0.1, 0.2]
    assert units.starts([(symbol, 0.0, 0.0) for symbol, *_ in phones]) == []
    assert conventions.standard(units.kind)(["S", "a:"]) == ["S", "a:"]


@pytest.mark.parametrize(
    ("alphabet", "drop", "text", "wanted"),
    [
        ("abé ", "", "  A\u0065\u0301  b ", "aé b"),  # composed, and one space where there are more
        ("abc ", "-/", "a-b/c - a", "a b c a"),  # what joins words separates them
        ("abc", "-", "a-b", "ab"),
        ("i\u0307 ", "", "İ", "i\u0307"),  # two characters in lower case
        ("你好", " 。", "你 好。", "你好"),
    ],
)
def test_characters_are_normalized_before_they_are_split(alphabet, drop, text, wanted):
    assert "".join(Units.of("characters", alphabet, drop).transcript(text, [])) == wanted


def test_phones_are_joined_by_spaces_and_characters_by_nothing():
    assert Units.of("phones39").text([1, 2]) == "aa ae"
    assert LETTERS.text(LETTERS.ids(list("she had"))) == "she had"

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
        units = Units.of(kind, "abc ")
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


def test_what_is_no_unit_is_refused_by_name():
    with pytest.raises(AsrError, match=r"'é' is not a unit; add it to the units or normalise the text"):
        LETTERS.transcript("café", [])
    with pytest.raises(AsrError, match=r"'zz' is not one of TIMIT's 61 phones"):
        Units.of("phones39").transcript("", ["h#", "zz"])


def test_blank_is_no_symbol_of_a_transcript():
    with pytest.raises(AsrError, match="'<blank>' is not a unit"):
        LETTERS.ids(["<blank>"])


@pytest.mark.parametrize(("kind", "missing"), [("phones39", "phones"), ("characters", "text")])
def test_an_utterance_without_a_transcript_is_refused(kind, missing):
    with pytest.raises(AsrError, match=f"has no {missing}"):
        Units.of(kind, "abc").transcript("", [])


@pytest.mark.parametrize("alphabet", ["", "abca"])
def test_an_alphabet_names_each_character_once(alphabet):
    with pytest.raises(AsrError, match="must name each character exactly once"):
        Units.of("characters", alphabet)


def test_an_unknown_kind_is_named():
    with pytest.raises(AsrError, match=r"unknown units 'phones40': .* did you mean 'phones4?3?[0-9]+'\?"):
        Units.of("phones40")


def test_phones_are_joined_by_spaces_and_characters_by_nothing():
    assert Units.of("phones39").text([1, 2]) == "aa ae"
    assert LETTERS.text(LETTERS.ids(list("she had"))) == "she had"

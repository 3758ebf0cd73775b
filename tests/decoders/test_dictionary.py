import time

import pytest

from asr.decoders import dictionary
from asr.errors import InputError
from asr.units import Units

PHONES = Units.of("phones39")
LETTERS = Units.of("characters", " abcdefghijklmnopqrstuvwxyz'", drop=".,")

TIMIT = """; timitdic.txt
;
; lined  /l ay1 n d/
a  /ax/
read~v_pres  /r iy1 d/
read~v_past  /r eh1 d/
mr.  /m ih1 s t axr/

twenty-one  /t w eh1 n t iy w ah1 n/
a  /ey1/
A  /ax/
"""
CMU = """;;; # CMUdict
;;; comment
!EXCLAMATION-POINT  EH2 K S K L AH0 M EY1 SH AH0 N P OY2 N T
'BOUT  B AW1 T
READ  R EH1 D
READ(2)  R IY1 D
d'artagnan D AH0 R T AE1 NG Y AH0 N # foreign french
a(2) EY1
"""


def written(folder, content, encoding="utf-8"):
    path = folder / "dictionary"
    path.write_text(content, encoding=encoding)
    return path


def test_timits_format_is_read(tmp_path):
    assert dictionary.read(written(tmp_path, TIMIT)) == {
        "a": [("ax",), ("ey",)],
        "read": [("r", "iy", "d"), ("r", "eh", "d")],
        "mr.": [("m", "ih", "s", "t", "axr")],
        "twenty-one": [("t", "w", "eh", "n", "t", "iy", "w", "ah", "n")],
    }


def test_cmudicts_format_is_read_old_and_new(tmp_path):
    found = dictionary.read(written(tmp_path, CMU))
    assert list(found) == ["!exclamation-point", "'bout", "read", "d'artagnan", "a"]
    assert found["read"] == [("r", "eh", "d"), ("r", "iy", "d")]
    assert found["d'artagnan"] == [("d", "ah", "r", "t", "ae", "ng", "y", "ah", "n")]
    assert found["a"] == [("ey",)]


def test_a_dictionary_in_latin_1_is_read_and_windows_line_ends_too(tmp_path):
    assert dictionary.read(written(tmp_path, "DÉJÀ  D EY2 ZH AA1\r\n", "latin-1")) == {
        "déjà": [("d", "ey", "zh", "aa")]
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a  /ax/\nb  b iy1\n", r"dictionary:2: 'b  b iy1' is not an entry like 'word  /w er1 d/'; correct the line$"),
        ("a  /ax/\nb  //\n", r"dictionary:2: 'b  //' is not an entry"),
        ("a  /ax/\nb /b/ iy/\n", r"dictionary:2: 'b /b/ iy/' is not an entry"),
        ("A  AH0\n\nB  /b iy1/\n", r"dictionary:3: 'B  /b iy1/' is not an entry like 'WORD  W ER1 D'"),
        ("A  AH0\nB\n", r"dictionary:2: 'B' is not an entry"),
        ("A  AH0\nB   # nothing\n", r"dictionary:2: 'B   # nothing' is not an entry"),
        ("; a comment\n\n", r"dictionary: contains no words; pass a dictionary in TIMIT's or CMUdict's format$"),
        ("", r"dictionary: contains no words"),
    ],
)
def test_what_is_no_entry_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        dictionary.read(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_and_odd_line_ends_are_not_part_of_a_word(tmp_path):
    assert dictionary.read(written(tmp_path, "SHE  SH IY1\r\nHAD  HH AE1 D\x85\n", "utf-8-sig")) == {
        "she": [("sh", "iy")],
        "had": [("hh", "ae", "d")],
    }


@pytest.mark.parametrize("line", ["A" + " " * 200_000 + "/", "A  /ax" + " /" * 100_000])
def test_a_long_malformed_line_is_refused_at_once(tmp_path, line):
    begin = time.perf_counter()
    with pytest.raises(InputError, match=r"dictionary:2: 'A .{0,60}' is not an entry") as caught:
        dictionary.read(written(tmp_path, f"{'a  /ax/' if '/ax' in line else 'B  B IY1'}\n{line}\n"))
    assert time.perf_counter() - begin < 2 and len(str(caught.value)) < 300


def test_a_word_in_brackets_is_a_word(tmp_path):
    assert list(dictionary.read(written(tmp_path, "(1)  W AH1 N\nTWO(2)  T UW1\n"))) == ["(1)", "two"]


def test_a_dictionary_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: cannot be read as a dictionary \(No such file or directory\)"):
        dictionary.read(tmp_path / "nowhere")


def test_phones_are_folded_to_the_units_and_what_becomes_equal_is_kept_once():
    entries = {"about": [("ax", "b", "aw", "t"), ("ah", "b", "aw", "t"), ("b", "aw", "t")]}
    found = dictionary.in_units(entries, PHONES)
    assert [PHONES.names(ids) for ids in found["about"]] == [["ah", "b", "aw", "t"], ["b", "aw", "t"]]
    finer = Units.of("phones61")
    assert [finer.names(ids) for ids in dictionary.in_units(entries, finer)["about"]] == [
        list(said) for said in entries["about"]
    ]


@pytest.mark.parametrize("kind", ["phones39", "phones48", "phones61"])
def test_both_formats_fit_units_of_every_level(tmp_path, kind):
    units = Units.of(kind)
    for content in (TIMIT, CMU):
        found = dictionary.in_units(dictionary.read(written(tmp_path, content)), units)
        assert all(0 < id < len(units) for said in found.values() for ids in said for id in ids)


@pytest.mark.parametrize(
    ("entries", "units", "message"),
    [
        (
            {"cat": [("k", "xx")]},
            PHONES,
            r"^my.dic: word 'cat', pronounced 'k xx': 'xx' is not one of TIMIT's 61 phones",
        ),
        ({"uh": [("q",)]}, PHONES, r"^my.dic: word 'uh', pronounced 'q': has no phones"),
        ({"café": [("c", "a", "f", "é")]}, LETTERS, r"^my.dic: word 'café', pronounced 'c a f é': 'é' is not a unit"),
        ({"...": [(".", ".", ".")]}, LETTERS, r"^my.dic: word '...', pronounced '. . .': has no text"),
    ],
)
def test_what_is_no_unit_is_refused_with_its_word(entries, units, message):
    with pytest.raises(InputError, match=message):
        dictionary.in_units(entries, units, "my.dic")


def test_words_are_spelled_in_characters_as_transcripts_are():
    found = dictionary.in_units(dictionary.spelled(["cat", "Mr.", "it's"]), LETTERS)
    assert {word: LETTERS.text(ids) for word, (ids,) in found.items()} == {"cat": "cat", "Mr.": "mr", "it's": "it's"}


def test_pauses_closures_and_the_glottal_stop_are_silences():
    def names(kind):
        units = Units.of(kind)
        return units.names(sorted(dictionary.silences(units)))

    assert names("phones39") == ["sil"]
    assert names("phones48") == ["cl", "epi", "sil", "vcl"]
    assert names("phones61") == ["bcl", "dcl", "epi", "gcl", "h#", "kcl", "pau", "pcl", "q", "tcl"]
    assert dictionary.silences(LETTERS) == frozenset()


def test_the_space_separates_words_of_characters():
    assert dictionary.separator(LETTERS) == 1
    assert dictionary.separator(PHONES) is None
    assert dictionary.separator(Units.of("characters", "abc")) is None

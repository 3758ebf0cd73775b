import pytest

from asr.errors import InputError
from asr.scoring import trn


def test_what_was_written_is_read(tmp_path):
    utterances = {"s1-a": ["sh", "iy"], "s2-b": [], "s1-c": ["é", "i'm", "a:b"]}
    trn.write(tmp_path / "a.trn", utterances)
    assert (tmp_path / "a.trn").read_text(encoding="utf-8") == "sh iy (s1-a)\né i'm a:b (s1-c)\n(s2-b)\n"
    assert trn.read(tmp_path / "a.trn") == utterances


def test_comments_blank_lines_and_spaces_are_passed_over(tmp_path):
    (tmp_path / "a.trn").write_text(";; a comment\n\n  a   b\t(s-1)  \nc(s-2)\n")
    assert trn.read(tmp_path / "a.trn") == {"s-1": ["a", "b"], "s-2": ["c"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no utterances"),
        ("a b\n", "a.trn:1: 'a b' has no id"),
        ("a (s-1)\nb (s-1)\n", "a.trn:2: duplicate id 's-1'"),
        ("a { b / c } (s-1)\n", r"a.trn:1 \(s-1\): '\{' is empty or trn markup"),
        ("(sil) a (s-1)\n", r"'\(sil\)' is empty or trn markup"),
        ("a @ (s-1)\n", "'@' is empty or trn markup"),
        ("a* (s-1)\n", r"'a\*' is empty or trn markup"),
        ("a;b (s-1)\n", "'a;b' is empty or trn markup"),
        (b"\xff (s-1)\n", "cannot be read as trn"),
    ],
)
def test_what_cannot_be_scored_is_named(tmp_path, text, message):
    (tmp_path / "a.trn").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        trn.read(tmp_path / "a.trn")


@pytest.mark.parametrize("symbols", [["a b"], [""], ["(a)"], ["a*"], ["@"]])
def test_what_would_not_be_read_back_is_not_written(tmp_path, symbols):
    with pytest.raises(InputError, match="is empty or trn markup"):
        trn.write(tmp_path / "a.trn", {"s-1": symbols})
    assert not (tmp_path / "a.trn").exists()


@pytest.mark.parametrize(
    ("id", "speaker"), [("fana1-si2287", "fana1"), ("fana1_si2287", "fana1"), ("a_b-c", "a_b"), ("plain", "plain")]
)
def test_the_speaker_is_whom_sclite_takes_it_to_be(id, speaker):
    assert trn.speaker(id) == speaker


def test_a_byte_order_mark_is_no_symbol(tmp_path):
    (tmp_path / "a.trn").write_text("a b (s-1)\n", encoding="utf-8-sig")
    assert trn.read(tmp_path / "a.trn") == {"s-1": ["a", "b"]}


def test_an_id_without_a_speaker_names_none():
    named = trn.named("dr1-fana1_si2287", "")
    assert named == trn.speaker(named) == "dr1.fana1.si2287"


@pytest.mark.parametrize("name", ["fana1", "dr1-fana1", "a_b", "Ann Lee"])
def test_an_id_is_made_to_name_its_speaker(name):
    named = trn.named("dr1-fana1-si2287", name)
    assert trn.speaker(named) == name.translate({ord(c): None for c in "-_ "})
    assert named.endswith("dr1-fana1-si2287") and trn.named(named, name) == named


@pytest.mark.parametrize("id", ["rec_(1)", "(1)", "a(b)-c", "s-1_(2)_(3)"])
def test_parentheses_in_pairs_are_read_as_part_of_an_id(tmp_path, id):
    (tmp_path / "a.trn").write_text(f"sh iy ({id})\n\n({id}x)\n")
    assert trn.read(tmp_path / "a.trn") == {id: ["sh", "iy"], f"{id}x": []}


@pytest.mark.parametrize("id", ["rec (1)", "a{b}", "x;y", "a\tb"])
@pytest.mark.parametrize("speaker", ["", "s1", "Ann (2)"])
def test_any_id_gets_a_name_that_can_be_written_and_read_back(tmp_path, id, speaker):
    name = trn.named(id, speaker)
    trn.write(str(tmp_path / "a.trn"), {name: ["a"]})
    assert trn.read(str(tmp_path / "a.trn")) == {name: ["a"]}

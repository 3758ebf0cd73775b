import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.support import strings as module
from asr.support.strings import Strings

TEXTS = st.lists(st.text(st.characters(codec="utf-8")))


@given(TEXTS, st.integers(-5, 5), st.integers(-5, 5))
def test_they_are_what_a_list_of_them_is(texts, start, end):
    strings = Strings(texts)
    assert list(strings) == texts and len(strings) == len(texts)
    assert list(strings[start:end]) == texts[start:end]
    assert all(strings[-i] == texts[-i] for i in range(1, len(texts) + 1))


def test_an_index_beyond_the_end_is_an_error():
    strings = Strings("ab")
    strings.append("")
    assert strings[2] == ""
    with pytest.raises(IndexError):
        strings[3]


def test_ends_that_4_bytes_cannot_count_to_get_8(monkeypatch):
    monkeypatch.setattr(module, "NARROW", "B")  # 1 byte, so that 256 characters are too many
    texts = ["a" * 200, "b" * 55, "é", "", "c"]
    assert list(Strings(texts)) == texts

import codecs
import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import InputError
from asr.support import text

PACKAGE = Path(__file__).parents[2] / "asr"
SAID = "sh\u2028iy\x85hae\x0cd\r\nüber\x0bé\n\nend"
LINES = ["sh\u2028iy\x85hae\x0cd", "über\x0bé", "", "end"]
ENCODINGS = {
    "UTF-8": SAID.encode(),
    "UTF-8 with a mark": codecs.BOM_UTF8 + SAID.encode(),
    "UTF-16, little end first": codecs.BOM_UTF16_LE + SAID.encode("utf-16-le"),
    "UTF-16, big end first": codecs.BOM_UTF16_BE + SAID.encode("utf-16-be"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_byte_order_mark_is_not_text_and_lines_end_at_line_feeds_only(tmp_path, encoding):
    (tmp_path / "text").write_bytes(ENCODINGS[encoding])
    assert text.read(tmp_path / "text") == SAID
    assert text.lines(str(tmp_path / "text")) == LINES
    streamed = [line.decode().rstrip("\r\n") for line in text.encoded_lines(io.BytesIO(ENCODINGS[encoding]))]
    assert streamed == LINES


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))))
def test_lines_that_were_joined_are_split_again(lines):
    assert text.split("".join(f"{line}\n" for line in lines)) == lines
    assert text.split("".join(f"{line}\r\n" for line in lines)) == lines


def test_a_mark_inside_a_text_is_kept(tmp_path):
    (tmp_path / "text").write_text("a\ufeffb")
    assert text.read(tmp_path / "text") == "a\ufeffb"


def test_an_error_names_the_file_and_the_byte(tmp_path):
    (tmp_path / "latin").write_bytes("caf\u00e9 au lait".encode("latin-1"))
    where = re.escape(str(tmp_path / "latin"))
    with pytest.raises(InputError, match=rf"^{where}: cannot be read as text \(byte 3, 0xe9, is not UTF-8\); pass a"):
        text.read(tmp_path / "latin")
    (tmp_path / "cut").write_bytes(codecs.BOM_UTF16_LE + b"a\x00b")
    with pytest.raises(InputError, match=r"cut: cannot be read as a list \(byte 4, 0x62, is not UTF-16.*; mend"):
        text.read(tmp_path / "cut", "a list", "mend it")
    with pytest.raises(InputError, match=r"nowhere: cannot be read as text \(No such file or directory\); pass"):
        text.lines(tmp_path / "nowhere")


def test_compressed_text_is_streamed(tmp_path):
    with gzip.open(tmp_path / "text.gz", "wb") as file:
        file.write(ENCODINGS["UTF-8 with a mark"])
    with gzip.open(tmp_path / "text.gz", "rb") as file:
        assert list(text.encoded_lines(file)) == [f"{line}\n".encode() for line in SAID.split("\n")][:3] + [b"end"]


def test_no_module_reads_text_in_its_own_way():
    """So that marks, encodings and line ends are treated alike everywhere."""
    own = re.compile(r"\.read_text\(|\w\.splitlines\(|open\([^)\n]*encoding=")
    # Locks' process ids and what is written; what the kernel says.
    ours = {"files.py": 3, "provenance.py": 1, "store.py": 1, "decoding.py": 1}
    for path in sorted(PACKAGE.rglob("*.py")):
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if "str(error)" not in line]
        assert sum(bool(own.search(line)) for line in lines) == ours.get(path.name, 0), path

r"""Reading text that people and programs wrote, in one place: its encoding, its byte-order mark and its line ends.

Text is UTF-8, or UTF-16 if a byte-order mark says so. The mark is not part of the text. A line ends at `\n` or `\r\n`
and nowhere else: U+2028, U+0085 and form feeds, at which `str.splitlines` breaks, occur inside sentences.
"""

import codecs
import json
import os
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from asr.errors import InputError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path: str | os.PathLike[str], what: str = "text", remedy: str = "pass a UTF-8 file") -> str:
    """Return the text of a file.

    Args:
        path: The file.
        what: What it should be, for the message: 'cannot be read as …'.
        remedy: What to do where it cannot, for the message.

    Raises:
        InputError: It cannot be opened, or a byte of it is not text; the message names the file and the byte.
    """
    path = Path(path)
    try:
        return decode(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
    except UnicodeDecodeError as error:
        reason = f"byte {error.start}, 0x{error.object[error.start]:02x}, is not {error.encoding.upper()}"
    raise InputError(f"{path}: cannot be read as {what} ({reason}); {remedy}")


def lines(path: str | os.PathLike[str], what: str = "text", remedy: str = "pass a UTF-8 file") -> list[str]:
    """Return the lines of a file without their ends; arguments and errors are those of `read`."""
    return split(read(path, what, remedy))


def split(text: str) -> list[str]:
    r"""Return the lines of a text without their ends.

    >>> split("one\u2028two\r\nthree\n")
    ['one\u2028two', 'three']
    """
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def decode(content: bytes) -> str:
    """Return the text that bytes encode.

    Raises:
        UnicodeDecodeError: They are not UTF-8, or not UTF-16 where a byte-order mark says so.
    """
    return content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")


def parsed(content: str | bytes) -> Any:  # noqa: ANN401
    """Return what JSON says, in the encodings that `decode` knows.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(content if isinstance(content, str) else decode(content))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def one_line(text: str) -> str:
    r"""Return a text, such as a file's name, without what would end its line or its field: tabs become \t.

    >>> one_line("a\tb.wav")
    'a\\tb.wav'
    """
    return text.translate({9: r"\t", 10: r"\n", 13: r"\r"})


def encoded_lines(file: BufferedIOBase) -> Iterator[bytes]:
    """Yield the lines of an open file as UTF-8 with their ends, for readers of large files that decode what they need.

    Raises:
        UnicodeDecodeError: The file has a UTF-16 byte-order mark and is not UTF-16.
    """
    first = next(iter(file), b"")
    if first.startswith(_UTF16):
        yield from (f"{line}\n".encode() for line in split(decode(first + file.read())))
        return
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from file

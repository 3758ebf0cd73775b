"""Messages between the server and a decoding process: a tag of one byte, a length of eight, the bytes.

A job is a `JOB` (JSON) and then `DATA`, an empty one being the last. Its results are `PART`s, and then an `END` (JSON)
or a `FAULT` (JSON, what a `RefusedError` is made of, or where the code failed). `READY` comes once, at the start.
"""

import json
from typing import Any, BinaryIO, NamedTuple

JOB, DATA, READY, PART, END, FAULT = b"J", b"D", b"R", b"P", b"E", b"F"
HEAD = 9  # bytes before the payload


class Message(NamedTuple):
    """One message."""

    tag: bytes
    payload: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The payload as an object."""
        row: dict[str, Any] = json.loads(self.payload)
        return row


def head(tag: bytes, size: int) -> bytes:
    """Return what precedes a payload."""
    return tag + size.to_bytes(8, "big")


def split(head: bytes) -> tuple[bytes, int]:
    """Return the tag and the size in what `head` made."""
    return head[:1], int.from_bytes(head[1:], "big")


def read(file: BinaryIO) -> Message:
    """Return the next message.

    Raises:
        EOFError: There is none: the other side has ended.
    """
    start = file.read(HEAD)
    if len(start) < HEAD:
        raise EOFError
    tag, size = split(start)
    payload = file.read(size)
    if len(payload) < size:
        raise EOFError
    return Message(tag, payload)


def write(file: BinaryIO, tag: bytes, payload: bytes) -> None:
    """Send a message."""
    file.write(head(tag, len(payload)))
    file.write(payload)
    file.flush()


def dumps(row: dict[str, Any]) -> bytes:
    """Return an object as bytes."""
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")

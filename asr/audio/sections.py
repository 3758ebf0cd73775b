"""Parts of files: the bytes of large ones are read when they are needed, since all of them would not fit in memory."""

import io
from io import BytesIO
from typing import Any

LARGE = 1 << 24  # bytes from which on a file is not read at once
BLOCK = 1 << 20  # bytes that are read instead


class FileBytes:
    """The bytes of an open file, of which a block is in memory; what `bytes` can do and is needed here.

    Args:
        file: The file; where it is read from next is changed.
    """

    def __init__(self, file: io.RawIOBase | BytesIO) -> None:
        self._file, self._size = file, file.seek(0, 2)
        self._at, self._block = 0, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(self._size)
        if end - start > BLOCK:
            return self._read(start, end - start)
        if not self._at <= start <= end <= self._at + len(self._block):
            self._load(start)
        return self._block[start - self._at : max(end, start) - self._at]

    def find(self, wanted: bytes, start: int) -> int:
        """Return where some bytes are found first from `start` on, or −1."""
        if not self._at <= start < self._at + len(self._block):
            self._load(start)
        while (found := self._block.find(wanted, start - self._at)) < 0:
            start = self._at + len(self._block) - len(wanted) + 1  # what is wanted may begin in this block
            if start + len(wanted) > self._size:
                return -1
            self._load(start)
        return self._at + found

    def _load(self, start: int) -> None:
        self._at, self._block = start, self._read(start, BLOCK)

    def _read(self, start: int, count: int) -> bytes:
        self._file.seek(start)
        found = bytearray()
        while count > len(found) and (more := self._file.read(count - len(found))):
            found += more
        return bytes(found)


Data = bytes | FileBytes


class FilePart(io.RawIOBase):
    """Some bytes and then a part of a file, as a file.

    Args:
        before: The bytes.
        data: The file's bytes.
        start: Where the part begins.
        end: Where it ends.
    """

    def __init__(self, before: bytes, data: FileBytes, start: int, end: int) -> None:
        self._before, self._data, self._start = before, data, start
        self._size, self._position = len(before) + end - start, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, and return it."""
        self._position = max(0, offset + (0, self._position, self._size)[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (any writable buffer)
        """Put the next bytes into a buffer; return how many."""
        at, end = self._position, min(self._position + len(buffer), self._size)
        if at >= end:
            return 0
        length, shift = len(self._before), self._start - len(self._before)
        found = self._before[at:end] + (self._data[max(at, length) + shift : end + shift] if end > length else b"")
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)

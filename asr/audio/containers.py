"""Where recordings end, as far as their containers tell: files that chain several, and headers never finished.

libsndfile reads the first recording of a chain and stops, and believes a WAV header that its recorder never finished.
"""

import re
from io import BytesIO, FileIO

from asr.audio import mpeg
from asr.audio.mpeg import Piece
from asr.audio.sections import LARGE, Data, FileBytes, FilePart
from asr.errors import InputError

STREAMED = 0x7FFF_F000  # bytes; a WAV header gives at least this length if it was written before the length was known
_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # the mark, and the header of the block that comes first
_HEADER = re.compile(rb"\xff[\xe0-\xff]")

Opened = FileIO | BytesIO | FilePart


def recordings(file: Opened) -> tuple[list[Opened], str]:
    """Return the recordings that a file chains, and a warning where its header was never finished, else ''.

    Args:
        file: Open at its beginning, where it is left.

    Raises:
        InputError: An MP3 or an Ogg file was cut short.
    """
    head = file.read(12) or b""
    file.seek(0)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _wav(file)
    if head.startswith((b"OggS", b"fLaC", b"ID3")) or _HEADER.match(head):
        data = FileBytes(file) if file.seek(0, 2) >= LARGE else _all(file)
        begin = mpeg.after_id3(data)
        kind = data[begin : begin + 4]
        split = _ogg if kind == b"OggS" else _flac if kind == b"fLaC" else mpeg.pieces
        found = split(data)
        file.seek(0)
        return ([file] if found == [Piece(b"", 0, len(data))] else [_file(data, piece) for piece in found]), ""
    return [file], ""


def missing(log: str) -> str:
    """Return how much of an open recording is missing, from libsndfile's log; '' where nothing is known to be.

    libsndfile quietly lowers the length of a header to what there is, and tells only here.
    """
    if "Seems to be a truncated file" in log:
        return "a part of its audio, the end is missing"
    sizes = re.search(r"^ *(?:data|SSND|riff|Riff size|Data Size) +: (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    stated, held = map(int, sizes.groups()) if sizes else (0, 0)
    if held + 1 < stated < STREAMED:  # the byte that pads an odd length is often omitted
        return f"{held} of the {stated} bytes of audio its header gives"
    return ""


def _wav(file: Opened) -> tuple[list[Opened], str]:
    """Return a WAV whose data size is right; recorders write it last, so that it is 0 after a crash."""
    at, end = 12, file.seek(0, 2)
    while at + 8 <= end:
        file.seek(at)
        name, size = file.read(4), int.from_bytes(file.read(4) or b"", "little")
        if name == b"data":
            break
        at += 8 + size + size % 2
    else:
        name, size = b"", 1
    file.seek(0)
    held = end - at - 8
    unfinished = name == b"data" and held > 0 and (size >= STREAMED or (size == 0 and not _chunks(file, at + 8, end)))
    if not unfinished:
        return [file], ""
    warning = f"its header gives {size} bytes of audio, so was never finished; read to the end of the file"
    if size:
        return [file], warning  # libsndfile reads on by itself
    data = bytearray(file.read() or b"")
    data[at + 4 : at + 8] = min(held, STREAMED - 1).to_bytes(4, "little")
    return [BytesIO(data)], warning


def _chunks(file: Opened, at: int, end: int) -> bool:
    """Tell whether a file goes on with RIFF chunks up to its end, and not with audio."""
    while at + 8 <= end:
        file.seek(at)
        name, size = file.read(4) or b"", int.from_bytes(file.read(4) or b"", "little")
        if not name.isascii() or not name.decode("ascii").isprintable():
            break
        at += 8 + size + size % 2
    file.seek(0)
    return end <= at <= end + 1


def _all(file: Opened) -> bytes:
    file.seek(0)
    return file.read() or b""


def _file(data: Data, piece: Piece) -> Opened:
    """Return one of several recordings as a file."""
    before, start, end = piece
    return BytesIO(before + data[start:end]) if isinstance(data, bytes) else FilePart(before, data, start, end)


def _between(starts: list[int], data: Data) -> list[Piece]:
    return [Piece(b"", start, end) for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def _ogg(data: Data) -> list[Piece]:
    """Return the links of an Ogg chain; one begins where a first page follows one that is not. Source: RFC 3533, 4.

    Raises:
        InputError: A link does not end with a complete page that is marked as its last.
    """
    starts, ends, at, flags = [0], list[bool](), data.find(b"OggS", 0), 2
    while 0 <= at <= len(data) - 27:
        head = data[at : at + 27]
        if head[5] & 2 and not flags & 2:
            starts.append(at)
            ends.append(bool(flags & 4))
        body = at + 27 + head[26]
        after = body + sum(data[at + 27 : body])
        flags = head[5] if after <= len(data) else 0
        at = data.find(b"OggS", after)
    if not all([*ends, flags & 4]):
        raise InputError("contains only a part of its audio, the end is missing; copy it again")
    return _between(starts, data)


def _flac(data: Data) -> list[Piece]:
    """Return the FLAC files that were joined. Source: RFC 9639, 8."""
    starts, at = [0], data.find(b"fLaC", 0)
    while (at := data.find(b"fLaC", at + 1)) >= 0:
        if _FLAC.match(data[at : at + 8]):
            starts.append(at)
    return _between(starts, data)

"""MPEG audio, frame by frame: how long it is, and where joined files meet.

An MP3 has no length of its own. Encoders put one into a tag, which is a frame of silence in front; without it a decoder
extrapolates from the size of the first frames, and may be far off. Joined files have several tags, of which a decoder
believes the first. So we walk through the frames, cut at each tag, and write a tag that counts where one is wrong.

Source: ISO/IEC 11172-3 and 13818-3, the frame header; the tag is Xing's, as LAME writes it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from asr.audio.sections import Data
from asr.errors import InputError

_KBPS = {  # (is it MPEG-1, layer) → bit rates by index
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBPS[False, 3] = _KBPS[False, 2]
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits
_TAGS = (b"Xing", b"Info")


class _Frame(NamedTuple):
    """A frame: where it is, its size in bytes, what stays the same within one stream, and where its tag would be."""

    start: int
    size: int
    stream: tuple[int, int, int, bool]
    tag: int

    @property
    def end(self) -> int:
        return self.start + self.size


class Piece(NamedTuple):
    """A recording: some bytes, and then those of the data from `start` to `end`."""

    before: bytes
    start: int
    end: int


class _Stretch:
    """Frames of one recording: the first two, and how many there are."""

    def __init__(self, first: _Frame) -> None:
        self.frames, self.count, self.end = [first], 1, first.end

    def add(self, frame: _Frame) -> None:
        self.frames[1:] = self.frames[1:] or [frame]
        self.count, self.end = self.count + 1, frame.end


def pieces(data: Data) -> list[Piece]:
    """Return the recordings that MPEG data consists of, each with a tag that counts its frames.

    What is not MPEG audio, or of a kind whose frames cannot be measured, is returned as it is.

    Raises:
        InputError: A tag counts more frames than there are.
    """
    found: list[_Stretch] = []
    stream = None
    for frame in _frames(data):
        if not found or _tagged(data, frame) or frame.stream != stream:
            found.append(_Stretch(frame))
        else:
            found[-1].add(frame)
        stream = frame.stream
    return [_counted(data, frames) for frames in found] or [Piece(b"", 0, len(data))]


def _counted(data: Data, found: _Stretch) -> Piece:
    """Return one recording with a tag that gives its true number of frames."""
    first, tagged = found.frames[0], _tagged(data, found.frames[0])
    audio, count = found.frames[tagged:], found.count - tagged
    stated = _stated(data, first)
    if stated is not None and count < stated:
        raise InputError(f"contains only {count} of the {stated} MPEG frames its header gives; copy it again")
    if stated == count or not audio or audio[0].stream[1] != 3:
        return Piece(b"", first.start, found.end)
    head = bytearray(data[audio[0].start : audio[0].start + 4])
    head[1] |= 1  # no checksum
    head[2] = 0x80 | head[2] & 0x0C  # a bit rate whose frame has room for the tag, no padding
    tag = _frame(bytes(head), 0)
    assert tag is not None  # its other fields are those of a frame
    silence = bytearray(head + bytes(tag.size - 4))
    silence[tag.tag : tag.tag + 12] = b"Xing" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return Piece(bytes(silence), audio[0].start, found.end)


def _frames(data: Data) -> Iterator[_Frame]:
    """Yield the complete frames; what is between them (other tags, damage) is skipped."""
    at, stream = 0, None
    while 0 <= at <= len(data) - 4:
        frame = _frame(data, at)
        # Any four bytes may look like a header; one that begins a stream needs a second that agrees.
        if frame and (frame.stream == stream or _followed(data, frame)):
            if frame.end > len(data):
                return
            yield frame
            at, stream = frame.end, frame.stream
        elif data[at : at + 3] == b"ID3":
            at = after_id3(data, at)
        else:
            at = data.find(b"\xff", at + 1)


def after_id3(data: Data, at: int = 0) -> int:
    """Return where an ID3 tag that begins at `at` ends; `at` where there is none. Source: id3.org, ID3v2.4, 3.1."""
    tagged = data[at : at + 3] == b"ID3"
    if not tagged or len(data) < at + 10:
        return at + 3 * tagged
    size = 0
    for byte in data[at + 6 : at + 10]:
        size = size << 7 | byte & 0x7F
    return at + 10 + size


def _frame(data: Data, at: int) -> _Frame | None:
    """Return the frame whose header is at `at`, or None where there is no header."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, rates = head[2] >> 4, _RATES.get(version)
    if rates is None or layer == 4 or bits in (0, 15) or head[2] >> 2 & 3 == 3:
        return None
    kbps, rate = _KBPS[version == 3, layer][bits], rates[head[2] >> 2 & 3]
    padding, mono = head[2] >> 1 & 1, head[3] >> 6 == 3
    if layer == 1:
        size = (12_000 * kbps // rate + padding) * 4
    else:
        size = (72_000 if layer == 3 and version != 3 else 144_000) * kbps // rate + padding
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)  # bytes of side information before the tag
    return _Frame(at, size, (version, layer, rate, mono), 4 + side)


def _followed(data: Data, frame: _Frame) -> bool:
    after = _frame(data, frame.end)
    return frame.end >= len(data) or (after is not None and after.stream == frame.stream)


def _tagged(data: Data, frame: _Frame) -> bool:
    return frame.stream[1] == 3 and data[frame.start + frame.tag : frame.start + frame.tag + 4] in _TAGS


def _stated(data: Data, frame: _Frame) -> int | None:
    """Return how many frames a tag counts, itself not included; None where there is no tag, or none that counts."""
    fields = data[frame.start + frame.tag + 4 : frame.start + frame.tag + 12]
    return int.from_bytes(fields[4:], "big") if _tagged(data, frame) and fields[3] & 1 else None

"""Sound files, and ways to damage them."""

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

CODECS = {
    "pcm.wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "ulaw.wav": ("WAV", "ULAW"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "a.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "opus.ogg": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
    "a.aiff": ("AIFF", "PCM_16"),
    "a.sph": ("NIST", "PCM_16"),
}
EXTREMES = [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"1e999", b"-1", b"NaN", b"\n"]
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 70,
    10**400,
    1e308,
    float("nan"),
    "",
    "x",
    "a\nb",
    "\0",
    "\ud800",
    "9" * 5000,
    [],
    {},
    [[]],
)
ODD_TOML = (
    "true",
    "0",
    "-1",
    "1e308",
    "-inf",
    "nan",
    "9" * 400,
    '""',
    '"x"',
    '"a\\nb"',
    "[]",
    "[[]]",
    "{}",
    "1979-05-27",
)


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Return a file damaged in one to four ways."""
    for _ in range(rng.integers(1, 5)):
        head = rng.random() < 0.5  # where formats keep what they say of themselves
        at = int(rng.integers(0, max(1, min(len(data), 64) if head else len(data))))
        size = int(rng.integers(1, 1 + max(1, min(len(data) - at, 1 << int(rng.integers(0, 10))))))
        match rng.integers(0, 7):
            case 0:
                data = (
                    data[:at]
                    + bytes([data[at] ^ 1 << int(rng.integers(0, 8))] if at < len(data) else [])
                    + data[at + 1 :]
                )
            case 1:
                data = data[:at] + rng.bytes(size) + data[at + size :]
            case 2:
                data = data[:at] + data[at + size :]
            case 3:
                data = data[:at] + data[at : at + size] * 2 + data[at + size :]
            case 4:
                extreme = EXTREMES[int(rng.integers(0, len(EXTREMES)))]
                data = data[:at] + extreme + data[at + len(extreme) :]
            case 5:
                data = data[:at] + other[at : at + size] + data[at + size :]
            case _:
                data = data[: max(at, 1)]
    return data


@cache
def recordings() -> Mapping[str, bytes]:
    """Return the same half second in each codec."""
    rng = np.random.default_rng(1)
    samples = (0.2 * np.sin(np.arange(8000) / 5) + 0.01 * rng.standard_normal(8000)).astype(np.float32)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for file, (container, codec) in CODECS.items():
            soundfile.write(Path(name, file), samples, 16_000, format=container, subtype=codec)
            found[file] = Path(name, file).read_bytes()
    return found


def misread(text: str, rng: np.random.Generator) -> str:
    """Return JSON, or lines of it, in which one value is of another type, extreme, missing, or very deep."""
    lines = text.splitlines() if text.lstrip().startswith("{") and _is_json(text.splitlines()[0]) else [text]
    number = int(rng.integers(0, len(lines)))
    row = json.loads(lines[number])
    place = row
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = keys[int(rng.integers(0, len(keys)))]
        if not place[key] or not isinstance(place[key], dict | list) or rng.random() < 0.4:
            if rng.random() < 0.2:
                del place[key]
            else:
                place[key] = ODD[int(rng.integers(0, len(ODD)))]
            break
        place = place[key]
    lines[number] = json.dumps(row)
    if rng.random() < 0.05:
        lines[number] = "[" * 100_000
    return "\n".join(lines) + "\n"


def mistyped(text: str, rng: np.random.Generator) -> str:
    """Return TOML, a setting a line, in which the value of one is another."""
    lines = text.splitlines()
    settings = [number for number, line in enumerate(lines) if " = " in line]
    number = settings[int(rng.integers(0, len(settings)))]
    lines[number] = f"{lines[number].split(' = ')[0]} = {ODD_TOML[int(rng.integers(0, len(ODD_TOML)))]}"
    return "\n".join(lines) + "\n"


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

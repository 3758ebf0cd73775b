"""What is recognized: recordings as their callers name them, read at once or in blocks."""

import os
from functools import partial
from io import BytesIO
from typing import BinaryIO

import numpy as np

from asr import audio
from asr.audio import Samples
from asr.errors import InputError
from asr.manifest import Utterance
from asr.stream.long import Blocks, Recorded

Source = str | os.PathLike[str] | BinaryIO | audio.Channel | tuple[Samples, int] | Utterance

LONG = 300.0  # seconds from which on a recording is read in blocks: as much as a batch may have


def sampled(source: Source) -> tuple[str, Samples, int]:
    """Return a source's name, its samples (S,) and their rate.

    Raises:
        InputError: It cannot be read.
    """
    if isinstance(source, Utterance):
        found, rate = source.samples()
        return str(source.audio), found, round(rate * source.speed)
    if isinstance(source, tuple):
        return "<samples>", *_checked(source)
    return audio.name_of(source), *audio.read(source)


def is_long(source: Source) -> bool:
    """Say whether a recording is so long that it is read in blocks, as far as can be told without reading it."""
    if isinstance(source, Utterance):
        return source.seconds * source.speed > LONG and not any(source.pauses)
    if isinstance(source, tuple):
        found, rate = _checked(source)
        return len(found) > LONG * rate
    known = audio.properties(source.source if isinstance(source, audio.Channel) else source)
    return known is not None and known.seconds > LONG


def recorded(source: Source) -> Recorded:
    """Return how a recording is read in blocks.

    Raises:
        InputError: The source is not one.
    """
    if isinstance(source, Utterance):
        return Recorded(str(source.audio), partial(_of_utterance, source), source.seconds)
    if isinstance(source, tuple):
        found, rate = _checked(source)
        return Recorded("<samples>", partial(_of_samples, found, rate), len(found) / rate)
    file = source.source if isinstance(source, audio.Channel) else source
    if not isinstance(file, str | os.PathLike | BytesIO):
        file = BytesIO(file.read())  # a file that was opened elsewhere can perhaps not be read twice
    name, channel = audio.name_of(source), source.number if isinstance(source, audio.Channel) else None
    known = audio.properties(file)
    return Recorded(name, partial(_of_file, file, name, channel), known.seconds if known else 0.0)


def _checked(source: tuple[Samples, int]) -> tuple[Samples, int]:
    """Return samples and rate, if they are.

    Raises:
        InputError: They are not.
    """
    what = "pass (samples, rate): one channel of floats in [-1, 1], and Hz"
    if len(source) != 2 or np.ndim(source[1]) != 0:
        raise InputError(f"<samples>: not samples with their rate; {what}")
    found, rate = np.asarray(source[0]), int(source[1])
    if not audio.MIN_RATE <= rate <= audio.MAX_RATE:
        raise InputError(f"<samples>: rate is {rate} Hz; {audio.MIN_RATE} to {audio.MAX_RATE} Hz are supported")
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.floating):
        raise InputError(f"<samples>: {found.dtype} of shape {found.shape}; {what}")
    return found, rate


def _of_utterance(utterance: Utterance) -> Blocks:
    seconds = None if utterance.start is None else utterance.seconds * utterance.speed
    for block, rate in audio.blocks(utterance.audio, utterance.start, seconds):
        yield block, round(rate * utterance.speed)


def _of_samples(found: Samples, rate: int) -> Blocks:
    for at in range(0, len(found), audio.BLOCK):
        yield found[at : at + audio.BLOCK], rate


def _of_file(file: str | os.PathLike[str] | BytesIO, name: str, channel: int | None) -> Blocks:
    if isinstance(file, BytesIO):
        file.seek(0)
    return audio.blocks(file, name=name, channel=channel)

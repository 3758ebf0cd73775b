"""`asr transcribe` of audio that is still being spoken: raw samples on standard input, and the microphone."""

import os
import queue
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.cli import options, output
from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.stream import Passage, Stream

BLOCK = 0.05  # seconds that are read at once, at most
FORMATS = (None, "txt", "jsonl")
CLEAR = "\r\x1b[K"


def alone(microphone: bool) -> str:
    """Return what is wrong where live audio comes with something else."""
    remedy = "omit them" if microphone else "pass - for standard input, and omit them"
    return f"is for live audio, which has no files, --output-dir, --resume, --speakers, --shard or --channels; {remedy}"


def transcribe(
    system: Path | None,
    device: str | None,
    search: Mapping[str, Any],
    rate: int | None,
    kind: str | None,
    microphone: bool,
) -> None:
    """Print what is said, a line after each pause, until the audio ends or Ctrl-C.

    Args:
        system: The bundle; see `asr.box.opened`.
        device: Where the network runs.
        search: The options of the decoder.
        rate: Of the samples, Hz. Default: the microphone's own.
        kind: The lines' format.
        microphone: Whether they come from the microphone, or else from standard input.

    Raises:
        AsrError: The format is for whole recordings, or there is no microphone.
    """
    from asr import box, recognize

    if kind not in FORMATS:
        raise AsrError(f"--format {kind}: is for whole recordings; live audio has lines of txt or jsonl")
    file, loaded = box.opened(system, output.say)
    decoder = options.search(file, search).build(loaded.units)
    recognizer = recognize.Recognizer(loaded, decoder, device or "auto")
    if not microphone:
        assert rate is not None
        _show(recognizer.stream(rate, "-"), _standard_input(rate), kind)
        return
    with _microphone(rate) as (blocks, heard):
        output.say(f"listening at {heard} Hz; Ctrl-C ends")
        _show(recognizer.stream(heard, "microphone"), blocks, kind)


def _show(stream: "Stream", blocks: Iterable[bytes], kind: str | None) -> None:
    """Print the passages of a stream."""
    try:
        for block in blocks:
            for passage in stream.accept(block):
                _print(passage, kind)
    except KeyboardInterrupt:
        pass  # how people end it: what was heard until then is printed
    for passage in stream.finish():
        _print(passage, kind)


def _print(passage: "Passage", kind: str | None) -> None:
    """Print a final passage as a line; on a terminal, show another one in a line that the next one replaces."""
    terminal = sys.stderr.isatty()
    if passage.final:
        if terminal:
            print(CLEAR, end="", file=sys.stderr, flush=True)
        output.result(passage.transcript.to(kind or "txt"), end="")
    elif terminal:
        width = shutil.get_terminal_size().columns - 2
        text = passage.transcript.text
        shown = text if len(text) <= width else f"…{text[1 - width :]}"
        print(f"{CLEAR}{shown}", end="", file=sys.stderr, flush=True)


def _standard_input(rate: int) -> Iterator[bytes]:
    """Yield what arrives, as soon as it does."""
    descriptor = sys.stdin.fileno()
    while data := os.read(descriptor, max(2, 2 * round(BLOCK * rate))):
        yield data


@contextmanager
def _microphone(rate: int | None) -> Iterator[tuple[Iterator[bytes], int]]:
    """Open the microphone; yields its blocks of 16-bit samples, and their rate.

    Raises:
        AsrError: What reads it is not installed.
        InputError: There is none, or not at this rate.
    """
    try:
        import sounddevice
    except ImportError:
        raise AsrError("--microphone: needs sounddevice; pip install 'asr[microphone]'") from None
    except OSError as error:
        raise AsrError(f"--microphone: {error}; install PortAudio, for example `apt install libportaudio2`") from None
    remedy = "connect one, or pipe raw audio into `asr transcribe - --rate 16000`"
    blocks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    try:
        rate = rate or round(sounddevice.query_devices(kind="input")["default_samplerate"])
        opened = sounddevice.RawInputStream(
            samplerate=rate,
            blocksize=round(BLOCK * rate),
            channels=1,
            dtype="int16",
            callback=lambda data, *_: blocks.put(bytes(data)),
        )
    except (ValueError, sounddevice.PortAudioError) as error:
        raise InputError(f"--microphone: {' '.join(str(error).split())}; {remedy}") from error
    with opened:
        yield iter(blocks.get, None), rate

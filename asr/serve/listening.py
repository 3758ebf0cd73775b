"""Audio that is being spoken → what was said; runs in a decoding process of its own.

One part of the answer follows each part of the audio: a JSON list of events.

    {"type": "partial", "text", "start", "end"}                     what is being said; the next event replaces it
    {"type": "final", "text", "start", "end", "units", "words"}     what was said; nothing later changes it
"""

import json
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from asr.serve import answers

if TYPE_CHECKING:
    from asr.recognize import Recognizer
    from asr.serve.decoding import Receive
    from asr.stream import Passage


def answer(recognizer: "Recognizer", job: dict[str, Any], receive: "Receive") -> Generator[bytes, None, dict[str, Any]]:
    """Yield the events after each part of the audio, and return its duration.

    Args:
        recognizer: The system.
        job: `rate`, Hz.
        receive: Returns the next samples, 16-bit little-endian, one channel; b"" at the end.
    """
    stream = recognizer.stream(job["rate"])
    while data := receive():
        yield _events(stream.accept(data))
    yield _events(stream.finish())
    return {"seconds": stream.seconds}


def _events(passages: "Iterable[Passage]") -> bytes:
    return json.dumps([_event(passage) for passage in passages], ensure_ascii=False).encode()


def _event(passage: "Passage") -> dict[str, Any]:
    row = {"text": passage.transcript.text, "start": round(passage.start, 4), "end": round(passage.end, 4)}
    if not passage.final:
        return {"type": "partial"} | row
    units, words = answers.units_of(passage.transcript), answers.timed("word", passage.transcript.words)
    return {"type": "final"} | row | {"units": units, "words": words}

"""Transcripts in OpenAI's formats; runs in a decoding process.

Systems without words have units instead, as in captions: the phones of their text.

Source: OpenAI, openapi.yaml, CreateTranscriptionResponseJson, …VerboseJson, TranscriptTextDeltaEvent, …DoneEvent.
"""

import json
import math
import zlib
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import audio
from asr.audio import Longest, Samples, TooLongError
from asr.decoders import dictionary
from asr.errors import AsrError
from asr.formats import Transcript, captions
from asr.serve.refusal import RefusedError
from asr.stream.sources import is_long
from asr.units import BLANK

if TYPE_CHECKING:
    from asr.manifest import Segment
    from asr.recognize import LogProbs, Recognizer
    from asr.serve.decoding import Receive

Facts = dict[str, Any]
LEAST = 1e-6  # probability, below which a logarithm says nothing


def answer(recognizer: "Recognizer", longest: Longest, job: Facts, receive: "Receive") -> Generator[bytes, None, Facts]:
    """Yield the parts of an answer to `POST /v1/audio/transcriptions`, and return the recording's duration.

    Args:
        recognizer: The system.
        longest: What the recording may be.
        job: `format`, `granularities`, `logprobs`, `stream` and `language`.
        receive: Returns the next bytes of the recording, b"" at its end.

    Raises:
        RefusedError: The recording cannot be recognized.
    """
    samples, rate = recording(receive, longest)
    facts = {"seconds": len(samples) / rate}
    if job["stream"] and is_long((samples, rate)):
        yield from _long_events(recognizer, samples, rate, job)
        return facts
    transcript = recognized(recognizer, samples, rate)
    if job["stream"]:
        yield from _events(recognizer, transcript, job)
    elif job["format"] == "json":
        yield _line(_plain(recognizer, transcript, job))
    elif job["format"] == "verbose_json":
        log_probs = recognizer.log_probs((samples, rate))
        yield _line(_verbose(recognizer, transcript, log_probs, job))
    else:
        yield transcript.to("txt" if job["format"] == "text" else job["format"]).encode()
    return facts


def recording(receive: "Receive", longest: Longest) -> tuple[Samples, int]:
    """Return a recording's samples (S,) and its rate in Hz.

    Raises:
        RefusedError: It cannot be read, or is too long.
    """
    file = BytesIO()
    while data := receive():
        file.write(data)
    file.seek(0)
    file.name = "file"
    try:
        return audio.read(file, longest=longest)
    except TooLongError as error:
        raise RefusedError(413, "audio_too_long", str(error), "file") from error
    except AsrError as error:
        raise RefusedError(400, "invalid_audio", str(error), "file") from error


def recognized(recognizer: "Recognizer", samples: Samples, rate: int) -> Transcript:
    """Return what is said.

    Raises:
        RefusedError: The recording is too short.
    """
    try:
        return recognizer.transcribe((samples, rate))
    except AsrError as error:
        raise RefusedError(400, "invalid_audio", str(error).replace("<samples>", "file", 1), "file") from error


def _plain(recognizer: "Recognizer", transcript: Transcript, job: Facts) -> Facts:
    row: Facts = {"text": transcript.text}
    if job["logprobs"]:
        row["logprobs"] = _log_probs(recognizer, transcript)
    return row | {"usage": _usage(transcript.seconds)}


def _verbose(recognizer: "Recognizer", transcript: Transcript, log_probs: "LogProbs", job: Facts) -> Facts:
    row: Facts = {
        "task": "transcribe",
        "language": job["language"],
        "duration": round(transcript.seconds, 4),
        "text": transcript.text,
    }
    if "word" in job["granularities"]:
        row["words"] = timed("word", transcript.segments)
    if "segment" in job["granularities"]:
        row["segments"] = list(_segments(recognizer, transcript, log_probs))
    return row | {"usage": _usage(transcript.seconds)}


def _segments(recognizer: "Recognizer", transcript: Transcript, log_probs: "LogProbs") -> Iterator[Facts]:
    """Yield the captions with what OpenAI says of each.

    `no_speech_prob` is the probability of all paths through the segment's frames that have only blank and silence;
    `avg_logprob` is the mean logarithm of the units' confidence.
    """
    units = recognizer.bundle.units
    quiet = [BLANK, *sorted(dictionary.silences(units))]
    still = np.logaddexp.reduce(log_probs[:, quiet].astype(np.float64), axis=1)
    middles = np.asarray(recognizer.seconds([frame + 0.5 for frame in range(len(log_probs))], transcript.seconds))
    sure = transcript.confidence or [1.0] * len(transcript.units)
    grouped = _by_caption(transcript, transcript.units)
    for number, (text, start, end) in enumerate(captions(transcript)):
        own = grouped[number]
        frames = still[(middles >= start) & (middles < end)]
        said = text.encode()
        yield {
            "id": number,
            "seek": 0,
            "start": round(start, 4),
            "end": round(end, 4),
            "text": text,
            "tokens": units.ids([transcript.units[i].symbol for i in own]),
            "temperature": 0.0,
            "avg_logprob": float(np.mean([_log(sure[i]) for i in own])) if own else 0.0,
            "compression_ratio": len(said) / len(zlib.compress(said)),
            "no_speech_prob": float(np.exp(frames.sum())),
        }


def _events(recognizer: "Recognizer", transcript: Transcript, job: Facts) -> Iterator[bytes]:
    """Yield the text a caption at a time, as server-sent events, and then all of it."""
    tokens = _log_probs(recognizer, transcript) if job["logprobs"] else _texts(recognizer, transcript)
    for group in _by_caption(transcript, _tokens(transcript)[0]):
        if own := [tokens[i] for i in group]:
            yield _delta(own, job)
    yield _done(transcript.text, tokens, transcript.seconds, job)


def _long_events(recognizer: "Recognizer", samples: Samples, rate: int, job: Facts) -> Iterator[bytes]:
    """Yield the text of a long recording while it is recognized, from pause to pause, and then all of it."""
    every: list[Facts] = []
    make = _log_probs if job["logprobs"] else _texts
    for passage in recognizer.passages((samples, rate)):
        tokens = make(recognizer, passage.transcript, bool(every))
        yield _delta(tokens, job)
        every += tokens
    yield _done("".join(one["token"] for one in every), every, len(samples) / rate, job)


def _delta(tokens: list[Facts], job: Facts) -> bytes:
    row: Facts = {"type": "transcript.text.delta", "delta": "".join(one["token"] for one in tokens)}
    return _event(row | ({"logprobs": tokens} if job["logprobs"] else {}))


def _done(text: str, tokens: list[Facts], seconds: float, job: Facts) -> bytes:
    row: Facts = {"type": "transcript.text.done", "text": text}
    return _event(row | ({"logprobs": tokens} if job["logprobs"] else {}) | {"usage": _usage(seconds)})


def _by_caption(transcript: Transcript, segments: "Sequence[Segment]") -> list[list[int]]:
    """Return which of the segments, by index, begin in each caption; none is missing."""
    starts = [caption.start for caption in captions(transcript)] or [0.0]
    groups: list[list[int]] = [[] for _ in starts]
    for i, segment in enumerate(segments):
        groups[max(0, bisect_right(starts, segment.start) - 1)].append(i)
    return groups


def _tokens(transcript: Transcript) -> "tuple[Sequence[Segment], Sequence[float]]":
    """Return what the text consists of, words or units, with the confidence of each, if it was estimated."""
    if transcript.word_confidence:
        return transcript.words, transcript.word_confidence
    return transcript.units, transcript.confidence


def _texts(recognizer: "Recognizer", transcript: Transcript, continued: bool = False) -> list[Facts]:
    """Return the tokens such that they join to the text, which may continue another one."""
    segments, _ = _tokens(transcript)
    space = "" if recognizer.bundle.units.kind == "characters" and not transcript.word_confidence else " "
    return [{"token": space * (continued or i > 0) + segment.symbol} for i, segment in enumerate(segments)]


def _log_probs(recognizer: "Recognizer", transcript: Transcript, continued: bool = False) -> list[Facts]:
    """Return the tokens with the logarithm of their confidence.

    Raises:
        RefusedError: The decoder estimates none.
    """
    texts, (segments, sure) = _texts(recognizer, transcript, continued), _tokens(transcript)
    if len(sure) < len(segments):
        raise RefusedError(
            400, "unsupported_value", "include[]: this system's decoder estimates no logprobs", "include[]"
        )
    return [
        one | {"logprob": _log(confidence), "bytes": list(one["token"].encode())}
        for one, confidence in zip(texts, sure, strict=False)
    ]


def _log(probability: float) -> float:
    return math.log(max(probability, LEAST))


def units_of(transcript: Transcript) -> list[Facts]:
    """Return the units with their times and their confidence, None where it was not estimated."""
    sure: Sequence[float | None] = transcript.confidence or [None] * len(transcript.units)
    return [one | {"confidence": own} for one, own in zip(timed("symbol", transcript.units), sure, strict=True)]


def timed(name: str, segments: "Sequence[Segment]") -> list[Facts]:
    """Return symbols, under a name, with their times."""
    return [{name: one.symbol, "start": round(one.start, 4), "end": round(one.end, 4)} for one in segments]


def _usage(seconds: float) -> Facts:
    return {"type": "duration", "seconds": math.ceil(seconds)}


def _line(row: Facts) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _event(row: Facts) -> bytes:
    return b"data: " + json.dumps(row, ensure_ascii=False).encode() + b"\n\n"

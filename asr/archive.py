"""Archives: many recordings, transcribed by all processors, shared with other machines, and resumed where it stopped.

A transcript's file is there when it is complete, so what is missing is what is left to do. Beside them, `.asr.json`
says what they were made with; those that are older than it were made with something else and count as missing.
"""

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from asr import bundle
from asr.bundle import Bundle
from asr.decoders import Search
from asr.errors import AsrError, InputError
from asr.features.normalise import Statistics
from asr.formats import Transcript
from asr.manifest import Utterance
from asr.recognize import Recognizer
from asr.stream.sources import Source
from asr.support import crew, files, job, text
from asr.support.settings import declared
from asr.support.text import one_line

RECORD = ".asr.json"
WRITERS = 16  # files that are written at once
WORTH = 8 << 20  # bytes of audio for which one more process is worth its start, half a second: four minutes of speech


class Task(NamedTuple):
    """A recording to transcribe.

    Attributes:
        source: What the recognizer reads.
        id: What scorers know it by.
        out: Where its transcript belongs, if in a file.
    """

    source: Source
    id: str
    out: Path | None = None


@dataclass
class Transcriber:
    """Transcribes tasks; other processes can be sent one, and load the system themselves.

    Attributes:
        file: The bundle's.
        search: How to decode.
        device: Where the network runs.
        engine: What runs it.
        kind: The transcripts' format; None for name and text in one line.
        speakers: Feature statistics by speaker, as `Recognizer.speakers` returns them.
    """

    file: Path
    search: Search
    device: str
    engine: str
    kind: str | None = None
    speakers: Mapping[str, Statistics] = field(default_factory=dict)

    @cached_property
    def system(self) -> Bundle:
        """The system in the file."""
        return bundle.load(self.file)

    @cached_property
    def recognizer(self) -> Recognizer:
        """The system with its decoder and engine."""
        return Recognizer(self.system, self.search.build(self.system.units), self.device, self.engine)

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}  # not what follows from them

    def __call__(self, task: Task) -> str:
        """Return a recording's transcript in the format.

        Raises:
            AsrError: The recording cannot be transcribed, or the format cannot represent the transcript.
        """
        result = next(self.each([task]))
        if isinstance(result, AsrError):
            raise result
        return result

    def each(self, tasks: Sequence[Task]) -> Iterator[str | AsrError]:
        """Yield what a call returns for each task, or the error that it raises, in order."""
        results = self.recognizer.transcribe_many(
            [task.source for task in tasks], return_exceptions=True, speakers=self.speakers
        )
        for task, transcript in zip(tasks, results, strict=True):
            try:
                yield transcript if isinstance(transcript, AsrError) else self._text(task, transcript)
            except AsrError as error:
                yield error

    def _text(self, task: Task, transcript: Transcript) -> str:
        if self.kind:
            return replace(transcript, id=task.id).to(self.kind)
        return "".join(f"{one_line(one.audio)}\t{one.text}\n" for one in (transcript, *transcript.alternatives))


def written(tasks: Iterable[Task], results: Iterable[str | AsrError]) -> Iterator[AsrError | None]:
    """Write each task's text to its file, and yield its error, if any, in order.

    A text is on the disk before it counts as written. A disk takes longer for that than a network for a short
    recording, and no longer for several files at once; so they are written in threads, and nobody waits.
    """
    waiting: deque[Future[AsrError | None]] = deque()
    with ThreadPoolExecutor(WRITERS) as pool:
        for task, result in zip(tasks, results, strict=True):
            waiting.append(pool.submit(_write, task, result))
            if len(waiting) > 2 * WRITERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write(task: Task, result: str | AsrError) -> AsrError | None:
    if isinstance(result, AsrError):
        return result
    assert task.out
    try:
        files.write_text(task.out, result)
    except AsrError as error:
        return error
    return None


def transcripts(transcriber: Transcriber, tasks: Sequence[Task]) -> Iterator[str | AsrError]:
    """Yield what a transcriber makes of each task, in order; several processes do it where it is worth their start.

    Raises:
        AsrError: The decoder cannot be used, or processes cannot be started.
    """
    count = processes(transcriber, tasks)
    if count < 2:
        yield from transcriber.each(tasks)
        return
    transcriber.search.build(transcriber.system.units)  # so that what is wrong is said once, and here
    for task, result in zip(tasks, crew.in_order(transcriber, tasks, count), strict=True):
        yield InputError(f"{_path(task.source)}: {result}") if type(result) is AsrError else result


def processes(transcriber: Transcriber, tasks: Sequence[Task]) -> int:
    """Return how many processes the tasks are worth: one for every `WORTH` bytes, and at most one per processor.

    A GPU and torch, which takes seconds and most of a gigabyte to start, work in this process alone.
    """
    most = min(crew.processors() // job.world().local_size, len(tasks))
    if transcriber.device != "cpu" or transcriber.engine == "torch":
        most = 1
    size = 0
    for task in tasks if most > 1 else ():
        size += _size(task.source)
        if size >= most * WORTH:
            break
    return max(1, min(most, size // WORTH))


def _path(source: Source) -> str:
    """Return a source's path, or what stands for it."""
    return str(source.audio if isinstance(source, Utterance) else getattr(source, "name", source))


def _size(source: Source) -> int:
    """Return how many bytes of audio there are; 0 where it is not known."""
    file: Any = source.audio if isinstance(source, Utterance) else getattr(source, "source", source)  # a channel's
    try:
        return os.stat(file).st_size
    except (OSError, TypeError, ValueError):
        return 0


@dataclass(frozen=True)
class TranscriptFolder:
    """A folder of transcripts.

    Attributes:
        folder: The folder.
        made: What its transcripts are made with; see `made_with`.
    """

    folder: Path
    made: Mapping[str, Any]

    def begin(self, strict: bool) -> None:
        """Write down what the transcripts are made with, unless it is what was written before.

        Args:
            strict: Refuse a folder whose transcripts were made with something else.

        Raises:
            AsrError: They were, or it cannot be written.
            InputError: The record cannot be read.
        """
        known = self._known()
        for key, now in self.made.items() if strict else ():
            if known and known.get(key) != now:
                raise AsrError(
                    f"{self.folder}: was made with {key} = {known.get(key)}, not {now}; "
                    f"use another --output-dir, or delete {self.folder / RECORD} to transcribe everything again"
                )
        if known != self.made:
            files.write_json(self.folder / RECORD, self.made)

    def missing(self, tasks: Sequence[Task]) -> list[Task]:
        """Return the tasks whose transcripts are missing, or older than the record."""
        since = os.stat(self.folder / RECORD).st_mtime_ns
        return [task for task in tasks if task.out is None or _written_at(task.out) < since]

    def _known(self) -> dict[str, Any] | None:
        path = self.folder / RECORD
        if not path.exists():
            return None
        try:
            return dict(text.parsed(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{path}: is not a record of what transcripts were made with ({error}); delete it"
            ) from error


def made_with(
    file: Path, search: Search, kind: str, sources: Sequence[str], speakers: str | None = None
) -> dict[str, Any]:
    """Return what transcripts are made with, for JSON: all that changes them, and the sources as they were named.

    Raises:
        InputError: A file of the decoder cannot be read.
    """
    settings = {name: getattr(search.decoder, name) for name in declared(search.decoder)}
    for name, one in declared(search.decoder).items():
        if one.metadata["file"] and settings[name] is not None:
            settings[name] = files.sha256(Path(settings[name]))
    made = {
        "bundle": files.sha256(file),
        "decoder": search.decoder.name,
        **settings,
        "calibration": search.calibration,
        "format": kind,
        "sources": sources,
        "speakers": speakers,
    }
    return dict(json.loads(json.dumps(made)))


def _written_at(path: Path) -> int:
    """Return when a file was written, in ns; before all others if it is missing."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1

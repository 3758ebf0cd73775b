"""Any text read aloud by eSpeak's voices: who reads which sentence, and the recordings."""

import json
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr import manifest
from asr.audio import resample
from asr.corpora import espeak_library
from asr.corpora.espeak_phones import PAUSE, RATE, Mark
from asr.corpora.espeak_recording import cut, degrade, write_audio
from asr.corpora.espeak_speakers import ACCENTS, Speaker, speakers
from asr.corpora.espeak_text import voice_of
from asr.errors import AsrError, InputError
from asr.manifest import Segment, Utterance
from asr.support.files import folder, write_json
from asr.support.seeds import generator
from asr.support.text import parsed
from asr.support.workers import work

VERSION = 1  # of the recordings: raise it if the same readings result in others
SEED = 1
UTTERANCES = {"train": 2000, "dev": 180, "test": 180}  # at least, as many as in the default corpus
ENOUGH = 200  # sentences, from which on no sentence is in two sets
SHARE, MOST = 0.1, 500  # of them that are held out for dev and again for test, and how many at most
TEMPO, PITCH = 0.1, 5  # a speaker's own variation: share of the rate, steps of the pitch
SILENCE = (-0.2, 0.2)  # seconds before and after the speech; half are none, as people cut recordings
TASK = 50  # readings
SECONDS = 0.012  # of one processor for each second of speech; measured on an AMD EPYC
LETTER = 0.08  # seconds of speech
PATIENCE = 30  # seconds of work that need no announcement


class Take(NamedTuple):
    """A sentence read by a speaker: the recording's number, from which its randomness follows."""

    number: int
    sentence: str
    speaker: Speaker


class _Task(NamedTuple):
    """Readings to record, at a rate in Hz, in a folder; `language` begins the names of speakers and recordings."""

    readings: list[Take]
    language: str
    rate: int
    folder: Path


def cast(language: str) -> dict[str, list[Speaker]]:
    """Return the speakers of train, dev and test: of English in several accents, else the language's voice.

    Raises:
        AsrError: eSpeak is not installed, or has no such language.
    """
    voice = voice_of(language)
    return speakers(SEED, ACCENTS if voice == "en" else (voice,))


def plan(sentences: Sequence[str], language: str, reads: int = 0) -> tuple[dict[str, list[Take]], str]:
    """Return the readings of train, dev and test, and how the sentences were divided.

    Args:
        sentences: Each once.
        language: A code of `espeak_library.languages`.
        reads: How often each sentence is read in train; 0: as often as the default corpus's size takes.

    Raises:
        AsrError: eSpeak is not installed, or has no such language.
    """
    voices = cast(language)
    divided, how = _divide(sentences)
    sets: dict[str, list[Take]] = {}
    first = 1
    for name, texts in divided.items():
        sets[name] = readings(texts, voices[name], reads if name == "train" else 0, UTTERANCES[name], first)
        first += len(sets[name])
    shown = ", ".join(f"{name} {len(voices[name])}" for name in sets)
    return sets, f"by voice ({shown}); {how}"


def readings(texts: Sequence[str], voices: Sequence[Speaker], reads: int, least: int, first: int = 1) -> list[Take]:
    """Return each text read `reads` times, or where that is 0 so often that there are `least`; voices take turns."""
    rng = generator(SEED, "readings", first)
    times = reads or math.ceil(least / len(texts))
    order = (texts[i] for _ in range(times) for i in rng.permutation(len(texts)))
    turns = _turns(voices, generator(SEED, "voices", first))
    return [Take(number, text, next(turns)) for number, text in enumerate(order, first)]


def _turns(voices: Sequence[Speaker], rng: np.random.Generator) -> Iterator[Speaker]:
    while True:
        yield from (voices[i] for i in rng.permutation(len(voices)))


def _divide(sentences: Sequence[str]) -> tuple[dict[str, Sequence[str]], str]:
    if len(sentences) < ENOUGH:
        return dict.fromkeys(UTTERANCES, sentences), f"every set reads all {len(sentences)} sentences"
    order = [sentences[i] for i in generator(SEED, "sentences").permutation(len(sentences))]
    held = min(round(SHARE * len(order)), MOST)
    divided: dict[str, Sequence[str]]
    divided = {"train": order[2 * held :], "dev": order[:held], "test": order[held : 2 * held]}
    return divided, "no sentence in two sets: " + ", ".join(f"{name} {len(those)}" for name, those in divided.items())


def record(
    sets: dict[str, list[Take]], language: str, out: Path, rate: int = RATE, workers: int | None = None
) -> dict[str, list[Utterance]]:
    """Synthesize readings and return them as utterances, with the times of their phones and words.

    The same readings result in the same bytes with any number of workers. Recordings that exist are not made again.

    Args:
        sets: The readings of each set.
        language: A code of `espeak_library.languages`.
        out: The folder of the recordings, which is emptied if they are of other readings.
        rate: Hz.
        workers: Number of processes; default: one per processor.

    Raises:
        AsrError: eSpeak is not installed or lacks a voice; the folder cannot be written.
        InputError: eSpeak says nothing to a sentence.
    """
    made = {"version": VERSION, "espeak": espeak_library.version(), "rate": rate, "readings": _digest(sets, language)}
    stamp = out / "espeak.json"  # written last: if it exists, the recordings are complete
    if (found := _made(stamp, made, out, sets)) is not None:
        return found
    try:
        shutil.rmtree(out, ignore_errors=True)
        found = {}
        _announce(sets)
        for name, those in sets.items():
            rest = iter(those)
            tasks = []
            while own := list(islice(rest, TASK)):
                tasks.append(_Task(own, language, rate, folder(out / name)))
            results = work(_record_task, tasks, len(those), f"synthesize {name}", workers)
            found[name] = [utterance for utterances in results for utterance in utterances]
            manifest.write(out / f"{name}.jsonl", found[name])
    except OSError as error:
        raise AsrError(
            f"{out}: cannot be written ({error.strerror or error}); free some space or choose another location"
        ) from error
    write_json(stamp, made)
    return found


def _digest(sets: dict[str, list[Take]], language: str) -> str:
    rows = {name: [(r.number, r.sentence, asdict(r.speaker)) for r in those] for name, those in sets.items()}
    return sha256(json.dumps([language, rows], sort_keys=True).encode()).hexdigest()


def _made(
    stamp: Path, made: dict[str, object], out: Path, sets: dict[str, list[Take]]
) -> dict[str, list[Utterance]] | None:
    """Return the recordings that a stamp vouches for; None where they are others, or one is missing."""
    try:
        if parsed(stamp.read_bytes()) != made:
            return None
        found = {name: list(manifest.read(out / f"{name}.jsonl")) for name in sets}
    except (OSError, ValueError):
        return None
    return found if all(u.audio.is_file() for utterances in found.values() for u in utterances) else None


def _announce(sets: dict[str, list[Take]]) -> None:
    """Say how long it will take, if that is long."""
    every = [reading for those in sets.values() for reading in those]
    speech = LETTER * sum(max(len(reading.sentence), 6) for reading in every)
    seconds = SECONDS * speech / (os.cpu_count() or 1)
    if seconds > PATIENCE:
        print(
            f"synthesizing {len(every):,} recordings, about {speech / 3600:.0f} h of speech: "
            f"about {math.ceil(seconds / 60)} min on {os.cpu_count()} processors",
            file=sys.stderr,
        )


def _record_task(task: _Task) -> tuple[int, list[Utterance]]:
    return len(task.readings), [_record(reading, task) for reading in task.readings]


def _record(reading: Take, task: _Task) -> Utterance:
    number, sentence, speaker = reading
    rng = generator(SEED, "reading", number)
    tempo, pitch = 1 + rng.uniform(-TEMPO, TEMPO), rng.integers(-PITCH, PITCH + 1)
    voice = replace(speaker, rate=round(speaker.rate * tempo), pitch=int(speaker.pitch + pitch))
    speech, marks, words = espeak_library.speak_any(sentence, voice)
    if not any(mark.ipa not in ("", PAUSE) for mark in marks):
        raise InputError(f"'{sentence}': the voice '{speaker.voice}' says nothing; remove or respell it")
    samples, marks = cut(speech, _ended(marks, len(speech)), rng, SILENCE)
    recording = degrade(resample(samples, RATE, task.rate), rng)
    id = f"{task.language}-{speaker.id}-{number:06}"
    path = task.folder / f"{id}.wav"
    write_audio(path, recording, task.rate)
    phones = tuple(_phones(marks))
    return Utterance(
        id,
        path,
        len(recording) / task.rate,
        f"{task.language}-{speaker.id}",
        sentence,
        phones,
        _words(sentence, marks, words),
    )


def _ended(marks: list[Mark], end: int) -> list[Mark]:
    """Return marks of which the last is a pause."""
    return marks if marks[-1].ipa == PAUSE else [*marks, Mark(end, PAUSE, -1)]


def _phones(marks: Sequence[Mark]) -> Iterator[Segment]:
    for mark, end in _sounds(marks):
        yield Segment(mark.ipa, mark.start / RATE, end / RATE)


def _sounds(marks: Sequence[Mark]) -> Iterator[tuple[Mark, int]]:
    """Yield the marks of sounds, each with its end; one without a sound of its own belongs to the sound before."""
    heard = [mark for mark in marks if mark.ipa]
    for mark, after in zip(heard, heard[1:], strict=False):
        if mark.ipa != PAUSE and after.start > mark.start:
            yield mark, after.start


def _words(sentence: str, marks: Sequence[Mark], positions: Sequence[int]) -> tuple[Segment, ...]:
    """Return the words of a sentence with their times; none where eSpeak joins some of them.

    Args:
        sentence: With single spaces.
        marks: Their words are eSpeak's.
        positions: Where in the sentence eSpeak's words begin.
    """
    written = sentence.split()
    times: dict[int, tuple[int, int]] = {}
    for mark, end in _sounds(marks):
        if 0 <= mark.word < len(positions):
            index = sentence.count(" ", 0, max(positions[mark.word], 0) + 1)
            start = times[index][0] if index in times else mark.start
            times[index] = (start, end)
    if sorted(times) != list(range(len(written))):
        return ()
    return tuple(Segment(word, times[i][0] / RATE, times[i][1] / RATE) for i, word in enumerate(written))

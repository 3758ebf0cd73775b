"""Synthetic recordings: a corpus of a text alone, or more of them for training on a folder of recordings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.corpora import espeak_readings, espeak_text
from asr.corpora.espeak_phones import RATE
from asr.corpora.importers import vocabulary
from asr.corpora.importers.imported import Imported
from asr.manifest import Utterance

FOLDER = "synthetic"  # of the recordings, beside the manifests
TRAIN = "train"


@dataclass(frozen=True)
class Synthesis:
    """Recordings that eSpeak adds to those of a folder.

    Attributes:
        language: A code of `asr.corpora.espeak_library.languages`.
        folder: Of the synthetic recordings.
        text: Sentences to speak; None for the transcripts of the training set.
    """

    language: str
    folder: Path
    text: Path | None = None

    def of(self, train: Sequence[Utterance], rate: int) -> tuple[list[Utterance], str, list[str]]:
        """Return the recordings to add to a training set, what they are, and warnings.

        Args:
            train: The training set.
            rate: Of the recordings, in Hz.

        Raises:
            AsrError: eSpeak is not installed or has no such language.
            InputError: No sentence can be spoken.
        """
        if self.text:
            text, where = espeak_text.read(self.text, self.language), str(self.text)
        else:
            text = espeak_text.spoken((u.text for u in train), self.language, "transcripts of train", repeated=True)
            where = "the training set's transcripts"
        voices = [voice for voices in espeak_readings.cast(self.language).values() for voice in voices]
        readings = espeak_readings.readings(text.sentences, voices, 0, espeak_readings.UTTERANCES[TRAIN])
        added = espeak_readings.record({TRAIN: readings}, self.language, self.folder, rate)[TRAIN]
        how = f"{len(added)} synthetic recordings added to train only: {len(text.sentences)} sentences of {where}, "
        how += f"{len(added) // len(text.sentences)} times each, by {len(voices)} voices of '{self.language}'"
        return [replace(utterance, phones=()) for utterance in added], how, [f"{where}: {w}" for w in text.warnings]


def look(path: Path, language: str, folder: Path, units: str | None = None) -> Imported:
    """Return a text as a corpus that eSpeak speaks.

    Args:
        path: A file with a sentence, a word or a command on each line.
        language: A code of `asr.corpora.espeak_library.languages`.
        folder: Of the recordings.
        units: `phones`, `words` or `characters`; default: what fits the text.

    Raises:
        AsrError: eSpeak is not installed or has no such language; the folder cannot be written.
        InputError: The file cannot be read, or no line of it can be spoken.
    """
    text = espeak_text.read(path, language)
    readings, how = espeak_readings.plan(text.sentences, language)
    sets = espeak_readings.record(readings, language, folder)
    written = {name: [replace(u, phones=()) for u in utterances] for name, utterances in sets.items()}
    words = vocabulary.choose(sets if units == "phones" else written, units)
    notes = [
        f"{len(text.sentences)} sentences, spoken by eSpeak in '{language}' (--synthesize chooses the language)",
        f"sets: {how}",
        f"units: {words.how}",
    ]
    origin = f"The sentences in {path}, spoken by eSpeak ('{language}')"
    option = f" SYNTHESIZE={language}" if language != "en" else ""
    return Imported(
        "espeak", origin, f"DATA={path}{option}", sets, words, RATE, notes, [*text.warnings, *words.warnings]
    )

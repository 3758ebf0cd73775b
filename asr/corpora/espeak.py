"""The synthetic corpus: a free corpus in TIMIT's layout, synthesized by eSpeak NG.

Who: 134 speakers, 64 of eSpeak's voice variants in five English accents, women and men; no variant and no sentence is
in two sets (asr/corpora/espeak_speakers.py, asr/corpora/sentences.py).
Hours: 1.56 for training (1980 utterances, 110 speakers, 75,888 phones folded to 39), 0.14 dev (180, 12, 6861), 0.15
test (180, 12, 6869); 13.5 phones a second, 4 to 12 words an utterance of a vocabulary of 1668.
Licence: the sentences and the word list are ours, Apache-2.0. eSpeak NG, GPLv3, is a tool that is loaded in
asr/corpora/espeak_library.py only; its licence does not cover its output.
Where from: synthesized from a seed, by the library in espeakng-loader: `pip install "asr[synth]"`.
Checksum: 3bbcecaf4e8015285c9a86954d5ef210c0c0341994a0bfea5acfc0c310d64ee9 with eSpeak NG 1.52.0, NumPy 2.4 and soxr
1.1 on x86-64 Linux; `checksum` computes it, and the tree's espeak.json records it. Other versions work too, but
change it.

TIMIT needs a licence, so this tree of the same layout and symbols (closures before releases, `dx el em en axr q pau
h#`) exercises its reader, folding and scoring. Of the 61 phones `ax-h eng epi hv nx` do not occur: eSpeak has no such
sounds. An error rate on it shows that a system works, not how well it recognizes people.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.corpora import espeak_library, espeak_readings, espeak_text, sentences, timit
from asr.corpora.espeak_phones import Phone, phones
from asr.corpora.espeak_recording import cut, degrade
from asr.corpora.espeak_speakers import Speaker, speakers
from asr.corpora.espeak_tree import TOPS, pronunciation, spans, write_dictionary, write_speakers, write_utterance
from asr.corpora.protocol import Sets
from asr.errors import AsrError
from asr.support.files import folder, write_json
from asr.support.seeds import generator
from asr.support.settings import File, setting
from asr.support.text import parsed
from asr.support.workers import work

VERSION = 1  # of the tree: raise it if the same seed results in another one
SEED = 1
READS = {"train": 18, "dev": 15, "test": 15}  # sentences per speaker


class _SpeakerTask(NamedTuple):
    """One speaker's task: the numbers and texts of the sentences, and the folder to write to."""

    speaker: Speaker
    set_: str
    sentences: list[tuple[int, str]]
    folder: Path
    seed: int


@dataclass(frozen=True)
class Espeak:
    """The corpus: the default one, or any text in any language that eSpeak speaks."""

    text: File = setting(
        None, "A sentence, a word or a command on each line; the default corpus has its own", file=True
    )
    language: str = setting("en", "Of the text: a code that eSpeak knows", needs="text")
    reads: int = setting(0, "How often train reads each sentence; 0: for 2,000 recordings", high=10_000, needs="text")

    def __call__(self, source: Path | None, out: Path, *, partial: bool = False) -> Sets:
        """Return the sets train, dev and test, synthesized below `out` unless they exist.

        Args:
            source: Must be None; there is nothing to read.
            out: The folder that the recordings are in.
            partial: Ignored; what is synthesized is always complete.

        Raises:
            AsrError: A source was passed; a setting cannot be used; eSpeak is not installed; `out` cannot be written.
            InputError: The text cannot be read, or no line of it can be spoken.
        """
        if source is not None:
            raise AsrError(f"{source}: the espeak corpus is synthesized, not read; omit --source")
        if self.text:
            return self._spoken(Path(self.text), out / "synthetic")
        if self != Espeak():
            raise AsrError('[corpus] language and reads: are of a text; add text = "sentences.txt"')
        return prepare(out)

    def _spoken(self, path: Path, folder: Path) -> Sets:
        text = espeak_text.read(path, self.language)
        readings, how = espeak_readings.plan(text.sentences, self.language, self.reads)
        for line in [f"sets: {how}", *(f"warning: {warning}" for warning in text.warnings)]:
            print(f"{path}: {line}", file=sys.stderr)
        return espeak_readings.record(readings, self.language, folder)


def prepare(out: Path) -> Sets:
    """Return the sets of the default corpus, after synthesizing its tree in `out / "tree"` unless it exists.

    Raises:
        AsrError: espeakng-loader is not installed; the tree cannot be written.
    """
    tree = out / "tree"
    synthesize(tree)
    sets = timit.read_tree(tree)
    dev = {speaker.id for speaker in speakers(SEED)["dev"]}
    return {
        "train": sets["train"],
        "dev": [utterance for utterance in sets["test"] if utterance.speaker in dev],
        "test": [utterance for utterance in sets["test"] if utterance.speaker not in dev],
    }


def synthesize(
    root: Path,
    *,
    seed: int = SEED,
    voices: int | None = None,
    reads: Mapping[str, int] = READS,
    workers: int | None = None,
) -> None:
    """Synthesize a tree, with the same bytes for the same arguments, unless a complete one exists.

    Args:
        root: The folder of TRAIN, TEST and DOC.
        seed: Determines sentences, rates, pitches, levels and noise.
        voices: Number of speakers per set; default: all.
        reads: Number of sentences per speaker, by set.
        workers: Number of processes, which has no effect on the result; default: one per processor.

    Raises:
        AsrError: espeakng-loader is not installed or of another version; `root` cannot be written.
    """
    made = {"version": VERSION, "seed": seed, "voices": voices, "reads": dict(reads)}
    stamp = root / "espeak.json"  # written last: if it exists, the tree is complete
    if _made(stamp) == made:
        return
    try:
        stamp.unlink(missing_ok=True)
        for name in ("TRAIN", "TEST", "DOC"):
            shutil.rmtree(root / name, ignore_errors=True)
        version = espeak_library.version()  # a missing loader is reported here, not by a child process
        tasks = _tasks(root, seed, voices, reads)
        pronounced = _work(tasks, workers)
        missing = set(sentences.vocabulary()) - {word for word, _ in pronounced}
        write_dictionary(folder(root / "DOC"), [*pronounced, *espeak_library.pronunciations(sorted(missing))])
        write_speakers(root / "DOC", [(task.set_, task.speaker) for task in tasks])
    except OSError as error:
        raise AsrError(
            f"{root}: cannot be written ({error.strerror or error}); free some space or choose another location"
        ) from error
    write_json(stamp, {"made": made, "espeak": version, "sha256": checksum(root)})


def checksum(root: Path) -> str:
    """Return the SHA-256 of a tree: of the sorted list of its files' SHA-256 and names."""
    files = sorted(path for top in ("DOC", "TEST", "TRAIN") for path in (root / top).rglob("*") if path.is_file())
    lines = (f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n" for path in files)
    return sha256("".join(lines).encode()).hexdigest()


def _made(stamp: Path) -> object:
    try:
        return parsed(stamp.read_bytes())["made"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tasks(root: Path, seed: int, voices: int | None, reads: Mapping[str, int]) -> list[_SpeakerTask]:
    cast = [(set_, who) for set_, everyone in speakers(seed).items() for who in everyone[:voices]]
    count = sum(reads[set_] for set_, _ in cast)
    texts = enumerate(sentences.compose(count, generator(seed, "sentences")), 1)
    return [
        _SpeakerTask(who, set_, [next(texts) for _ in range(reads[set_])], _home(root, set_, who), seed)
        for set_, who in cast
    ]


def _home(root: Path, set_: str, who: Speaker) -> Path:
    return root / TOPS[set_] / f"DR{who.dialect}" / who.id.upper()


def _work(tasks: list[_SpeakerTask], workers: int | None) -> set[tuple[str, str]]:
    """Perform the tasks and return the words of the training set with their pronunciations."""
    total = sum(len(task.sentences) for task in tasks)
    return set[tuple[str, str]]().union(*work(_read_aloud, tasks, total, "synthesize", workers))


def _read_aloud(task: _SpeakerTask) -> tuple[int, set[tuple[str, str]]]:
    pronounced: set[tuple[str, str]] = set()
    for number, sentence in task.sentences:
        rng = generator(task.seed, "recording", number)
        samples, found = record(sentence, task.speaker, rng)
        write_utterance(folder(task.folder), number, sentence, samples, found)
        if task.set_ == "train":
            pronounced |= {(word, pronunciation(p.symbol for p in own)) for word, own in spans(sentence, found)}
    return len(task.sentences), pronounced


def record(sentence: str, speaker: Speaker, rng: np.random.Generator) -> tuple[npt.NDArray[np.int16], list[Phone]]:
    """Return a recording at 16 kHz, with silence around it, at some level and with some noise; and its phones."""
    samples, marks = cut(*espeak_library.speak(sentence, speaker), rng)
    return degrade(samples, rng), phones(samples, marks)

"""The twin: a corpus in TIMIT's own layout that anyone may have, spoken by eSpeak NG.

Who: 134 speakers, 64 of eSpeak's voice variants in five English accents, women and men; no variant and no sentence is
in two sets (asr/corpora/espeak_speakers.py, asr/corpora/sentences.py).
Hours: 1.56 for training (1980 utterances, 110 speakers, 75,888 phones folded to 39), 0.14 dev (180, 12, 6861), 0.15
test (180, 12, 6869); 13.5 phones a second, 4 to 12 words an utterance of a vocabulary of 1668.
Licence: the sentences and the word list are ours, Apache-2.0. eSpeak NG, GPLv3, is a tool that is loaded here and
nowhere else; its licence does not reach what it says.
Where from: made here from a seed, by the library in espeakng-loader: `pip install "asr[synth]"`.
Checksum: 3bbcecaf4e8015285c9a86954d5ef210c0c0341994a0bfea5acfc0c310d64ee9 with eSpeak NG 1.52.0, NumPy 2.4 and soxr
1.1 on x86-64 Linux; `checksum` computes it, and the tree's espeak.json holds what was made. Nothing fails on another.

TIMIT needs a licence, so its reader, folding and scoring are exercised here by a tree of the same shape with its
symbols: closures before releases, `dx el em en axr q pau h#`. Of the 61 `ax-h eng epi hv nx` do not occur, for eSpeak
has no such sounds. A number reached on it says that a system works; it says nothing about people.
"""

import ctypes
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.audio import Samples, resample
from asr.corpora import sentences, timit
from asr.corpora.espeak_phones import PAUSE, RATE, Mark, Phone, phones, symbols
from asr.corpora.espeak_speakers import ACCENTS, Speaker, speakers
from asr.corpora.espeak_tree import TOPS, pronunciation, spans, write_dictionary, write_speakers, write_utterance
from asr.corpora.protocol import Sets
from asr.errors import AsrError
from asr.support.files import folder, write_json
from asr.support.seeds import generator
from asr.support.text import decode

VERSION = 1  # of what this file makes: raise it when the same seed gives another tree
SEED = 1
READS = {"train": 18, "dev": 15, "test": 15}  # sentences a speaker

SILENCE = (0.08, 0.25)  # seconds before and after an utterance
LEVEL = (-32.0, -20.0)  # dB of full scale, root mean square
NOISE = (-60.0, -40.0)  # dB below the speech
PEAK = 0.9  # of full scale


class Job(NamedTuple):
    """What one speaker reads: the numbers and texts of their sentences, and where they are written."""

    speaker: Speaker
    set_: str
    sentences: list[tuple[int, str]]
    folder: Path
    seed: int


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets train, dev and test; the tree they lie in is made in `out / "tree"` if it isn't there.

    Args:
        source: None; there is nothing to read.
        out: Where the tree is kept.
        partial: Changes nothing; a tree is made whole.

    Raises:
        AsrError: A source is given; espeakng-loader is not installed; the tree cannot be written.
    """
    if source is not None:
        raise AsrError(f"{source}: the espeak corpus is made, not read; leave the source out")
    tree = out / "tree"
    synthesise(tree)
    sets = timit.read_tree(tree)
    dev = {speaker.id for speaker in speakers(SEED)["dev"]}
    return {
        "train": sets["train"],
        "dev": [utterance for utterance in sets["test"] if utterance.speaker in dev],
        "test": [utterance for utterance in sets["test"] if utterance.speaker not in dev],
    }


def synthesise(
    root: Path,
    *,
    seed: int = SEED,
    voices: int | None = None,
    reads: Mapping[str, int] = READS,
    workers: int | None = None,
) -> None:
    """Make a tree, the same bytes for the same arguments; leave one alone that has been made whole.

    Args:
        root: The folder that will hold TRAIN, TEST and DOC.
        seed: Decides sentences, rates, pitches, levels and noise.
        voices: So many speakers a set; all when left out.
        reads: Sentences that each speaker of a set reads.
        workers: Processes; as many as there are processors when left out. Changes no byte.

    Raises:
        AsrError: espeakng-loader is not installed or not the one this was written for; `root` cannot be written.
    """
    made = {"version": VERSION, "seed": seed, "voices": voices, "reads": dict(reads)}
    stamp = root / "espeak.json"  # written last: where it stands, the tree is whole
    if _made(stamp) == made:
        return
    try:
        stamp.unlink(missing_ok=True)
        for name in ("TRAIN", "TEST", "DOC"):
            shutil.rmtree(root / name, ignore_errors=True)
        with _library() as (library, _):  # a missing loader is told here, not by a child
            version = _version(library)
        jobs = _jobs(root, seed, voices, reads)
        said = _work(jobs, workers)
        missing = set(sentences.vocabulary()) - {word for word, _ in said}
        write_dictionary(folder(root / "DOC"), [*said, *_spell(sorted(missing))])
        write_speakers(root / "DOC", [(job.set_, job.speaker) for job in jobs])
    except OSError as error:
        raise AsrError(
            f"{root}: cannot be written ({error.strerror or error}); free or choose another place"
        ) from error
    write_json(stamp, {"made": made, "espeak": version, "sha256": checksum(root)})


def checksum(root: Path) -> str:
    """Return the SHA-256 of a tree: of the sorted listing of its files' own SHA-256 and names."""
    files = sorted(path for top in ("DOC", "TEST", "TRAIN") for path in (root / top).rglob("*") if path.is_file())
    lines = (f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root).as_posix()}\n" for path in files)
    return sha256("".join(lines).encode()).hexdigest()


def _made(stamp: Path) -> object:
    try:
        return json.loads(decode(stamp.read_bytes()))["made"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _jobs(root: Path, seed: int, voices: int | None, reads: Mapping[str, int]) -> list[Job]:
    cast = [(set_, who) for set_, everyone in speakers(seed).items() for who in everyone[:voices]]
    count = sum(reads[set_] for set_, _ in cast)
    texts = enumerate(sentences.compose(count, generator(seed, "sentences")), 1)
    return [
        Job(who, set_, [next(texts) for _ in range(reads[set_])], _home(root, set_, who), seed) for set_, who in cast
    ]


def _home(root: Path, set_: str, who: Speaker) -> Path:
    return root / TOPS[set_] / f"DR{who.dialect}" / who.id.upper()


def _work(jobs: list[Job], workers: int | None) -> set[tuple[str, str]]:
    """Do the jobs and return the words of the training set, each with how it was said."""
    from tqdm import tqdm

    workers = min(workers or os.cpu_count() or 1, len(jobs))
    said: set[tuple[str, str]] = set()
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=sum(len(job.sentences) for job in jobs), desc="speak", disable=None))
        results: Iterable[tuple[int, set[tuple[str, str]]]] = map(_read_aloud, jobs)
        if workers > 1:
            # The library is global and not thread-safe; a spawned child has none loaded yet, on every platform.
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(workers))
            results = pool.imap_unordered(_read_aloud, jobs)
        for count, words in results:
            bar.update(count)
            said |= words
    return said


def _read_aloud(job: Job) -> tuple[int, set[tuple[str, str]]]:
    said: set[tuple[str, str]] = set()
    for number, sentence in job.sentences:
        rng = generator(job.seed, "recording", number)
        samples, found = record(sentence, job.speaker, rng)
        write_utterance(folder(job.folder), number, sentence, samples, found)
        if job.set_ == "train":
            said |= {(word, pronunciation(p.symbol for p in own)) for word, own in spans(sentence, found)}
    return len(job.sentences), said


def record(sentence: str, speaker: Speaker, rng: np.random.Generator) -> tuple[npt.NDArray[np.int16], list[Phone]]:
    """Return a recording at 16 kHz, with silence around it, at some level and with some noise; and its phones."""
    speech, marks = speak(sentence, speaker)
    lead, tail = (int(second * RATE) for second in rng.uniform(*SILENCE, 2))
    begin, end = marks[0].start - lead, marks[-1].start + tail
    samples = np.pad(speech, (max(-begin, 0), max(end - len(speech), 0)))[max(begin, 0) :][: end - begin]
    found = phones(samples, [mark._replace(start=mark.start - begin) for mark in marks])
    return _degrade(samples, rng), found


def _degrade(samples: Samples, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    power = float(np.sqrt(np.mean(samples**2)))
    level, noise, tilt = 10 ** (rng.uniform(*LEVEL) / 20), 10 ** (rng.uniform(*NOISE) / 20), rng.uniform(0, 0.95)
    white = rng.standard_normal(len(samples) + 1)
    hiss = (white[1:] + tilt * white[:-1]) / np.sqrt(1 + tilt**2)
    gain = min(level / power, PEAK / float(np.abs(samples).max()))
    heard = gain * (samples + noise * power * hiss)
    return np.asarray(np.rint(np.clip(heard, -1, 1) * 32767), np.int16)


# eSpeak NG, by speak_lib.h.

_SYNCHRONOUS, _PHONEMES_IN_IPA, _UTF8 = 2, 3, 1
_LIST_END, _WORD, _PHONEME = 0, 1, 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_HEADROOM = 50  # of 100; at 100 some voices clip
_IPA_WITH_BARS = 2 | ord("|") << 8


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_RECEIVE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@contextmanager
def _library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """Load eSpeak, give it and its rate in Hz, and unload it.

    Pitch, flutter and echo go on from one utterance to the next and nothing resets them; a library loaded afresh for
    each (0.5 ms) makes an utterance independent of those before it, and so of the number of workers.
    """
    try:
        import espeakng_loader
    except ImportError:
        raise AsrError('espeak: espeakng-loader is not installed; `pip install "asr[synth]"`') from None
    import _ctypes

    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    data = str(espeakng_loader.get_data_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _PHONEMES_IN_IPA)
    try:
        if rate <= 0:
            raise AsrError(f"{data}: eSpeak NG cannot read its data; install espeakng-loader again")
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # else the clock seeds the breath of a voice
        yield library, rate
    finally:
        library.espeak_Terminate()
        unload = getattr(_ctypes, "dlclose", None) or getattr(_ctypes, "FreeLibrary")  # noqa: B009
        unload(library._handle)


def speak(sentence: str, speaker: Speaker) -> tuple[Samples, list[Mark]]:
    """Return speech at 16 kHz and eSpeak's marks in it, the last of them a pause."""
    blocks: list[bytes] = []
    events: list[tuple[int, int, bytes]] = []

    def receive(samples: int, count: int, told: Sequence[_Event]) -> int:
        if count > 0:
            blocks.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while (kind := told[index].type) != _LIST_END:
            events.append((kind, told[index].sample, told[index].id.string if kind == _PHONEME else b""))
            index += 1
        return 0

    callback = _RECEIVE(receive)
    settings = {_RATE: speaker.rate, _VOLUME: _HEADROOM, _PITCH: speaker.pitch, _RANGE: speaker.range}
    with _library() as (library, rate):
        library.espeak_SetSynthCallback(callback)
        _set_voice(library, speaker.voice)
        for setting, value in settings.items():
            library.espeak_SetParameter(setting, value, 0)
        text = sentence.encode()
        library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
    spoken, written = sum(kind == _WORD for kind, _, _ in events), len(sentences.words(sentence))
    if spoken != written:
        raise AsrError(
            f"'{sentence}': {speaker.voice} speaks {spoken} words, not {written}; install espeakng-loader 0.2"
        )
    samples = (np.frombuffer(b"".join(blocks), np.int16) / 32768).astype(np.float32)
    return resample(samples, rate, RATE), _marks(events, RATE / rate)


def _marks(events: list[tuple[int, int, bytes]], scale: float) -> list[Mark]:
    """Return the phonemes of the events; two or more without a sound are a pause, one alone is a glide."""
    word = -1
    marks: list[Mark] = []
    for kind, sample, name in events:
        if kind == _WORD:
            word += 1
        elif kind == _PHONEME:
            marks.append(Mark(round(sample * scale), _sound(name), word))
    joined: list[Mark] = []
    for silent, run in groupby(marks, lambda mark: not mark.ipa):
        first, *others = run
        joined += [Mark(first.start, PAUSE, -1)] if silent and others else [first, *others]
    return joined


def _spell(words: list[str]) -> list[tuple[str, str]]:
    """Return words that nobody speaks with their pronunciation in the first accent."""
    if not words:
        return []
    with _library() as (library, _):
        _set_voice(library, ACCENTS[0])
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        return [(word, pronunciation(_sounds(library, word))) for word in words]


def _sounds(library: ctypes.CDLL, word: str) -> list[str]:
    text = ctypes.c_char_p(word.encode())
    ipa: bytes = library.espeak_TextToPhonemes(ctypes.byref(text), _UTF8, _IPA_WITH_BARS)
    return [symbol for sound in ipa.split(b"|") for symbol in symbols(_sound(sound))]


def _sound(ipa: bytes) -> str:
    """Return a phoneme without stress and palatalisation."""
    return ipa.decode().strip("ˈˌʲ ")


def _set_voice(library: ctypes.CDLL, voice: str) -> None:
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise AsrError(f"eSpeak NG {_version(library)} has no voice '{voice}'; install espeakng-loader 0.2")


def _version(library: ctypes.CDLL) -> str:
    library.espeak_Info.restype = ctypes.c_char_p
    version: bytes = library.espeak_Info(None)
    return version.decode()

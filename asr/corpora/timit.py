"""TIMIT: 630 speakers of American English, ten sentences each, every phone transcribed by hand.

Who: L. Lamel, W. Fisher, J. Fiscus, J. Garofolo, D. Pallett, N. Dahlgren, V. Zue; read at Texas Instruments,
transcribed at MIT, published by NIST in 1990 and by the Linguistic Data Consortium as LDC93S1.
Hours: 5.4 in total; 3.1 for training, 0.3 development, 0.2 core test once the SA sentences are dropped.
Licence: the LDC's user agreement; bought from https://catalog.ldc.upenn.edu/LDC93S1, never fetched from here.
Checksums: none are published; the counts of the protocol below take their place.

The standard protocol: SA sentences excluded (every speaker reads the same two), the whole TRAIN tree, 50 development
and 24 core test speakers of the TEST tree, 15057 and 7215 phone tokens after folding to 39.
"""

import os
import re
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from asr import audio
from asr.corpora.protocol import Expected, Protocol, Sets, deviations, settle
from asr.corpora.timit_speakers import CORE_TEST_SPEAKERS, DEV_SPEAKERS, TRAIN_SPEAKERS
from asr.errors import InputError, first_few
from asr.manifest import Segment, Utterance
from asr.phones import PHONES_61
from asr.support import text

PROTOCOL: Protocol = {
    "train": Expected(3696, 462, names=TRAIN_SPEAKERS),
    "dev": Expected(400, 50, 15057, DEV_SPEAKERS),
    "test": Expected(192, 24, 7215, CORE_TEST_SPEAKERS),
}

MAX_NAMED = 8  # files in one error message

# Six files of a widely mirrored copy are corrupt; the two SA sentences among them are excluded anyway.
KNOWN_CORRUPT = ("dr1-faks0-si1573", "dr1-faks0-si2203", "dr4-mprt0-si1210", "dr4-mprt0-sx40")

RATE = 16_000  # Hz; the unit of the times in .PHN and .WRD, whatever rate the audio has been converted to
SLACK = 0.1  # seconds that a transcription may exceed its audio by; one in the free sample does, by one sample
KINDS = ("wav", "phn", "wrd", "txt")

_REGION = re.compile(r"dr[1-8]")
_SPEAKER = re.compile(r"[fm][a-z]{3}\d")
_FLAT = re.compile(r"dr[1-8]-[fm][a-z]{3}\d")
# Some copies contain a converted SX1.WAV.wav beside SX1.WAV. The two SA sentences do not match.
_FILE = re.compile(r"(s[ix]\d+)\.(wav|phn|wrd|txt)(?:\.wav)?")

WHERE_FROM = """TIMIT is sold by the Linguistic Data Consortium as LDC93S1: https://catalog.ldc.upenn.edu/LDC93S1
with a copy: make train RECIPE=timit TIMIT=/path/to/timit (the folder that contains TRAIN and TEST)
without a license: make train RECIPE=espeak (synthesized here) or make train RECIPE=timit-sample (free download)"""


class Files(NamedTuple):
    """The files of one utterance, not yet read: `paths` by kind, `stem` their common path."""

    id: str
    speaker: str
    stem: Path
    paths: dict[str, Path]


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets train, dev and test (the core test set) of the standard protocol.

    Args:
        source: The folder that contains TRAIN and TEST, directly or one or two levels down.
        out: Not used; TIMIT is read in place.
        partial: Only warn if the protocol does not hold, and use what can be read.

    Raises:
        InputError: There is no source or no TIMIT in it; a file is missing, extra or cannot be read; a count differs
            from the protocol. One message lists all problems.
    """
    if source is None:
        raise InputError(WHERE_FROM)
    tree = scan_tree(source)
    dev, test = ([f for f in tree["test"] if f.speaker in who] for who in (DEV_SPEAKERS, CORE_TEST_SPEAKERS))
    return assemble(source, {"train": tree["train"], "dev": dev, "test": test}, PROTOCOL, partial)


def read_tree(root: Path) -> Sets:
    """Return everything but the SA sentences of an LDC tree: `train`, and `test` with all its speakers.

    Raises:
        InputError: There is no such tree, or one of its files is missing or cannot be read.
    """
    sets, faults = _read(scan_tree(root))
    settle(root, _grouped(root, faults, MAX_NAMED), partial=False)
    return sets


def scan_tree(source: Path) -> dict[str, list[Files]]:
    """Return the files of all utterances in an LDC tree, unread.

    Raises:
        InputError: There is no such tree.
    """
    layout, root = _find(source)
    if layout != "tree":
        raise InputError(f"{source}: is the free sample, not TIMIT; use RECIPE=timit-sample, or pass TIMIT's folder")
    tree: dict[str, list[Files]] = {"train": [], "test": []}
    for top in _folders(root):
        for region in _folders(top, _REGION) if top.name.lower() in tree else []:
            for speaker in _folders(region, _SPEAKER):
                tree[top.name.lower()] += _files(speaker, f"{region.name}-{speaker.name}".lower())
    return tree


def scan_flat(source: Path) -> list[Files]:
    """Return the files of all utterances in a flat tree such as the free sample (`dr1-fvmh0/sx26.wav`), unread.

    Raises:
        InputError: There is no such tree.
    """
    layout, root = _find(source)
    if layout != "flat":
        raise InputError(f"{source}: is TIMIT, not the free sample; use RECIPE=timit, or pass the sample's folder")
    return [files for folder in _folders(root, _FLAT) for files in _files(folder, folder.name.lower())]


def assemble(source: Path, scanned: dict[str, list[Files]], protocol: Protocol, partial: bool) -> Sets:
    """Read the sets and check them against their protocol.

    Raises:
        InputError: There are problems and `partial` is not set.
    """
    sets, faults = _read(scanned)
    unreadable = Counter(files.speaker for files, _ in faults)
    problems = deviations(sets, protocol, unreadable) + _explain_corrupt(sets)
    # With `partial` every skipped file is reported; an error stays one line.
    settle(source, problems + _grouped(source, faults, len(faults) if partial else MAX_NAMED), partial)
    return sets


def _find(source: Path) -> tuple[str, Path]:
    """Return the layout found in a folder, or one or two levels below it, and its root."""
    level = [source]
    for _ in range(3):
        copies = [(layout, folder) for folder in level if (layout := _layout(folder))]
        if len(copies) > 1:
            folders = first_few([str(folder) for _, folder in copies])
            raise InputError(f"{source}: contains several copies of TIMIT ({folders}); pass one of them")
        if copies:
            return copies[0]
        level = [child for folder in level for child in _folders(folder)]
    raise InputError(
        f"{source}: does not contain TIMIT (no TRAIN/DR1 and no dr1-fvmh0); pass the folder that contains them"
    )


def _layout(folder: Path) -> str | None:
    if any(_FLAT.fullmatch(child.name.lower()) for child in _folders(folder)):
        return "flat"
    tops = [child for child in _folders(folder) if child.name.lower() in ("train", "test")]
    return "tree" if any(_folders(top, _REGION) for top in tops) else None


def _folders(folder: Path, name: re.Pattern[str] = re.compile(r"[^.].*")) -> list[Path]:
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be listed ({error.strerror}); pass the folder that contains TIMIT"
        ) from error
    return [child for child in children if name.fullmatch(child.name.lower()) and child.is_dir()]


def _files(folder: Path, prefix: str) -> list[Files]:
    by_name: dict[str, dict[str, Path]] = defaultdict(dict)
    # Of two copies the last wins: a converted SX1.WAV.wav or SX1.wav sorts after SX1.WAV, which may be unreadable.
    for path in sorted(folder.iterdir()):
        if match := _FILE.fullmatch(path.name.lower()):
            by_name[match[1]][match[2]] = path
    speaker = prefix.split("-")[1]
    return [Files(f"{prefix}-{name}", speaker, folder / name, paths) for name, paths in sorted(by_name.items())]


def _read(scanned: dict[str, list[Files]]) -> tuple[Sets, list[tuple[Files, InputError]]]:
    from tqdm import tqdm

    every = [(name, files) for name, set_ in scanned.items() for files in set_]
    sets: Sets = {name: [] for name in scanned}
    faults = []
    with ThreadPoolExecutor() as threads:  # waits for the disk, not for the interpreter
        results = threads.map(_try_utterance, (files for _, files in every))
        for (name, files), result in zip(every, tqdm(results, "read", len(every), disable=None), strict=True):
            if isinstance(result, Utterance):
                sets[name].append(result)
            else:
                faults.append((files, result))
    return sets, faults


def _try_utterance(files: Files) -> Utterance | InputError:
    try:
        return _utterance(files)
    except InputError as error:
        return error


def _utterance(files: Files) -> Utterance:
    if lacking := [kind for kind in KINDS if kind not in files.paths]:
        present = ", ".join(path.name for path in files.paths.values())
        raise InputError(f"{files.stem}: no .{', .'.join(lacking).upper()} beside {present}; copy it again")
    phones, words = _segments(files.paths["phn"], "phone"), _segments(files.paths["wrd"], "word")
    prompt = _prompt(files.paths["txt"])
    # Read to the end: an intact header does not prove that the data are complete.
    samples, rate = audio.read(files.paths["wav"])
    seconds = len(samples) / rate
    if phones[-1].end > seconds + SLACK:
        what = f"contains {seconds:.2f} s, but its phones end at {phones[-1].end:.2f} s"
        raise InputError(f"{files.paths['wav']}: {what}; copy it again")
    return Utterance(files.id, files.paths["wav"], seconds, files.speaker, prompt, phones, words)


def _segments(path: Path, what: str) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for number, line in enumerate(text.lines(path, remedy="copy it again"), 1):
        try:
            start, end, symbol = line.split()
            segment = Segment(symbol, int(start) / RATE, int(end) / RATE)
        except ValueError:
            raise InputError(f"{path}:{number}: '{line}' is not 'start end {what}'; copy the file again") from None
        if what == "phone" and symbol not in PHONES_61:
            raise InputError(f"{path}:{number}: '{symbol}' is not one of TIMIT's 61 phones; copy the file again")
        # Words overlap in intact copies, so only starts are compared.
        if segment.end < segment.start or segment.start < (segments[-1].start if segments else 0):
            raise InputError(f"{path}:{number}: the times of '{line}' are not in order; copy the file again")
        segments.append(segment)
    if not segments:
        raise InputError(f"{path}: contains no {what}; copy it again")
    return tuple(segments)


def _prompt(path: Path) -> str:
    fields = text.read(path, remedy="copy it again").split(maxsplit=2)
    if len(fields) < 3:
        raise InputError(f"{path}: does not contain 'start end text'; copy it again")
    return " ".join(fields[2].split())


def _explain_corrupt(sets: Sets) -> list[str]:
    read = {utterance.id for utterances in sets.values() for utterance in utterances}
    speakers = {id.rsplit("-", 1)[0] for id in read}
    lost = [id for id in KNOWN_CORRUPT if id not in read and id.rsplit("-", 1)[0] in speakers]
    if not lost:
        return []
    return [
        f"{first_few(lost)}: missing or unreadable, and known to be corrupt in a widely mirrored copy "
        "(TEST/DR1/FAKS0: SA1 SA2 SI1573 SI2203; TRAIN/DR4/MPRT0: SI1210 SX40), copy them from the LDC's"
    ]


def _grouped(source: Path, faults: list[tuple[Files, InputError]], most: int) -> list[str]:
    """Return one sentence for each kind of fault, with the names of at most `most` files."""
    groups: dict[str, list[str]] = defaultdict(list)
    for _, error in faults:
        where, reason = str(error).split(": ", 1)
        groups[reason].append(os.path.relpath(where, source))
    return [f"{first_few(names, most)}: {reason}" for reason, names in groups.items()]

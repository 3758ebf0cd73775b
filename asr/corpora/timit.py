"""TIMIT: 630 speakers of American English, ten sentences each, every phone transcribed by hand.

Who: L. Lamel, W. Fisher, J. Fiscus, J. Garofolo, D. Pallett, N. Dahlgren, V. Zue; read at Texas Instruments,
transcribed at MIT, published by NIST in 1990 and by the Linguistic Data Consortium as LDC93S1.
Hours: 5.4 in all; 3.1 for training, 0.3 development, 0.2 core test once the SA sentences are dropped.
Licence: the LDC's user agreement; bought from https://catalog.ldc.upenn.edu/LDC93S1, never fetched from here.
Checksums: none are published; the counts of the protocol below take their place.

The protocol is the field's: SA sentences dropped (every speaker reads the same two), the whole TRAIN tree, 50
development and 24 core test speakers of the TEST tree, 15057 and 7215 phone tokens after folding to 39.
"""

import os
import re
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from asr import audio
from asr.corpora.protocol import NAMED, Expected, Protocol, Sets, deviations, listed, settle
from asr.errors import InputError
from asr.manifest import Segment, Utterance
from asr.phones import CORE_TEST_SPEAKERS, DEV_SPEAKERS, PHONES_61
from asr.support import text

# The speakers of the TRAIN tree, by dialect region.
TRAIN_SPEAKERS = frozenset(
    """fcjf0 fdaw0 fdml0 fecd0 fetb0 fjsp0 fkfb0 fmem0 fsah0 fsjk1 fsma0 ftbr0 fvfb0 fvmh0 mcpm0 mdac0 mdpk0 medr0
    mgrl0 mjeb1 mjwt0 mkls0 mklw0 mmgg0 mmrp0 mpgh0 mpgr0 mpsw0 mrai0 mrcg0 mrdd0 mrso0 mrws0 mtjs0 mtpf0 mtrr0 mwad0
    mwar0 faem0 fajw0 fcaj0 fcmm0 fcyl0 fdas1 fdnc0 fdxw0 feac0 fhlm0 fjkl0 fkaa0 flma0 flmc0 fmjb0 fmkf0 fmmh0 fpjf0
    frll0 fscn0 fskl0 fsrh0 ftmg0 marc0 mbjv0 mcew0 mctm0 mdbp0 mdem0 mdlb0 mdlc2 mdmt0 mdps0 mdss0 mdwd0 mefg0 mhrm0
    mjae0 mjbg0 mjde0 mjeb0 mjhi0 mjma0 mjmd0 mjpm0 mjrp0 mkah0 mkaj0 mkdt0 mkjo0 mmaa0 mmag0 mmds0 mmgk0 mmxs0 mppc0
    mprb0 mrab0 mrcw0 mrfk0 mrgs0 mrhl0 mrjh0 mrjm0 mrjm1 mrjt0 mrlj0 mrlr0 mrms0 msat0 mtat1 mtbc0 mtdb0 mtjg0 mwsb0
    mzmb0 falk0 fcke0 fcmg0 fdfb0 fdjh0 feme0 fgcs0 fgrw0 fjlg0 fjlr0 flac0 fljd0 fltm0 fmjf0 fntb0 fpaz0 fsjs0 fsjw0
    fskc0 fsls0 madc0 makb0 makr0 mapv0 mbef0 mcal0 mcdc0 mcdd0 mcef0 mdbb1 mddc0 mdef0 mdhs0 mdjm0 mdlc0 mdlh0 mdns0
    mdss1 mdtb0 mdwm0 mfmc0 mgaf0 mhjb0 mhmr0 milb0 mjda0 mjjb0 mjkr0 mjlg1 mjrh1 mkls1 mkxl0 mlns0 mmam0 mmar0 mmeb0
    mmjb1 mmsm0 mprd0 mrbc0 mrds0 mree0 mreh1 mrjb1 mrtc0 mrtj0 mrwa0 msfv0 mtjm0 mtkp0 mtlb0 mtpg0 mtpp0 mvjh0 mwdk0
    mwgr0 falr0 fbas0 fbmj0 fcag0 fdkn0 feeh0 fjwb1 fjxp0 fkdw0 fklc0 flhd0 flkm0 fpaf0 fsak0 fssb0 maeb0 marw0 mbma0
    mbwp0 mcdr0 mcss0 mdcd0 mdma0 mesg0 mfrm0 mfwk0 mgag0 mgjc0 mgrp0 mgxp0 mjac0 mjdc0 mjee0 mjjj0 mjlb0 mjls0 mjmm0
    mjpm1 mjrh0 mjsr0 mjws0 mjxl0 mkam0 mlbc0 mlel0 mljc0 mljh0 mlsh0 mmbs0 mmdm0 mmgc0 mnet0 mpeb0 mprk0 mprt0 mrab1
    mrfl0 mrgm0 mrsp0 msfh0 msmc0 msms0 msrg0 mstf0 mtas0 mtqc0 mtrc0 mtrt0 fbjl0 fbmh0 fcdr1 fdmy0 fdtd0 fear0 fexm0
    fgdp0 fgmb0 fjxm0 fkkh0 flja0 fljg0 flmk0 flod0 fmpg0 fpmy0 fsag0 fsdc0 fsjg0 fskp0 fsmm0 fsms1 ftbw0 ftlg0 mbgt0
    mchl0 mclm0 mdas0 mdhl0 mdsj0 mdwh0 megj0 mewm0 mfer0 mges0 mgsh0 mhit0 mhmg0 mjdm0 mjfh0 mjpg0 mjrg0 mjwg0 mjxa0
    mmab1 mmcc0 mmdm1 mmvp0 mmwb0 mpmb0 mram0 mrav0 mrew1 mrkm0 mrld0 mrml0 mrvg0 msas0 msdh0 msem1 msrr0 mtat0 mtdp0
    mtmt0 mvlo0 mwac0 mwch0 mwem0 mwsh0 fapb0 fbch0 fhxs0 fjdm2 fklc1 flag0 fmju0 fpad0 frjb0 fsbk0 fsdj0 fsgf0 ftaj0
    mabc0 majp0 mbma1 mcae0 mdrd0 meal0 mejl0 mesj0 mjrk0 mkes0 mkln0 mmdb0 mpgr1 mrmb0 mrxb0 msat1 msds0 msjk0 msmr0
    msvs0 mtju0 mtxs0 fblv0 fcjs0 fcrz0 fjen0 fjhk0 fjrp1 fjsk0 fkde0 fksr0 fleh0 flet0 fmah1 fmkc0 fpab1 fpac0 freh0
    fspm0 fvkb0 madd0 maeo0 mafm0 mbar0 mbbr0 mbml0 mbom0 mbth0 mclk0 mcre0 mcth0 mdcm0 mded0 mdks0 mdlc1 mdlm0 mdlr0
    mdlr1 mdpb0 mfxs0 mfxv0 mgak0 mgar0 mgaw0 mgsl0 mhbs0 mhxl0 mjai0 mjdg0 mjfr0 mjjm0 mjra0 mkag0 mkdb0 mklr0 mmdg0
    mmws1 mntw0 mpar0 mpfu0 mrem0 mrlj1 mrmg0 mrmh0 mrpc1 msah1 msdb0 mses0 mtab0 mter0 mtkd0 mtlc0 mtml0 mtmn0 mtpr0
    mtwh1 mvrw0 mwre0 mwrp0 fbcg1 fceg0 fclt0 fjrb0 fklh0 fmbg0 fnkl0 fpls0 mbcg0 mbsb0 mcxm0 mejs0 mkdd0 mkrg0 mmea0
    mmlm0 mmpm0 mmws0 mrdm0 mrlk0 mrre0 mtcs0""".split()
)

PROTOCOL: Protocol = {
    "train": Expected(3696, 462, names=TRAIN_SPEAKERS),
    "dev": Expected(400, 50, 15057, DEV_SPEAKERS),
    "test": Expected(192, 24, 7215, CORE_TEST_SPEAKERS),
}

# Six files of a widely mirrored copy are corrupt; the two SA sentences among them are dropped anyway.
KNOWN_CORRUPT = ("dr1-faks0-si1573", "dr1-faks0-si2203", "dr4-mprt0-si1210", "dr4-mprt0-sx40")

RATE = 16_000  # Hz; the unit of the times in .PHN and .WRD, whatever rate the audio has been converted to
SLACK = 0.1  # seconds that a transcription may run beyond its audio; in the free sample one does, by one sample
KINDS = ("wav", "phn", "wrd", "txt")

_REGION = re.compile(r"dr[1-8]")
_SPEAKER = re.compile(r"[fm][a-z]{3}\d")
_FLAT = re.compile(r"dr[1-8]-[fm][a-z]{3}\d")
# Some copies hold a converted SX1.WAV.wav beside SX1.WAV. The two SA sentences do not match.
_FILE = re.compile(r"(s[ix]\d+)\.(wav|phn|wrd|txt)(?:\.wav)?")

WHERE_FROM = """TIMIT is sold by the Linguistic Data Consortium as LDC93S1: https://catalog.ldc.upenn.edu/LDC93S1
once you have it: make train RECIPE=timit TIMIT=/where/it/lies (the folder that holds TRAIN and TEST)
without a licence: make train RECIPE=espeak (made here) or make train RECIPE=timit-sample (free, fetched)"""


class Files(NamedTuple):
    """The files of one utterance, not yet read: `paths` by kind, `stem` their common path."""

    id: str
    speaker: str
    stem: Path
    paths: dict[str, Path]


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets train, dev and test (the core test set) of the standard protocol.

    Args:
        source: The folder that holds TRAIN and TEST, or one that holds it one or two levels down.
        out: Where a corpus may store things of its own; TIMIT stays where it lies.
        partial: Go on with what can be read where the protocol does not hold, and warn.

    Raises:
        InputError: There is no source or no TIMIT in it; a file is missing, extra or cannot be read; a count of the
            protocol is off. All that is wrong is in the one message.
    """
    if source is None:
        raise InputError(WHERE_FROM)
    tree = scan_tree(source)
    dev, test = ([f for f in tree["test"] if f.speaker in who] for who in (DEV_SPEAKERS, CORE_TEST_SPEAKERS))
    return assemble(source, {"train": tree["train"], "dev": dev, "test": test}, PROTOCOL, partial)


def read_tree(root: Path) -> Sets:
    """Return everything but the SA sentences of an LDC tree: `train`, and `test` with all its speakers.

    Raises:
        InputError: There is no such tree, or a file of it is missing or cannot be read.
    """
    return _read_all(root, scan_tree(root))


def read_flat(root: Path) -> list[Utterance]:
    """Return everything but the SA sentences of a flat tree such as the free sample: `dr1-fvmh0/sx26.wav`.

    Raises:
        InputError: There is no such tree, or a file of it is missing or cannot be read.
    """
    return _read_all(root, {"all": scan_flat(root)})["all"]


def scan_tree(source: Path) -> dict[str, list[Files]]:
    """Return the utterances that lie in an LDC tree, unread.

    Raises:
        InputError: There is no such tree.
    """
    layout, root = _find(source)
    if layout != "tree":
        raise InputError(
            f"{source}: is the free sample, not TIMIT; use RECIPE=timit-sample, or give TIMIT's own folder"
        )
    tree: dict[str, list[Files]] = {"train": [], "test": []}
    for top in _folders(root):
        for region in _folders(top, _REGION) if top.name.lower() in tree else []:
            for speaker in _folders(region, _SPEAKER):
                tree[top.name.lower()] += _files(speaker, f"{region.name}-{speaker.name}".lower())
    return tree


def scan_flat(source: Path) -> list[Files]:
    """Return the utterances that lie in a flat tree, unread.

    Raises:
        InputError: There is no such tree.
    """
    layout, root = _find(source)
    if layout != "flat":
        raise InputError(f"{source}: is TIMIT, not the free sample; use RECIPE=timit, or give the sample's folder")
    return [files for folder in _folders(root, _FLAT) for files in _files(folder, folder.name.lower())]


def assemble(source: Path, scanned: dict[str, list[Files]], protocol: Protocol, partial: bool) -> Sets:
    """Return the sets, read and held against their protocol.

    Raises:
        InputError: Something is off and `partial` is not set.
    """
    sets, faults = _read(scanned)
    unreadable = Counter(files.speaker for files, _ in faults)
    problems = deviations(sets, protocol, unreadable) + _explain_corrupt(sets)
    # Who goes on is told every file that is left out; an error stays one line.
    settle(source, problems + _grouped(source, faults, len(faults) if partial else NAMED), partial)
    return sets


def _find(source: Path) -> tuple[str, Path]:
    """Tell by looking which layout lies in a folder, or one or two levels below it, and where."""
    level = [source]
    for _ in range(3):
        found = [(layout, folder) for folder in level if (layout := _layout(folder))]
        if len(found) > 1:
            places = listed([str(folder) for _, folder in found])
            raise InputError(f"{source}: holds several copies of TIMIT ({places}); give one of them")
        if found:
            return found[0]
        level = [child for folder in level for child in _folders(folder)]
    raise InputError(f"{source}: holds no TIMIT (no TRAIN/DR1 and no dr1-fvmh0 in it); give the folder that holds them")


def _layout(folder: Path) -> str | None:
    if any(_FLAT.fullmatch(child.name.lower()) for child in _folders(folder)):
        return "flat"
    tops = [child for child in _folders(folder) if child.name.lower() in ("train", "test")]
    return "tree" if any(_folders(top, _REGION) for top in tops) else None


def _folders(folder: Path, name: re.Pattern[str] = re.compile(r"[^.].*")) -> list[Path]:
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); give the folder that holds TIMIT") from error
    return [child for child in children if name.fullmatch(child.name.lower()) and child.is_dir()]


def _files(folder: Path, prefix: str) -> list[Files]:
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    # Of two copies the last wins: a converted SX1.WAV.wav or SX1.wav sorts after SX1.WAV, and was made to be readable.
    for path in sorted(folder.iterdir()):
        if match := _FILE.fullmatch(path.name.lower()):
            found[match[1]][match[2]] = path
    speaker = prefix.split("-")[1]
    return [Files(f"{prefix}-{name}", speaker, folder / name, paths) for name, paths in sorted(found.items())]


def _read_all(root: Path, scanned: dict[str, list[Files]]) -> Sets:
    sets, faults = _read(scanned)
    settle(root, _grouped(root, faults, NAMED), partial=False)
    return sets


def _read(scanned: dict[str, list[Files]]) -> tuple[Sets, list[tuple[Files, InputError]]]:
    from tqdm import tqdm

    every = [(name, files) for name, set_ in scanned.items() for files in set_]
    sets: Sets = {name: [] for name in scanned}
    faults = []
    with ThreadPoolExecutor() as threads:  # a disk, not the interpreter, is what this waits for
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
        there = ", ".join(path.name for path in files.paths.values())
        raise InputError(f"{files.stem}: no .{', .'.join(lacking).upper()} beside {there}; copy it again")
    phones, words = _segments(files.paths["phn"], "phone"), _segments(files.paths["wrd"], "word")
    prompt = _prompt(files.paths["txt"])
    # Read to the end: a header alone does not show that the data are there.
    samples, rate = audio.read(files.paths["wav"])
    seconds = len(samples) / rate
    if phones[-1].end > seconds + SLACK:
        raise InputError(
            f"{files.paths['wav']}: holds {seconds:.2f} s, but its phones run to {phones[-1].end:.2f} s; copy it again"
        )
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
        # Words overlap in good copies, hence starts are compared.
        if segment.end < segment.start or segment.start < (segments[-1].start if segments else 0):
            raise InputError(f"{path}:{number}: the times of '{line}' run backwards; copy the file again")
        segments.append(segment)
    if not segments:
        raise InputError(f"{path}: holds no {what}; copy it again")
    return tuple(segments)


def _prompt(path: Path) -> str:
    fields = text.read(path, remedy="copy it again").split(maxsplit=2)
    if len(fields) < 3:
        raise InputError(f"{path}: holds no 'start end text'; copy it again")
    return " ".join(fields[2].split())


def _explain_corrupt(sets: Sets) -> list[str]:
    read = {utterance.id for utterances in sets.values() for utterance in utterances}
    spoken = {id.rsplit("-", 1)[0] for id in read}
    lost = [id for id in KNOWN_CORRUPT if id not in read and id.rsplit("-", 1)[0] in spoken]
    if not lost:
        return []
    return [
        f"{listed(lost)}: missing or unreadable, and known to be corrupt in a widely mirrored copy "
        "(TEST/DR1/FAKS0: SA1 SA2 SI1573 SI2203; TRAIN/DR4/MPRT0: SI1210 SX40), take them from the LDC's"
    ]


def _grouped(source: Path, faults: list[tuple[Files, InputError]], most: int) -> list[str]:
    """Say once what is wrong with many files, and which they are: at most so many of them by name."""
    groups: dict[str, list[str]] = defaultdict(list)
    for _, error in faults:
        where, reason = str(error).split(": ", 1)
        groups[reason].append(os.path.relpath(where, source))
    return [f"{listed(names, most=most)}: {reason}" for reason, names in groups.items()]

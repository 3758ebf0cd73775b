"""Feed damaged files to everything that reads one: a result must come of it, or one line that says what is wrong.

    python tests/bench/fuzz.py                          # all kinds, in about a minute on two cores
    python tests/bench/fuzz.py audio --times 10000
    python tests/bench/fuzz.py bundle --case 17         # once more, with its traceback; --keep saves the file

Each case follows from (seed, kind, number): a sound file of that kind in which bytes are flipped, cut out, repeated,
replaced by the extreme numbers of its format, or taken from another file. Any exception but an `AsrError`, a message of
several lines, a signal and more than `LIMIT` seconds are failures. Damaged audio that is read must be finite.
"""

import argparse
import importlib.util
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import soundfile
from tqdm import tqdm

from asr import audio, bundle, config, lm, manifest
from asr.corpora.importers.folder import Wishes, look
from asr.decoders import dictionary
from asr.errors import AsrError, choose
from asr.scoring import trn

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden" / "0.1.0"
LIMIT = 20  # seconds
MEMORY = 6 << 30  # bytes of addresses
CHUNK = 50  # cases a process tries; one that dies names its case
CODECS = {
    "pcm.wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "ulaw.wav": ("WAV", "ULAW"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "a.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
    "opus.ogg": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
    "a.aiff": ("AIFF", "PCM_16"),
    "a.sph": ("NIST", "PCM_16"),
}
SOUND = {
    "recipe": [
        "a.toml",
        '[corpus]\nname = "mine"\n[encoder]\ncell = "gru"\nhidden = 12\n[augment]\nspeeds = [0.9, 1.1]\n',
    ],
    "manifest": [
        "a.jsonl",
        '{"id": "a", "audio": "a.wav", "seconds": 1.5, "speaker": "s", "text": "on", "phones": [["aa", 0.0, 0.5]]}\n'
        '{"id": "b", "audio": "b.wav", "seconds": 2, "speaker": "", "text": "off", "start": 0.25}\n',
    ],
    "dictionary": ["a.dict", "yes  y eh s\nno  n ow\nno(2)  n ax\n"],
    "trn": ["a.trn", "sh iy (s-1)\naa b (s-2)\n"],
    "arpa": [
        "a.arpa",
        "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-99 <s> -0.3\n-0.7 </s>\n-0.5 a -0.2\n-0.9 <unk>\n\n"
        "\\2-grams:\n-0.1 <s> a\n-0.2 a </s>\n\n\\end\\\n",
    ],
}
EXTREMES = [b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"1e999", b"-1", b"NaN", b"\n"]


class Case(NamedTuple):
    """A kind and a number, from which a damaged file follows."""

    kind: str
    number: int
    seed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="|".join(KINDS), help="default: all")
    parser.add_argument(
        "--times", type=int, help="number of cases; default: 10,000 recordings, 500 other files, 40 folders"
    )
    parser.add_argument("--case", type=int, help="only this one, here, with its traceback")
    parser.add_argument("--keep", type=Path, help="folder for the files that fail")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = False
    for kind in arguments.kinds or KINDS:
        choose(KINDS, kind, "kind")
        if arguments.case is not None:
            print(tried(Case(kind, arguments.case, arguments.seed), arguments.keep))
            continue
        times = arguments.times or (10_000 if kind == "audio" else 40 if kind.startswith("folder") else 500)
        cases = [Case(kind, number, arguments.seed) for number in range(times)]
        outcomes = Counter[str]()
        for case, outcome in all_tried(cases, arguments.keep):
            outcomes[outcome.split(":")[0]] += 1
            if outcome not in ("read", "refused"):
                failed = True
                print(f"{kind} {case.number}: {outcome}", flush=True)
        print(f"{kind:<22}" + ", ".join(f"{what} {count}" for what, count in sorted(outcomes.items())), flush=True)
    sys.exit(failed)


def all_tried(cases: list[Case], keep: Path | None) -> Iterator[tuple[Case, str]]:
    """Yield each case's outcome; cases are tried in processes of their own, which may die."""
    chunks = [cases[i : i + CHUNK] for i in range(0, len(cases), CHUNK)]
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        results = [pool.apply_async(chunk_tried, (chunk, keep)) for chunk in chunks]
        for result in tqdm(results, desc=cases[0].kind, leave=False, disable=None):
            yield from result.get()


def chunk_tried(cases: list[Case], keep: Path | None) -> list[tuple[Case, str]]:
    """Return each case's outcome; a forked child tries them, and is replaced when a signal kills it."""
    found: list[tuple[Case, str]] = []
    while len(found) < len(cases):
        ours, theirs = os.pipe()
        if not (child := os.fork()):
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            with open(theirs, "w") as pipe:
                for case in cases[len(found) :]:
                    print(tried(case, keep).replace("\n", "⏎"), file=pipe, flush=True)
            os._exit(0)
        os.close(theirs)
        with open(ours) as pipe:
            found += [(cases[len(found) + i], line.rstrip("\n")) for i, line in enumerate(pipe)]
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status and len(found) < len(cases):
            found.append((cases[len(found)], f"killed: exit status {status}"))
    return found


def tried(case: Case, keep: Path | None) -> str:
    """Return what becomes of a case: `read`, `refused`, or what is wrong."""
    signal.signal(signal.SIGALRM, _late)
    with tempfile.TemporaryDirectory() as name:
        path = KINDS[case.kind].damage(Path(name), np.random.default_rng([case.seed, case.number, len(case.kind)]))
        signal.alarm(LIMIT)
        try:
            KINDS[case.kind].read(path)
        except AsrError as error:
            if "\n" not in str(error):
                return "refused"
            problem = f"several lines: {error}"
        except Exception as error:  # noqa: BLE001 (any other is what is looked for)
            where = traceback.extract_tb(error.__traceback__)[-1]
            problem = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        else:
            return "read"
        finally:
            signal.alarm(0)
        if keep:
            target = keep / f"{case.kind}-{case.number}"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(name, target)
        return problem


def _late(*_: object) -> None:
    raise TimeoutError(f"more than {LIMIT} s")


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Return a file damaged in one to four ways."""
    for _ in range(rng.integers(1, 5)):
        head = rng.random() < 0.5  # where formats keep what they say of themselves
        at = int(rng.integers(0, max(1, min(len(data), 64) if head else len(data))))
        size = int(rng.integers(1, 1 + max(1, min(len(data) - at, 1 << int(rng.integers(0, 10))))))
        match rng.integers(0, 7):
            case 0:
                data = (
                    data[:at]
                    + bytes([data[at] ^ 1 << int(rng.integers(0, 8))] if at < len(data) else [])
                    + data[at + 1 :]
                )
            case 1:
                data = data[:at] + rng.bytes(size) + data[at + size :]
            case 2:
                data = data[:at] + data[at + size :]
            case 3:
                data = data[:at] + data[at : at + size] * 2 + data[at + size :]
            case 4:
                extreme = EXTREMES[int(rng.integers(0, len(EXTREMES)))]
                data = data[:at] + extreme + data[at + len(extreme) :]
            case 5:
                data = data[:at] + other[at : at + size] + data[at + size :]
            case _:
                data = data[: max(at, 1)]
    return data


class Kind(NamedTuple):
    """How a damaged file of a kind is made in a folder, and what reads it."""

    damage: Callable[[Path, np.random.Generator], Path]
    read: Callable[[Path], object]


@cache
def recordings() -> Mapping[str, bytes]:
    """Return the same half second in each codec."""
    rng = np.random.default_rng(1)
    samples = (0.2 * np.sin(np.arange(8000) / 5) + 0.01 * rng.standard_normal(8000)).astype(np.float32)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for file, (container, codec) in CODECS.items():
            soundfile.write(Path(name, file), samples, 16_000, format=container, subtype=codec)
            found[file] = Path(name, file).read_bytes()
    return found


def _recording(folder: Path, rng: np.random.Generator) -> Path:
    names = list(recordings())
    one, other = (names[int(i)] for i in rng.integers(0, len(names), 2))
    path = folder / one
    path.write_bytes(mutated(recordings()[one], recordings()[other], rng))
    return path


def _heard(path: Path) -> None:
    samples, _ = audio.read(path)
    assert np.isfinite(samples).all(), "samples that are not finite"


def _text(kind: str) -> Callable[[Path, np.random.Generator], Path]:
    def damage(folder: Path, rng: np.random.Generator) -> Path:
        name, text = SOUND[kind]
        path = folder / name
        other = list(SOUND.values())[int(rng.integers(0, len(SOUND)))][1]
        path.write_bytes(mutated(text.encode(), other.encode(), rng))
        return path

    return damage


def _bundle(folder: Path, rng: np.random.Generator) -> Path:
    path = folder / "best.safetensors"
    data = (GOLDEN / "toy" / path.name).read_bytes()
    path.write_bytes(mutated(data, data[::-1], rng))
    return path


@cache
def _formats() -> ModuleType:
    """Return the module that writes a set of recordings in every format that people bring."""
    place = TESTS / "corpora" / "importers" / "conftest.py"
    spec = importlib.util.spec_from_file_location("importer_formats", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _folder(name: str) -> Callable[[Path, np.random.Generator], Path]:
    def damage(folder: Path, rng: np.random.Generator) -> Path:
        root = folder / "mine"
        for said in _formats().SET:
            _formats()._record(root / f"{said.stem}.wav", said.seconds, seed=1)
        _formats().FORMATS[name].write(root)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        texts = [path for path in files if path.suffix.lower() != ".wav"] or files
        one, other = (texts[int(i)] for i in rng.integers(0, len(texts), 2))
        one.write_bytes(mutated(one.read_bytes(), other.read_bytes(), rng))
        return root

    return damage


def _looked(name: str) -> Callable[[Path], object]:
    return lambda root: look(root, Wishes(pattern=_formats().FORMATS[name].pattern))


KINDS: dict[str, Kind] = {
    "audio": Kind(_recording, _heard),
    "bundle": Kind(_bundle, bundle.load),
    "recipe": Kind(_text("recipe"), lambda path: bundle.resolve(config.load(path))),
    "manifest": Kind(_text("manifest"), manifest.read),
    "dictionary": Kind(_text("dictionary"), dictionary.read),
    "trn": Kind(_text("trn"), trn.read),
    "arpa": Kind(_text("arpa"), lm.read),
    **{f"folder of {name}": Kind(_folder(name), _looked(name)) for name in _formats().FORMATS},
}

if __name__ == "__main__":
    main()

"""Kinds of files: how each is damaged, and what reads it."""

import gzip
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import importer_formats
import numpy as np
import soundfile
from damage import misread, mistyped, mutated, recordings

from asr import audio, box, bundle, config, lm, manifest
from asr.cli import cli
from asr.corpora.importers.folder import Wishes, look
from asr.decoders import Greedy, Search, dictionary
from asr.doctor import RUN_CHECKS, examine, runs
from asr.errors import AsrError
from asr.memory import EXPERIMENTS, trials
from asr.recognize import Recognizer
from asr.scoring import trn
from asr.support import tensors
from asr.support.text import parsed

TESTS = Path(__file__).parents[1]
RUN = TESTS / "golden" / "0.2.0" / "toy"
RESULTS = ("test.json", "test.utterances.jsonl", "epochs.jsonl", "decoder.json")
SOUND = {
    "recipe": ["a.toml", config.dump(bundle.resolve(config.load(RUN / "recipe.toml")))],
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


class Kind(NamedTuple):
    """How a damaged file of a kind is made in a folder, and what reads it."""

    damage: Callable[[Path, np.random.Generator], Path]
    read: Callable[[Path], object]


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


def _manifest(folder: Path, rng: np.random.Generator) -> Path:
    """Damage a manifest's bytes, or one of its values."""
    path = _text("manifest")(folder, rng)
    if rng.random() < 0.6:
        path.write_text(misread(SOUND["manifest"][1], rng))
    return path


def _recipe(folder: Path, rng: np.random.Generator) -> Path:
    """Damage the recipe's bytes, or one of its settings."""
    path = _text("recipe")(folder, rng)
    if rng.random() < 0.6:
        path.write_text(mistyped(SOUND["recipe"][1], rng))
    return path


def _bundle(folder: Path, rng: np.random.Generator) -> Path:
    """Damage a bundle's bytes, which its checksum shows, or a value of its header, which it does not."""
    path = folder / "best.safetensors"
    data = (RUN / path.name).read_bytes()
    path.write_bytes(mutated(data, data[::-1], rng))
    if rng.random() < 0.7:
        header, arrays = tensors.read(RUN / path.name, bundle.FORMAT)
        with suppress(ValueError):  # nested too deeply
            tensors.write(path, bundle.FORMAT, parsed(misread(json.dumps(header), rng)), arrays)
    return path


def imported(name: str, folder: Path) -> Path:
    """Write recordings with their transcripts in a format, and return their folder."""
    root = folder / "mine"
    for said in importer_formats.SET:
        importer_formats.record(root / f"{said.stem}.wav", said.seconds, seed=1)
    importer_formats.FORMATS[name].write(root)
    return root


def _folder(name: str) -> Callable[[Path, np.random.Generator], Path]:
    def damage(folder: Path, rng: np.random.Generator) -> Path:
        root = imported(name, folder)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        texts = [path for path in files if path.suffix.lower() != ".wav"] or files
        one, other = (texts[int(i)] for i in rng.integers(0, len(texts), 2))
        packed = one.suffix == ".gz" and rng.random() < 0.7
        data = gzip.decompress(one.read_bytes()) if packed else one.read_bytes()
        if data.startswith(b"{") and rng.random() < 0.6:
            data = misread(data.decode(), rng).encode()
        else:
            data = mutated(data, other.read_bytes(), rng)
        one.write_bytes(gzip.compress(data) if packed else data)
        return root

    return damage


def _looked(name: str) -> Callable[[Path], object]:
    def looked(root: Path) -> None:
        found = look(root, Wishes(pattern=importer_formats.FORMATS[name].pattern))
        said = sum(len(utterances) for utterances in found.sets.values())
        assert said >= len(importer_formats.SET) or found.warnings, "utterances are missing, and no warning"
        assert not any("\n" in line for line in [*found.notes, *found.warnings]), "a warning of several lines"

    return looked


def run(folder: Path) -> Path:
    """Write a run, and return its folder."""
    return Path(shutil.copytree(RUN, folder, dirs_exist_ok=True))


def _run(folder: Path, rng: np.random.Generator) -> Path:
    """Damage one file of a run: a result, its utterances, its epochs, or how to decode."""
    run(folder)
    one = folder / RESULTS[int(rng.integers(0, len(RESULTS)))]
    text = one.read_text()
    damaged = misread(text, rng).encode() if rng.random() < 0.7 else mutated(text.encode(), text.encode()[::-1], rng)
    one.write_bytes(damaged)
    return folder


def _compared(folder: Path) -> None:
    """Read a run as each command does that reads one; the first refusal is the last word."""
    readers: tuple[Callable[[], object], ...] = (
        lambda: Search.load(folder / "decoder.json"),
        lambda: cli(["compare", str(folder), str(RUN), "--set", "test"], standalone_mode=False),
        lambda: cli(["report", str(folder), "--no-examples"], standalone_mode=False),
        lambda: examine(runs.read(folder, folder, "cpu"), RUN_CHECKS),
    )
    refusals = []
    for read in readers:
        try:
            read()
        except AsrError as error:
            refusals.append(error)
    for error in sorted(refusals, key=lambda error: "\n" not in str(error)):
        raise error


def trial(folder: Path) -> Path:
    """Write a stored trial of the experiments on memory, and return the folder of all of them."""
    case = EXPERIMENTS["latch"].cases[0]
    path = trials._file(folder, "latch", case.name, 1)
    path.parent.mkdir(parents=True)
    observed = {"steps": 5, "learned": True}
    path.write_text(json.dumps({"settings": dict(case.settings), "observed": observed, "seconds": 1.0}))
    return folder


def _trial(folder: Path, rng: np.random.Generator) -> Path:
    (path,) = trial(folder).rglob("*.json")
    text = path.read_text()
    path.write_bytes(misread(text, rng).encode() if rng.random() < 0.7 else mutated(text.encode(), b'{["1', rng))
    return folder


def _collected(folder: Path) -> None:
    for trial in trials.collected(folder, "latch"):
        assert isinstance(trial.observed, dict) and isinstance(trial.seconds, int | float), "another type"


def _samples(folder: Path, rng: np.random.Generator) -> Path:
    path = folder / "a.raw"
    speech, _ = soundfile.read(TESTS.parent / "data" / "tiny" / "one.wav", dtype="int16")
    path.write_bytes(mutated(speech[8000:24_000].tobytes(), rng.bytes(1000), rng))
    return path


@cache
def _recognizer() -> Recognizer:
    return Recognizer(box.opened(box.FILE, print)[1], Greedy(), "cpu")


def _streamed(path: Path) -> None:
    """Raw samples, which may be cut anywhere: it must not matter where."""
    data = path.read_bytes()
    cuts = sorted(np.random.default_rng(len(data)).integers(0, len(data) + 1, 9).tolist())
    texts = []
    for borders in ([0, len(data)], [0, *cuts, len(data)]):
        stream = _recognizer().stream(16_000)
        passages = [one for start, end in pairwise(borders) for one in stream.accept(data[start:end])]
        passages += stream.finish()
        texts.append([(one.start, one.end, str(one)) for one in passages if one.final])
    assert texts[0] == texts[1], "another text where samples are cut elsewhere"


KINDS: dict[str, Kind] = {
    "audio": Kind(_recording, _heard),
    "bundle": Kind(_bundle, bundle.load),
    "recipe": Kind(_recipe, lambda path: bundle.resolve(config.load(path))),
    "manifest": Kind(_manifest, lambda path: list(manifest.read(path))),
    "dictionary": Kind(_text("dictionary"), dictionary.read),
    "trn": Kind(_text("trn"), trn.read),
    "arpa": Kind(_text("arpa"), lm.read),
    "run": Kind(_run, _compared),
    "trial": Kind(_trial, _collected),
    "samples": Kind(_samples, _streamed),
    **{f"folder of {name}": Kind(_folder(name), _looked(name)) for name in importer_formats.FORMATS},
}

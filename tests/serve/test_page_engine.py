"""The page's JavaScript gives the log-probs, the texts, the formats and the error counts of the package, in node."""

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asr import audio, box, bundle, config
from asr.cells import CELLS
from asr.decoders import Greedy
from asr.errors import AsrError
from asr.features.normalise import NORMALISERS, Statistics
from asr.formats import FORMATS, Transcript, joined
from asr.frontends import FRONTENDS
from asr.manifest import Segment
from asr.phones import SILENCE
from asr.recognize import Recognizer
from asr.scoring.alignment import align
from asr.serve import page
from asr.units import Units

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="node is not installed: Debian's package nodejs brings it")
TINY = Path(__file__).parents[2] / "data" / "tiny"
TOLERANCE = 1e-4  # of a log-prob

# Everything that changes what the network computes, each at least once.
SYSTEMS = {
    "lstm": {},
    "lstm forward, projection": {"encoder": {"direction": "forward", "projection": 5}},
    "gru": {"encoder": {"cell": "gru"}},
    "gru, reset before": {"encoder": {"cell": "gru", "reset": "before"}},
    "peephole": {"encoder": {"cell": "lstm-peephole"}},
    "peephole, some": {"encoder": {"cell": "lstm-peephole", "gates": "fo"}},
    "coupled": {"encoder": {"cell": "lstm-coupled", "hidden": 8, "block": 2}},
    "1997": {"encoder": {"cell": "lstm-1997", "hidden": 8, "block": 2}},
    "1997, cells": {"encoder": {"cell": "lstm-1997", "recurrence": "cells"}},
    "depth-gated": {"encoder": {"cell": "lstm-depth-gated", "layers": 3}},
    "mingru": {"encoder": {"cell": "mingru"}},
    "clockwork": {"encoder": {"cell": "clockwork", "hidden": 8}},
    "rnn": {"encoder": {"cell": "rnn"}},
    "rnn relu, leaks": {"encoder": {"cell": "rnn", "activation": "relu", "leak": [0.5, 0.2]}},
    "norm, dense": {"encoder": {"norm": True, "dense": 6}},
    "mean": {"encoder": {"readout": "mean", "norm": True}, "frontend": {"kind": "stack"}},
    "stack": {"frontend": {"kind": "stack"}},
    "pool": {"frontend": {"kind": "pool", "stride": 3}},
    "conv": {"features": {"kind": "fbank", "mels": 9, "deltas": 2}, "frontend": {"kind": "conv"}},
    "fbank, energy": {"features": {"kind": "fbank", "energy": True}},
    "mfcc, deltas, energy": {"features": {"deltas": 2, "energy": True, "lifter": 0.0, "high": 7000.0}},
    "prior": {"features": {"prior": 40.0}},
    "8 kHz, other frames": {"features": {"rate": 8000, "window": 0.032, "shift": 0.008}},
} | {f"normalized by {kind}": {"features": {"normalise": kind}} for kind in NORMALISERS}

DRIVER = """
import { readFileSync } from "node:fs";
const { systems, recordings } = JSON.parse(readFileSync(0));
const found = Object.entries(systems).map(([name, system]) => {
  const recognizer = new Recognizer(system);
  const rate = system.features.rate;
  return [name, recordings.map((values) => {
    const samples = Float32Array.from(values);
    const { units, score, posteriors, spectrogram } = recognizer.analyze(samples, rate);
    const tables = [posteriors, spectrogram].map(({ data, ...table }) => ({ ...table, size: data.length }));
    return { logProbs: [...recognizer.logProbs(samples).logProbs], units, score, tables };
  })];
});
console.log(JSON.stringify(Object.fromEntries(found)));
"""


def run(script, value):
    """Return what a script that reads JSON and writes JSON makes of a value, in node."""
    given = json.dumps(value)
    done = subprocess.run([NODE, "--input-type=module", "-e", script], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def made(path, encoder=None, features=None, frontend=None, units=None):
    parts = {
        "units": units or {"kind": "characters", "alphabet": "abcd "},
        "encoder": {"hidden": 7, "layers": 2} | (encoder or {}),
        "features": features or {},
        "frontend": frontend or {},
    }
    recipe = config.parse(parts, "test")
    dimension = bundle.build_features(recipe.features).dimension
    frames = np.random.default_rng(1).normal(2, 3, (500, dimension)).astype(np.float32)
    system = bundle.build(recipe, Statistics.of(frames))
    generator = torch.Generator().manual_seed(1)
    for value in system.model.state_dict().values():
        value.add_(0.3 * torch.randn(value.shape, generator=generator))
    system.save(path)
    return bundle.load(path)


@pytest.fixture(scope="module")
def recordings():
    """One frame, two, a few, and half a second."""
    samples, _ = audio.read(TINY / "one.wav")
    return [samples[20_000 : 20_000 + n] for n in (400, 560, 1_111, 9_999)]


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("systems")
    return {name: made(folder / f"{i}.safetensors", **parts) for i, (name, parts) in enumerate(SYSTEMS.items())}


@pytest.fixture(scope="module")
def found(systems, recordings):
    """What the page's engine says of all recordings with all systems."""
    given = {name: page.described(system) for name, system in systems.items()}
    return run(
        page.script_of(*page.ENGINE) + DRIVER, {"systems": given, "recordings": [r.tolist() for r in recordings]}
    )


@needs_node
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_page_gives_the_systems_log_probs_and_text(name, systems, recordings, found):
    recognizer = Recognizer(systems[name], Greedy(), "cpu")
    rate = systems[name].features.rate
    for samples, own in zip(recordings, found[name], strict=True):
        expected = recognizer.log_probs((samples, rate))
        log_probs = np.array(own["logProbs"]).reshape(expected.shape)
        assert np.abs(log_probs - expected).max() < TOLERANCE
        transcript = recognizer.transcribe((samples, rate))
        assert "".join(unit["symbol"] for unit in own["units"]) == transcript.text
        assert own["score"] == pytest.approx(transcript.score, abs=1e-3)
        for unit, segment, sure in zip(own["units"], transcript.units, transcript.confidence, strict=True):
            assert (unit["start"], unit["end"]) == pytest.approx(segment[1:], abs=1e-9)
            assert unit["confidence"] == pytest.approx(sure, abs=1e-4)
        frames, shift = len(systems[name].features(samples)), systems[name].features.shift
        posteriors, spectrogram = own["tables"]
        assert (posteriors["frames"], spectrogram["frames"]) == (len(expected), frames)
        for table in own["tables"]:  # each covers the recording, but for the last window's overlap and a stride's rest
            assert table["size"] == table["frames"] * table["wide"]
            end = table["first"] + table["frames"] * table["shift"]
            assert frames * shift <= end <= len(samples) / rate + table["shift"]


@needs_node
def test_whole_recordings_give_the_text_of_asr_transcribe():
    system = bundle.load(box.FILE)
    recognizer = Recognizer(system, Greedy(), "cpu")
    heard = [audio.read(TINY / f"{name}.wav")[0] for name in ("one", "two", "three")]
    given = {"systems": {"box": page.described(system)}, "recordings": [samples.tolist() for samples in heard]}
    for samples, own in zip(heard, run(page.script_of(*page.ENGINE) + DRIVER, given)["box"], strict=True):
        expected = recognizer.log_probs((samples, 16000))
        assert np.abs(np.reshape(own["logProbs"], expected.shape) - expected).max() < TOLERANCE
        assert " ".join(unit["symbol"] for unit in own["units"]) == recognizer.transcribe((samples, 16000)).text


@needs_node
def test_systems_of_the_parity_test_recognize_something(found):
    """So that equal texts say something."""
    assert sum(len(own["units"]) for recordings in found.values() for own in recordings) > 100


@needs_node
def test_error_counts_are_those_of_scoring():
    generator = random.Random(1)
    pairs = []
    for _ in range(1500):
        alphabet = "abcdef"[: generator.randint(2, 6)]
        pairs.append([generator.choices(alphabet, k=generator.randint(0, 14)) for _ in range(2)])
    script = (
        page.script_of("alignment")
        + """
    import { readFileSync } from "node:fs";
    const pairs = JSON.parse(readFileSync(0)).map(([reference, hypothesis]) => align(reference, hypothesis));
    console.log(JSON.stringify(pairs.map((aligned) => [aligned, countErrors(aligned)])));"""
    )
    for (reference, hypothesis), (aligned, counted) in zip(pairs, run(script, pairs), strict=True):
        expected = align(reference, hypothesis)
        assert [tuple(pair) for pair in aligned] == list(expected.pairs)
        count = expected.count
        assert [counted[key] for key in "sdi"] == [count.substitutions, count.deletions, count.insertions]
        assert (counted["errors"], counted["total"]) == (count.errors, count.total)


@needs_node
def test_a_reference_is_read_as_training_reads_it():
    spaced = Units.of("characters", alphabet="abcäé 'Z", drop="-.,/—")
    cases = [
        (spaced, [" Ab—ca/b-c.  ÄZ z\tb ", "e\u0301a", ""]),
        (Units.of("characters", alphabet="ab", drop="-"), ["a-B b"]),
        (Units.of("words", symbols="yes no Paris it's"), ["“Yes!”  no, (Paris) paris It's -- é"]),
        (Units.of("phones", symbols="a b"), ["a  b\nc"]),
    ]
    given = [[{"kind": u.kind, "symbols": u.symbols, "drop": u.drop}, texts] for u, texts in cases]
    script = (
        page.script_of("symbols")
        + """
    import { readFileSync } from "node:fs";
    const cases = JSON.parse(readFileSync(0));
    console.log(JSON.stringify(cases.map(([units, texts]) => texts.map((text) => splitSymbols(text, units)))));"""
    )
    expected = [[units.split(text, text.split()) for text in texts] for units, texts in cases]
    assert run(script, given) == expected


def spoken(generator, kind):
    """Return a transcript whose symbols have the times of frames, some long, with pauses between some."""
    units, frame = [], 0
    for _ in range(400):
        symbol = generator.choice([*'abc"', " ", "sil", "字" * 50, "x" * 90] if kind == "words" else 'abcd" ')
        frame += generator.choice([1, 1, 1, 2, 60])
        end = frame + generator.choice([1, 1, 4, 300 if kind == "words" else 5])
        units.append(Segment(symbol, 0.0075 + 0.01 * frame, 0.0075 + 0.01 * end))
        frame = end
    if kind == "characters":  # a word without spaces, longer than a line
        units += [Segment("e", 0.0075 + 0.01 * (frame + i), 0.0075 + 0.01 * (frame + i + 1)) for i in range(100)]
    words = {"characters": tuple(joined(units)), "words": tuple(units)}.get(kind, ())
    text = ("" if kind == "characters" else " ").join(unit.symbol for unit in units)
    sure = tuple(generator.random() for _ in units)
    return Transcript("a.wav", units[-1].end + 0.001, text, tuple(units), words, sure, score=-12.34567)


@needs_node
@pytest.mark.parametrize("kind", ["phones39", "characters", "words"])
def test_what_is_saved_is_what_the_command_line_writes(kind):
    transcript = spoken(random.Random(1), kind)
    rows = [{**u._asdict(), "confidence": own} for u, own in zip(transcript.units, transcript.confidence, strict=True)]
    given = {"audio": "a.wav", "seconds": transcript.seconds, "score": -12.34567, "units": rows}
    given |= {"kind": kind, "silence": sorted(SILENCE)}
    script = (
        page.script_of("symbols", "subtitles", "formats")
        + """
    import { readFileSync } from "node:fs";
    const given = JSON.parse(readFileSync(0));
    const text = joinSymbols(given.units.map(({ symbol }) => symbol), given.kind);
    const whole = { ...given, text, words: wordsOf(given.units, given.kind) };
    console.log(JSON.stringify(Object.entries(FORMATS).map(([name, format]) => [name, format(whole)])));"""
    )
    for name, text in run(script, given):
        expected = FORMATS[name](transcript)
        assert (json.loads(text) == json.loads(expected)) if name == "json" else (text == expected), name


@needs_node
def test_wav_files_of_all_kinds_are_read_as_libsndfile_reads_them(tmp_path):
    generator = np.random.default_rng(1)
    samples = generator.uniform(-0.9, 0.9, (300, 2)).astype(np.float32)
    paths = []
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        for kind, channels in (("WAV", 1), ("WAVEX", 2)):
            paths.append(tmp_path / f"{subtype}-{kind}.wav")
            soundfile.write(paths[-1], samples[:, :channels], 11025, subtype, format=kind)
    paths.append(tmp_path / "timit.wav")
    soundfile.write(paths[-1], samples[:, 0], 16000, "PCM_16", format="NIST")
    script = (
        page.script_of("wav")
        + """
    import { readFileSync } from "node:fs";
    const sounds = JSON.parse(readFileSync(0)).map((path) => readWav(new Uint8Array(readFileSync(path)).buffer));
    console.log(JSON.stringify(sounds.map(({ samples, rate }) => [[...samples], rate])));"""
    )
    for path, (found, rate) in zip(paths, run(script, [str(path) for path in paths]), strict=True):
        expected, wanted = audio.read(path)
        assert rate == wanted, path.name
        np.testing.assert_allclose(found, expected, atol=1e-7, err_msg=path.name)


@needs_node
@pytest.mark.parametrize(("rate", "wanted"), [(48000, 16000), (44100, 16000), (8000, 16000), (16000, 8000)])
def test_resampling_keeps_what_both_rates_have_and_nothing_else_as_soxr_does(rate, wanted):
    most = min(rate, wanted) / 2

    def true(rate, above=0.0):
        time = np.arange(rate // 2) / rate
        tones = [0.2 * np.sin(2 * np.pi * share * most * time + share) for share in (0.05, 0.3, 0.6, 0.88)]
        return np.sum(tones, axis=0) + above * np.sin(2 * np.pi * 1.12 * most * time)

    samples = true(rate, 0.2 if rate > wanted else 0.0).astype(np.float32)
    script = (
        page.script_of("resample")
        + """
    import { readFileSync } from "node:fs";
    const [samples, rate, wanted] = JSON.parse(readFileSync(0));
    console.log(JSON.stringify([...resample(Float32Array.from(samples), rate, wanted)]));"""
    )
    found = np.array(run(script, [samples.tolist(), rate, wanted]))
    expected = audio.resample(samples, rate, wanted)
    assert abs(len(found) - len(expected)) <= 1
    inside = slice(200, min(len(found), len(expected)) - 200)
    assert np.abs(found - true(wanted))[inside].max() < 1e-3
    assert np.abs(expected - true(wanted))[inside].max() < 1e-3


@needs_node
@pytest.mark.parametrize("names", [page.PAGE, (*page.ENGINE, "worker"), ["capture"]], ids=["page", "worker", "capture"])
def test_the_modules_are_one_script_without_imports_or_duplicate_names(names, tmp_path):
    script = tmp_path / "script.mjs"
    script.write_text(page.script_of(*names))
    done = subprocess.run([NODE, "--check", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^(import|export) ", script.read_text(), re.MULTILINE)


@needs_node
def test_every_cell_and_front_end_has_equations_in_javascript():
    script = page.script_of(*page.ENGINE) + "console.log(JSON.stringify([CELLS, FRONTENDS].map(Object.keys)));"
    assert [set(names) for names in run(script, None)] == [set(CELLS), set(FRONTENDS)]
    tested = {parts.get("encoder", {}).get("cell", "lstm") for parts in SYSTEMS.values()}
    assert tested == set(CELLS)


def test_dither_is_refused_since_the_page_cannot_make_its_noise(tmp_path):
    system = made(tmp_path / "a.safetensors", features={"dither": 1.0})
    with pytest.raises(AsrError, match="features.dither = 1: must be 0 here"):
        page.write(system, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()

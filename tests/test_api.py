"""The public names, README's example and the docstrings' examples, on a small system."""

import doctest
import importlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import asr
from asr import audio, manifest
from asr.decoders import Search

ROOT = Path(__file__).parent.parent
EXAMPLES = ["asr", "asr.recognize", "asr.training", "asr.formats", "asr.scoring.score", "asr.scoring.conventions"]
EXAMPLES += ["asr.scoring.alignment", "asr.scoring.trn"]


@dataclass
class Place:
    folder: Path
    recognizer: asr.Recognizer


@pytest.fixture(scope="module")
def place(toy, record, tmp_path_factory):
    """A folder with a corpus of tones, a recipe, a system trained from Python, and recordings of "abcd" and "dcba"."""
    folder = tmp_path_factory.mktemp("api")
    shutil.copytree(toy, folder / "data" / "toy")
    (folder / "toy.toml").write_text(
        '[corpus]\nname = "toy"\n[units]\nkind = "characters"\nalphabet = "abcd"\n[encoder]\nhidden = 24\nlayers = 1\n'
        "[training]\nbatch = 4\nlearning_rate = 0.03\nepochs = 12\n"
    )
    best = asr.train(folder / "toy.toml", folder / "runs" / "espeak", data=folder / "data", device="cpu")
    assert best == folder / "runs" / "espeak" / "best.safetensors"
    record(folder / "one.wav", "abcd")
    record(folder / "two.wav", "dcba")
    return Place(folder, asr.load(folder / "runs" / "espeak"))


def test_importing_asr_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import asr; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["asr"]


@pytest.mark.parametrize("name", asr.__all__)
def test_every_public_name_is_found_and_documented(name):
    value = getattr(asr, name)
    assert name in dir(asr)
    assert isinstance(value, str) if name == "__version__" else value.__doc__


def test_the_table_of_public_names_is_what_is_exported():
    assert sorted([*sum(asr._PUBLIC.values(), ()), "__version__"]) == sorted(asr.__all__)
    with pytest.raises(AttributeError, match="module 'asr' has no attribute 'nothing'"):
        _ = asr.nothing


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_in_docstrings_are_right(place, monkeypatch, name):
    monkeypatch.chdir(place.folder)
    names = {"asr": asr, "recognizer": place.recognizer}
    found = doctest.testmod(importlib.import_module(name), extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0
    assert found.attempted > 0


def test_readmes_python_example_runs(tmp_path, monkeypatch):
    """In a checkout where `runs/espeak` is a system trained on three utterances."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    shutil.copytree(ROOT / "data" / "tiny", tmp_path / "data" / "tiny")
    for path in (ROOT / "data" / "tiny").glob("*.wav"):
        shutil.copy(path, tmp_path)
    for name in ("train", "dev", "test"):
        manifest.write(tmp_path / "data" / "espeak" / f"{name}.jsonl", manifest.read(ROOT / "data/tiny/tiny.jsonl"))
    monkeypatch.chdir(tmp_path)
    asr.train("recipes/espeak.toml", out="runs/espeak", set={"training.epochs": 1, "encoder.hidden": 8}, device="cpu")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_a_system_is_loaded_by_folder_or_file_as_string_or_path(place):
    for path in (place.folder / "runs" / "espeak", place.folder / "runs" / "espeak" / "best.safetensors"):
        for spelled in (path, str(path)):
            assert asr.load(spelled, device="cpu").bundle.facts == place.recognizer.bundle.facts


def test_what_is_not_a_system_is_refused(tmp_path):
    with pytest.raises(asr.AsrError, match=r"is a folder without best\.safetensors; train there first"):
        asr.load(tmp_path)
    with pytest.raises(asr.AsrError, match="no such bundle"):
        asr.load(tmp_path / "missing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(asr.AsrError, match="not a bundle, or damaged"):
        asr.load(str(tmp_path / "text"))


def test_loading_and_transcribing_change_no_setting_of_torch(place):
    def settings():
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        return (
            torch.get_num_threads(),
            matmul.allow_tf32,
            cudnn.allow_tf32,
            torch.are_deterministic_algorithms_enabled(),
            torch.is_inference_mode_enabled(),
            torch.random.get_rng_state().tolist(),
        )

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = settings()
        recognizer = asr.load(place.folder / "runs" / "espeak", device="cpu")
        assert str(recognizer.transcribe(place.folder / "one.wav")) == "abcd"
        transcripts = recognizer.transcribe_many([place.folder / "one.wav"] * 40)
        next(transcripts)
        assert settings() == before, "also while more is to come"
    finally:
        torch.set_num_threads(threads)


def test_a_path_a_string_a_file_and_samples_are_transcribed_alike(place):
    path = place.folder / "one.wav"
    with open(path, "rb") as file:
        sources = [path, str(path), file, audio.read(path), (audio.read(path)[0].astype(np.float64), 16000)]
        transcripts = [place.recognizer.transcribe(source) for source in sources]
    assert [one.text for one in transcripts] == ["abcd"] * 5
    assert [one.audio for one in transcripts] == [str(path)] * 3 + ["<samples>"] * 2
    assert len({one.score for one in transcripts}) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.wav", "missing.wav: no such file"),
        ((np.zeros(800, np.int16), 16000), r"<samples>: int16 of shape \(800,\); pass \(samples, rate\)"),
        ((np.zeros((800, 2), np.float32), 16000), r"<samples>: float32 of shape \(800, 2\); pass"),
        ((16000, np.zeros(800, np.float32)), "<samples>: not samples with their rate; pass"),
        ((np.zeros(800, np.float32),), "<samples>: not samples with their rate; pass"),
        ((np.zeros(800, np.float32), 0), "<samples>: rate is 0 Hz; 4000 to 384000 Hz"),
        ((np.full(800, np.nan, np.float32), 16000), "<samples>: .*finite"),
        ((np.zeros(80, np.float32), 16000), "<samples>: .*window"),
    ],
)
def test_what_cannot_be_transcribed_is_refused_by_every_method(place, source, message):
    recognizer = place.recognizer
    calls = (recognizer.transcribe, recognizer.log_probs, lambda one: recognizer.align(one, "ab"))
    for call in calls:
        with pytest.raises(asr.AsrError, match=message):
            call(source)


def test_many_recordings_are_transcribed_in_order_as_if_alone(place):
    """More than two batches, of lengths that differ."""
    utterances = manifest.read(place.folder / "data" / "toy" / "train.jsonl")
    paths = [str(one.audio) for one in utterances] * 2
    many = list(place.recognizer.transcribe_many(iter(paths)))
    assert many == [place.recognizer.transcribe(path) for path in paths]
    assert list(place.recognizer.transcribe_many([])) == []


def test_one_bad_recording_ends_no_batch_if_exceptions_are_returned(place):
    paths = [place.folder / "one.wav", place.folder / "gone.wav", place.folder / "two.wav"]
    one, gone, two = place.recognizer.transcribe_many(paths, return_exceptions=True)
    assert (str(one), str(two)) == ("abcd", "dcba") and isinstance(gone, asr.AsrError)
    transcripts = place.recognizer.transcribe_many(paths)
    assert str(next(transcripts)) == "abcd"
    with pytest.raises(asr.AsrError, match=r"gone\.wav: no such file"):
        next(transcripts)


def test_recordings_are_read_only_a_little_ahead(place):
    asked = []

    def endless():
        while True:
            asked.append(place.folder / "one.wav")
            yield asked[-1]

    transcripts = place.recognizer.transcribe_many(endless())
    assert str(next(transcripts)) == "abcd"
    transcripts.close()
    assert len(asked) < 200


def test_a_transcript_is_aligned_as_text_or_as_units(place):
    path = place.folder / "one.wav"
    segments = place.recognizer.align(path, "abcd")
    assert place.recognizer.align(path, list("abcd")) == segments == place.recognizer.align(path, " ABCD\n")
    assert segments[0].start == 0 and segments[-1].end == pytest.approx(audio.read(path)[0].size / 16000)
    assert all(left.end == right.start for left, right in zip(segments, segments[1:], strict=False))
    assert place.recognizer.align(path, "") == place.recognizer.align(path, []) == []
    with pytest.raises(asr.AsrError, match=r"one\.wav: 'x' is not a unit"):
        place.recognizer.align(path, "abx")


def test_forced_alignment_takes_what_log_probs_returns(place):
    log_probs = place.recognizer.log_probs(str(place.folder / "one.wav"))
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-5)
    ids = place.recognizer.bundle.units.ids("abcd")
    spans = asr.forced_align(log_probs, ids)
    assert len(spans) == 4
    for span, id in zip(spans, ids, strict=True):
        assert span.score == pytest.approx(log_probs[span.start : span.end, id].mean(), abs=1e-6)
        assert log_probs[span.start : span.end, id].max() > -1


def test_a_decoder_is_as_tuned_or_as_passed(place, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(place.folder / "runs" / "espeak", run)
    from asr.support import files

    def width(recognizer):
        return getattr(recognizer.decoder._decoder, "width", None)

    bundle = run / "best.safetensors"
    Search(asr.Beam(width=7), tuned_for=files.sha256(bundle)).save(run / "decoder.json")
    assert width(asr.load(run)) == width(asr.load(bundle)) == 7
    assert width(asr.load(run, decoder=asr.Beam(width=9))) == 9
    Search(asr.Beam(width=7), tuned_for="another").save(run / "decoder.json")
    with pytest.warns(UserWarning, match=r"decoder\.json: was tuned for another bundle"):
        assert width(asr.load(run)) is None


def test_a_recipe_is_changed_by_section_and_key(place, tmp_path):
    arguments = {"data": place.folder / "data", "device": "cpu"}
    settings = {"encoder.hidden": 4, "training.epochs": 1}
    best = asr.train(str(place.folder / "toy.toml"), str(tmp_path / "run"), set=settings, **arguments)
    assert asr.load(best).bundle.recipe.encoder.hidden == 4
    for wrong, message in (
        ({"encoder.hiden": 4}, "set .*'hiden' is not a setting.* did you mean 'hidden'"),
        ({"encodr.hidden": 4}, "set.*unknown key 'encodr'"),
        ({"encoder.hidden": "many"}, "hidden = 'many'"),
    ):
        with pytest.raises(asr.AsrError, match=message):
            asr.train(place.folder / "toy.toml", tmp_path / "other", set=wrong, **arguments)
    with pytest.raises(asr.AsrError, match="contains no prepared corpus; run `asr prepare toy` first"):
        asr.train(place.folder / "toy.toml", tmp_path / "other", data=tmp_path)


def test_every_reader_takes_a_string(place, tmp_path):
    from asr import bundle, config, lm
    from asr.scoring import trn

    audio.read(str(place.folder / "one.wav"))
    manifest.read(str(place.folder / "data/toy/test.jsonl"))
    manifest.write(str(tmp_path / "copy.jsonl"), manifest.read(place.folder / "data/toy/test.jsonl"))
    config.load(str(place.folder / "toy.toml"))
    bundle.load(str(place.folder / "runs/espeak")).save(str(tmp_path / "copy.safetensors"))
    trn.write(str(tmp_path / "a.trn"), {"a": ["b"]})
    trn.read(str(tmp_path / "a.trn"))
    (tmp_path / "a.arpa").write_text("\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-1 </s>\n-1 a\n\n\\end\\\n")
    lm.read(str(tmp_path / "a.arpa"))


def test_alternatives_come_best_first(place):
    recognizer = asr.load(place.folder / "runs" / "espeak", decoder=asr.Beam(width=10, nbest=3))
    transcript = recognizer.transcribe(place.folder / "one.wav")
    found = [transcript, *transcript.alternatives]
    assert str(transcript) == "abcd" and len({str(one) for one in found}) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)

"""A classifier of isolated words, many frames to one unit: from training to transcripts."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F

import asr
from asr import bundle, config, ctc, manifest
from asr.config import FRAMES
from asr.errors import AsrError, InputError
from asr.evaluation import measurement
from asr.manifest import Utterance
from asr.readouts import READOUTS, outputs
from asr.training import loop
from tests.conftest import RATE, tones

CPU = torch.device("cpu")
WORDS = ["ab", "ba", "cd", "dc"]  # the same tones in another order are another word
READ = [name for name in READOUTS if name != FRAMES]


def words(corpus):
    """Write a prepared corpus of words, each said with a pause of its own length before it."""
    generator = np.random.default_rng(5)
    for name, count in (("train", 64), ("dev", 16), ("test", 16)):
        utterances = []
        for i in range(count):
            path = corpus / name / f"{i:02}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            said = tones(WORDS[i % 4], generator)
            samples = np.concatenate([1e-3 * generator.standard_normal(generator.integers(RATE // 4)), said])
            soundfile.write(path, samples, RATE)
            utterances.append(Utterance(f"{name}-{i:02}", path, len(samples) / RATE, f"{name}{i % 3}", WORDS[i % 4]))
        manifest.write(corpus / f"{name}.jsonl", utterances)
    return corpus


def recipe(readout, **training):
    parts = {
        "units": {"kind": "words", "symbols": " ".join(WORDS)},
        "encoder": {"hidden": 12, "layers": 1, "readout": readout},
        "training": {"epochs": 8, "batch": 4, "learning_rate": 0.02} | training,
    }
    return config.parse(parts, "test")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return words(tmp_path_factory.mktemp("data") / "words")


@pytest.fixture(scope="module", params=READ)
def trained(request, corpus, tmp_path_factory):
    return loop.run(recipe(request.param), corpus, tmp_path_factory.mktemp("runs") / "words", CPU)


@pytest.mark.parametrize("name", READ)
def test_an_utterance_becomes_one_frame_whatever_is_beyond_its_end(name):
    lengths = torch.tensor([7, 1, 4])
    hidden = torch.randn(3, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    together, counts = READOUTS[name](hidden, lengths)
    assert counts.tolist() == outputs(name, lengths.numpy()).tolist() == [1, 1, 1]
    for own, length, found in zip(hidden, lengths.tolist(), together, strict=True):
        torch.testing.assert_close(found, READOUTS[name](own[None, :length], torch.tensor([length]))[0][0])
        if name == "mean":
            torch.testing.assert_close(found[0], own[:length].sum(0) / length)


def test_of_one_frame_ctc_is_cross_entropy():
    logits = torch.randn(5, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    targets, ones = torch.tensor([1, 2, 3, 1, 2]), torch.ones(5, dtype=torch.int64)
    losses = ctc.loss(logits.log_softmax(-1), ones, targets[:, None], ones)
    expected = F.cross_entropy(logits[:, 0], targets, reduction="none")
    torch.testing.assert_close(losses, expected)
    found, wanted = (torch.autograd.grad(one.sum(), logits)[0] for one in (losses, expected))
    torch.testing.assert_close(found, wanted)


def test_words_are_learned_and_transcribed_as_they_are_evaluated(trained, corpus, tmp_path):
    measurement.run(trained, corpus / "test.jsonl", tmp_path / "test", CPU)
    rows = [json.loads(line) for line in (tmp_path / "test.utterances.jsonl").read_text().splitlines()]
    scored = {row["id"]: [symbol for symbol, _, _ in row["units"]] for row in rows}
    recognizer = asr.load(trained, device="cpu")
    utterances = manifest.read(corpus / "test.jsonl")
    for utterance in utterances:
        transcript = recognizer.transcribe(utterance.audio)
        (unit,) = transcript.units
        assert scored[utterance.id] == [unit.symbol] == [transcript.text]
        assert (unit.start, unit.end) == (0, pytest.approx(utterance.seconds, abs=1e-3))
        assert 0 < transcript.confidence[0] <= 1
    assert sum(scored[u.id] != [u.text] for u in utterances) <= 1  # of 16


def test_the_alignment_of_a_word_is_the_recording(trained, corpus):
    utterance = manifest.read(corpus / "test.jsonl")[0]
    (segment,) = asr.load(trained, device="cpu").align(utterance.audio, utterance.text)
    assert (segment.start, segment.end) == (0, pytest.approx(utterance.seconds, abs=1e-3))


def test_more_than_one_word_is_refused(trained, corpus, tmp_path):
    utterance = manifest.read(corpus / "test.jsonl")[0]
    with pytest.raises(InputError, match=r"1 frame is too few for 2 units \(needs 2\)"):
        asr.load(trained, device="cpu").align(utterance.audio, "ab cd")
    for name in ("train", "dev"):
        said = [replace(one, text="ab cd") for one in manifest.read(corpus / f"{name}.jsonl")]
        (tmp_path / "data").mkdir(exist_ok=True)
        manifest.write(tmp_path / "data" / f"{name}.jsonl", said)
    with pytest.raises(InputError, match=r"encoder\.readout = 'mean' is for one word a recording; use 'frames'"):
        loop.run(recipe("mean"), tmp_path / "data", tmp_path / "run", CPU)


def test_streams_and_long_recordings_are_refused(trained, tmp_path):
    recognizer, path = asr.load(trained, device="cpu"), tmp_path / "long.wav"
    soundfile.write(path, np.zeros(301 * RATE), RATE)
    with pytest.raises(
        InputError, match="<stream>: the system hears a recording as a whole, one of its words each, under five"
    ):
        recognizer.stream(RATE)
    with pytest.raises(InputError, match=r"long\.wav: the system hears a recording as a whole"):
        recognizer.transcribe(path)


def test_truncation_is_refused(corpus, tmp_path):
    with pytest.raises(
        AsrError, match=r"training\.truncate = 5: needs outputs of frames, and encoder\.readout is 'mean'"
    ):
        loop.run(recipe("mean", truncate=5), corpus, tmp_path / "run", CPU)


def test_an_unknown_readout_is_refused_by_name():
    with pytest.raises(AsrError, match="mena"):
        bundle.build(recipe("mena"))


def test_the_only_frame_of_a_recording_is_the_recording(trained):
    recognizer = asr.load(trained, device="cpu")
    assert recognizer.seconds([0, 0.5, 1], 3.0) == [0.0, 1.5, 3.0]

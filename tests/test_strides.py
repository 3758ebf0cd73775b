"""A system with a stride before its recurrence and a prior in its normalization, from training to transcripts."""

import dataclasses

import numpy as np
import pytest
import torch

from asr import audio, batch, bundle, config, dataset, manifest
from asr.decoders import Greedy
from asr.errors import InputError
from asr.recognize import Recognizer
from asr.training import loop

CPU = torch.device("cpu")
TONE, PAUSE = 0.12, 0.04  # seconds, as the toy corpus makes them


@pytest.fixture(scope="module", params=["stack", "conv"])
def trained(request, toy, tmp_path_factory):
    frontend = {"kind": request.param, "stride": 2} | ({"channels": 4} if request.param == "conv" else {})
    recipe = config.parse(
        {
            "units": {"kind": "characters", "alphabet": "abcd"},
            "features": {"kind": "fbank", "prior": 50},
            "frontend": frontend,
            "encoder": {"hidden": 24, "layers": 1, "norm": True, "dense": 16},
            "augment": {"warp": 0.02, "noise_share": 0.3, "snr": [20, 30]},
            "training": {"epochs": 10, "batch": 4, "learning_rate": 0.02},
        },
        "test",
    )
    return bundle.load(loop.run(recipe, toy, tmp_path_factory.mktemp("runs") / "toy", CPU))


def utterances(toy):
    return manifest.read(toy / "test.jsonl")


def test_a_lone_recording_is_transcribed_as_in_its_set(trained, toy):
    recognizer = Recognizer(trained, Greedy(), CPU)
    together = dict(recognizer.emissions(dataset.read(trained, toy / "test.jsonl")))
    errors = 0
    for utterance in utterances(toy):
        alone = recognizer.transcribe(utterance.audio)
        np.testing.assert_allclose(together[utterance.id], recognizer.log_probs(utterance.audio), atol=1e-4)
        assert alone.text == trained.units.text(Greedy()(together[utterance.id])[0].ids)
        errors += alone.text != utterance.text
    assert errors <= 4  # of 12


def test_aligned_units_begin_where_the_tones_do(trained, toy):
    recognizer, distances = Recognizer(trained, Greedy(), CPU), []
    for utterance in utterances(toy):
        samples, rate = audio.read(utterance.audio)
        found = recognizer.align((samples, rate), utterance.text)
        assert found[0].start == 0 and found[-1].end == pytest.approx(len(samples) / rate)
        starts = PAUSE + (TONE + PAUSE) * np.arange(1, len(utterance.text))
        distances += [segment.start - start for segment, start in zip(found[1:], starts, strict=True)]
    assert abs(np.median(distances)) < 0.05 and np.quantile(np.abs(distances), 0.9) < 0.1


def test_a_frame_of_log_probs_begins_where_the_first_of_its_frames_of_features_does(trained):
    recognizer = Recognizer(trained, Greedy(), CPU)
    first = (0.025 - 0.010) / 2
    assert recognizer.seconds([0, 1, 7]) == pytest.approx([first, first + 0.02, first + 0.14])


def test_whether_a_transcript_fits_is_judged_after_the_stride(trained, toy):
    data = dataset.read(trained, toy / "test.jsonl")
    targets = batch.Targets([tuple([1, 2] * 50)[: -(-int(n) // 2) + (i == 3)] for i, n in enumerate(data.lengths)])
    data = dataclasses.replace(data, targets=targets)
    assert batch.too_short(data) == [] and batch.too_short(data, trained.model.outputs(data.lengths)) == [3]
    recognizer = Recognizer(trained, Greedy(), CPU)
    samples = np.zeros(round(0.1 * 16_000), np.float32)  # 8 frames of features
    with pytest.raises(InputError, match="4 frames are too few for 5 units"):
        recognizer.align((samples, 16_000), "abcda")

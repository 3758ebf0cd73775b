import base64
import dataclasses
import io
import re

import numpy as np
import pytest
import torch

from asr import bundle, manifest
from asr import dataset as datasets
from asr.decoders import Greedy
from asr.manifest import Segment
from asr.recognize import Recognizer
from asr.report import clips, evaluated, examples, picture
from asr.scoring.alignment import Alignment
from asr.units import Units

pytest.importorskip("PIL", reason="the extra `plots` is not installed")


@pytest.fixture(scope="session")
def shown(trained, data):
    found = evaluated.read(trained, "test")
    return examples.make(found, trained / "best.safetensors", None, data, examples.choose(found))


def rate(example):
    return example.count.rate


def test_the_worst_come_first_and_the_best_last(trained, shown):
    found = evaluated.read(trained, "test")
    rates = sorted((alignment.count.rate for alignment in found.alignments.values()), reverse=True)
    assert [example.why for example in shown] == ["worst"] * 6 + ["median"] * 3 + ["best"]
    assert [rate(example) for example in shown[:6]] == rates[:6]
    assert [rate(example) for example in shown[6:9]] == rates[10:13]  # of 24
    assert rate(shown[9]) == rates[-1]


def test_each_utterance_of_a_small_set_is_shown_once(trained):
    found = evaluated.read(trained, "test")
    for size in (1, 3, 6, 7, 9):
        few = dataclasses.replace(found, rows=dict(list(found.rows.items())[:size]))
        chosen = [choice.id for choice in examples.choose(few)]
        assert len(chosen) == len(set(chosen)) >= min(size, 6)
        assert set(chosen) <= set(few.rows)


def test_log_probs_of_some_are_those_of_all(trained, data):
    loaded = bundle.load(trained / "best.safetensors")
    recognizer = Recognizer(loaded, Greedy(), torch.device("cpu"))
    dataset = datasets.read(loaded, data / "timit-tones" / "test.jsonl")
    every, some = dict(recognizer.emissions(dataset)), dict(recognizer.emissions(dataset, only=np.array([7, 2])))
    assert sorted(some) == sorted([dataset.ids[2], dataset.ids[7]])
    for id, log_probs in some.items():
        np.testing.assert_allclose(log_probs, every[id], atol=1e-5)


def test_the_summary_of_a_picture_names_its_errors(shown):
    for example in shown:
        assert example.picture.summary.count(" recognized as ") == example.count.errors
        assert sum(bool(pair.kind) for pair in example.pairs) == example.count.errors


def test_reference_phones_have_the_times_of_the_manifest(shown, data):
    utterances = {u.id: u for u in manifest.read(data / "timit-tones" / "test.jsonl")}
    example = shown[0]
    phones = utterances[example.utterance.id].phones
    segments = [pair.segment for pair in example.pairs if pair.reference is not None]
    assert segments == [phone for phone in phones if phone.symbol != "q"]
    assert example.picture.boundaries == tuple(picture.at(phone.start) for phone in phones[1:])
    q = next(label for label in example.picture.labels if label.text == "q")
    assert q.kind == "quiet"


def test_errors_keep_their_times_beside_a_deleted_q():
    pairs = (("sil", "sil"), ("aa", "iy"), ("s", None), (None, "m"))
    phones = [Segment("h#", 0, 1), Segment("q", 1, 2), Segment("ao", 2, 3), Segment("s", 3, 4)]
    heard = [Segment("sil", 0.1, 0.2), Segment("iy", 2.1, 2.2), Segment("m", 3.5, 3.6)]
    found = picture.pairs(Alignment(pairs), phones, heard, Units.of("phones39"))
    assert [pair.kind for pair in found] == ["", "s", "d", "i"]
    assert [pair.segment for pair in found] == [phones[0], phones[2], phones[3], None]
    assert [pair.spike for pair in found] == [heard[0], heard[1], None, heard[2]]
    assert [pair.description for pair in found][1:] == [
        "substitution: aa recognized as iy",
        "deletion: s recognized as nothing",
        "insertion: nothing recognized as m",
    ]


def test_spaces_are_made_visible():
    pairs = [picture.Pair(" ", " "), picture.Pair(" ", "a"), picture.Pair(None, " ")]
    assert [pair.description for pair in pairs] == [
        "␣",
        "substitution: ␣ recognized as a",
        "insertion: nothing recognized as ␣",
    ]


def test_overlapping_labels_move_to_another_row_or_are_dropped_if_they_lost():
    labels = [picture.Label(50.0 + place, 0, "sil", "") for place in range(3)]
    rows = picture._rows([*labels, picture.Label(51.0, 0, "m", "", "other")], 10)
    assert [label.y for label in rows.labels] == [10, 10 + picture.ROW, 10 + 2 * picture.ROW]
    assert picture._rows([picture.Label(x, 0, "sil", "") for x in (0.0, 100.0)], 10).bottom == 10 + picture.ROW
    assert picture._rows([], 10).bottom == 10


def test_curves_cover_the_frames_in_which_a_unit_is_above_the_threshold():
    units = Units.of("characters", "ab")
    probabilities = np.full((10, 3), 1e-4)
    probabilities[2:5, 1], probabilities[7, 1], probabilities[4, 2] = (0.2, 0.9, 0.02), 0.5, 0.04
    probabilities[:, 0] = 1 - probabilities[:, 1:].sum(axis=1)
    times = [0.01 * frame for frame in range(11)]
    heard = [Segment("a", 0.03, 0.04)]
    first, second = picture._curves(times, np.log(probabilities), units, heard)
    assert (first.symbol, first.recognized, second.recognized) == ("a", True, False)
    assert first.times == pytest.approx((0.025, 0.035, 0.045)) and first.values == pytest.approx((0.2, 0.9, 0.02))
    assert first.title == "a: 90 % at 0.04 s" and second.times == pytest.approx((0.075,))


def test_the_spectrogram_of_a_tone_peaks_at_its_frequency():
    time = np.arange(8000) / 16000
    samples = np.sin(2 * np.pi * 2000 * time).astype(np.float32)
    level = clips.decibels(samples, 16000, 0.005)
    assert level.shape == (257, 101) and level.max() == 0
    assert abs(int(level[:, 50].argmax()) - 2000 / 8000 * 256) <= 1
    assert level[200, 50] < -40


def test_the_spectrogram_is_black_with_the_level_as_opacity():
    from PIL import Image

    samples = np.concatenate([np.zeros(1600), np.sin(2 * np.pi * 1000 * np.arange(1600) / 16000)]).astype(np.float32)
    uri = clips.spectrogram(samples, 16000, 0.01)
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA")
    values = np.asarray(image)
    assert values[:, :, :3].max() == 0 and values[:, 2, 3].max() == 0 and values[:, 15, 3].max() == 255
    assert values[:, 15, 3].argmax() > 200  # 1 kHz is near the bottom


def test_long_recordings_are_not_embedded():
    samples = np.zeros(40_000, np.float32)
    assert clips.playable(samples, 1000) == ""
    assert re.match("data:audio/flac;base64,", clips.playable(samples, 8000))

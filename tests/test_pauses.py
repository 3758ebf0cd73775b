"""Quiet that training adds around utterances."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from asr import audio, augment, config
from asr.augment import with_pauses
from asr.features.mfcc import MFCC
from asr.features.store import Store
from asr.manifest import Segment, Utterance

RATE = 8000


@pytest.fixture
def utterances(tmp_path):
    """Twenty tones of a quarter second between quieter noise, and one as a segment of its recording."""
    rng = np.random.default_rng(1)
    found = []
    for i in range(20):
        samples = 0.01 * rng.standard_normal(RATE // 2)
        samples[1000:3000] += 0.3 * np.sin(np.arange(2000))
        path = tmp_path / f"{i:02}.wav"
        soundfile.write(path, samples, RATE, subtype="FLOAT")
        found.append(Utterance(path.stem, path, 0.5, phones=(Segment("aa", 0.125, 0.375),)))
    return [*found, Utterance("part", found[0].audio, 0.25, start=0.125)]


def test_each_end_has_a_pause_in_half_of_the_cases_and_never_a_longer_one(utterances):
    many = [replace(utterances[0], id=str(i)) for i in range(1000)]
    pauses = np.array([u.pauses for u in with_pauses(many, 0.4)])
    assert (abs((pauses > 0).mean(axis=0) - 0.5) < 0.05).all() and 0.38 < pauses.max() < 0.4
    assert abs(pauses[pauses > 0].mean() - 0.2) < 0.01
    assert abs(np.corrcoef(pauses.T)[0, 1]) < 0.1
    assert with_pauses(many, 0.0) == many


def test_the_speech_is_unchanged_and_the_quiet_is_as_loud_as_between_words(utterances):
    for was, now in zip(utterances, with_pauses(utterances, 0.4), strict=True):
        before, after = (round(pause * RATE) for pause in now.pauses)
        (samples, rate), (whole, _) = was.samples(), now.samples()
        assert len(whole) == before + len(samples) + after and abs(len(whole) / rate - now.seconds) < 2 / rate
        assert np.array_equal(whole[before : before + len(samples)], samples)
        quietest = np.sqrt(np.square(samples[: len(samples) // 160 * 160].reshape(-1, 160)).mean(axis=1)).min()
        for quiet in (whole[:before], whole[len(whole) - after :]):
            if len(quiet) > 400:
                assert 0.25 < quiet.std() / quietest < 1.6, "between -10 and 3 dB of the quietest"
        assert np.array_equal(now.samples()[0], whole), "the same every time"


def test_times_follow_and_a_faster_copy_has_its_pauses_at_its_speed(utterances):
    for now in with_pauses(augment.at_speeds(utterances[:20], [2.0]), 0.4):
        (phone,) = now.phones
        samples, rate = now.samples()
        samples = audio.resample(samples, 2 * rate, rate)
        assert abs(len(samples) / rate - now.seconds) < 0.01
        inside = samples[round(phone.start * rate) : round(phone.end * rate)]
        assert np.sqrt(np.square(inside).mean()) > 0.15, "the tone is where it is said to be"


def test_features_with_and_without_pauses_are_kept_apart(utterances, tmp_path):
    plain = Store.open(tmp_path / "kept", "train", utterances, MFCC(rate=RATE))
    paused = Store.open(tmp_path / "kept", "train", with_pauses(utterances, 0.4), MFCC(rate=RATE))
    assert (paused.lengths >= plain.lengths).all() and paused.lengths.sum() > plain.lengths.sum()
    assert Store.open(tmp_path / "kept", "train", utterances, MFCC(rate=RATE)).digest == plain.digest


def test_silence_has_silence_around_it(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), RATE)
    (now,) = with_pauses([Utterance("b", tmp_path / "a.wav", 0.0125)], 0.4)
    assert max(now.pauses) > 0 and not now.samples()[0].any()


def test_a_recipe_adds_none_unless_asked_to():
    assert config.Augment().pause == 0

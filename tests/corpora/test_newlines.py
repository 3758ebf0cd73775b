from itertools import product

import numpy as np
import pytest

from asr.corpora import newlines


def speech(seed, seconds=2.0):
    """A voice that glides, swells and hisses, as loud as TIMIT's: carriage returns abound in its bytes."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * time + generator.uniform(0, 6))) / 16_000
    voice = sum(np.sin(k * phase + generator.uniform(0, 6)) / (1 + abs(k - 5)) for k in range(1, 20))
    swell = np.sin(np.pi * 3 * time) ** 2
    return (3000 * swell * voice + (20 + 200 * (1 - swell)) * generator.standard_normal(len(time))).astype("<i2")


def copied_as_text(samples):
    """What a text-mode copy makes of a recording; a WAV writer drops half a sample at its end."""
    data = samples.tobytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


def places(samples):
    """Where bytes get lost."""
    data = samples.view(np.uint8)
    return np.flatnonzero((data[:-1] == 13) & (data[1:] == 10))


@pytest.mark.parametrize("seed", range(8))
def test_what_was_copied_as_text_is_speech_again(seed):
    original = speech(seed)
    damaged = copied_as_text(original)
    mended, lost = newlines.repair(damaged)
    assert len(places(original)) == len(lost) > 0
    np.testing.assert_allclose(lost, places(original), atol=4)  # two samples; where 10s are neighbours, either fits
    assert len(mended) == len(original) - len(lost) % 2
    error = np.abs(mended.astype(int) - original[: len(mended)])
    assert np.mean(error > 3) < 0.005  # of the wrong parity, nearly all would be
    noise = np.abs(damaged.astype(int) - original[: len(damaged)])
    assert np.mean(noise > 3) > 20 * np.mean(error > 3)


def test_clicks_are_mended_far_more_often_than_made():
    made = mended = 0
    for seed in range(20):
        original = speech(seed, 0.5)
        text = np.where(original.view(np.uint8) == 13, 10, original.view(np.uint8)).astype(np.uint8).view("<i2")
        wave, lost = newlines.repair(text)
        assert len(lost) == 0
        before, after = (np.abs(w.astype(int) - original) > 700 for w in (text, wave))
        mended, made = mended + (before & ~after).sum(), made + (after & ~before).sum()
    assert mended > 500 and mended > 10 * made


@pytest.mark.parametrize("seed", range(30))
def test_the_smoothest_of_all_readings_is_taken(seed):
    """An enumeration that writes out every original, and measures each as a whole."""
    generator = np.random.default_rng(seed)
    data = generator.choice([0, 1, 10, 10, 12, 200], 2 * generator.integers(1, 6)).tolist()
    best = min(cost for cost, _, _ in originals(data))
    mended, lost = newlines.repair(np.array(data, np.uint8).view("<i2"))
    assert (best, tuple(mended), tuple(lost)) in set(originals(data))


def originals(data):
    """Yield the cost, the samples and the lost places of everything that may have become `data`."""
    tens = [i for i, byte in enumerate(data) if byte == 10]
    for choice in product([[10], [13], [13, 10]], repeat=len(tens)):
        read = dict(zip(tens, choice, strict=True))
        whole, lost, low = [], [], False
        for i, byte in enumerate(data):
            piece = read.get(i, [byte])
            lost += [len(whole)] * (len(piece) == 2)
            low |= piece == [13] and len(whole) % 2 == 0
            whole += piece
        samples = np.array(whole[: len(whole) // 2 * 2], np.uint8).view("<i2")
        if low:  # a low byte that was 13 is let be
            continue
        bends = np.diff(np.concatenate([[0, 0], samples.astype(int)]), 2)
        if all(place < len(samples) * 2 for place in lost):
            yield int(np.abs(bends).sum()) + newlines.LOSS_PENALTY * len(lost), tuple(samples), tuple(lost)


def test_noise_as_loud_as_speech_does_not_seem_to_have_lost_bytes():
    generator = np.random.default_rng(1)
    for level in (3, 30, 300, 3000):
        noise = (level * generator.standard_normal(8000)).clip(-32768, 32767).astype("<i2")
        text = np.where(noise.view(np.uint8) == 13, 12, noise.view(np.uint8)).astype(np.uint8).view("<i2")
        assert len(newlines.repair(text).lost) == 0, level


def test_only_what_holds_no_carriage_return_can_have_been_copied_as_text():
    assert not newlines.converted(speech(1))
    assert newlines.converted(copied_as_text(speech(1)))


@pytest.mark.parametrize("samples", [[], [0], [10], [2570], [2573], [-1, 2560]])
def test_the_shortest_recordings_are_read(samples):
    mended, _ = newlines.repair(np.array(samples, "<i2"))
    assert len(mended) == len(samples)

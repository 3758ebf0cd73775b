from itertools import product

import numpy as np
import pytest

from asr.corpora import newlines


def speech(seed, seconds=2.0):
    """Speech-like glides, swells and hiss at the level of TIMIT, with many carriage returns among the bytes."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * time + generator.uniform(0, 6))) / 16_000
    voice = sum(np.sin(k * phase + generator.uniform(0, 6)) / (1 + abs(k - 5)) for k in range(1, 20))
    swell = np.sin(np.pi * 3 * time) ** 2
    return (3000 * swell * voice + (20 + 200 * (1 - swell)) * generator.standard_normal(len(time))).astype("<i2")


def copied_as_text(samples):
    """The result of a text-mode copy; a WAV writer drops half a sample at the end."""
    data = samples.tobytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


def lost_positions(samples):
    """Positions at which bytes are lost."""
    data = samples.view(np.uint8)
    return np.flatnonzero((data[:-1] == 13) & (data[1:] == 10))


@pytest.mark.parametrize("seed", range(8))
def test_a_text_mode_copy_is_repaired(seed):
    original = speech(seed)
    damaged = copied_as_text(original)
    repaired, lost = newlines.repair(damaged)
    assert len(lost_positions(original)) == len(lost) > 0
    np.testing.assert_allclose(lost, lost_positions(original), atol=4)  # two samples; of adjacent 10s, either fits
    assert len(repaired) == len(original) - len(lost) % 2
    error = np.abs(repaired.astype(int) - original[: len(repaired)])
    assert np.mean(error > 3) < 0.005  # at the wrong parity, nearly all would be
    noise = np.abs(damaged.astype(int) - original[: len(damaged)])
    assert np.mean(noise > 3) > 20 * np.mean(error > 3)


def test_clicks_are_removed_far_more_often_than_added():
    made = repaired = 0
    for seed in range(20):
        original = speech(seed, 0.5)
        text = np.where(original.view(np.uint8) == 13, 10, original.view(np.uint8)).astype(np.uint8).view("<i2")
        wave, lost = newlines.repair(text)
        assert len(lost) == 0
        before, after = (np.abs(w.astype(int) - original) > 700 for w in (text, wave))
        repaired, made = repaired + (before & ~after).sum(), made + (after & ~before).sum()
    assert repaired > 500 and repaired > 10 * made


@pytest.mark.parametrize("seed", range(30))
def test_the_result_is_the_smoothest_of_all_originals(seed):
    """Compared with an enumeration of all possible originals."""
    generator = np.random.default_rng(seed)
    data = generator.choice([0, 1, 10, 10, 12, 200], 2 * generator.integers(1, 6)).tolist()
    best = min(cost for cost, _, _ in originals(data))
    repaired, lost = newlines.repair(np.array(data, np.uint8).view("<i2"))
    assert (best, tuple(repaired), tuple(lost)) in set(originals(data))


def originals(data):
    """Yield cost, samples and lost positions of all recordings that a text-mode copy turns into `data`."""
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
        if low:  # a low byte stays 10
            continue
        bends = np.diff(np.concatenate([[0, 0], samples.astype(int)]), 2)
        if all(position < len(samples) * 2 for position in lost):
            yield int(np.abs(bends).sum()) + newlines.LOSS_PENALTY * len(lost), tuple(samples), tuple(lost)


def test_no_lost_bytes_are_found_in_noise():
    generator = np.random.default_rng(1)
    for level in (3, 30, 300, 3000):
        noise = (level * generator.standard_normal(8000)).clip(-32768, 32767).astype("<i2")
        text = np.where(noise.view(np.uint8) == 13, 12, noise.view(np.uint8)).astype(np.uint8).view("<i2")
        assert len(newlines.repair(text).lost) == 0, level


def test_a_recording_with_a_carriage_return_was_not_converted():
    assert not newlines.converted(speech(1))
    assert newlines.converted(copied_as_text(speech(1)))


@pytest.mark.parametrize("samples", [[], [0], [10], [2570], [2573], [-1, 2560]])
def test_the_shortest_recordings_keep_their_length(samples):
    repaired, _ = newlines.repair(np.array(samples, "<i2"))
    assert len(repaired) == len(samples)

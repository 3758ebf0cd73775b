"""The timer's sequences, its criterion, and networks that learn it."""

import numpy as np

from asr.memory import timer


def test_a_sequence_is_on_for_as_long_as_its_input_says():
    inputs, targets, runs = timer.draw(np.random.default_rng(1), 500)
    assert len(runs) > 15 and {duration for _, duration in runs} <= set(range(1, 11))
    assert np.flatnonzero(inputs[:, 0]).tolist() == [begin for begin, _ in runs]
    for begin, duration in runs:
        assert inputs[begin, 1] == duration / 10
        assert (targets[begin : begin + duration] == 0.5).all() and targets[begin + duration] == 0
    assert targets.sum() == 0.5 * sum(duration for _, duration in runs)
    assert timer.errors(targets, runs) == [0] * len(runs)


def test_errors_are_counted_in_frames():
    targets = np.zeros(40)
    targets[2:7] = targets[20:23] = 0.5
    assert timer.errors(targets, [(2, 4), (20, 5)]) == [1, -2]


def test_a_reservoir_is_fixed_and_does_better_than_silence():
    found = timer.run({"cell": "rnn", "hidden": 60, "frames": 1500, "ridge": 1e-6, "updates": 0}, 1)
    assert found["parameters"] == 61
    assert found["deviation"] < 0.15 < np.sqrt(np.mean(np.square(found["targets"])))


def test_a_trained_network_improves():
    once, often = (timer.run({"cell": "rnn", "hidden": 6, "updates": updates}, 1) for updates in (1, 60))
    assert often["deviation"] < 0.9 * once["deviation"]
    assert once["parameters"] == 6 * (2 + 6) + 12 + 7

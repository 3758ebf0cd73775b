import numpy as np
import pytest

from asr.scoring import calibration
from asr.scoring.calibration import Calibration


def drawn(true_scale, true_shift, count=20_000):
    """Confidences whose truth follows from known log-odds."""
    generator = np.random.default_rng(1)
    confidences = generator.uniform(0.02, 0.98, count)
    right = generator.random(count) < Calibration(true_scale, true_shift)(confidences)
    return confidences, right


def test_the_map_that_made_the_data_is_found():
    found = calibration.fit(*drawn(0.4, 0.7))
    assert found == pytest.approx((0.4, 0.7), abs=0.05)


def test_calibrated_confidences_are_reliable():
    confidences, right = drawn(0.4, 0.7)
    before = calibration.reliability(confidences, right).error
    after = calibration.reliability(calibration.fit(confidences, right)(confidences), right).error
    assert before > 0.1 > 0.02 > after


def test_the_error_is_that_of_a_hand_worked_example():
    found = calibration.reliability([0.95, 0.95, 0.15, 0.15], [True, False, False, False])
    assert found.counts[9] == 2 and found.right[9] == 0.5
    assert found.error == pytest.approx((2 * 0.45 + 2 * 0.15) / 4)


@pytest.mark.parametrize("right", [[True, True], [False, False], []])
def test_nothing_is_learned_where_there_is_nothing_to_tell_apart(right):
    assert calibration.fit([0.5, 0.9][: len(right)], right) == Calibration()
    assert calibration.reliability([], []).error == 0.0


def test_certainty_stays_finite():
    assert np.isfinite(Calibration(3.0, 1.0)([0.0, 1.0])).all()
    assert Calibration()([0.25, 0.75]) == pytest.approx([0.25, 0.75])

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from asr import bundle, config
from asr.decoders import Greedy, Hypothesis
from asr.decoders.search import Calibrated
from asr.evaluation import boundaries
from asr.evaluation.boundaries import Boundaries
from asr.evaluation.transcripts import confidences
from asr.manifest import Segment, Utterance
from asr.recognize import Recognizer
from asr.scoring import conventions
from asr.scoring.alignment import align
from asr.scoring.calibration import Calibration
from asr.units import Units


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(bundle.build(config.Recipe()), Greedy(), torch.device("cpu"))


def test_a_frame_stands_for_the_shift_around_its_windows_centre(recognizer):
    """Window 0 covers 0 to 25 ms; its centre is at 12.5 ms, and it stands for 7.5 to 17.5 ms."""
    assert recognizer.seconds([0, 1, 10]) == pytest.approx([0.0075, 0.0175, 0.1075])
    assert recognizer.times([(0, 1)])[0] == pytest.approx((0.0075, 0.0175))


def test_no_time_is_outside_the_recording(recognizer):
    """A resampled recording may end a little before its last frame does."""
    assert recognizer.times([(8, 20)], 0.1)[0] == pytest.approx((0.0875, 0.1))


@pytest.mark.parametrize(
    ("kind", "alphabet", "transcript", "symbols"),
    [
        ("characters", "ab ", "a b\n", ["a", " ", "b"]),
        ("characters", "ab ", ["a", " "], ["a", " "]),
        ("characters", "ab ", " ", []),
        ("phones39", "", "sil aa sil", ["sil", "aa", "sil"]),
        ("phones39", "", "h# ao q h#", ["sil", "aa", "sil"]),
        ("phones39", "", ["h#", "ao"], ["sil", "aa"]),
        ("phones39", "", "", []),
    ],
)
def test_a_transcript_becomes_the_systems_units(kind, alphabet, transcript, symbols):
    settings = {"kind": kind, "alphabet": alphabet} if alphabet else {"kind": kind}
    system = bundle.build(config.parse({"units": settings}, "test"))
    assert Recognizer(system, Greedy(), "cpu")._symbols(transcript) == symbols


def test_boundaries_say_shares_distance_and_shift():
    row = Boundaries(np.array([0.005, -0.015, 0.045, 0.095]), 0.75).as_dict()
    assert (row["within_10_ms"], row["within_20_ms"], row["within_50_ms"]) == (0.25, 0.5, 0.75)
    assert row["mean_distance"] == pytest.approx(0.04) and row["mean_shift"] == pytest.approx(0.0325)
    assert row["peaks_inside"] == 0.75 and row["count"] == 4


def test_boundaries_are_found_minus_transcribed(recognizer):
    """A system that is certain: unit 1 in frames 0 to 4, unit 2 from frame 5 on, which begins at 57.5 ms."""
    pytest.importorskip("torchaudio", exc_type=OSError, reason="torchaudio does not go with this torch")
    log_probs = np.full((10, 40), -20.0, np.float32)
    log_probs[:5, 1] = log_probs[5:, 2] = 0.0
    first, second = recognizer.bundle.units.symbols[1:3]

    def found(boundary):
        phones = (Segment(first, 0.0, boundary), Segment(second, boundary, 0.12))
        return boundaries.of(recognizer, log_probs, (1, 2), Utterance("a", Path("a.wav"), 0.12, phones=phones))

    errors, inside = found(0.05)
    assert errors == pytest.approx([0.0575 - 0.05]) and inside == [True, True]
    errors, inside = found(0.11)
    assert errors == pytest.approx([0.0575 - 0.11]) and inside == [True, False]


def test_confidences_leave_out_what_scoring_deletes():
    units = Units.of("phones61")
    ids = units.ids(["h#", "q", "aa", "b"])
    said = Hypothesis(tuple(ids), 0.0, confidence=(0.9, 0.8, 0.7, 0.6))
    alignment = align(["sil", "aa", "d"], conventions.standard(units.kind)(units.names(ids)))
    assert confidences(units, {"a": alignment}, {"a": said}, False) == ([0.9, 0.7, 0.6], [True, True, False])


def test_calibration_changes_confidences_and_nothing_else():
    units = Hypothesis((1,), -1.0, confidence=(0.9,), frames=((0, 1),))
    words = Hypothesis((1,), -1.0, confidence=(0.9,), words=("a",), word_confidence=(0.8,))
    one, other = Calibrated(lambda _: [units, words], Calibration(2.0, -1.0))(np.zeros((1, 2)))
    assert one.confidence[0] == pytest.approx(1 / (1 + np.exp(-(2 * np.log(9) - 1))))
    assert (one.ids, one.frames, one.score) == (units.ids, units.frames, units.score)
    assert other.confidence == (0.9,), "what was fitted to words says nothing about their units"
    assert other.word_confidence[0] == pytest.approx(1 / (1 + np.exp(-(2 * np.log(4) - 1))))


def test_the_first_transcript_does_not_wait_for_the_last_recording(toy):
    content, read = next(toy.rglob("*.wav")).read_bytes(), []

    class Counted(BytesIO):
        def read(self, *size):
            read.append(self)
            return super().read(*size)

    loaded = bundle.build(config.Recipe())
    recognizer = Recognizer(loaded, Greedy(), "cpu", engine="numpy")
    sources = [Counted(content) for _ in range(300)]
    transcripts = recognizer.transcribe_many(sources)
    next(transcripts)
    assert read and sources[-1] not in read
    transcripts.close()

"""Live recognition: what is final stays, and stands where the whole has it."""

from functools import partial

import numpy as np
import pytest

from asr.decoders import Beam, Greedy
from asr.errors import AsrError, InputError
from asr.recognize import Recognizer
from asr.stream import live
from asr.stream.cutter import Cutter

FORWARD = {"encoder": {"cell": "lstm", "direction": "forward"}}


def heard(recognizer, blocks, rate=16_000):
    """Return all passages of a stream, and how long it was when each came."""
    stream = recognizer.stream(rate)
    found = [(passage, stream.seconds) for block in blocks for passage in stream.accept(block)]
    return [*found, *((passage, stream.seconds) for passage in stream.finish())]


@pytest.fixture(scope="module")
def recognizer(made, loudness):
    recognizer = Recognizer(made(features={"normalise": "utterance", "prior": 100.0}), Greedy(), "cpu")
    recognizer._engine = loudness
    return recognizer


@pytest.mark.parametrize("decoder", [Greedy(), Beam(width=4)], ids=["greedy", "beam"])
def test_a_final_is_never_retracted(recognizer, speech, decoder):
    """Each passage, final or not, begins where the last final one ended or later."""
    recognizer.decoder = decoder.build(recognizer.bundle.units)
    passages = heard(recognizer, np.array_split(speech, 60))
    assert 1 < sum(passage.final for passage, _ in passages) < len(passages)
    certain = 0.0
    for passage, seconds in passages:
        assert certain <= passage.start <= passage.end <= seconds
        assert all(passage.start <= one.start < one.end <= passage.end for one in passage.transcript.units)
        certain = passage.end if passage.final else certain


def test_a_stream_that_runs_forward_with_fixed_statistics_is_the_whole(made, speech, monkeypatch):
    """Nothing is approximate then: the passages together are what transcribing the recording gives."""
    monkeypatch.setattr(live, "Cutter", partial(Cutter, pause=0.05, longest=3.0))
    system = made(features={"normalise": "global", "deltas": 1}, **FORWARD)
    recognizer = Recognizer(system, Greedy(), "cpu")
    finals = [one for one, _ in heard(recognizer, np.array_split(speech, 77)) if one.final]
    whole = recognizer.transcribe((speech, 16_000))
    assert len(finals) > 1
    assert [unit for one in finals for unit in one.transcript.units] == list(whole.units)
    assert [c for one in finals for c in one.transcript.confidence] == list(whole.confidence)


def test_blocks_may_have_any_size_and_type(recognizer, speech):
    """Also bytes that end with half a sample."""
    speech = (speech * 32_768).astype(np.int16)
    data = speech.tobytes()
    bytes_ = [data[at : at + 1601] for at in range(0, len(data), 1601)]
    floats = np.array_split(speech / np.float32(32_768), 50)
    found = [
        [str(one) for one, _ in heard(recognizer, blocks) if one.final]
        for blocks in (floats, [speech[:7], speech[7:70_000], speech[70_000:]], bytes_)
    ]
    assert [" ".join(texts) for texts in found][0]
    assert [len("".join(texts)) for texts in found] == pytest.approx([len("".join(found[0]))] * 3, rel=0.1)


def test_a_short_stream_is_an_utterance(made, speech):
    """Until it is long enough to tell how loud it is, nothing is recognized; then all of it is."""
    recognizer = Recognizer(made(), Greedy(), "cpu")
    short = speech[: round(0.9 * live.WARM * 16_000)]
    (passage, _), *more = heard(recognizer, np.array_split(short, 9))
    assert passage.final and not more
    assert passage.transcript.units == recognizer.transcribe((short, 16_000)).units


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_nothing_is_heard_in_less_than_a_window(recognizer, samples):
    assert heard(recognizer, [np.zeros(samples, np.float32)]) == []


def test_another_rate_is_resampled(recognizer, speech):
    assert any(passage.final for passage, _ in heard(recognizer, np.array_split(speech, 30), 44_100))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((4, 2), np.float32), r"float32 of shape \(4, 2\)"),
        (np.zeros(4, np.int64), "int64 of shape"),
        (np.array([0.0, np.nan], np.float32), "not finite"),
    ],
    ids=["stereo", "int64", "nan"],
)
def test_what_is_not_audio_is_refused(recognizer, data, message):
    with pytest.raises(InputError, match=message):
        recognizer.stream(16_000).accept(data)


def test_a_rate_without_speech_and_a_stream_that_ended_are_refused(recognizer):
    with pytest.raises(InputError, match="3999 Hz; 4000 to 384000"):
        recognizer.stream(3_999)
    stream = recognizer.stream(16_000)
    stream.finish()
    assert stream.finish() == []
    with pytest.raises(AsrError, match="finished; open another"):
        stream.accept(np.zeros(1, np.float32))

"""A recording that is read in blocks is transcribed as if it were read at once."""

from dataclasses import replace
from functools import partial
from io import BytesIO

import numpy as np
import pytest
import soundfile

from asr import audio
from asr.decoders import Beam, Greedy
from asr.errors import InputError
from asr.formats import FORMATS
from asr.manifest import Segment, Utterance
from asr.recognize import Recognizer
from asr.stream import long, sources
from asr.stream.cutter import Cutter
from asr.stream.track import Track

SYSTEMS = {
    "forward": {"encoder": {"cell": "gru", "direction": "forward"}, "features": {"deltas": 2}},
    "both": {"features": {"prior": 10.0}},
    "speaker": {"features": {"normalise": "speaker"}, "frontend": {"kind": "stack"}},
    "words": {"units": {"kind": "words", "symbols": "one two three"}, "features": {"normalise": "global"}},
}


@pytest.fixture
def recording(speech, tmp_path):
    """Ten seconds in two channels, of which the second is the quieter, and pauses elsewhere."""
    path = tmp_path / "two.flac"
    soundfile.write(path, np.stack([speech, np.roll(speech, 40_000) / 4], axis=1), 16_000)
    return path


@pytest.fixture
def in_blocks(monkeypatch):
    """Read what is longer than a second in small blocks, and cut it into small passages."""

    def set(seconds=1.0):
        monkeypatch.setattr(sources, "LONG", seconds)
        monkeypatch.setattr(audio.soundfiles, "BLOCK", 4096)
        monkeypatch.setattr(long, "Cutter", partial(Cutter, pause=0.05, longest=5.0))

    return set


def both(recognizer, source, in_blocks, decoder=None):
    """Return a transcript of the whole, and one in blocks."""
    recognizer.decoder = decoder or Greedy()
    whole = recognizer.transcribe(source)
    in_blocks()
    return whole, recognizer.transcribe(source)


@pytest.mark.parametrize("kind", SYSTEMS)
def test_every_format_is_that_of_the_whole(made, recording, in_blocks, kind):
    """With a window as wide as the recording, a network in both directions is exact, too."""
    whole, found = both(Recognizer(made(**SYSTEMS[kind]), Greedy(), "cpu"), recording, in_blocks)
    assert isinstance(found.units, Track)
    assert len(whole.units) > 5
    for name, write in FORMATS.items():
        if name not in ("json", "jsonl"):  # which have the score, a sum whose rounding depends on its order
            assert write(found) == write(whole), name
    assert found.score == pytest.approx(whole.score)
    sure = {"confidence": tuple(found.confidence), "word_confidence": tuple(found.word_confidence)}
    assert replace(found, score=whole.score, **sure) == whole


def test_a_narrow_window_is_nearly_the_whole(made, recording, in_blocks, monkeypatch):
    whole, _ = both(recognizer := Recognizer(made(gain=1.5), Greedy(), "cpu"), recording, in_blocks)
    monkeypatch.setattr(long, "HOP", 0.5)
    found = recognizer.transcribe(recording)
    assert [one.symbol for one in found.units] == [one.symbol for one in whole.units]
    np.testing.assert_allclose(found.confidence, whole.confidence, atol=1e-3)


def test_beam_search_begins_anew_after_a_pause(made, recording, in_blocks):
    system = made(units={"kind": "words", "symbols": "one two three"})
    decoder = Beam(width=8).build(system.units)
    whole, found = both(Recognizer(system, decoder, "cpu"), recording, in_blocks, decoder)
    assert abs(len(found.units) - len(whole.units)) <= 0.05 * len(whole.units)
    assert found.alternatives == ()


def test_passages_are_together_the_transcript(made, recording, in_blocks):
    recognizer = Recognizer(made(), Greedy(), "cpu")
    whole, _ = both(recognizer, recording, in_blocks)
    passages = list(recognizer.passages(recording))
    assert len(passages) > 2 and all(passage.final for passage in passages)
    assert [unit for one in passages for unit in one.transcript.units] == list(whole.units)
    assert all(one.end <= after.start for one, after in zip(passages, passages[1:], strict=False))


def test_the_same_is_said_in_a_file_in_its_samples_and_in_a_segment_of_it(made, recording, in_blocks):
    recognizer, (samples, rate) = Recognizer(made(), Greedy(), "cpu"), audio.read(recording)
    one, two, three = (Utterance("a", recording, 10.0, "x", start=start) for start in (None, 0.0, 0.0))
    in_blocks()
    texts = [recognizer.transcribe(source).text for source in (recording, str(recording), (samples, rate), one, two)]
    texts += [recognizer.transcribe(BytesIO(recording.read_bytes())).text]
    with open(recording, "rb") as file:
        texts += [recognizer.transcribe(file).text]
    assert texts == [texts[0]] * 7
    faster = recognizer.transcribe(replace(three, speed=2.0, seconds=5.0))
    assert faster.seconds == pytest.approx(5.0) and faster.text != texts[0]


def test_the_utterances_of_a_speaker_are_normalized_together_in_blocks_too(made, recording, in_blocks):
    recognizer = Recognizer(made(features={"normalise": "speaker"}), Greedy(), "cpu")
    utterances = [Utterance(str(n), recording, 5.0, "x", start=5.0 * n) for n in range(2)]
    whole = [one.text for one in recognizer.transcribe_many(utterances)]
    in_blocks()
    assert [one.text for one in recognizer.transcribe_many(utterances)] == whole
    assert [recognizer.transcribe(one).text for one in utterances] != whole


def test_each_channel_is_heard_alone(made, recording, speech, in_blocks, tmp_path):
    recognizer = Recognizer(made(), Greedy(), "cpu")
    soundfile.write(tmp_path / "one.wav", audio.read(audio.Channel(recording, 2))[0], 16_000, "FLOAT")
    expected = recognizer.transcribe(tmp_path / "one.wav")
    for _ in range(2):
        found = recognizer.transcribe(audio.Channel(recording, 2))
        assert (found.audio, found.text) == (f"{recording}#2", expected.text)
        in_blocks()
    assert found.text not in (recognizer.transcribe(recording).text, "")
    with pytest.raises(InputError, match="two.flac#3: has no channel 3, but 2; choose one of them"):
        recognizer.transcribe(audio.Channel(recording, 3))


def test_what_cannot_be_read_is_named_and_the_next_is_transcribed(made, recording, in_blocks, tmp_path):
    """Also where it is only found in the middle."""
    cut = tmp_path / "cut.wav"
    samples, rate = audio.read(recording)
    samples[100_000] = np.nan
    soundfile.write(cut, samples, rate, "FLOAT")
    in_blocks()
    found = Recognizer(made(), Greedy(), "cpu").transcribe_many([cut, recording], return_exceptions=True)
    assert str(next(found)) == f"{cut}: sample 100000 is nan, not finite; write the file again"
    assert len(next(found).units) > 20


def test_a_track_is_what_a_tuple_is():
    segments = (Segment("a", 0.0, 0.5), Segment("b", 0.5, 0.75), Segment("a", 1.0, 1.5))
    track = Track(segments)
    assert track == segments and segments == track and list(reversed(track)) == list(reversed(segments))
    assert (track[1], track[-1], track[1:]) == (segments[1], segments[-1], segments[1:])
    assert track != segments[:2] and Track() == () and not Track()
    with pytest.raises(IndexError):
        track[3]

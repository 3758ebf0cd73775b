"""`POST /v1/audio/transcriptions` against the Recognizer itself."""

import io
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.soundfiles import ANY_LENGTH
from asr.decoders import Greedy
from asr.recognize import Recognizer
from asr.serve import answers
from asr.stream import sources

WAV = Path(__file__).parents[2] / "data" / "tiny" / "one.wav"


@pytest.fixture(scope="module")
def transcript(system):
    return Recognizer(system, Greedy(), "cpu").transcribe(WAV)


@pytest.fixture(scope="module")
def audio():
    return WAV.read_bytes()


def test_json_is_the_text_with_its_duration(ask, audio, transcript):
    answer = ask(audio)
    assert answer.status_code == 200
    seconds = math.ceil(transcript.seconds)
    assert answer.json() == {"text": transcript.text, "usage": {"type": "duration", "seconds": seconds}}


@pytest.mark.parametrize(("name", "ours"), [("text", "txt"), ("srt", "srt"), ("vtt", "vtt")])
def test_texts_are_those_of_the_command(ask, audio, transcript, name, ours):
    answer = ask(audio, response_format=name)
    assert answer.text == transcript.to(ours)
    assert answer.headers["content-type"].startswith(("text/", "application/x-subrip"))


def test_verbose_json_has_words_and_segments_where_they_are_wanted(ask, audio, transcript):
    wanted = {"timestamp_granularities[]": ["word", "segment"]}
    row = ask(audio, response_format="verbose_json", also=wanted).json()
    assert row["text"] == transcript.text and row["language"] == "english"
    assert row["duration"] == pytest.approx(transcript.seconds, abs=1e-4)
    assert [word["word"] for word in row["words"]] == [segment.symbol for segment in transcript.segments]
    assert [word["start"] for word in row["words"]] == pytest.approx([s.start for s in transcript.segments], abs=1e-4)
    assert " ".join(segment["text"] for segment in row["segments"]) == transcript.text
    assert sum(len(segment["tokens"]) for segment in row["segments"]) == len(transcript.units)
    logs = [math.log(confidence) for confidence in transcript.confidence]
    means = [len(segment["tokens"]) * segment["avg_logprob"] for segment in row["segments"]]
    assert len(means) > 1 and sum(means) == pytest.approx(sum(logs), abs=1e-3)
    assert "words" not in ask(audio, response_format="verbose_json").json()


def test_segments_say_whether_anybody_speaks(ask, audio, system):
    """The product over frames of the probability of blank or silence; frame t is centered on (1.25 + t) · 10 ms."""
    probabilities = np.exp(Recognizer(system, Greedy(), "cpu").log_probs(WAV).astype(np.float64))
    quiet = probabilities[:, [0, system.units.symbols.index("sil")]].sum(axis=1)
    segments = ask(audio, response_format="verbose_json").json()["segments"]
    for segment in segments:
        frames = [t for t in range(len(quiet)) if segment["start"] <= (1.25 + t) / 100 < segment["end"]]
        assert segment["no_speech_prob"] == pytest.approx(np.prod(quiet[frames]), rel=0.05) and len(frames) > 50


def test_logprobs_join_to_the_text_and_are_the_confidences(ask, audio, transcript):
    row = ask(audio, also={"include[]": "logprobs"}).json()
    assert "".join(one["token"] for one in row["logprobs"]) == row["text"]
    assert b"".join(bytes(one["bytes"]) for one in row["logprobs"]).decode() == row["text"]
    probabilities = [math.exp(one["logprob"]) for one in row["logprobs"]]
    assert probabilities == pytest.approx(transcript.confidence, abs=1e-3)


def test_a_stream_has_deltas_that_join_to_the_text(ask, audio, transcript):
    answer = ask(four_times(), stream="true", also={"include[]": "logprobs"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
    assert [event["type"] for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert len(events) > 2 and events[-1]["type"] == "transcript.text.done"
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"]
    assert sum((event["logprobs"] for event in events[:-1]), []) == events[-1]["logprobs"]
    assert events[-1]["usage"]["seconds"] == 13


def test_a_long_recording_is_streamed_while_it_is_recognized(monkeypatch, system):
    """Long from a second on, here, in this process: deltas come from pause to pause, and are the whole's text."""
    monkeypatch.setattr(sources, "LONG", 1.0)
    samples = np.concatenate([soundfile.read(WAV, dtype="float32")[0], np.zeros(16_000, np.float32)] * 2)
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV")
    recognizer = Recognizer(system, Greedy(), "cpu")
    job = {"format": "json", "stream": True, "logprobs": True}
    parts = answers.answer(recognizer, ANY_LENGTH, job, iter([file.getvalue(), b""]).__next__)
    *deltas, done = [json.loads(part.removeprefix(b"data: ")) for part in parts]
    assert len(deltas) > 1 and [event["type"] for event in deltas] == ["transcript.text.delta"] * len(deltas)
    assert "".join(event["delta"] for event in deltas) == done["text"] == recognizer.transcribe((samples, 16_000)).text
    assert done["usage"]["seconds"] == math.ceil(len(samples) / 16_000)


def four_times():
    """The recording four times: longer than a caption."""
    samples, rate = soundfile.read(WAV, dtype="float32")
    file = io.BytesIO()
    soundfile.write(file, np.tile(samples, 4), rate, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "whisper-1"}, 404, "model"),
        ({"prompt": "Hello"}, 400, "prompt"),
        ({"language": "de"}, 400, "language"),
        ({"temperature": "0.7"}, 400, "temperature"),
        ({"temperature": "warm"}, 400, "temperature"),
        ({"response_format": "diarized_json"}, 400, "response_format"),
        ({"stream": "maybe"}, 400, "stream"),
        ({"stream": "true", "response_format": "text"}, 400, "stream"),
        ({"include[]": "logprobs", "response_format": "srt"}, 400, "include[]"),
        ({"include[]": "item"}, 400, "include[]"),
        ({"timestamp_granularities[]": "word"}, 400, "timestamp_granularities[]"),
        ({"timestamp_granularities[]": "phone", "response_format": "verbose_json"}, 400, "timestamp_granularities[]"),
        ({"keywords[]": ["a"]}, 400, "keywords[]"),
        ({"chunking_strategy": "auto"}, 400, "chunking_strategy"),
        ({"known_speaker_names[]": "Anna"}, 400, "known_speaker_names[]"),
        ({"beam": "5"}, 400, "beam"),
        ({"response_format": ["json", "text"]}, 400, "response_format"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_what_cannot_be_honored_is_refused_by_name(ask, audio, fields, status, param):
    answer = ask(audio, also=fields)
    error = answer.json()["error"]
    assert answer.status_code == status and set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param and error["message"].startswith(param) and error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "espeak"},
        {"language": "en"},
        {"language": "English"},
        {"temperature": "0"},
        {"prompt": ""},
        {"stream": "0"},
    ],
    ids=lambda fields: "-".join(map("".join, fields.items())),
)
def test_what_is_the_case_anyway_is_no_reason_to_refuse(ask, audio, fields):
    assert ask(audio, also=fields).status_code == 200


def test_the_system_is_listed(client):
    row = client.get("/v1/models").json()
    assert [one["id"] for one in row["data"]] == ["espeak"]
    assert client.get("/v1/models/espeak").json() == row["data"][0]
    assert client.get("/v1/models/other").status_code == 404


def test_nothing_of_one_request_is_in_another(ask, audio, transcript):
    """Two kinds of requests, many at a time."""
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(16_000), 16_000, format="WAV")
    alone = ask(silence.getvalue()).json()["text"]
    wanted = [(audio, "text", transcript.to("txt")), (silence.getvalue(), "text", f"{alone}\n")] * 8
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: ask(one[0], response_format=one[1]).text, wanted))
    assert answers == [expected for *_, expected in wanted] and alone != transcript.text

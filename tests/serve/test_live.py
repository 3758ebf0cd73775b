"""The WebSocket against `Recognizer.stream`."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from asr.decoders import Greedy
from asr.recognize import Recognizer

WAV = Path(__file__).parents[2] / "data" / "tiny" / "one.wav"
START = {"type": "start", "rate": 16_000}


@pytest.fixture(scope="module")
def pcm():
    """The sentence, a pause of a second, and the sentence again."""
    samples, _ = soundfile.read(WAV, dtype="int16")
    return np.concatenate([samples, np.zeros(16_000, np.int16), samples]).tobytes()


@pytest.fixture(scope="module")
def said(system, pcm):
    """The texts of the finals."""
    stream = Recognizer(system, Greedy(), "cpu").stream(16_000)
    passages = [*stream.accept(pcm), *stream.finish()]
    return [passage.transcript.text for passage in passages if passage.final]


def conversation(client, messages):
    """Send messages, return the server's events and the code with which it closed."""
    events = []
    with client.websocket_connect("/v1/asr/live") as socket:
        for message in messages:
            socket.send_bytes(message) if isinstance(message, bytes) else socket.send_text(json.dumps(message))
        try:
            while True:
                events.append(socket.receive_json())
        except WebSocketDisconnect as closed:
            return events, closed.code


def test_a_system_that_hears_recordings_as_a_whole_says_so_at_the_start(served):
    with served(live=False) as client:
        events, code = conversation(client, [START])
    assert [event["error"]["code"] for event in events] == ["not_live"] and code == 1008


def test_what_is_said_is_returned_and_nothing_final_is_taken_back(client, pcm, said):
    """In parts of odd sizes, so that samples are cut in half, as is the last; the end returns the rest."""
    parts = [pcm[at : at + 9_999] for at in range(0, len(pcm), 9_999)]
    events, code = conversation(client, [START, *parts, b"\0", {"type": "end"}])
    assert code == 1000 and events[0] == {"type": "ready"}
    assert events[-2]["type"] == "final"
    assert events[-1] == {"type": "done", "seconds": pytest.approx(len(pcm) / 32_000, abs=1e-4)}
    finals = [event for event in events if event["type"] == "final"]
    assert len(finals) == len(said) >= 2
    ends = [0.0] + [event["end"] for event in finals]
    assert all(event["start"] >= end - 1e-3 for event, end in zip(finals, ends, strict=False))
    assert [" ".join(unit["symbol"] for unit in event["units"]) for event in finals] == [e["text"] for e in finals]
    finals_before = 0.0
    for event in events[1:-1]:
        assert event["type"] in ("partial", "final") and event["start"] >= finals_before - 1e-3
        finals_before = event["end"] if event["type"] == "final" else finals_before
    assert any(event["type"] == "partial" for event in events)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([b"\0\0"], "no_start"),
        ([{"type": "end"}], "no_start"),
        ([[1]], "no_start"),
        ([{"type": "start"}], "invalid_rate"),
        ([{"type": "start", "rate": 16_000.5}], "invalid_rate"),
        ([{"type": "start", "rate": True}], "invalid_rate"),
        ([{"type": "start", "rate": 1}], "invalid_rate"),
        ([START | {"language": "en"}], "no_start"),
        ([START, {"eof": 1}], "invalid_message"),
        ([START, *[bytes(500_000)] * 2], "audio_too_long"),
    ],
    ids=[
        "audio-first",
        "end-first",
        "list",
        "no-rate",
        "fraction",
        "true",
        "1-Hz",
        "more",
        "vosk",
        "too-long",
    ],
)
def test_what_is_not_the_protocol_ends_the_session(client, messages, error):
    events, code = conversation(client, messages)
    assert (events[-1]["type"], events[-1]["error"]["code"], code) == ("error", error, 1008)


def test_a_client_that_says_nothing_is_not_waited_for(served):
    with served(count=0, idle=0.1) as client:
        events, code = conversation(client, [])
        assert events[-1]["error"]["code"] == "timeout" and code == 1008


def test_sessions_are_bounded_and_freed(served):
    with served(count=0, sessions=1) as client:
        for _ in range(2):
            with client.websocket_connect("/v1/asr/live"):
                with pytest.raises(WebSocketDenialResponse) as refused:
                    conversation(client, [])
                assert refused.value.status_code == 429 and int(refused.value.headers["retry-after"]) > 0

"""`asr serve` as a command, with OpenAI's own client."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from asr import box
from asr.decoders import Greedy
from asr.recognize import Recognizer

openai = pytest.importorskip("openai")
connect = pytest.importorskip("websockets.sync.client").connect

WAV = Path(__file__).parents[2] / "data" / "tiny" / "one.wav"
TOKEN = "0123456789abcdef-secret"


@contextmanager
def started():
    """Start it at any port, and yield the process and its address."""
    command = [sys.executable, "-m", "asr", "serve", str(box.FILE), "--port", "0", "--processes", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ, ASR_TOKEN=TOKEN))
    address = next(line for line in process.stderr if line.startswith("serving at")).split()[-1]
    try:
        yield process, address
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server():
    with started() as found:
        yield found


@pytest.fixture(scope="module")
def client(server):
    with connected(server[1]) as client:
        yield client


def connected(address, token=TOKEN):
    return openai.OpenAI(api_key=token, base_url=f"{address}/v1", max_retries=0)


@pytest.fixture(scope="module")
def transcript(system):
    return Recognizer(system, Greedy(), "cpu").transcribe(WAV)


def test_openais_client_reads_every_format(client, transcript):
    create = client.audio.transcriptions.create
    assert [model.id for model in client.models.list()] == ["espeak"]
    assert create(model="espeak", file=WAV).text == transcript.text
    assert create(model="espeak", file=WAV, response_format="text") == transcript.to("txt")
    assert create(model="espeak", file=WAV, response_format="srt") == transcript.to("srt")
    assert create(model="espeak", file=WAV, response_format="vtt") == transcript.to("vtt")
    both = ["word", "segment"]
    verbose = create(model="espeak", file=WAV, response_format="verbose_json", timestamp_granularities=both)
    assert [word.word for word in verbose.words] == transcript.text.split()
    assert " ".join(segment.text for segment in verbose.segments) == transcript.text
    assert verbose.duration == pytest.approx(transcript.seconds, abs=1e-4) and verbose.usage.seconds == 4
    type(verbose).model_validate(verbose.model_dump(), strict=True)
    logprobs = create(model="espeak", file=WAV, include=["logprobs"]).logprobs
    assert "".join(one.token for one in logprobs) == transcript.text and all(one.logprob <= 0 for one in logprobs)


def test_openais_client_reads_the_stream(client, transcript):
    *deltas, done = client.audio.transcriptions.create(model="espeak", file=WAV, stream=True)
    assert "".join(event.delta for event in deltas) == done.text == transcript.text
    assert [event.type for event in (deltas[0], done)] == ["transcript.text.delta", "transcript.text.done"]


def test_openais_client_raises_its_own_errors(client, server):
    create = client.audio.transcriptions.create
    with pytest.raises(openai.NotFoundError) as missing:
        create(model="whisper-1", file=WAV)
    assert (missing.value.param, missing.value.code) == ("model", "model_not_found")
    with pytest.raises(openai.BadRequestError) as prompted:
        create(model="espeak", file=WAV, prompt="Hello")
    assert (prompted.value.param, prompted.value.type) == ("prompt", "invalid_request_error")
    with pytest.raises(openai.BadRequestError):
        create(model="espeak", file=("a.wav", b"no audio"))
    with connected(server[1], "wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the children's numbers from /proc")
def test_sigterm_finishes_what_was_begun(transcript):
    """A request whose decoding process stands still until after the signal, and a live session."""
    with started() as (process, address), connected(address) as client, ThreadPoolExecutor(1) as pool:
        (child,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with connect(f"{address.replace('http', 'ws')}/v1/asr/live", additional_headers=headers) as socket:
            socket.send('{"type": "start", "rate": 16000}')
            assert json.loads(socket.recv()) == {"type": "ready"}
            os.kill(child, signal.SIGSTOP)
            begun = pool.submit(client.audio.transcriptions.create, model="espeak", file=WAV)
            while "asr_processes_busy 1.0" not in client._client.get(f"{address}/metrics", headers=headers).text:
                time.sleep(0.02)
            process.terminate()
            assert json.loads(socket.recv())["type"] == "done"
        os.kill(child, signal.SIGCONT)
        assert begun.result().text == transcript.text
        assert process.wait(20) == 128 + signal.SIGTERM
        log = process.stderr.read()
        assert "Traceback" not in log and TOKEN not in log and transcript.text not in log
        assert not Path(f"/proc/{child}").exists()

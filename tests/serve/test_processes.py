"""Decoding processes that hang, die or are busy."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

WAV = (Path(__file__).parents[2] / "data" / "tiny" / "one.wav").read_bytes()


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def alone(served, request):
    """A client of a server with one process, which can be stopped: it then neither works nor ends."""
    with served(**request.param) as client:
        (client.pid,) = client.pids()
        yield client


def post(client):
    return client.post("/v1/audio/transcriptions", files={"file": ("a.wav", WAV)})


def figure(client, name):
    return sum(float(line.split()[-1]) for line in client.get("/metrics").text.splitlines() if line.startswith(name))


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("alone", [{"timeout": 20.0}], indirect=True, ids=["20s"])
def test_a_process_that_dies_takes_its_request_with_it_and_nothing_else(alone, pool):
    os.kill(alone.pid, signal.SIGSTOP)
    lost, waiting = pool.submit(post, alone), pool.submit(post, alone)
    wait_for(lambda: figure(alone, "asr_processes_busy") == figure(alone, "asr_requests_waiting") == 1)
    os.kill(alone.pid, signal.SIGSEGV)
    os.kill(alone.pid, signal.SIGCONT)
    answers = sorted([lost.result(), waiting.result()], key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 500]
    assert answers[1].json()["error"]["code"] == "decoder_ended" and answers[1].headers["x-should-retry"] == "false"
    assert answers[0].json() == post(alone).json()
    assert figure(alone, 'asr_processes_ended_total{how="SIGSEGV"}') == 1 and alone.pids() != [alone.pid]


@pytest.mark.parametrize("alone", [{"timeout": 0.6, "queue": 1}], indirect=True, ids=["0.6s"])
def test_a_request_that_takes_too_long_is_ended_and_a_full_queue_says_when_to_come_back(alone, pool):
    os.kill(alone.pid, signal.SIGSTOP)
    late = [pool.submit(post, alone)]
    wait_for(lambda: figure(alone, "asr_processes_busy") == 1)
    late.append(pool.submit(post, alone))
    wait_for(lambda: figure(alone, "asr_requests_waiting") == 1)
    full = post(alone)
    assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
    assert int(full.headers["retry-after"]) >= 1 and full.json()["error"]["type"] == "rate_limit_error"
    for answer in (one.result() for one in late):
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    wait_for(lambda: alone.pids() not in ([], [alone.pid]))
    assert post(alone).status_code == 200

import pytest

from asr import box

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.testclient import TestClient

from asr.bundle import load
from asr.decoders import Search
from asr.serve.application import Application
from asr.serve.limits import Limits
from asr.serve.offer import Offered


@pytest.fixture(scope="session")
def system():
    return load(box.FILE)


@pytest.fixture(scope="session")
def served():
    """Make a client of a server in this process, with decoding processes of its own."""

    def make(token="", names=("testserver",), count=1, live=True, **limits):
        offered = Offered("espeak", "en", 1, live)
        made = Application(box.FILE, Search(), offered, names, token, count, Limits(**limits))
        client = TestClient(made.asgi, raise_server_exceptions=False)
        client.pids = lambda: [process._process.pid for process in made._processes._alive]
        return client

    return make


@pytest.fixture(scope="session")
def client(served):
    with served(body=4 << 20, seconds=20.0, decoded=1 << 20, timeout=20.0) as client:
        yield client


@pytest.fixture(scope="session")
def ask(client):
    """Post a recording with some fields."""

    def post(audio, path="/v1/audio/transcriptions", name="a.wav", **fields):
        data = {key: value for key, value in fields.items() if key != "also"} | fields.get("also", {})
        return client.post(path, files={"file": (name, audio)}, data=data)

    return post

"""Connections that ask for nothing, bodies that do not come, and what `asr serve` needs to be there."""

import asyncio
import json
from importlib import import_module

import pytest
import uvicorn
from click.testing import CliRunner

from asr.serve import listener
from asr.serve.figures import Figures
from asr.serve.gate import Gate
from asr.serve.limits import Limits

command = import_module("asr.cli.serve")  # the package has the function by this name


def test_a_connection_that_asks_for_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(listener, "HEAD", 0.1)

    async def scene():
        config = uvicorn.Config(None, http=listener.TimedProtocol, log_config=None)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        closed = []
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            closed.append(await asyncio.wait_for(reader.read(), 10))
            writer.close()
        server.servers[0].close()
        return closed

    assert asyncio.run(scene()) == [b"", b""]


def answered(receive, **limits):
    """Return the status and the error of a request whose body comes from `receive`."""

    async def application(scope, receive, send):
        while (await receive()).get("more_body"):
            pass

    async def scene():
        gate = Gate(application, ["localhost"], "", Limits(**limits), Figures(), [])
        head = {"headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 1), "path": "/", "method": "POST"}
        sent = []

        async def send(message):
            sent.append(message)

        await gate({"type": "http"} | head, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])["error"]["code"]

    return asyncio.run(scene())


def test_a_body_that_does_not_come_is_not_waited_for():
    async def never():
        await asyncio.sleep(60)

    async def slowly():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert answered(never, idle=0.05) == (408, "timeout")
    assert answered(slowly, timeout=0.2) == (408, "timeout")


def test_all_bodies_together_are_bounded():
    async def much():
        return {"type": "http.request", "body": b"x" * 600, "more_body": True}

    assert answered(much, body=10_000, bodies=1_000) == (429, "too_many_bytes")
    assert answered(much, body=1_000, bodies=10_000) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: others than this machine can reach it; set ASR_TOKEN"),
        (["--host", "example.org"], "--host example.org: others than this machine can reach it"),
        (["--token", "short"], "--token: needs 16 ASCII characters or more"),
        (["--token", "with a space in the token"], "--token: needs 16 ASCII characters or more"),
        (["--name", "http://speech.lan"], "--name http://speech.lan: is not a host's name; pass it without scheme"),
        (["--name", "speech.lan:8000"], "--name speech.lan:8000: is not a host's name"),
        (["--name", ""], "--name : is not a host's name"),
    ],
    ids=["any", "name", "short", "space", "scheme", "port", "empty"],
)
def test_what_is_not_safe_is_not_started(monkeypatch, arguments, message):
    monkeypatch.delenv("ASR_TOKEN", raising=False)
    assert str(CliRunner().invoke(command.serve, arguments).exception).startswith(message)


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(command, "PACKAGES", ("json", "no_such_package"))
    error = CliRunner().invoke(command.serve, []).exception
    assert str(error) == "no_such_package: is not installed; pip install 'asr[serve]'"


def test_names_and_addresses_are_what_clients_may_send_as_host():
    command._require_names(("speech.lan", "Speech-1", "192.168.0.7", "::1", "[fe80::1]"))

"""Kinds of requests to `asr serve`: how each is damaged, and what its answer must be.

They reach the application in this process, as a listener would pass them on, in parts that are cut anywhere. What a
listener refuses itself is in `tests/bench/hostile.py`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from damage import misread, mutated, recordings
from files import Kind
from starlette.testclient import TestClient

from asr import box
from asr.decoders import Search
from asr.errors import InputError
from asr.serve.application import Application
from asr.serve.limits import Limits
from asr.serve.offer import Offered

WAV = (Path(__file__).parents[2] / "data" / "tiny" / "one.wav").read_bytes()
MULTIPART = "multipart/form-data; boundary=cut"
FIELDS = {
    "response_format": ("json", "verbose_json", "text", "srt", "vtt", "xml", ""),
    "timestamp_granularities[]": ("word", "segment", "phone"),
    "include[]": ("logprobs", "item"),
    "stream": ("true", "false", "1", "maybe"),
    "temperature": ("0", "0.0", "nan", "-0", "1e999", "٠", "x"),
    "language": ("en", "EN", "English", "de", "\0"),
    "model": ("espeak", "whisper-1", ""),
    "prompt": ("", "Hello"),
    "x" * 200: ("1",),
}
TYPES = (
    MULTIPART,
    "multipart/form-data",
    'multipart/form-data; boundary=""',
    "application/json",
    "",
    "\xff",
    "a" * 5000,
)
PATHS = ("/v1/audio/transcriptions",) * 8 + (
    "/",
    "/v1/models",
    "/v1/models/x",
    "/healthz",
    "/metrics",
    "/nothing",
    "//",
)
METHODS = ("POST",) * 6 + ("GET", "HEAD", "PUT", "OPTIONS", "")
SOUND = {
    "method": "POST",
    "path": PATHS[0],
    "query": "",
    "headers": [("host", "testserver"), ("content-type", MULTIPART)],
}
QUERIES = ("", "", "", "a=1", "%ff", "file=x")
ODD_HEADERS = ((),) * 4 + tuple(
    ((name, value),)
    for name, value in (
        ("content-length", "9" * 30),
        ("content-length", "-1"),
        ("content-encoding", "gzip"),
        ("origin", "null"),
    )
)
MESSAGES = ('{"type": "start", "rate": 16000}', '{"type": "end"}', '{"type": "start", "rate": 8000}', "null", "")


def form(audio: bytes, fields: list[tuple[str, str]], name: str = "a.wav") -> bytes:
    """Return a multipart body."""
    parts = [f'name="{key}"\r\n\r\n{value}'.encode() for key, value in fields]
    parts.append(f'name="file"; filename="{name}"\r\n\r\n'.encode() + audio)
    return b"".join(b"--cut\r\nContent-Disposition: form-data; %b\r\n" % part for part in parts) + b"--cut--\r\n"


def _request(folder: Path, rng: np.random.Generator) -> Path:
    """Write a request: method, path, headers and query in a JSON file, the body beside it."""

    def one(choices: tuple[str, ...]) -> str:
        return choices[int(rng.integers(0, len(choices)))]

    names = list(recordings())
    audio = recordings()[one(tuple(names))] if rng.random() < 0.7 else WAV
    fields = [(name, one(FIELDS[name])) for name in rng.permutation(list(FIELDS))[: rng.integers(0, 3)].tolist()]
    body = form(audio, fields)
    where = rng.random()
    if where < 0.3:  # the recording
        body = form(mutated(audio, recordings()[one(tuple(names))], rng), fields)
    elif where < 0.6:  # between the parts
        body = mutated(body[:400], body[::-1], rng) + body[400:]
    elif where < 0.7:  # anywhere
        body = mutated(body, rng.bytes(500), rng)
    head = dict(SOUND)
    if rng.random() < 0.2:
        head |= {"method": one(METHODS), "path": one(PATHS), "query": one(QUERIES)}
        odd = ODD_HEADERS[int(rng.integers(0, len(ODD_HEADERS)))]
        head["headers"] = [*SOUND["headers"][:1], ("content-type", one(TYPES)), *odd]
    (folder / "head.json").write_text(json.dumps(head))
    (folder / "body").write_bytes(body)
    return folder


def _conversation(folder: Path, rng: np.random.Generator) -> Path:
    """Write the messages of a live session: texts, and samples as numbers of bytes."""
    texts = list(MESSAGES[:1]) if rng.random() < 0.8 else []
    for _ in range(rng.integers(0, 5)):
        text = MESSAGES[int(rng.integers(0, len(MESSAGES)))]
        texts.append(int(rng.integers(0, 40_000)) if rng.random() < 0.6 else text)
    texts.append('{"type": "end"}')
    at = int(rng.integers(0, len(texts)))
    if isinstance(texts[at], str) and rng.random() < 0.7:
        whole = texts[at].encode()
        odd = misread(texts[at], rng) if texts[at].startswith("{") else mutated(whole, whole, rng).decode("latin-1")
        texts[at] = odd
    (folder / "messages.json").write_text(json.dumps(texts))
    return folder


@cache
def _client() -> tuple[Application, TestClient]:
    application = Application(
        box.FILE, Search(), Offered("espeak", "en", 1), ("testserver",), "", 1, Limits(body=4 << 20, seconds=20.0)
    )
    client = TestClient(application.asgi)
    client.__enter__()  # until the process ends
    return application, client


def exchanged(scope: dict[str, Any], messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the application sends in answer to a request's messages."""
    application, client = _client()
    left, sent = iter(messages), []

    async def receive() -> dict[str, Any]:
        gone = "http.disconnect" if scope["type"] == "http" else "websocket.disconnect"
        return next(left, {"type": gone, "code": 1000})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    base = {"asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""}
    address = {"server": ("testserver", 80), "client": ("127.0.0.1", 1), "app": None, "state": {}, "subprotocols": []}
    extensions = {"extensions": {"websocket.http.response": {}}}
    assert client.portal
    client.portal.call(application.asgi, base | address | extensions | scope, receive, send)
    return sent


def answer(head: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    """Return the status and the body of the answer to a request whose body arrives in three parts."""
    cut = len(body) // 3
    parts = [body[:cut], body[cut : 2 * cut], body[2 * cut :]]
    messages = [{"type": "http.request", "body": part, "more_body": i < 2} for i, part in enumerate(parts)]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
    scope = {"type": "http", "method": head["method"], "path": head["path"], "raw_path": head["path"].encode()}
    sent = exchanged(scope | {"query_string": head["query"].encode(), "headers": headers}, messages)
    statuses = [message["status"] for message in sent if message["type"] == "http.response.start"]
    assert len(statuses) == 1, f"{len(statuses)} answers"
    return statuses[0], b"".join(message.get("body", b"") for message in sent)


@cache
def _usual() -> bytes:
    status, body = answer(SOUND, form(WAV, []))
    assert status == 200
    return body


def _answered(folder: Path) -> None:
    """Send a request, then a sound one, whose answer must be the usual one."""
    expected = _usual()
    status, body = answer(json.loads((folder / "head.json").read_text()), (folder / "body").read_bytes())
    assert answer(SOUND, form(WAV, [])) == (200, expected), "the next request has another answer"
    assert status < 500, f"status {status}: {body[:200]!r}"
    if status >= 400 and json.loads((folder / "head.json").read_text())["method"] != "HEAD":
        raise InputError(json.loads(body)["error"]["message"])


def _talked(folder: Path) -> None:
    """Hold a live session; it must end with `done`, or with an error that is not the server's."""
    messages: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    for one in json.loads((folder / "messages.json").read_text()):
        what = {"bytes": WAV[44 : 44 + one]} if isinstance(one, int) else {"text": one}
        messages.append({"type": "websocket.receive", **what})
    scope = {"type": "websocket", "path": "/v1/asr/live", "raw_path": b"/v1/asr/live", "query_string": b""}
    sent = exchanged(scope | {"headers": [(b"host", b"testserver")]}, messages)
    events = [json.loads(message["text"]) for message in sent if message.get("text")]
    assert events and sent[-1]["type"] == "websocket.close", "no answer, or not closed"
    if events[-1]["type"] == "error":
        assert sent[-1]["code"] != 1011, f"failed: {events[-1]}"
        raise InputError(events[-1]["error"]["message"])
    assert events[-1]["type"] == "done", events[-1]


KINDS = {"request": Kind(_request, _answered), "conversation": Kind(_conversation, _talked)}

"""Requests that nobody should send, each from (kind, seed, number): the raw bytes of a connection.

`bench_serve.py` sends them. A server may refuse them, close the connection, or answer where one is harmless after all;
it may not fail (5xx), hang or end.
"""

import base64
import io
import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
import damage

Rng = np.random.Generator
BOUNDARY = b"asr-bench"
TRANSCRIPTIONS = b"/v1/audio/transcriptions"


def form(audio: bytes, *fields: tuple[str, str], name: str = "a.wav") -> bytes:
    """Return a multipart body."""
    parts = [f'name="{key}"\r\n\r\n{value}'.encode() for key, value in fields]
    parts.append(f'name="file"; filename="{name}"\r\n\r\n'.encode() + audio)
    return b"".join(b"--%b\r\nContent-Disposition: form-data; %b\r\n" % (BOUNDARY, part) for part in parts) + (
        b"--%b--\r\n" % BOUNDARY
    )


def request(
    body: bytes = b"", path: bytes = TRANSCRIPTIONS, method: bytes = b"POST", host: bytes = b"localhost", **more: bytes
) -> bytes:
    """Return a request's bytes; `more` are headers, of which None removes one."""
    kind = b"multipart/form-data; boundary=" + BOUNDARY
    headers: dict[bytes, bytes] = {b"Host": host, b"Content-Type": kind, b"Content-Length": b"%d" % len(body)}
    headers |= {name.replace("_", "-").encode(): value for name, value in more.items()}
    lines = [b"%b: %b" % one for one in headers.items()]
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), *lines, b"", body])


@cache
def sound() -> dict[str, bytes]:
    """Return half a second in each codec."""
    return dict(damage.recordings())


@cache
def silence() -> bytes:
    """Return twenty hours of digital silence in a few megabytes."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8000, 1, format="FLAC", subtype="PCM_16") as out:
        for _ in range(20 * 60):
            out.write(np.zeros(60 * 8000, np.int16))
    return file.getvalue()


def damaged_audio(rng: Rng) -> bytes:
    """A recording in which bytes are flipped, cut out, repeated or replaced."""
    names = list(sound())
    first, second = (sound()[names[rng.integers(len(names))]] for _ in range(2))
    return request(form(damage.mutated(first, second, rng)))


def noise(rng: Rng) -> bytes:
    """Random bytes as a recording."""
    return request(form(rng.bytes(rng.integers(1, 50_000))))


def lying_header(rng: Rng) -> bytes:
    """A WAV whose header gives an absurd rate, number of channels or size."""
    wav = bytearray(sound()["pcm.wav"])
    at = (4, 16, 20, 22, 24, 28, 32, 34, 40)[rng.integers(9)]
    wav[at : at + 4] = (0, 1, 2**31 - 1, 2**32 - 1, 2**16)[rng.integers(5)].to_bytes(4, "little")
    return request(form(bytes(wav)))


def bomb(rng: Rng) -> bytes:
    """Twenty hours of silence, compressed."""
    return request(form(silence()))


def damaged_form(rng: Rng) -> bytes:
    """A multipart body with some bytes changed."""
    body = bytearray(form(sound()["pcm.wav"], ("response_format", "json")))
    for at in rng.integers(0, 300, rng.integers(1, 20)):
        body[at] = rng.integers(256)
    return request(bytes(body))


def other_type(rng: Rng) -> bytes:
    """Another type of body, or no boundary."""
    kinds = (
        b"application/json",
        b"text/plain",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"",
        b"\xff",
    )
    return request(form(b"x"), Content_Type=kinds[rng.integers(len(kinds))])


def other_fields(rng: Rng) -> bytes:
    """Fields that do not exist, or values that cannot be honored."""
    names = ("model", "language", "prompt", "temperature", "stream", "response_format", "include[]", "x" * 5000, "\0")
    fields = [(names[rng.integers(len(names))], rng.bytes(6).hex()) for _ in range(rng.integers(1, 50))]
    return request(form(sound()["pcm.wav"], *fields))


def two_files(rng: Rng) -> bytes:
    """Several files, or none."""
    body = form(b"x") * int(rng.integers(2, 30))
    return request(body.replace(b"--\r\n--", b"\r\n--") if rng.random() < 0.5 else b"--%b--\r\n" % BOUNDARY)


def wrong_length(rng: Rng) -> bytes:
    """A Content-Length that is absurd, no number, or not the body's."""
    lengths = (b"1099511627776", b"-1", b"x", b"", b"1e3", b"+5", b"0", b"3", b"18446744073709551616")
    return request(form(b"x"), Content_Length=lengths[rng.integers(len(lengths))])


def wrong_chunks(rng: Rng) -> bytes:
    """Chunks whose sizes are wrong, with or without a Content-Length beside."""
    sizes = (
        b"5\r\nabc\r\n",
        b"zz\r\nabc\r\n",
        b"-1\r\n\r\n",
        b"ffffffffffffffff1\r\nabc",
        b"3;x=\0\r\nabc\r\n0\r\n\r\n",
    )
    more = {"Transfer_Encoding": (b"chunked", b"chunked, chunked", b"gzip, chunked", b"x")[rng.integers(4)]}
    return request(b"", **more) + sizes[rng.integers(len(sizes))]


def cut_short(rng: Rng) -> bytes:
    """A request of which only the beginning arrives before the client goes."""
    whole = request(form(sound()["pcm.wav"]))
    return whole[: rng.integers(1, len(whole))]


def no_http(rng: Rng) -> bytes:
    """Something that is not HTTP."""
    lines = (
        b"\x16\x03\x01\x02\0\x01\0",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM",
    )
    return lines[rng.integers(len(lines))] + rng.bytes(50) + b"\r\n\r\n"


def large_head(rng: Rng) -> bytes:
    """A head of a quarter of a megabyte, or of thousands of headers."""
    if rng.random() < 0.5:
        return request(X=b"a" * 250_000)
    return b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X%d: 1\r\n" % i for i in range(20_000)) + b"\r\n"


def other_host(rng: Rng) -> bytes:
    """A name that is not the server's, as after DNS rebinding."""
    hosts = (
        b"evil.example",
        b"127.0.0.1.evil.example",
        b"localhost@evil.example",
        b"",
        b"localhost, evil",
        b"[::2]",
        b"\xc4\xb1",
    )
    return request(form(sound()["pcm.wav"]), host=hosts[rng.integers(len(hosts))])


def other_origin(rng: Rng) -> bytes:
    """Another site's page."""
    origins = (b"https://evil.example", b"null", b"http://localhost:1", b"file://", b"http://localhost.evil.example")
    return request(form(sound()["pcm.wav"]), Origin=origins[rng.integers(len(origins))])


def other_path(rng: Rng) -> bytes:
    """Paths out of the server, and into nothing."""
    paths = (
        b"/../../etc/passwd",
        b"/%2e%2e/%2e%2e/etc/passwd",
        b"//evil.example/",
        b"/v1/models/../../x",
        b"/\0",
        b"/page/%00",
    )
    extra = (b"*", b"http://evil.example/", b"/" + b"a" * 30_000, b"/v1/models/" + b"%ff" * 20, b"/?" + b"a=1&" * 500)
    every = paths + extra
    return request(method=b"GET", path=every[rng.integers(len(every))])


def other_method(rng: Rng) -> bytes:
    """Methods that a path does not have."""
    methods = (b"PUT", b"DELETE", b"PATCH", b"TRACE", b"CONNECT", b"OPTIONS", b"FOO", b"get")
    return request(form(b"x"), method=methods[rng.integers(len(methods))])


def compressed(rng: Rng) -> bytes:
    """A compressed body."""
    return request(form(b"x"), Content_Encoding=(b"gzip", b"br", b"deflate", b"x" * 100)[rng.integers(4)])


def pipelined(rng: Rng) -> bytes:
    """Several requests at once, the first of which should end the connection."""
    return request(b"abc", Content_Length=b"9999999999") + request(method=b"GET", path=b"/healthz")


def upgrade(key: bytes | None = None, version: bytes = b"13", **more: bytes) -> bytes:
    """Return a request for a WebSocket."""
    key = base64.b64encode(os.urandom(16)) if key is None else key
    more = {"Upgrade": b"websocket", "Connection": b"Upgrade", "Sec_WebSocket_Version": version} | more
    return request(method=b"GET", path=b"/v1/asr/live", Sec_WebSocket_Key=key, **more)


def wrong_upgrade(rng: Rng) -> bytes:
    """A WebSocket's handshake with something wrong."""
    if rng.random() < 0.3:
        return upgrade(Origin=b"https://evil.example")
    return upgrade(key=rng.bytes(5).hex().encode(), version=(b"12", b"x", b"13")[rng.integers(3)])


def frame(payload: bytes, opcode: int) -> bytes:
    """Return a masked WebSocket frame."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload


def wrong_frames(rng: Rng) -> bytes:
    """Garbage after a WebSocket's handshake: frames that are none, unmasked, too long."""
    huge = bytes([0x82, 0xFF]) + (1 << 40).to_bytes(8, "big") + b"\0\0\0\0"
    return (
        upgrade()
        + (rng.bytes(200), huge, b"\x81\x05hello", frame(b"\xff\xfe", 1), frame(b"x" * 2_000_000, 2))[rng.integers(5)]
    )


def wrong_messages(rng: Rng) -> bytes:
    """Messages that are not the protocol of live sessions."""
    deep = "[" * 100_000
    starts = (
        "{}",
        "null",
        "1",
        deep,
        '{"type": "start"}',
        '{"type": "start", "rate": 1e99}',
        '{"type":"start","rate":-1}',
        "\0",
    )
    first = starts[rng.integers(len(starts))]
    row = json.dumps({"type": "start", "rate": int(rng.integers(-5, 10))})
    return upgrade() + frame((first if rng.random() < 0.8 else row).encode(), 1)


KINDS: tuple[Callable[[Rng], bytes], ...] = (
    *(damaged_audio, noise, lying_header, bomb, damaged_form, other_type, other_fields, two_files, wrong_length),
    *(wrong_chunks, cut_short, no_http, large_head, other_host, other_origin, other_path, other_method, compressed),
    *(pipelined, wrong_upgrade, wrong_frames, wrong_messages),
)

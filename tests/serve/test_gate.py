"""What is refused before anything is done for it, and what is never let out."""

import io
import json
import logging

import numpy as np
import pytest
import soundfile
from starlette.testclient import WebSocketDenialResponse

from asr.serve.gate import HEADERS
from asr.serve.refusal import RefusedError

TOKEN = "0123456789abcdef-secret"


def wav(seconds=0.2, rate=16_000, channels=1):
    file = io.BytesIO()
    soundfile.write(file, np.zeros((round(seconds * rate), channels), np.int16), rate, format="WAV")
    return file.getvalue()


def code(answer):
    row = answer.json()["error"]
    assert set(row) == {"message", "type", "param", "code"} and "\n" not in row["message"]
    return answer.status_code, row["code"]


@pytest.fixture(scope="module")
def guarded(served):
    """A client of a server that needs a token, and has no decoding process."""
    with served(token=TOKEN, names=("localhost", "[::1]"), count=0) as client:
        client.base_url = "http://localhost:8000"
        yield client


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "x@localhost", "", "a b"]
)
def test_a_name_that_is_not_ours_is_refused(guarded, host):
    assert code(guarded.get("/healthz", headers={"Host": host})) == (421, "unknown_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "[::1]:8000"])
def test_our_names_are_answered_at_any_port(guarded, host):
    assert guarded.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:9000", "http://localhost", "file://"]
)
def test_another_sites_page_is_refused(guarded, origin):
    assert code(guarded.get("/healthz", headers={"Origin": origin})) == (403, "foreign_origin")


def test_our_own_page_is_answered_and_no_other_may_read(guarded):
    answer = guarded.get("/healthz", headers={"Origin": "http://localhost:8000"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    preflight = {"Origin": "http://localhost:8000", "Access-Control-Request-Method": "POST"}
    answer = guarded.options("/v1/audio/transcriptions", headers=preflight | {"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 405 and not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/v1/audio/transcriptions", "/other", "/page/../metrics"])
@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"])
def test_without_the_token_only_health_and_the_page_are_answered(guarded, path, sent):
    answer = guarded.get(path, headers={"Authorization": sent.encode()})
    assert code(answer) == (401, "invalid_api_key") and answer.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/healthz").status_code == 200
    assert code(guarded.get("/readyz")) == (503, "not_ready")


def test_with_the_token_everything_is_answered(guarded):
    assert guarded.get("/v1/models", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_a_body_is_refused_by_its_length_before_it_is_read(client):
    headers = {"Content-Length": str(1 << 40), "Content-Type": "multipart/form-data; boundary=x"}
    assert code(client.post("/v1/audio/transcriptions", headers=headers, content=b"")) == (413, "body_too_large")


def test_a_body_without_a_length_is_read_no_further_than_allowed(client):
    read = []

    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            read.append(1)
            yield b"\0" * (1 << 20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert code(client.post("/v1/audio/transcriptions", headers=headers, content=body())) == (413, "body_too_large")


def test_a_compressed_body_is_refused(client):
    answer = client.post("/v1/audio/transcriptions", content=b"x", headers={"Content-Encoding": "gzip"})
    assert code(answer) == (415, "unsupported_encoding")


def test_a_recording_that_lasts_too_long_is_refused(ask):
    """Half an hour of digital silence is 200 kB of FLAC; 20 s are allowed here."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1800 * 8000, np.int16), 8000, format="FLAC")
    assert len(file.getvalue()) < 1 << 20
    assert code(ask(file.getvalue())) == (413, "audio_too_long")
    assert code(ask(wav(20.1, 8000))) == (413, "audio_too_long")
    assert ask(wav(19.9, 8000)).status_code == 200


def test_a_recording_of_too_many_samples_is_refused(ask):
    """A mebibyte of them is allowed here, of four bytes each."""
    assert code(ask(wav(1.0, 384_000))) == (413, "audio_too_long")
    assert ask(wav(0.6, 384_000)).status_code == 200


def test_joined_recordings_count_together(ask):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(12 * 8000, np.int16), 8000, format="FLAC")
    assert ask(file.getvalue()).status_code == 200
    assert code(ask(2 * file.getvalue())) == (413, "audio_too_long")


@pytest.mark.parametrize(
    "audio",
    [
        b"x",
        b"\0" * 5000,
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"OggS" * 100,
        b"ID3" + b"\xff" * 2000,
        b"<html>",
        wav()[:-100],
    ],
    ids=["letter", "zeros", "riff", "ogg", "mp3", "html", "truncated"],
)
def test_what_is_no_audio_is_refused_in_one_line_without_its_content(ask, audio):
    answer = ask(audio, name="secret-name.wav")
    assert code(answer) == (400, "invalid_audio") and answer.json()["error"]["param"] == "file"
    assert answer.json()["error"]["message"].startswith("file: ") and "secret" not in answer.text


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"{}", "application/json", (415, "unsupported_media_type")),
        (b"file=x", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
        (b"x", "", (415, "unsupported_media_type")),
        (b"x", "multipart/form-data", (400, "invalid_multipart")),
        (b"x", "multipart/form-data; boundary=x", (400, "invalid_multipart")),
        (b"--x--\r\n", "multipart/form-data; boundary=x", (400, "missing_parameter")),
        (
            b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
            (400, "invalid_multipart"),
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n1\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            (400, "missing_parameter"),
        ),
    ],
    ids=["json", "urlencoded", "none", "no-boundary", "no-part", "empty", "no-name", "no-file-name"],
)
def test_what_is_no_form_is_refused(client, body, kind, expected):
    headers = {"Content-Type": kind} if kind else {}
    assert code(client.post("/v1/audio/transcriptions", content=body, headers=headers)) == expected


def test_many_fields_and_large_ones_are_refused(client):
    files = {"file": ("a.wav", wav())}
    for data in ({f"a{i}": "x" for i in range(50)}, {"prompt": "x" * 10_000}):
        assert code(client.post("/v1/audio/transcriptions", files=files, data=data)) == (400, "invalid_multipart")
    two = [("file", ("a.wav", wav())), ("file", ("b.wav", wav()))]
    assert code(client.post("/v1/audio/transcriptions", files=two)) == (400, "invalid_multipart")


def test_fields_in_the_query_are_refused(client):
    answer = client.post("/v1/audio/transcriptions?language=en", files={"file": ("a.wav", wav())})
    assert code(answer) == (400, "unknown_parameter")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/audio/transcriptions", (405, "method_not_allowed")),
        ("POST", "/v1/audio/translations", (404, "not_found")),
        ("GET", "/page/../../../pyproject.toml", (404, "not_found")),
        ("GET", "/page/%2e%2e/%2e%2e/__init__.py", (404, "not_found")),
        ("GET", "/page/__init__.py", (404, "not_found")),
        ("DELETE", "/v1/models/espeak", (405, "method_not_allowed")),
    ],
)
def test_there_is_nothing_else(client, method, path, expected):
    answer = client.request(method, path)
    assert code(answer) == expected
    if answer.status_code == 405:
        assert answer.json()["error"]["message"].startswith(f"{method}: is not a method of this path; use ")


def test_the_log_has_nothing_that_came_from_outside(ask, client, caplog):
    with caplog.at_level(logging.DEBUG, logger="asr"):
        assert ask(wav(), name="secret.wav", language="secret").status_code == 400
        assert ask(b"secret", name="secret.wav").status_code == 400
        client.get("/secret?secret", headers={"User-Agent": "secret", "X-Secret": "secret"})
        assert ask(wav(1.0)).status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("asr")]
    assert len(lines) == 4 and "secret" not in "".join(lines)
    assert lines[2].startswith("other 404:") and lines[3].endswith("1.0 s of audio")


def test_figures_count_by_route_and_status(client, ask):
    def value(name):
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    before = value('asr_requests_total{route="/v1/audio/transcriptions",status="200"}')
    heard = value("asr_audio_seconds_total")
    assert ask(wav(1.0)).status_code == 200
    assert value('asr_requests_total{route="/v1/audio/transcriptions",status="200"}') == before + 1
    assert value("asr_audio_seconds_total") == pytest.approx(heard + 1)
    client.get("/a-path-that-nobody-knows")
    assert "nobody" not in client.get("/metrics").text


def test_live_sessions_need_the_token_too(guarded):
    for sent, status in (("wrong", 401), (TOKEN, 101)):
        headers = {"Host": "localhost:8000", "Authorization": f"Bearer {sent}"}
        try:
            with guarded.websocket_connect("/v1/asr/live", headers=headers):
                assert status == 101
        except WebSocketDenialResponse as refused:
            assert refused.status_code == status


def test_a_refusal_is_one_line_whatever_a_client_calls_its_fields():
    error = json.loads(RefusedError(400, "unknown_parameter", "be\nam: is not a field").body())["error"]
    assert error["message"] == r"be\nam: is not a field"

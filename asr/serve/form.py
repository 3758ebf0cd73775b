"""A multipart body → the file and the checked fields of a transcription.

A field that this server cannot honor is refused by its name, with what it would have asked for: an answer that ignores
half of a question looks like one that does not.

Source: OpenAI, openapi.yaml, CreateTranscriptionRequest, whose `additionalProperties` is false.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from asr.serve.offer import Offered
from asr.serve.refusal import RefusedError

FORMATS = {"json": "application/json", "verbose_json": "application/json", "text": "text/plain; charset=utf-8"} | {
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
MAX_FIELDS, MAX_FIELD = 32, 4096  # and bytes of one
REPEATED = {"timestamp_granularities[]": ("word", "segment"), "include[]": ("logprobs",)}
# What OpenAI's API has and this server has not.
UNSUPPORTED = {
    "prompt": "no text can be given before",
    "languages[]": "a system knows one language",
    "keywords[]": "no words can be preferred",
    "chunking_strategy": "recordings are recognized as a whole",
    "known_speaker_names[]": "speakers are not told apart",
    "known_speaker_references[]": "speakers are not told apart",
}


@dataclass(frozen=True)
class Wanted:
    """What a client wants of a recording.

    Attributes:
        format: One of `FORMATS`.
        granularities: Of the times in `verbose_json`: word, segment.
        logprobs: Whether each token comes with its log-probability.
        stream: Whether the answer comes as server-sent events.
        language: What the system's language is called in `verbose_json`.
    """

    format: str
    granularities: tuple[str, ...]
    logprobs: bool
    stream: bool
    language: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[FormData]:
    """Receive a multipart body; files above a megabyte are on disk until the request is answered.

    Raises:
        RefusedError: It is none, or damaged.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        message = f"Content-Type: '{kind[:80]}' is not read; send multipart/form-data"
        raise RefusedError(415, "unsupported_media_type", message)
    if request.query_params:
        message = f"'{next(iter(request.query_params))[:80]}' is in the query; send fields in the body"
        raise RefusedError(400, "unknown_parameter", message)
    try:
        form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD)
    except HTTPException as error:
        raise RefusedError(400, "invalid_multipart", f"the body is not multipart/form-data: {error.detail}") from error
    try:
        yield form
    finally:
        await form.close()


def file_of(form: FormData) -> UploadFile:
    """Return the recording.

    Raises:
        RefusedError: There is none.
    """
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise RefusedError(400, "missing_parameter", "file: is missing; send a recording, with a file name", "file")
    if not file.size:
        raise RefusedError(400, "invalid_audio", "file: is empty; send a recording", "file")
    return file


def wanted(form: FormData, offered: Offered) -> Wanted:
    """Return the checked fields of a transcription.

    Raises:
        RefusedError: A field is unknown, cannot be honored, or does not go with another one.
    """
    lists = {name: _chosen(name, form, known) for name, known in REPEATED.items()}
    fields = {name: _single(name, form) for name in form if name not in REPEATED and name != "file"}
    for name, value in fields.items():
        if name in UNSUPPORTED and value:
            raise _unsupported(name, f"{UNSUPPORTED[name]}; omit it")
        if name not in (*UNSUPPORTED, "model", "language", "response_format", "temperature", "stream"):
            raise RefusedError(
                400, "unknown_parameter", f"{name[:80]}: is not a field of this request; omit it", name[:80]
            )
    _require_system(fields, offered)
    kind = fields.get("response_format") or "json"
    if kind not in FORMATS:
        raise _unsupported("response_format", f"'{kind[:80]}' is not one of {', '.join(FORMATS)}")
    granularities = lists["timestamp_granularities[]"]
    if granularities and kind != "verbose_json":
        raise _unsupported("timestamp_granularities[]", "needs response_format=verbose_json")
    if lists["include[]"] and kind != "json":
        raise _unsupported("include[]", "needs response_format=json")
    stream = _boolean("stream", fields.get("stream", ""))
    if stream and kind != "json":
        raise _unsupported("stream", "needs response_format=json")
    return Wanted(kind, granularities or ("segment",), bool(lists["include[]"]), stream, _spelled(offered.language))


def _require_system(fields: Mapping[str, str], offered: Offered) -> None:
    """Refuse another model, language or temperature than the system's."""
    if fields.get("model", offered.model) != offered.model:
        message = f"model: there is only '{offered.model}' here; send this name, or omit it"
        raise RefusedError(404, "model_not_found", message, "model")
    language = fields.get("language", "").lower()
    if language and (not offered.language or language not in (offered.language, _spelled(offered.language))):
        here = f"the system's language is {offered.language}" if offered.language else "the system names no language"
        raise _unsupported("language", f"{here}; omit it")
    try:
        hot = float(fields.get("temperature") or 0) != 0
    except ValueError:
        hot = True
    if hot:
        raise _unsupported("temperature", "nothing is drawn at random; send 0, or omit it")


def _chosen(name: str, form: FormData, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of a field that may be there several times."""
    values = form.getlist(name)
    for value in values:
        if not isinstance(value, str) or value not in known:
            raise _unsupported(name, f"is not {' or '.join(known)}; omit it")
    return tuple(dict.fromkeys(str(value) for value in values))


def _single(name: str, form: FormData) -> str:
    values = form.getlist(name)
    if len(values) > 1 or not isinstance(values[0], str):
        raise RefusedError(400, "invalid_parameter", f"{name[:80]}: must be there once, and a text", name[:80])
    return values[0]


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("", "true", "false", "1", "0"):
        raise _unsupported(name, "is not true or false")
    return value.lower() in ("true", "1")


def _spelled(language: str) -> str:
    """Return a language as OpenAI's answers do, which have names where its requests have codes."""
    return {"en": "english", "": "unknown"}.get(language, language)


def _unsupported(name: str, why: str) -> RefusedError:
    return RefusedError(400, "unsupported_value", f"{name}: {why}", name)

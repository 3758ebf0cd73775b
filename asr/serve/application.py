"""The routes: OpenAI's transcriptions, the page and what it draws, health and figures."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from asr.bundle import load
from asr.decoders import Search
from asr.errors import AsrError
from asr.serve import form, page, wire
from asr.serve.figures import Figures
from asr.serve.gate import Gate
from asr.serve.limits import Limits
from asr.serve.live_socket import LiveSession
from asr.serve.offer import Offered
from asr.serve.process import EndedError
from asr.serve.processes import Processes
from asr.serve.refusal import RefusedError, place

LOG = logging.getLogger(__name__)
CHUNK = 1 << 18  # bytes of a recording that are passed on at a time
Handler = Callable[[Request], Awaitable[Response]]


class Application:
    """Everything behind the port.

    Args:
        bundle: The system's file.
        search: How to decode.
        offered: What the API says of the system.
        names: By which hosts clients may reach the server.
        token: That they must send; none if empty.
        count: Decoding processes.
        limits: What requests may cost.
    """

    def __init__(
        self,
        bundle: Path,
        search: Search,
        offered: Offered,
        names: tuple[str, ...],
        token: str = "",
        count: int = 1,
        limits: Limits | None = None,
    ) -> None:
        self._bundle, self._search, self._offered, self._count = bundle, search, offered, count
        self._limits, self._figures = limits or Limits(), Figures()
        self._processes: Processes
        self._shown: page.Page | None = None
        routes = self._routes()
        app = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={RefusedError: _refused, HTTPException: _http, Exception: _failed},
        )
        paths = [route.path for route in routes if isinstance(route, Route | WebSocketRoute)]
        self._sessions = set[LiveSession]()
        self.asgi = Gate(app, names, token, self._limits, self._figures, paths)

    async def close(self) -> None:
        """End the live sessions: they get what was said until now."""
        for session in self._sessions:
            session.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.idle):
                while self._sessions:
                    await asyncio.sleep(0.05)

    def _routes(self) -> list[BaseRoute]:
        return [
            Route("/v1/audio/transcriptions", self._transcriptions, methods=["POST"]),
            WebSocketRoute("/v1/asr/live", self._live),
            Route("/v1/models", self._models),
            Route("/v1/models/{model}", self._model),
            Route("/healthz", _healthy),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
            Route("/", self._page),
        ]

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Start the decoding processes, and end them."""
        with tempfile.TemporaryDirectory(prefix="asr-serve-") as folder:
            self._processes = Processes(
                self._bundle, self._search, Path(folder), self._count, self._limits, self._figures
            )
            try:
                await self._processes.start()
                yield
            finally:
                await self._processes.stop()

    async def _transcriptions(self, request: Request) -> Response:
        self._processes.require_place()
        async with form.received(request) as sent:
            wanted = form.wanted(sent, self._offered)
            job = {"task": "transcribe"} | wanted.as_dict()
            if wanted.stream:
                return await self._streamed(request, job, _chunks(form.file_of(sent)))
            body = await self._whole(request, job, _chunks(form.file_of(sent)))
        return Response(body, media_type=form.FORMATS[wanted.format])

    async def _live(self, socket: WebSocket) -> None:
        async with self._processes.session() as start:
            session = LiveSession(socket, self._limits)
            self._sessions.add(session)
            try:
                rate = await session.start()
                if not self._offered.live:
                    raise RefusedError(400, "not_live", "the system hears recordings of one word; send them whole")
                socket.scope["asr.seconds"] = await session.recognize(await start(), rate)
            except RefusedError as refusal:
                await session.refuse(refusal)
            except (EndedError, TimeoutError) as error:
                LOG.warning("a live session failed: %s", place(error))
                await session.refuse(RefusedError(500, "decoder_ended", "the process that listened ended"))
            finally:
                self._sessions.discard(session)

    async def _whole(self, request: Request, job: dict[str, Any], data: AsyncIterable[bytes]) -> bytes:
        """Return all that a job makes."""
        async with aclosing(self._processes.run(job, data)) as parts:
            *made, end = [part async for part in parts]
        _note(request, end)
        return b"".join(part.payload for part in made)

    async def _streamed(self, request: Request, job: dict[str, Any], data: AsyncIterable[bytes]) -> Response:
        """Return what a job makes as it is made; if it fails before anything was, that is the answer.

        All data has been read by then: the first part follows the last of it.
        """
        parts = self._processes.run(job, data)
        first = await anext(parts)

        async def events() -> AsyncGenerator[bytes, None]:
            async with aclosing(parts):
                try:
                    yield first.payload
                    async for part in parts:
                        if part.tag == wire.PART:
                            yield part.payload
                        else:
                            _note(request, part)
                except RefusedError as refusal:
                    yield b"event: error\ndata: " + refusal.body().strip() + b"\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._described()]})

    async def _model(self, request: Request) -> Response:
        if request.path_params["model"] != self._offered.model:
            message = f"model: there is only '{self._offered.model}' here"
            raise RefusedError(404, "model_not_found", message, "model")
        return JSONResponse(self._described())

    def _described(self) -> dict[str, Any]:
        offered = self._offered
        return {"id": offered.model, "object": "model", "created": offered.created, "owned_by": "asr"}

    async def _page(self, request: Request) -> Response:
        """Return the page, made when it is first asked for; it recognizes in the browser, and asks for nothing more."""
        if not self._shown:
            try:
                self._shown = await run_in_threadpool(lambda: page.made(load(self._processes.system)))
            except AsrError as error:
                raise RefusedError(404, "not_found", str(error)) from error
        return HTMLResponse(
            self._shown.html, headers={"Content-Security-Policy": f"{self._shown.policy}; frame-ancestors 'none'"}
        )

    async def _ready(self, request: Request) -> Response:
        if not self._processes.ready:
            raise RefusedError(503, "not_ready", "no decoding process is running; one is being started", retry_after=2)
        return JSONResponse({"status": "ready"})

    async def _metrics(self, request: Request) -> Response:
        return Response(self._figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _chunks(file: UploadFile) -> AsyncGenerator[bytes, None]:
    """Yield a file's bytes."""
    while data := await file.read(CHUNK):
        yield data


def _note(request: Request, end: wire.Message) -> None:
    """Keep a recording's duration for the log."""
    request.scope["asr.seconds"] = end.json["seconds"]


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    if request.scope["type"] != "http":
        raise error  # to the gate
    return Response(error.body(), error.status, error.headers())


async def _http(request: Request, error: Exception) -> Response:
    """Answer what Starlette refuses."""
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    messages = {
        404: "there is nothing at this path; the API is at /v1/audio/transcriptions",
        405: f"{request.method}: is not a method of this path; use {(error.headers or {}).get('Allow', 'another')}",
    }
    message = messages.get(error.status_code, f"{error.detail}")
    return await _refused(
        request, RefusedError(error.status_code, codes.get(error.status_code, "bad_request"), message)
    )


async def _failed(request: Request, error: Exception) -> Response:
    """Answer after a bug of ours, which the gate logs."""
    return await _refused(request, RefusedError(500, "internal_error", "the server failed; its log says where"))

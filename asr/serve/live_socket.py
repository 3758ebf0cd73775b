"""The WebSocket `/v1/asr/live`: audio in while it is spoken, text out.

    client  {"type": "start", "rate": 16000}    first, once: the samples a second
            binary messages                     samples, 16-bit little-endian, one channel; cut anywhere
            {"type": "end"}                     last: what was not returned yet, is
    server  {"type": "ready"}                   after the start
            the events of asr/serve/listening.py     a final one is never taken back
            {"type": "done", "seconds"}         after the end, or when the server is ended; then it closes
            {"type": "error", "error"}          instead; then it closes

Each session has a process, since it keeps what it heard; the process ends with it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from asr import audio
from asr.serve import wire
from asr.serve.limits import Limits
from asr.serve.process import DecodingProcess
from asr.serve.refusal import RefusedError
from asr.support.text import parsed

DONE, LEAVING, WRONG, FAILED, BUSY = 1000, 1012, 1008, 1011, 1013  # WebSocket's codes for closing


class LiveSession:
    """A conversation with one client.

    Args:
        socket: Not yet accepted.
        limits: What it may cost.
    """

    def __init__(self, socket: WebSocket, limits: Limits) -> None:
        self._socket, self._limits = socket, limits
        self._bytes, self._leaving = 0, False
        self._patience: asyncio.Timeout | None = None  # of the message that is awaited

    def leave(self) -> None:
        """End the session as if the client had."""
        self._leaving = True
        if self._patience:
            self._patience.reschedule(0)

    async def start(self) -> int:
        """Accept the client and return the rate that it declares, in Hz.

        Raises:
            RefusedError: It declares none, or one that is not supported.
        """
        await self._socket.accept()
        message = await self._next()
        row = _row(message.get("text")) if message else {}
        rate = row.pop("rate", None)
        if row != {"type": "start"}:
            raise RefusedError(400, "no_start", 'send {"type": "start", "rate": 16000} first')
        if type(rate) is not int or not audio.MIN_RATE <= rate <= audio.MAX_RATE:
            known = f"{audio.MIN_RATE} to {audio.MAX_RATE} Hz"
            raise RefusedError(400, "invalid_rate", f"rate: is not a whole number of {known}", "rate")
        return rate

    async def recognize(self, process: DecodingProcess, rate: int) -> float:
        """Send what is said until the client or the server ends, and return its duration, seconds.

        Raises:
            RefusedError: The client does what it may not, or is too long silent.
            EndedError: The process ends.
        """
        await self._send({"type": "ready"})
        longest = self._limits.seconds + self._limits.timeout
        job = {"task": "live", "rate": rate, "seconds": longest}
        deadline = asyncio.get_running_loop().time() + longest
        async with aclosing(process.run(job, self._samples(2 * rate * self._limits.seconds), deadline)) as parts:
            async for part in parts:
                if part.tag == wire.END:
                    seconds = float(part.json["seconds"])
                    break
                for event in json.loads(part.payload):
                    await self._send(event)
        await self._send({"type": "done", "seconds": round(seconds, 4)})
        await self._close(LEAVING if self._leaving else DONE)
        return seconds

    async def refuse(self, refusal: RefusedError) -> None:
        """Tell the client what is wrong, and close."""
        await self._send({"type": "error"} | json.loads(refusal.body()))
        await self._close(BUSY if refusal.retry_after else FAILED if refusal.status >= 500 else WRONG)

    async def _samples(self, most: float) -> AsyncGenerator[bytes, None]:
        """Yield the audio until its end, `most` bytes of it.

        Raises:
            RefusedError: Something else comes, too much, or nothing.
        """
        while message := await self._next():
            data = message.get("bytes")
            if data is None:
                if _row(message.get("text")) != {"type": "end"}:
                    raise RefusedError(400, "invalid_message", 'send samples as binary, and {"type": "end"} at the end')
                return
            self._bytes += len(data)
            if self._bytes > most:
                raise RefusedError(413, "audio_too_long", f"more than {self._limits.seconds:g} s; open another session")
            yield data

    async def _next(self) -> dict[str, Any] | None:
        """Return the next message; None when there are no more, or the server is to end.

        Raises:
            RefusedError: None comes in time.
        """
        try:
            async with asyncio.timeout(0 if self._leaving else self._limits.idle) as self._patience:
                message = dict(await self._socket.receive())
        except TimeoutError:
            if self._leaving:
                return None
            late = f"nothing came for {self._limits.idle:g} s; end the session when done"
            raise RefusedError(408, "timeout", late) from None
        finally:
            self._patience = None
        return message if message["type"] == "websocket.receive" else None

    async def _send(self, event: dict[str, Any]) -> None:
        if self._socket.application_state == WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):  # the client has gone
                await self._socket.send_text(json.dumps(event, ensure_ascii=False))

    async def _close(self, code: int) -> None:
        if self._socket.application_state == WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._socket.close(code)


def _row(text: str | None) -> dict[str, Any]:
    """Return a message's object, {} if it is none."""
    try:
        row = parsed(text or "")
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}

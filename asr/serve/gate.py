"""What every request passes before anything is done for it, and what is written of it afterwards.

Browsers let any page send requests to a server on their own machine, so a request is refused whose `Host` is not one of
ours (a name that was made to point here) or whose `Origin` is another site's; nothing allows other sites to read our
answers (no CORS). The log has the route, the status, times and sizes, and nothing that came from outside.
"""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Iterable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.serve.figures import Figures
from asr.serve.limits import Limits
from asr.serve.refusal import RefusedError, place

LOG = logging.getLogger(__name__)
OPEN = ("/healthz", "/readyz", "/")  # answered without a token
_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # the page brings its own
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Gate:
    """ASGI middleware around the whole application.

    Args:
        application: What is behind it.
        names: By which hosts clients may reach the server, in lower case, without a port.
        token: That clients must send; none if empty.
        limits: Of a request's body.
        figures: What is counted.
        routes: The paths that figures and log name; all others are "other".
    """

    def __init__(
        self,
        application: ASGIApp,
        names: Iterable[str],
        token: str,
        limits: Limits,
        figures: Figures,
        routes: Iterable[str],
    ) -> None:
        self._application, self._names, self._token = application, frozenset(names), token.encode()
        self._limits, self._figures, self._routes = limits, figures, frozenset(routes)
        self._held = 0  # bytes of all bodies received so far by requests that are not yet answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        answered = _Answered(scope, send)
        body = _Body(self, receive)
        begin = time.monotonic()
        try:
            self._require_allowed(scope)
            body.require_small(Headers(scope=scope))
            await self._application(scope, body.receive if scope["type"] == "http" else receive, answered.send)
        except RefusedError as refusal:
            await answered.refuse(refusal)
        except asyncio.CancelledError:
            answered.status = answered.status or 499
            raise
        except Exception as error:
            LOG.error("a request failed: %s", place(error))
            await answered.refuse(RefusedError(500, "internal_error", "the server failed; its log says where"))
        finally:
            self._held -= body.count
            self._record(scope, answered, body.count, time.monotonic() - begin)

    def hold(self, count: int) -> None:
        """Account for more bytes of a body.

        Raises:
            RefusedError: All bodies together are too large.
        """
        self._held += count
        if self._held > self._limits.bodies:
            message = f"all requests together have {self._limits.bodies} bytes, which is all they may; try again later"
            raise RefusedError(429, "too_many_bytes", message, retry_after=5)

    def _require_allowed(self, scope: Scope) -> None:
        """Refuse strangers.

        Raises:
            RefusedError: The host, the origin or the token is not ours.
        """
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        # At an address instead of a name nobody else's page can be.
        if not host or host["name"] not in (*self._names, _bracketed(scope["server"][0])):
            raise RefusedError(
                421, "unknown_host", "this server does not answer to the name in Host; add it with --name"
            )
        for origin in origins:
            if origin.lower() not in (f"http://{host[0]}", f"https://{host[0]}"):
                raise RefusedError(403, "foreign_origin", "pages of other sites may not use this server")
        if self._token and scope["path"] not in OPEN and not hmac.compare_digest(_sent_token(headers), self._token):
            raise RefusedError(401, "invalid_api_key", "send the server's token: Authorization: Bearer TOKEN")

    def _record(self, scope: Scope, answered: "_Answered", size: int, seconds: float) -> None:
        """Count a request, and write a line about it."""
        route = scope["path"] if scope["path"] in self._routes else "other"
        self._figures.requests.labels(route, answered.status).inc()
        self._figures.seconds.labels(route).observe(seconds)
        duration = scope.get("asr.seconds", 0.0)
        self._figures.audio.inc(duration)
        if route not in OPEN:
            audio = f", {duration:.1f} s of audio" if duration else ""
            LOG.info("%s %s: %.3f s, %d bytes%s", route, answered.status, seconds, size, audio)


class _Body:
    """A request's body, of which no more is received than may be."""

    def __init__(self, gate: Gate, receive: Receive) -> None:
        self._gate, self._receive, self.count = gate, receive, 0
        self._limits = gate._limits
        self._deadline, self._complete = 0.0, False

    def require_small(self, headers: Mapping[str, str]) -> None:
        """Refuse a body by its head.

        Raises:
            RefusedError: It is too large, or compressed.
        """
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limits.body:
            raise self._too_large()
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(415, "unsupported_encoding", "Content-Encoding: compressed bodies are not read; omit it")

    async def receive(self) -> Message:
        """Return what comes next.

        Raises:
            RefusedError: It is too much, or does not come.
        """
        if self._complete:  # what still can come is that the client has gone
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + self._limits.timeout
        try:
            async with asyncio.timeout_at(min(self._deadline, loop.time() + self._limits.idle)):
                message = await self._receive()
        except TimeoutError:
            allowed = f"{self._limits.idle:g} s without a byte, or {self._limits.timeout:g} s in all"
            late = f"the request's body did not arrive in time ({allowed}); send it faster"
            raise RefusedError(408, "timeout", late) from None
        self._complete = not message.get("more_body", False)
        size = len(message.get("body", b""))
        self.count += size
        self._gate.hold(size)
        if self.count > self._limits.body:
            raise self._too_large()
        return message

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, "body_too_large", f"the request has more than {self._limits.body} bytes; cut the recording"
        )


class _Answered:
    """What was sent to a client."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send it, with the headers that all answers have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        elif message["type"] == "websocket.accept":
            self.status = 101
        await self._send(message)

    async def refuse(self, refusal: RefusedError) -> None:
        """Send a refusal, if nothing else was sent."""
        if self.status:
            return
        kind = "websocket.http.response" if self._scope["type"] == "websocket" else "http.response"
        self.status = refusal.status
        headers = [(name.lower().encode(), value.encode()) for name, value in (HEADERS | refusal.headers()).items()]
        body = refusal.body()
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
        await self._send({"type": f"{kind}.body", "body": body})


def _bracketed(address: str) -> str:
    """Return an address as URLs have it."""
    return f"[{address}]" if ":" in address else address


def _sent_token(headers: Headers) -> bytes:
    """Return the token in a request's head, b"" if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip().encode() if scheme.lower() == "bearer" else b""

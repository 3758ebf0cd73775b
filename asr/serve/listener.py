"""uvicorn, as this server needs it: heads must arrive in time, and what was begun is finished before it ends."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from asr.errors import AsrError
from asr.serve.application import Application
from asr.serve.limits import Limits

HEAD = 10.0  # seconds from a connection to its first request's head; uvicorn waits for ever
FINISH = 10  # seconds more than a request may take, that the end waits for what was begun


class TimedProtocol(H11Protocol):
    """HTTP/1.1 on a connection that is closed if it asks for nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.loop.call_later(HEAD, self._close_unused)

    def _close_unused(self) -> None:
        if self.cycle is None and not self.transport.is_closing() and self.transport.get_protocol() is self:
            self.transport.close()


class Listener(uvicorn.Server):
    """A server that says when it is ready, and leaves nothing unfinished.

    Args:
        config: Its settings.
        application: What is served.
        started: Is called once, when requests are answered.
    """

    def __init__(self, config: uvicorn.Config, application: Application, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._application, self._say_started = application, started

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell live sessions to end, and finish what else was begun."""
        for server in self.servers:
            server.close()
        await self._application.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        if self.started:
            self._say_started()


def run(application: Application, host: str, port: int, limits: Limits, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests that were received.

    Args:
        application: What is served.
        host: The address to listen at.
        port: 0 is any that is free.
        limits: Of connections and time.
        say: Receives a line with the address, when requests are answered.

    Raises:
        AsrError: The address cannot be used, or the decoding processes do not start.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # it would log tracebacks, with what was sent in them
    settings: dict[str, Any] = {
        "http": TimedProtocol,
        "ws": "websockets-sansio",
        "ws_max_size": limits.message,
        "ws_per_message_deflate": False,  # a few bytes would become many
        "limit_concurrency": limits.connections,
        "timeout_graceful_shutdown": int(limits.timeout) + FINISH,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "proxy_headers": False,
        "lifespan": "on",
    }
    with _bound(host, port) as listening:
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}"
        config = uvicorn.Config(application.asgi, host=host, **settings)
        server = Listener(config, application, lambda: say(f"serving at {address}"))
        server.run([listening])
    if not server.started:
        raise AsrError("asr serve: the decoding processes do not start; what is above says why")


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise AsrError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror or error}); choose another"
        ) from error
    return bound

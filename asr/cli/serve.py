"""The command that answers over HTTP."""

import logging
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from asr.cli import options, output
from asr.errors import AsrError
from asr.support.crew import processors

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SHORTEST = 16  # characters of a token
HOST_NAME = re.compile(r"[A-Za-z0-9.-]+|\[?[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]?")
PACKAGES = ("starlette", "uvicorn", "python_multipart", "websockets", "prometheus_client")


@click.command(cls=options.DecoderCommand)
@click.argument("system", type=options.FILE, required=False, metavar="[RUN]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; any other needs a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 is any that is free.")
@click.option("--token", envvar="ASR_TOKEN", default="", help="What clients must send; better set ASR_TOKEN.")
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="A further name by which clients reach it: speech.lan."
)
@click.option("--processes", type=click.IntRange(1, 256), help="Processes that decode.  [default: one per core]")
def serve(
    system: Path | None,
    host: str,
    port: int,
    token: str,
    names: tuple[str, ...],
    processes: int | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Answer over HTTP: OpenAI's transcription API, and a page.

    RUN is a run's folder or a bundle, by default runs/espeak if trained, else the system that comes with asr.

    curl -F file=@one.wav http://127.0.0.1:8000/v1/audio/transcriptions
    """
    _require_installed()
    _require_safe(host, token)
    _require_names(names)
    from asr import box
    from asr.serve import listener
    from asr.serve.application import Application
    from asr.serve.limits import Limits
    from asr.serve.offer import offered

    logging.getLogger("asr.serve").setLevel(logging.INFO)
    file, loaded = box.opened(system, output.say)
    known = (*LOOPBACK, *(_bracketed(name.lower()) for name in (host, *names)))
    limits = Limits()
    application = Application(
        *(file, options.search(file, search), offered(file, loaded)),
        names=known,
        token=token,
        count=processes or processors(),
        limits=limits,
    )
    listener.run(application, host, port, limits, output.say)


def _require_installed() -> None:
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise AsrError(f"{missing[0]}: is not installed; pip install 'asr[serve]'")


def _require_safe(host: str, token: str) -> None:
    """Refuse to answer strangers who need no token."""
    import ipaddress

    if token and (len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token):
        raise AsrError(f"--token: needs {SHORTEST} ASCII characters or more, without spaces; `openssl rand -hex 16`")
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local and not token:
        what = f"--host {host}: others than this machine can reach it"
        raise AsrError(f"{what}; set ASR_TOKEN to what clients must send, `openssl rand -hex 16` makes one")


def _require_names(names: tuple[str, ...]) -> None:
    """Refuse what no `Host` can be: clients would be told to add the name that was meant."""
    for name in names:
        if not HOST_NAME.fullmatch(name):
            raise AsrError(f"--name {name}: is not a host's name; pass it without scheme, port and path: speech.lan")


def _bracketed(host: str) -> str:
    """Return a host as URLs have it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host

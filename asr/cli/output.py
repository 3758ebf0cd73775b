"""What commands say: results to standard output, everything else to standard error."""

import codecs
import io
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from asr.errors import AsrError
from asr.support import job
from asr.support.text import one_line

_ASCII = {
    "–": "-",
    "−": "-",
    "±": "+/-",
    "…": "...",
    "×": "x",
    "α": "alpha",
    "β": "beta",
    "→": "->",
    "≤": "<=",
}


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Write how long the block took."""
    begin = time.perf_counter()
    yield
    say(f"{what}: {time.perf_counter() - begin:.1f} s")


def result(value: object, end: str = "\n") -> None:
    """Write a result to standard output; end quietly where nobody reads any more, as in `| head`."""
    if not job.world().leads:  # of several processes that torchrun started, one speaks
        return
    try:
        sys.stdout.write(f"{value}{end}")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's last flush finds a file
        raise SystemExit(128 + signal.SIGPIPE) from None
    except OSError as error:
        raise AsrError(f"standard output: cannot be written ({error.strerror}); redirect it elsewhere") from error


def say(line: str) -> None:
    """Write a line to standard error."""
    if job.world().leads:
        click.echo(line, err=True)


def error(line: str) -> None:
    """Write what went wrong to standard error, in one line, whichever process it was."""
    click.echo(one_line(line), err=True)


class WarningLines(logging.Handler):
    """Says what the package logs in lines of the command line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        say(one_line(f"asr: {record.getMessage()}"))


def accept_any_character() -> None:
    """Let standard output and error write any text, whatever their encoding.

    Bytes of a file's name that are not UTF-8 are written as they are, signs of ours in ASCII, and the rest as JSON
    escapes it.
    """
    codecs.register_error("asr", _written)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="asr")


def _written(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign = error.object[error.start]
    if "\udc80" <= sign <= "\udcff":
        return bytes([ord(sign) - 0xDC00]), error.start + 1
    units = sign.encode("utf-16-be", "surrogatepass").hex()
    escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
    return _ASCII.get(sign, escaped), error.start + 1

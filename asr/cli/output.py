"""What commands say: results to standard output, everything else to standard error."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from asr.errors import AsrError
from asr.support import job

# Of several processes that torchrun started, one speaks.
SPEAKS = job.world().rank == 0


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long what is done inside took."""
    begin = time.perf_counter()
    yield
    say(f"{what}: {time.perf_counter() - begin:.1f} s")


def result(value: object, end: str = "\n") -> None:
    """Write a result to standard output; end quietly where nobody reads on, as in `| head`."""
    if not SPEAKS:
        return
    try:
        print(value, end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's last flush finds a file
        raise SystemExit(128 + signal.SIGPIPE) from None
    except OSError as error:
        raise AsrError(
            f"standard output: cannot be written ({error.strerror}); free or choose another place"
        ) from error


def say(line: str) -> None:
    """Write a line to standard error."""
    if SPEAKS:
        click.echo(line, err=True)


def error(line: str) -> None:
    """Write what went wrong to standard error, whichever process it was."""
    click.echo(line, err=True)

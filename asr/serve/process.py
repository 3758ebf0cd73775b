"""One decoding process as the server sees it: started, given jobs, ended."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from typing import Any

from asr.serve import wire
from asr.serve.refusal import RefusedError
from asr.serve.wire import Message

LOG = logging.getLogger(__name__)
START = 60.0  # seconds that a process may take to start
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class EndedError(Exception):
    """A decoding process ended in the middle of a job."""


class DecodingProcess:
    """One process; `run` may be called by one task at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout
        self._process, self._jobs, self._results = process, process.stdin, process.stdout
        self.idle = True  # whether it can take a job: neither in one, nor ended

    @classmethod
    async def started(cls, settings: dict[str, Any]) -> "DecodingProcess":
        """Return a process that is ready.

        Raises:
            EndedError: It cannot be started.
        """
        environment = {name: value for name, value in os.environ.items() if name != "ASR_TOKEN"}
        environment |= {name: environment.get(name, "1") for name in THREADS}  # they share the cores already
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)  # this package and no other
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "asr.serve.decoding", json.dumps(settings)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        started = cls(process)
        try:
            await started._read(asyncio.get_running_loop().time() + START)
        except TimeoutError:
            await started.end()
            raise EndedError(f"did not start in {START:g} s") from None
        except BaseException:
            await started.end()
            raise
        return started

    async def run(
        self, job: dict[str, Any], data: AsyncIterable[bytes], deadline: float
    ) -> AsyncGenerator[Message, None]:
        """Yield the parts of a job's result, and then its end, with the facts about it.

        Args:
            job: What to do, `asr.serve.decoding`.
            data: What to do it with.
            deadline: Of the result, by the loop's clock.

        Raises:
            RefusedError: The process refuses, or whatever makes the data.
            EndedError: The process ends.
            TimeoutError: The deadline has passed.
        """
        self.idle = False
        sending = asyncio.create_task(self._send(job, data))
        try:
            while (message := await self._read(deadline)).tag == wire.PART:
                yield message
            await sending
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
        row = message.json
        self.idle = not row.pop("last")
        if message.tag == wire.FAULT:
            raise _refusal(row)
        yield Message(wire.END, wire.dumps(row))

    async def end(self) -> str:
        """End the process whatever it does, and return how it had ended, if it had."""
        self.idle = False
        before = self._process.returncode
        if before is None:
            with suppress(TimeoutError):  # what has closed its output is about to end
                async with asyncio.timeout(0.2 if self._results.at_eof() else 0):
                    before = await self._process.wait()
        if before is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        self._jobs.close()
        if before is None:
            return "killed"
        return signal.Signals(-before).name if before < 0 else f"exit {before}"

    async def _send(self, job: dict[str, Any], data: AsyncIterable[bytes]) -> None:
        with suppress(ConnectionError):  # that it ended is seen where its results are read
            await self._write(wire.JOB, wire.dumps(job))
            try:
                async for part in data:
                    if part:
                        await self._write(wire.DATA, part)
            except RefusedError:
                await self._write(wire.DATA, b"")  # what came before is done
                raise
            await self._write(wire.DATA, b"")

    async def _write(self, tag: bytes, payload: bytes) -> None:
        self._jobs.write(wire.head(tag, len(payload)))
        self._jobs.write(payload)
        await self._jobs.drain()

    async def _read(self, deadline: float) -> Message:
        try:
            async with asyncio.timeout_at(deadline):  # not around a whole job, whose parts several tasks may await
                tag, size = wire.split(await self._results.readexactly(wire.HEAD))
                return Message(tag, await self._results.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EndedError("ended") from error


def _refusal(row: dict[str, Any]) -> RefusedError:
    """Return why a process refused; a bug of ours is logged by where it is, and told to nobody."""
    if "bug" in row:
        LOG.error("a decoding process failed: %s", row["bug"])
        return RefusedError(500, "internal_error", "the server failed; its log says where")
    return RefusedError(**row)

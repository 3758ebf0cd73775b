"""The decoding processes as the server sees them: lent to one request at a time, timed, and replaced when they end."""

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from asr.decoders import Search
from asr.serve.figures import Figures
from asr.serve.limits import MIB, Limits
from asr.serve.process import DecodingProcess, EndedError
from asr.serve.refusal import RefusedError
from asr.serve.wire import Message

LOG = logging.getLogger(__name__)
PAUSE = 30.0  # seconds at most before another try to start one


class Processes:
    """All of them. EndedError ones are replaced; requests wait in a queue that is bounded.

    Args:
        bundle: The system's file.
        search: How to decode.
        folder: Where copies of both are put, which stay what they are when the run is trained anew.
        count: Processes.
        limits: What a request may cost.
        figures: What is counted.

    Attributes:
        system: The copy of the bundle.
        sessions: Live sessions that are open.
    """

    def __init__(
        self, bundle: Path, search: Search, folder: Path, count: int, limits: Limits, figures: Figures
    ) -> None:
        self._count, self._limits, self._figures = count, limits, figures
        self.system = folder / "system.safetensors"
        shutil.copyfile(bundle, self.system)
        search.save(folder / "decoder.json")
        self._settings = {
            "bundle": str(self.system),
            "search": str(folder / "decoder.json"),
            "longest_seconds": limits.seconds,
            "longest_bytes": limits.decoded,
            "memory": 4 * limits.decoded + 1024 * MIB,
        }
        self._free: asyncio.Queue[DecodingProcess] = asyncio.Queue()
        self._alive = set[DecodingProcess]()
        self._replacing = set[asyncio.Task[None]]()
        self._stopping = asyncio.Event()
        self._waiting = self.sessions = 0
        self._mean = 0.1  # seconds of a job, of the last ones

    @property
    def ready(self) -> bool:
        """Whether any process can take a job, now or after the one it has."""
        return bool(self._alive)

    async def start(self) -> None:
        """Start them.

        Raises:
            ExceptionGroup: One does not start.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._count):
                    group.create_task(self._add())
        except ExceptionGroup as error:
            LOG.error("a decoding process does not start: %s", error.exceptions[0])
            raise

    async def stop(self) -> None:
        """End them."""
        self._stopping.set()
        await asyncio.gather(*self._replacing)
        await asyncio.gather(*(process.end() for process in self._alive))
        self._alive.clear()

    def require_place(self) -> None:
        """Refuse a request that would have to wait behind too many.

        Raises:
            RefusedError: The queue is full.
        """
        if self._waiting >= self._limits.queue:
            message = f"{self._waiting} requests are waiting, which is all that may; try again later"
            raise RefusedError(429, "queue_full", message, retry_after=self.patience)

    @property
    def patience(self) -> int:
        """Seconds after which what waits now will be done, as far as one can tell."""
        return max(1, round((self._waiting + 1) * self._mean / self._count))

    async def run(self, job: dict[str, Any], data: AsyncIterable[bytes]) -> AsyncGenerator[Message, None]:
        """Yield the parts of a job's result, and then its end, with the facts about it.

        Raises:
            RefusedError: The queue is full, the job takes too long, the process ends or refuses.
        """
        self.require_place()
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._limits.timeout
        try:
            async with self._lent(deadline) as process:
                begin = clock()
                async with aclosing(process.run(job | {"seconds": self._limits.timeout}, data, deadline)) as parts:
                    async for part in parts:
                        yield part
                self._mean += 0.1 * (clock() - begin - self._mean)
        except TimeoutError as error:
            message = f"took more than {self._limits.timeout:g} s; cut the recording, or try again when less is to do"
            raise RefusedError(504, "timeout", message) from error
        except EndedError as error:
            message = "file: the process that decoded it ended; convert it to WAV or FLAC"
            raise RefusedError(500, "decoder_ended", message, "file") from error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Callable[[], Awaitable[DecodingProcess]]]:
        """Yield what starts a process that is nobody else's, and is ended afterwards.

        Raises:
            RefusedError: There are too many already.
        """
        if self.sessions >= self._limits.sessions:
            message = f"{self.sessions} live sessions are open, which is all that may; try again later"
            raise RefusedError(429, "too_many_sessions", message, retry_after=10)
        started: list[DecodingProcess] = []

        async def start() -> DecodingProcess:
            started.append(await DecodingProcess.started(self._settings))
            return started[0]

        self.sessions += 1
        self._figures.sessions.set(self.sessions)
        try:
            yield start
        finally:
            self.sessions -= 1
            self._figures.sessions.set(self.sessions)
            for process in started:
                await process.end()

    @asynccontextmanager
    async def _lent(self, deadline: float) -> AsyncIterator[DecodingProcess]:
        """Wait for a process; what comes back in the middle of a job, or has ended, is replaced."""
        self._waiting += 1
        self._figures.waiting.set(self._waiting)
        try:
            async with asyncio.timeout_at(deadline):
                process = await self._free.get()
        finally:
            self._waiting -= 1
            self._figures.waiting.set(self._waiting)
        self._figures.busy.inc()
        try:
            yield process
        finally:
            self._figures.busy.dec()
            if process.idle:
                self._free.put_nowait(process)
            else:
                self._alive.discard(process)
                task = asyncio.create_task(self._replace(process))
                self._replacing.add(task)
                task.add_done_callback(self._replacing.discard)

    async def _replace(self, process: DecodingProcess) -> None:
        how = await process.end()
        self._figures.ended.labels(how).inc()
        LOG.warning("a decoding process ended (%s); starting another", how)
        pause = 1.0
        while not self._stopping.is_set():
            try:
                await self._add()
                return
            except (EndedError, OSError) as error:
                LOG.error("a decoding process does not start (%s); trying again in %g s", error, pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, PAUSE)

    async def _add(self) -> None:
        process = await DecodingProcess.started(self._settings)
        self._alive.add(process)
        self._free.put_nowait(process)

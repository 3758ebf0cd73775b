"""The processes that `torchrun` started together, and which of them this one is."""

import os
from typing import NamedTuple


class World(NamedTuple):
    """The processes of one job, as this process sees them.

    Attributes:
        rank: This process's number, from 0.
        size: Number of processes, on all machines.
        local_rank: This process's number on its machine.
        local_size: Number of processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the leader, the one process that writes files and messages."""
        return self.rank == 0


def world() -> World:
    """Return the world that `torchrun` set up; a single process without it, whatever RANK or WORLD_SIZE say."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return World()
    return World(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")))

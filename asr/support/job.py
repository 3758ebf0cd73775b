"""Which of the processes that `torchrun` started together this one is; alone where it started none."""

import os
from typing import NamedTuple


class Place(NamedTuple):
    """One process's place in its job.

    Attributes:
        rank: Its number, from 0.
        size: Processes of the job, on all machines.
        local_rank: Its number on this machine.
        local_size: Processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def place() -> Place:
    """Return this process's place; variables of these names that others left lying about are not believed."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Place()
    return Place(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")))

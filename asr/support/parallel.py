"""Several processes that work as one, on one machine or many, as `torchrun` starts them; alone, nothing of it costs.

Each holds a replica of the model and takes its share of every batch; one sum over all gradients makes them one step.
The sum is one flat tensor, since even 3 × 250 units have no more than 4 M parameters: nothing is gained by overlapping
buckets with the backward pass, and a mean over ranks, as torch's wrapper takes, is wrong where shares are unequal. The
step is that of one process, but for dropout, whose masks each process draws itself. After a failure `torchrun` may
start the processes again, on one machine; they meet under a new name and go on from the last checkpoint.
"""

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from asr.errors import AsrError
from asr.support import job

Value = TypeVar("Value")


@dataclass(frozen=True)
class Group:
    """The processes of one job.

    Attributes:
        rank: This process's number, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def say(self, line: str) -> None:
        """Write a line to standard error, once for all processes."""
        if self.leads:
            print(line, file=sys.stderr, flush=True)

    def add(self, values: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place.

        Args:
            values: Tensors of one type and device, of the same shapes everywhere.
        """
        if self.size == 1:
            return
        flat = torch.cat([value.reshape(-1) for value in values])
        distributed.all_reduce(flat)
        for value, part in zip(values, torch.split(flat, [value.numel() for value in values]), strict=True):
            value.copy_(part.view_as(value))

    def merged(self, mine: Mapping[str, Value]) -> dict[str, Value]:
        """Return what all processes hold, by key, the same in each."""
        if self.size == 1:
            return dict(mine)
        parts: list[dict[str, Value]] = [{}] * self.size
        distributed.all_gather_object(parts, dict(mine))
        return {key: value for part in parts for key, value in part.items()}

    def first(self, work: Callable[[], Value]) -> Value:
        """Return what work gives; the leader does it before the others, and what stops the leader stops all.

        Raises:
            AsrError: Work's own, in the leader.
            SystemExit: In the others, with the status of the leader's error, which it tells.
        """
        fault: AsrError | None = None
        if self.leads:
            try:
                result = work()
            except AsrError as error:
                fault = error
        fault = self.merged({"fault": fault} if self.leads else {})["fault"]
        if fault:
            raise fault if self.leads else SystemExit(fault.status)
        return result if self.leads else work()

    def led(self, work: Callable[[], object]) -> None:
        """Let the leader do something and the others wait until it is done; raises what `first` does."""
        self.first(work if self.leads else lambda: None)


ALONE = Group()
PATIENCE = timedelta(hours=12)  # the others wait while the leader computes a large corpus's features
_GROUPS = itertools.count()  # joined by this process


@contextmanager
def group(device: torch.device) -> Iterator[Group]:
    """Join the processes that `torchrun` started together with this one; without it, be alone.

    Args:
        device: Where this process computes; NCCL connects CUDA devices, gloo the rest.
    """
    if job.place().size == 1:
        yield ALONE
        return
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)  # where NCCL exchanges objects
    store, rank, size = next(rendezvous("env://"))
    # Neither processes that were started again nor a second group may find the addresses of those that are gone.
    attempt = distributed.PrefixStore(f"{os.environ['TORCHELASTIC_RESTART_COUNT']}.{next(_GROUPS)}", store)  # type: ignore[attr-defined]
    distributed.init_process_group(
        "nccl" if cuda else "gloo",
        store=attempt,
        timeout=PATIENCE,
        rank=rank,
        world_size=size,
        device_id=device if cuda else None,
    )
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size())
    except RuntimeError as error:
        if not re.search(r"gloo|nccl|connection", str(error), re.IGNORECASE):
            raise
        raise AsrError(f"another of {size} processes ended ({str(error).splitlines()[0]}); see its message") from error
    finally:
        distributed.destroy_process_group()

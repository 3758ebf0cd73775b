"""Data-parallel training: several processes started by `torchrun`, on one machine or many; a single one pays nothing.

Each process has a replica of the model and its share of every batch; one sum over all gradients makes them one step.
The sum is one flat tensor: 3 × 250 hidden units have no more than 4 M parameters, so overlapping buckets with the
backward pass gains nothing, and a mean over ranks, as DistributedDataParallel takes, is wrong where shares are unequal.
The step equals that of a single process, except for dropout, whose masks each process draws itself. After a failure
`torchrun` may restart the processes, on one machine; they meet under a new name and resume from the last checkpoint.
"""

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from asr.errors import AsrError
from asr.support import job

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Value = TypeVar("Value")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one job.

    Attributes:
        rank: This process's number, from 0.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the leader, the one process that writes files and messages."""
        return self.rank == 0

    def say(self, line: str) -> None:
        """Write a line to standard error, once for all processes."""
        if self.leads:
            print(line, file=sys.stderr, flush=True)

    def all_reduce(self, values: "Sequence[Tensor]") -> None:
        """Replace each tensor by its sum over all processes, in place.

        Args:
            values: Tensors of one dtype and device, with the same shapes in every process.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        flat = torch.cat([value.reshape(-1) for value in values])
        distributed.all_reduce(flat)
        for value, part in zip(values, torch.split(flat, [value.numel() for value in values]), strict=True):
            value.copy_(part.view_as(value))

    def gather(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values of all processes by key, the same in each process."""
        if self.size == 1:
            return dict(values)
        from torch import distributed

        parts: list[dict[str, Value]] = [{}] * self.size
        distributed.all_gather_object(parts, dict(values))
        return {key: value for part in parts for key, value in part.items()}

    def leader_first(self, work: Callable[[], Value]) -> Value:
        """Return the result of `work`, called by the leader first and then by the others; its error stops all.

        Raises:
            AsrError: The leader's own error, in the leader.
            SystemExit: In the others, with the exit status of the leader's error.
        """
        fault: AsrError | None = None
        if self.leads:
            try:
                result = work()
            except AsrError as error:
                fault = error
        fault = self.gather({"fault": fault} if self.leads else {})["fault"]
        if fault:
            raise fault if self.leads else SystemExit(fault.status)
        return result if self.leads else work()

    def leader_only(self, work: Callable[[], object]) -> None:
        """Call `work` in the leader while the others wait; raises what `leader_first` does."""
        self.leader_first(work if self.leads else lambda: None)


ALONE = ProcessGroup()
TIMEOUT = timedelta(hours=12)  # the others wait while the leader computes the features of a large corpus
_GROUP_NUMBERS = itertools.count()  # of the groups that this process joined


@contextmanager
def group(device: "str | torch.device") -> Iterator[ProcessGroup]:
    """Join the processes that `torchrun` started together with this one; without `torchrun`, yield a group of one.

    Args:
        device: This process's device; NCCL connects CUDA devices, gloo all others.

    Raises:
        AsrError: Another process of the group ended or cannot be reached.
    """
    if job.world().size == 1:
        yield ALONE
        return
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    device = torch.device(device)
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)  # where NCCL exchanges objects
    store, rank, size = next(rendezvous("env://"))
    # Neither restarted processes nor a second group may find the addresses of processes that are gone.
    attempt = distributed.PrefixStore(f"{os.environ['TORCHELASTIC_RESTART_COUNT']}.{next(_GROUP_NUMBERS)}", store)  # type: ignore[attr-defined]
    distributed.init_process_group(
        "nccl" if cuda else "gloo",
        store=attempt,
        timeout=TIMEOUT,
        rank=rank,
        world_size=size,
        device_id=device if cuda else None,
    )
    try:
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    except RuntimeError as error:
        if not re.search(r"gloo|nccl|connection", str(error), re.IGNORECASE):
            raise
        raise AsrError(
            f"another of the {size} processes ended ({str(error).splitlines()[0]}); see its own message for the cause"
        ) from error
    finally:
        distributed.destroy_process_group()

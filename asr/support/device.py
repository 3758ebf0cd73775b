"""Where the network runs, and how: which device, how many of torch's threads, float32 that is float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from asr.errors import AsrError
from asr.support import job


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """Return a device by name; for None and "auto", CUDA if available, else the CPU.

    Raises:
        AsrError: The device is not available.
    """
    name = "auto" if name is None else str(name)
    if name in ("auto", "cuda"):
        on = job.world()  # of several processes each takes its own
        name = "cuda" if name == "cuda" or torch.cuda.is_available() else "cpu"
        name += f":{on.local_rank}" if name == "cuda" and on.size > 1 else ""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise AsrError(f"device '{name}': cannot be used ({reason}); omit it or use cpu") from error
    return device


@contextmanager
def computing_on(device: torch.device) -> Iterator[None]:
    """Set torch up for the network, and restore what was set before.

    On a CPU torch uses one thread: our cells use a thread for each direction, which meet once a layer, while torch's
    own meet in every operation. On two cores one torch thread trains 2×40 units up to 1.4 times faster than two; at
    3×250 units the second is worth nothing. On CUDA float32 is never rounded to TF32.

    Args:
        device: Where the network runs.
    """
    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    rounded = matmul.allow_tf32, cudnn.allow_tf32
    try:
        if device.type == "cpu":
            torch.set_num_threads(1)
        matmul.allow_tf32 = cudnn.allow_tf32 = False
        yield
    finally:
        torch.set_num_threads(threads)
        matmul.allow_tf32, cudnn.allow_tf32 = rounded

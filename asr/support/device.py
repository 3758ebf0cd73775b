"""Where the network runs, and how: which device, how many of torch's threads, float32 that is float32.

On a CPU nothing here imports torch until `computing_on` is entered.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import AsrError
from asr.support import job

if TYPE_CHECKING:
    import torch

DRIVERS = ("/dev/nvidiactl", "/dev/dxg")  # NVIDIA's on Linux, and below Windows


def choose_device(name: "str | torch.device | None" = None) -> str:
    """Return the name of a device that can be used; for None and "auto", CUDA if available, else the CPU.

    Raises:
        AsrError: The device is not available.
    """
    name = "auto" if name is None else str(name)
    if name == "cpu" or (name == "auto" and not any(Path(driver).exists() for driver in DRIVERS)):
        return "cpu"
    import torch

    if name in ("auto", "cuda"):
        on = job.world()  # of several processes each takes its own
        name = "cuda" if name == "cuda" or torch.cuda.is_available() else "cpu"
        name += f":{on.local_rank}" if name == "cuda" and on.size > 1 else ""
    try:
        torch.zeros(1, device=torch.device(name)).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        reason = "not a device" if reason.startswith("Expected one of") else reason  # torch lists twenty types
        raise AsrError(f"device '{name}': cannot be used ({reason}); omit it, or use cpu, cuda or cuda:1") from error
    return name


@contextmanager
def computing_on(device: "str | torch.device") -> Iterator[None]:
    """Set torch up for the network, and restore what was set before.

    On a CPU torch uses one thread: our cells use a thread for each direction, which meet once a layer, while torch's
    own meet in every operation. On two cores one torch thread trains 2×40 units up to 1.4 times faster than two; at
    3×250 units the second is worth nothing. On CUDA float32 is never rounded to TF32.

    Args:
        device: Where the network runs.
    """
    import torch

    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    rounded = matmul.allow_tf32, cudnn.allow_tf32
    try:
        if torch.device(device).type == "cpu":
            torch.set_num_threads(1)
        matmul.allow_tf32 = cudnn.allow_tf32 = False
        yield
    finally:
        torch.set_num_threads(threads)
        matmul.allow_tf32, cudnn.allow_tf32 = rounded

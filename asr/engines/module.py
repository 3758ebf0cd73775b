"""The network in torch: training's own, on any device, in batches."""

from typing import TYPE_CHECKING

import numpy as np

from asr.engines.architecture import Ints, Matrix
from asr.support.device import computing_on

if TYPE_CHECKING:
    from asr.engines import System


class ModuleEngine:
    """Runs `asr.model.Model`.

    Args:
        system: Whose network it is; moved to the device.
        device: Where, for example "cuda:1".
    """

    batch = 32

    def __init__(self, system: "System", device: str) -> None:
        self.device, self._model = device, system.model.to(device).eval()

    def __call__(self, features: Matrix, lengths: "Ints") -> "tuple[Matrix, Ints]":
        """Return log-probs and their lengths; see `asr.engines.Engine`."""
        import torch

        with torch.inference_mode(), computing_on(self.device):
            inputs = torch.from_numpy(np.ascontiguousarray(features)).to(self.device)
            log_probs, counts = self._model(inputs, torch.from_numpy(lengths))
        return log_probs.cpu().numpy(), counts.numpy()

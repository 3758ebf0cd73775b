"""Gaussian noise on the weights while they are trained, which keeps a network from depending on their last digits.

Source: K.-C. Jim, C. Giles and B. Horne, "An analysis of noise in recurrent neural networks", IEEE Trans. Neural
Networks 7(6), 1996; A. Graves, A. Mohamed and G. Hinton, ICASSP 2013, section 4 (σ = 0.075, in a second phase that
starts at the best point of a first one without; here `training.init` names that).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def noisy(weights: Sequence[Tensor], deviation: float, seed: int) -> Iterator[None]:
    """Add one draw of noise to all weights, and take it away at the end, to the last bit.

    The gradients are those at the noisy weights; whoever updates the weights afterwards updates the clean ones.

    Args:
        weights: On any device; the draw is the same on all.
        deviation: The standard deviation; 0 is no noise.
        seed: Of the draw.
    """
    if not deviation:
        yield
        return
    generator = torch.Generator().manual_seed(seed)
    clean = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight in weights:
            weight.add_(deviation * torch.randn(weight.shape, generator=generator).to(weight))
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, clean, strict=True):
                weight.copy_(before)

"""Random numbers by counting: the n-th number of a stream is a function of the stream's seed and n.

Source: G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 17
(SplitMix64).
"""

import math

import torch
from torch import Tensor

GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)  # the golden ratio, odd; torch has signed integers only, which wrap alike


def streams(key: int, purpose: int, rows: Tensor) -> Tensor:
    """Return the seed of each utterance's numbers for a purpose, (B,).

    Args:
        key: A 63-bit integer, a different one in each epoch.
        purpose: A small integer; each purpose has numbers of its own.
        rows: (B,), int64, the utterances' indices in their set.
    """
    return _mixed(_mixed(torch.tensor([key], device=rows.device) + purpose) + rows * GAMMA)


def uniform(seeds: Tensor, count: int) -> Tensor:
    """Return the first numbers of each stream, (B, count), float64, uniform in [0, 1)."""
    return _shifted(numbers(seeds, count), 11).double() / (1 << 53)


def normal(seeds: Tensor, count: int) -> Tensor:
    """Return the first Gaussian numbers of each stream, (B, count), float32.

    Source: G. Box and M. Muller, "A note on the generation of random normal deviates", Annals of Mathematical
    Statistics 29(2), 1958.
    """
    drawn = numbers(seeds, (count + 1) // 2)
    radius = ((_shifted(drawn, 32).float() + 0.5) / (1 << 32)).log_().mul_(-2).clamp_(min=0).sqrt_()
    angle = (drawn & 0xFFFFFFFF).float() * (2 * math.pi / (1 << 32))
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=2).flatten(1)[:, :count]


def exponential(seeds: Tensor, count: int) -> Tensor:
    """Return the first exponentially distributed numbers of each stream, (B, count), float32, of mean 1."""
    drawn = numbers(seeds, (count + 1) // 2)
    halves = torch.stack([drawn & 0xFFFFFFFF, _shifted(drawn, 32)], dim=2).flatten(1)[:, :count]
    return ((halves.float() + 0.5) / (1 << 32)).log_().neg_().clamp_(min=0)


def numbers(seeds: Tensor, count: int) -> Tensor:
    """Return the first 64-bit numbers that SplitMix64 gives from each seed, (B, count)."""
    return _mixed(seeds[:, None] + torch.arange(1, count + 1, device=seeds.device) * GAMMA)


def _mixed(number: Tensor) -> Tensor:
    number = (number ^ _shifted(number, 30)) * (0xBF58476D1CE4E5B9 - (1 << 64))
    number = (number ^ _shifted(number, 27)) * (0x94D049BB133111EB - (1 << 64))
    return number ^ _shifted(number, 31)


def _shifted(number: Tensor, bits: int) -> Tensor:
    """Return a number shifted right, zeros entering from the left."""
    return (number >> bits) & ((1 << (64 - bits)) - 1)

"""The learning-rate schedule, a function of the step alone: there is no state to save or to lose."""

import math

START, END = 1 / 25, 1 / 250_000  # as fractions of the highest rate
MOMENTUM = (0.95, 0.85)  # at the lowest rate, at the highest


def one_cycle(step: int, steps: int, highest: float, warmup: float) -> tuple[float, float]:
    """Return the learning rate and the momentum (Adam's β₁) of a step under the one-cycle schedule.

    Args:
        step: From 0.
        steps: Number of steps in the run.
        highest: The highest learning rate.
        warmup: Fraction of all steps in which the rate rises.

    Source: L. N. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018, section 3; with cosine annealing and the bounds of `torch.optim.lr_scheduler.OneCycleLR`.
    """
    top = warmup * (steps + 1) - 1
    if step <= top:
        rise = _cosine(step / top) if top else 1.0
        return highest * (START + (1 - START) * rise), MOMENTUM[0] + (MOMENTUM[1] - MOMENTUM[0]) * rise
    fall = _cosine((step - top) / (steps - top))
    return highest * (1 + (END - 1) * fall), MOMENTUM[1] + (MOMENTUM[0] - MOMENTUM[1]) * fall


def _cosine(fraction: float) -> float:
    """Return a half cosine that rises from 0 to 1 as `fraction` does."""
    return (1 - math.cos(math.pi * fraction)) / 2

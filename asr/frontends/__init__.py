"""Front ends: what comes before the recurrence. A new one is a file here and a line in the table.

A front end is built as `frontend(features, blocks, **settings)` from the size F of a feature vector and the number of
its blocks (the features, their Δ, their ΔΔ); its settings are the parameters that have defaults. It is called as
`frontend(inputs, lengths)`: (B, T, F), (B,) → (B, T', F'), (B,). It has `dimension`, F', and `stride`: T' is T / stride
rounded up, and row t of its output covers input frames t · stride … (t + 1) · stride − 1, to which it adds context at
most. No result is changed by padding.
"""

from collections.abc import Callable

from asr import config
from asr.frontends.base import Frontend, strided
from asr.frontends.conv import Convolution
from asr.frontends.plain import Plain
from asr.frontends.pool import Pooling
from asr.frontends.stack import Stacking

FRONTENDS: dict[str, Callable[..., Frontend]] = {
    "none": Plain,
    "stack": Stacking,
    "pool": Pooling,
    "conv": Convolution,
}


def stride_of(settings: config.FrontendSettings) -> int:
    """Return the stride of the front end that a recipe's section describes; 1 where it follows from data.

    Raises:
        AsrError: The kind is unknown, or a setting is not one of its own or is invalid.
    """
    if settings.kind == config.AUTO:
        return 1
    return int(config.resolved(settings, FRONTENDS).own.get("stride", 1))


__all__ = ["FRONTENDS", "Frontend", "stride_of", "strided"]

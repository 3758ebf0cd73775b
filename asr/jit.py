"""Compiling with Numba: at the first call, without the GIL, and kept on disk."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function without the GIL, on disk where a folder for it can be written, else once a process."""
    return compiled_with()(function)


def compiled_with(*liberties: str) -> Callable[[F], F]:
    """Return a decorator that compiles as `compiled` does, with liberties in floating-point arithmetic.

    Args:
        liberties: In LLVM's words: `contract` lets a product and a sum be rounded once, `reassoc` lets sums be taken
            in any order, so that several are at a time. The same machine still gives the same bits.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(liberties)}

    def decorate(function: F) -> F:
        try:
            return cast(F, njit(cache=True, **options)(function))
        except RuntimeError:  # neither the package's folder nor the user's cache can be written
            return cast(F, njit(**options)(function))

    return decorate


def inlined(function: F) -> F:
    """Make a function part of those that call it: less to compile than one of its own, and faster."""
    return cast(F, njit(inline="always")(function))

"""Compiling with Numba: at the first call, without the GIL, and kept on disk."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.compiler import Compiler

F = TypeVar("F", bound=Callable[..., Any])


class Apart(Compiler):
    """Numba's compiler, told that the arrays of one call do not overlap.

    Else a loop over many short arrays spends as long on asking whether they do as on its work.
    """

    def define_pipelines(self) -> list[Any]:
        """Return what Numba does to a function, as ever."""
        self.state.flags.noalias = True
        return cast(list[Any], cast(Any, super()).define_pipelines())


def compiled(function: F) -> F:
    """Compile a function without the GIL, on disk where a folder for it can be written, else once a process."""
    return compiled_with()(function)


def compiled_with(*liberties: str, apart: bool = False) -> Callable[[F], F]:
    """Return a decorator that compiles as `compiled` does, with liberties that let LLVM do several things at a time.

    Args:
        liberties: In floating-point arithmetic, in LLVM's words: `contract` lets a product and a sum be rounded once,
            `reassoc` lets sums be taken in any order. The same machine still gives the same bits.
        apart: Whether the function writes no array of which another one given to it is a part.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(liberties)}
    if apart:
        options["pipeline_class"] = Apart

    def decorate(function: F) -> F:
        try:
            return cast(F, _forgiving(njit(cache=True, **options)(function)))
        except RuntimeError:  # neither the package's folder nor the user's cache can be written
            return cast(F, njit(**options)(function))

    return decorate


def _forgiving(dispatcher: Any) -> Any:  # noqa: ANN401 (Numba's, which has no public name)
    """Let a compiled function be used though a full disk has no room to keep it."""
    keep = dispatcher._cache.save_overload

    def save(*what: object) -> None:
        with suppress(OSError):
            keep(*what)

    dispatcher._cache.save_overload = save
    return dispatcher


def inlined(function: F) -> F:
    """Make a function part of those that call it: less to compile than one of its own, and faster."""
    return cast(F, njit(inline="always")(function))

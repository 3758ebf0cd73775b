"""Compiling with Numba: at the first call, without the GIL, and kept on disk.

`NUMBA_DISABLE_JIT=1` leaves everything to Python and torch: slow, but with a debugger's view of it.
"""

import fcntl
import gc
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import __version__, njit
from numba.core import config  # what NUMBA_DISABLE_JIT sets

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function without the GIL, on disk where a folder for it can be written, else once a process."""
    return compiled_with()(function)


def compiled_with(*fastmath: str, noalias: bool = False) -> Callable[[F], F]:
    """Return a decorator that compiles as `compiled` does, with licenses that let LLVM vectorize.

    Args:
        fastmath: LLVM's names of what it may do to floating-point arithmetic: `contract` lets a product and a sum be
            rounded once, `reassoc` lets sums be taken in any order. The same machine still gives the same bits.
        noalias: Whether the arrays that the function is called with do not overlap.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(fastmath), **_lean()}
    if noalias and (compiler := _noalias_compiler()):
        options["pipeline_class"] = compiler

    def decorate(function: F) -> F:
        try:
            return cast(F, _uncollected(_cache_best_effort(njit(cache=True, **options)(function))))
        except RuntimeError:  # neither the package's folder nor the user's cache can be written
            return cast(F, _uncollected(njit(**options)(function)))

    return decorate


def inlined(function: F) -> F:
    """Make a function part of those that call it: less to compile than one of its own, and faster."""
    return cast(F, njit(inline="always")(function))


def works(trial: Callable[[], object], what: str) -> bool:
    """Say whether compiled code works here; where it does not, say so on standard error.

    Some of what we compile uses parts of Numba that its documentation does not promise to keep. Where a newer Numba
    has changed them, there is torch, which is slower.

    Args:
        trial: Calls the compiled code with arguments that are known to be right, so that nothing else can fail.
        what: Does not work, in words.
    """
    if cast(Any, config).DISABLE_JIT:
        return False
    try:
        trial()
    except Exception as error:  # of Numba, of LLVM, or of a module that has moved
        if os.environ.get("RANK", "0") == "0":  # of the processes that torchrun started, one says so
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            print(f"{what}: numba {__version__} cannot compile them ({reason}); using torch, slower", file=sys.stderr)
        return False
    return True


def _lean() -> dict[str, bool]:
    """Return options that leave out what no function here needs, a seventh of the time that compiling takes.

    Numba's runtime counts references to arrays, which our functions neither make nor keep; they compile only if that is
    so. Nor are they called from C. The options are not documented: a Numba that has no such option gets none.
    """
    try:
        from numba.core.options import DefaultOptions
    except ImportError:
        return {}
    wanted = {"_nrt": False, "no_cfunc_wrapper": True}
    return {name: value for name, value in wanted.items() if hasattr(DefaultOptions, name)}


def _noalias_compiler() -> type | None:
    """Return Numba's compiler with `noalias` arguments: arrays of a call do not overlap; None where Numba has changed.

    Else a loop over many short arrays spends as long on asking whether they do as on its work.
    """
    try:
        from numba.core.compiler import Compiler
    except ImportError:
        return None

    class NoAlias(Compiler):
        def define_pipelines(self) -> list[Any]:
            self.state.flags.noalias = True
            return cast(list[Any], cast(Any, super()).define_pipelines())

    return NoAlias


def _uncollected(dispatcher: Any) -> Any:  # noqa: ANN401 (Numba's, which has no public name)
    """Let a function be compiled without garbage collection, a tenth of the time: nearly all that it visits stays."""
    compile_for: Any = getattr(dispatcher, "compile", None)  # absent without compilation
    if not compile_for:
        return dispatcher

    def compile_at_once(*what: object) -> object:
        collects = gc.isenabled()
        gc.disable()
        try:
            return compile_for(*what)
        finally:
            if collects:
                gc.enable()

    dispatcher.compile = compile_at_once
    return dispatcher


def _cache_best_effort(dispatcher: Any) -> Any:  # noqa: ANN401 (Numba's, which has no public name)
    """Let a function be used whatever becomes of its cache: a full disk, or what an older version of ours left.

    Numba looks at the function's own source to tell whether a cached one is stale, not at the types that it takes: one
    that was renamed makes the cache unreadable, and it is emptied.
    """
    cache: Any = getattr(dispatcher, "_cache", None)  # absent without compilation
    save_overload, load_overload = (getattr(cache, name, None) for name in ("save_overload", "load_overload"))
    if not (save_overload and load_overload):
        return dispatcher

    def save(*what: object) -> None:
        with suppress(OSError), _locked(cache.cache_path, fcntl.LOCK_EX):
            save_overload(*what)

    def load(*what: object) -> object:
        with _locked(cache.cache_path, fcntl.LOCK_SH):
            for way in (partial(_quick_load, cache), load_overload):
                with suppress(Exception):  # unpickling may raise anything, and the quick way where Numba has changed
                    return way(*what)
            with suppress(Exception):
                cache.flush()
            return None

    cache.save_overload, cache.load_overload = save, load
    return dispatcher


def _quick_load(cache: Any, signature: object, target: object) -> object:  # noqa: ANN401
    """Return a compiled function in a fifth of the time that Numba takes to load it; None where it is not on disk.

    Numba first imports all that it can compile, hundreds of modules, of which a compiled function needs none: it calls
    Numba's runtime only. What is not on disk is compiled after that import as ever. Python's `hash` and
    `parallel=True`, which no function here uses, would need more than that runtime.
    """
    from numba.core.runtime.nrt import rtsys

    cast(Any, rtsys).initialize(target)
    return cache._load_overload(signature, target)


@contextmanager
def _locked(folder: str, kind: int) -> Iterator[None]:
    """Keep other processes from a cache's folder, if it can be written.

    Numba writes its index, and then the file that the index names: two processes could each take one name for another
    function, and a third run the one for the other.
    """
    try:
        file = open(Path(folder, ".lock"), "a")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, kind)
        yield


def _name_apart() -> None:
    """Let Numba's names of compiled functions begin elsewhere in every process.

    They end in a number that counts from 1 in each. A helper that is compiled for several callers, such as a step for
    each cell, could have one name for two of them in the caches that two processes wrote, and a process that loads
    both would run one for the other.
    """
    from numba.core.bytecode import FunctionIdentity

    cast(Any, FunctionIdentity)._unique_ids = count(secrets.randbits(40))


_name_apart()

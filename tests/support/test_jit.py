import builtins
import errno
import fcntl
import gc
import os
import subprocess
import sys

import pytest
from numba.core import caching
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher
from numba.core.errors import TypingError
from numba.core.options import DefaultOptions
from numba.core.runtime.nrt import rtsys

from asr.support import jit
from asr.support.jit import compiled, compiled_with


def test_a_full_disk_does_not_keep_a_compiled_function_from_running(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    tried = []
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", lambda *what: tried.append(what) or full())
    assert compiled(_twice)(21) == 42
    assert tried


def test_a_cache_that_names_a_type_that_is_gone_is_emptied_and_the_function_compiled(monkeypatch):
    def gone(*_):
        raise AttributeError("Can't get attribute 'Room'")

    emptied = []
    with monkeypatch.context() as patch:
        patch.setattr(caching.IndexDataCacheFile, "load", gone)
        patch.setattr(caching.IndexDataCacheFile, "flush", lambda self: emptied.append(self))
        assert compiled(_half)(84) == 42
    assert emptied


def test_what_is_on_disk_is_loaded_without_the_modules_that_numba_compiles_with(monkeypatch):
    def refresh(_):
        raise AssertionError("imports them")

    assert compiled(_next)(41) == 42
    monkeypatch.setattr(CPUContext, "refresh", refresh)
    assert compiled(_next)(41) == 42


@pytest.mark.parametrize("changed", [(caching.Cache, "_load_overload"), (type(rtsys), "initialize")])
def test_where_numba_has_changed_what_is_on_disk_is_loaded_its_own_way(changed, monkeypatch):
    """The first call of such a name fails as another signature would; nothing is emptied."""
    owner, name = changed
    original, calls = getattr(owner, name), []

    def once(self, *what):
        calls.append(what)
        if len(calls) == 1:
            raise TypeError("takes another argument")
        return original(self, *what)

    assert compiled(_previous)(43) == 42
    monkeypatch.setattr(caching.IndexDataCacheFile, "flush", lambda _: pytest.fail("emptied"))
    monkeypatch.setattr(owner, name, once)
    again = compiled(_previous)
    assert again(43) == 42 and len(calls) > 1
    assert sum(again.stats.cache_hits.values()) == 1


def test_a_cache_of_another_version_of_the_source_is_not_loaded(monkeypatch):
    assert compiled(_previous)(43) == 42
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", lambda *_: None)
    monkeypatch.setattr(caching._SourceFileBackedLocatorMixin, "get_source_stamp", lambda _: (0.0, 0))
    again = compiled(_previous)
    assert again(43) == 42
    assert not again.stats.cache_hits and again.stats.cache_misses


def test_without_numbas_compiler_class_functions_are_compiled_all_the_same(monkeypatch):
    original = builtins.__import__

    def without(name, *rest):
        if name == "numba.core.compiler":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert jit._noalias_compiler() is None
    monkeypatch.undo()
    monkeypatch.setattr(jit, "_noalias_compiler", lambda: None)
    assert compiled_with("contract", noalias=True)(_thrice)(14) == 42


@pytest.mark.parametrize("gone", ["_nrt", "no_cfunc_wrapper", "all"])
def test_without_options_that_numba_does_not_document_functions_are_compiled_all_the_same(gone, monkeypatch):
    if gone == "all":
        monkeypatch.setitem(sys.modules, "numba.core.options", None)
        assert jit._lean() == {}
    else:
        monkeypatch.delattr(DefaultOptions, gone)
        assert len(jit._lean()) == 1 and gone not in jit._lean()
    function = compiled(_quarter)
    assert function(168) == 42
    left = {"_nrt", "no_cfunc_wrapper"} & set(function.targetoptions)
    assert left == set(jit._lean()), "an option is asked for that this Numba does not have"


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_before_and_after_compiling_only(collects, monkeypatch):
    original, states = Dispatcher.compile, []

    def spied(self, *what):
        states.append(gc.isenabled())
        return original(self, *what)

    monkeypatch.setattr(Dispatcher, "compile", spied)
    (gc.enable if collects else gc.disable)()
    try:
        assert compiled(_fifth)(210) == 42
        with pytest.raises(TypingError):
            compiled(_fifth)("text")
        assert states == [False, False] and gc.isenabled() is collects
    finally:
        gc.enable()


def test_what_does_not_compile_is_reported_in_one_line_and_what_does_in_none(capsys):
    def fails():
        raise TypeError("first\nsecond")

    assert jit.works(lambda: 1, "loops")
    assert capsys.readouterr().err == ""
    assert not jit.works(fails, "loops")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("loops: numba ") and "(TypeError: first second); using torch, slower" in line


def _quarter(number):
    return number // 4


def _fifth(number):
    return number // 5


def _half(number):
    return number // 2


def _next(number):
    return number + 1


def _previous(number):
    return number - 1


def _twice(number):
    return 2 * number


def _thrice(number):
    return 3 * number


def test_what_two_processes_compile_has_different_names(tmp_path):
    """A process that loads both from the cache could else run one helper for another of equal name and types."""
    program = (
        "from asr.support.jit import compiled\n"
        "f = compiled(eval('lambda x: x + 1'))\n"
        "f(1)\n"
        "print(next(iter(f.overloads.values())).fndesc.mangled_name)"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    names = [process.communicate()[0] for process in running]
    assert all(names) and names[0] != names[1]


def test_a_cache_is_used_by_one_writer_at_a_time(tmp_path):
    with jit._locked(str(tmp_path), fcntl.LOCK_SH), open(tmp_path / ".lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # other readers may
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with jit._locked(str(tmp_path / "missing"), fcntl.LOCK_EX):
        pass  # a folder that cannot be written is nobody's to lock

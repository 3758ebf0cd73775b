import builtins
import errno

from numba.core import caching

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


def test_what_does_not_compile_is_reported_in_one_line_and_what_does_in_none(capsys):
    def fails():
        raise TypeError("first\nsecond")

    assert jit.works(lambda: 1, "loops")
    assert capsys.readouterr().err == ""
    assert not jit.works(fails, "loops")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("loops: numba ") and "(TypeError: first second); using torch, slower" in line


def _half(number):
    return number // 2


def _twice(number):
    return 2 * number


def _thrice(number):
    return 3 * number

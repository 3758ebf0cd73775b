import errno

from numba.core import caching

from asr.support.jit import compiled


def test_a_full_disk_keeps_nothing_from_running(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    tried = []
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", lambda *what: tried.append(what) or full())
    assert compiled(_twice)(21) == 42
    assert tried


def _twice(number):
    return 2 * number

"""Writing files so that a reader sees the old content or the new, never a part."""

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from asr.errors import AsrError, InputError


def folder(path: Path) -> Path:
    """Make `path` and its parents if they are missing, and return it.

    Raises:
        AsrError: The folder cannot be made, or something else has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


def walked(root: Path, report: Callable[[OSError], None]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what `os.walk` does of a folder and those below it, linked ones too, each once however often it is linked.

    Args:
        root: The folder.
        report: Is told of a folder that cannot be searched.
    """
    seen: set[tuple[int, int]] = set()
    for here, folders, names in os.walk(root, onerror=report, followlinks=True):
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield here, folders, names


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; flush it to disk and rename it to `path` on success, else remove it.

    Raises:
        AsrError: The folder cannot be written, or the disk is full.
    """
    folder(path.parent)
    long = len(os.fsencode(path.name)) > 200  # a file name has at most 255 bytes
    stem = f"{zlib.crc32(os.fsencode(path.name)):08x}" if long else path.name
    temporary = path.with_name(f".{stem}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # a folder that cannot be written, which is the error that counts
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock a file, for one process at a time; the system releases it however that process ends.

    Raises:
        AsrError: Another process has locked it, or it cannot be written.
    """
    try:
        file = open(path, "a+", encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        except BlockingIOError:
            file.seek(0)
            other = f"process {number}" if (number := file.read().strip()) else "another process"
            raise AsrError(f"{path.parent}: is in use by {other}; wait for it or choose another location") from None
        except OSError as error:  # a full disk, or one that knows no locks
            raise _cannot_write(path, error) from error
        yield


def held(path: Path) -> bool:
    """Return whether some process has locked a file; nothing is changed."""
    try:
        with open(path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's contents, by which results name what they came from.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    r"""Write `text` to `path` as UTF-8, atomically; what UTF-8 cannot encode is escaped as in JSON: \udce9.

    Raises:
        AsrError: It cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object, indented for people.

    Raises:
        AsrError: It cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line.

    Raises:
        AsrError: It cannot be written.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _flush_folder(path: Path) -> None:
    """Make a rename survive a power failure, too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> AsrError:
    return AsrError(f"{path}: cannot be written ({error.strerror or error}); free space or choose another location")

"""Downloads of corpora: over https, resumable, verified, and unpacked only below their own folder.

A checksum that is not known beforehand is recorded at the first download, in `downloads.json` beside the unpacked
folder, and is expected from then on.
"""

import hashlib
import os
import re
import stat
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from asr.errors import InputError
from asr.support.files import folder, locked, write_json
from asr.support.text import decode, parsed

SCHEMES = ("https",)
LARGEST = 40 << 30  # bytes of an archive whose size is not known
RATIO = 20  # times its size that an archive may be unpacked; of recordings it is less than three
SLACK = 1 << 20  # bytes on top, for small ones
TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 16  # bytes
BY_HAND = "try again later, or download and unpack it yourself and pass SOURCE=/path/to/it"
RECORD = "downloads.json"
CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")


class Archive(NamedTuple):
    """A file to download.

    Attributes:
        url: Its address.
        size: In bytes; 0 if not known.
        checksum: As `sha256:` or `md5:` and hexadecimal digits; empty if not known.
    """

    url: str
    size: int = 0
    checksum: str = ""


def fetch(archive: Archive, target: Path) -> Path:
    """Download and unpack an archive, completely or not at all, unless the folder exists, and return the folder.

    What arrived before a connection broke is kept and continued the next time.

    Raises:
        AsrError: The folder cannot be written, or another process is downloading into it.
        InputError: It cannot be downloaded, has another size or checksum than expected, or contains what does not
            stay in its folder.
    """
    if target.is_dir():
        return target
    part = folder(target.parent) / f".{target.name}.part"
    with _exclusively(target.with_name(f".{target.name}.lock")):
        if target.is_dir():  # by a process that was waited for
            return target
        _download(archive, part)
        _verify(archive, part, target.parent / RECORD)
        unpack_whole(part, target, archive.url)
        part.unlink()
    return target


def unpack_whole(package: Path, target: Path, name: str = "") -> None:
    """Unpack an archive into a new folder, completely or not at all; arguments and errors are those of `unpack`."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=folder(target.parent)) as temporary:
        unpack(package, Path(temporary, "unpacked"), name)
        os.replace(Path(temporary, "unpacked"), target)


def unpack(package: Path, target: Path, name: str = "") -> None:
    """Unpack a zip or tar archive.

    Args:
        package: The archive.
        target: A folder.
        name: Of the archive in messages; its path if empty.

    Raises:
        InputError: It is no archive, contains a path, a link or a device outside the folder, or is far larger than
            recordings can be.
    """
    name, limit = name or str(package), RATIO * package.stat().st_size + SLACK
    try:
        if zipfile.is_zipfile(package):
            with zipfile.ZipFile(package) as zipped:
                links = (info.filename for info in zipped.infolist() if stat.S_ISLNK(info.external_attr >> 16))
                if link := next(links, None):
                    raise InputError(f"{name}: contains the link '{link}'; do not use this file")
                _check(name, ((info.filename, info.file_size) for info in zipped.infolist()), limit)
                zipped.extractall(target)
        else:
            with tarfile.open(package) as tarred:
                for member in _members(name, tarred, limit):
                    tarred.extract(member, target, filter="data")
    except tarfile.FilterError as error:
        raise InputError(f"{name}: contains what does not stay in its folder ({error}); do not use this file") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise InputError(f"{name}: cannot be unpacked ({error}); {BY_HAND}") from error


def _members(name: str, tarred: tarfile.TarFile, limit: int) -> Iterator[tarfile.TarInfo]:
    total = 0
    for member in tarred:
        total += member.size
        _check(name, [(member.name, total)], limit)
        yield member


def _check(name: str, files: Iterable[tuple[str, int]], limit: int) -> None:
    """Refuse paths outside the folder, and more bytes than the limit."""
    total = 0
    for path, size in files:
        total += size
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
            raise InputError(f"{name}: contains '{path}', a path outside its folder; do not use this file")
        if total > limit:
            raise InputError(f"{name}: unpacks to more than {limit} bytes; do not use this file")


def _download(archive: Archive, part: Path) -> None:
    from tqdm import tqdm

    limit = archive.size or LARGEST
    try:
        _require_https(archive.url)
        have = _kept(archive, part)
        if archive.size and have == archive.size:
            return
        with _opened(archive, part, have) as response:
            have = have if response.status == 206 else 0
            total = have + int(response.headers.get("Content-Length") or 0)
            if total > limit:
                raise InputError(f"{archive.url}: has {total} bytes, more than the expected {limit}; {BY_HAND}")
            _validator(part).write_text(response.headers.get("ETag") or "", encoding="utf-8")
            with (
                open(part, "ab" if have else "wb") as file,
                tqdm(
                    desc="download", initial=have, total=total or None, unit="B", unit_scale=True, disable=None
                ) as bar,
            ):
                # One byte too many is enough to know that this is a different file.
                while have <= limit and (block := response.read(BLOCK)):
                    file.write(block)
                    have += len(block)
                    bar.update(len(block))
    except (OSError, HTTPException) as error:
        if getattr(error, "code", None) == 416:  # nothing is left to continue: the next attempt begins anew
            part.unlink(missing_ok=True)
        raise InputError(f"{archive.url}: cannot be downloaded ({error}); {BY_HAND}") from error
    if have < total:
        raise InputError(
            f"{archive.url}: broke off after {have} of {total} bytes; the next attempt continues there, or {BY_HAND}"
        )
    _validator(part).unlink(missing_ok=True)


def _opened(archive: Archive, part: Path, have: int) -> HTTPResponse:
    """Return the response to a request for what is missing, or for all of it."""
    request = urllib.request.Request(archive.url)
    if have:
        request.add_header("Range", f"bytes={have}-")
        if tag := decode(_validator(part).read_bytes()):
            request.add_header("If-Range", tag)
    response: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
    try:
        _require_https(response.url)
        if response.status == 206 and not (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
            raise HTTPException("the server continues at another byte")
    except BaseException:
        response.close()
        raise
    return response


def _kept(archive: Archive, part: Path) -> int:
    """Return how many bytes of an earlier attempt can be continued: only those of which a check is possible."""
    try:
        tag = decode(_validator(part).read_bytes())
        have = part.stat().st_size
    except FileNotFoundError:
        return 0
    return have if (archive.checksum or tag) and have <= (archive.size or LARGEST) else 0


def _validator(part: Path) -> Path:
    """Return the file with the server's mark (ETag) of the version that a partial file is of."""
    return part.with_suffix(".etag")


def _require_https(url: str) -> None:
    if urlsplit(url).scheme not in SCHEMES:
        raise InputError(f"{url}: is not an https address, so that anybody could change what arrives; {BY_HAND}")


def _verify(archive: Archive, part: Path, record: Path) -> None:
    """Compare a file with its known or recorded checksum, and record that of an unknown one."""
    known = _recorded(record)
    expected = archive.checksum or (known[archive.url]["checksum"] if archive.url in known else "")
    algorithm = expected.partition(":")[0] or "sha256"
    with open(part, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    found, size = f"{algorithm}:{digest}", part.stat().st_size
    if (archive.size and size != archive.size) or (expected and found != expected):
        part.unlink()
        wanted = f"{archive.size} bytes, {expected}" if archive.size else expected
        raise InputError(
            f"{archive.url}: is not the expected file ({size} bytes, {found}; expected {wanted}); {BY_HAND}"
        )
    if not expected:
        print(f"{archive.url}: no checksum is known; {size} bytes, {found} recorded in {record}", file=sys.stderr)
        write_json(record, known | {archive.url: {"size": size, "checksum": found}})


def _recorded(record: Path) -> dict[str, dict[str, Any]]:
    """Return the facts of the archives that were downloaded before, by address.

    Raises:
        InputError: The file that contains them is damaged.
    """
    try:
        known = {url: dict(facts) for url, facts in dict(parsed(record.read_bytes())).items()}
        for url, facts in known.items():
            if not CHECKSUM.fullmatch(str(facts.get("checksum"))):
                raise ValueError(f"{url!r}: the checksum {facts.get('checksum')!r} is neither sha256: nor md5:")
        return known
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{record}: is not a record of downloads ({error}); delete it") from error


@contextmanager
def _exclusively(path: Path) -> Iterator[None]:
    with locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

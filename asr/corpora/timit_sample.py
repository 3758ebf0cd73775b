"""The free sample of TIMIT: 16 of its training speakers, a woman and a man of each dialect region.

Who: the speakers and makers of TIMIT (see asr/corpora/timit.py); chosen and distributed with NLTK.
Hours: 0.14 with the SA sentences, 0.11 (390 s, 128 utterances) without.
Licence: Creative Commons Attribution, Non-Commercial, ShareAlike; copyright 1993 Linguistic Data Consortium.
Where from: the nltk_data repository, packages/corpora/timit.zip.
Checksum: 22,251,869 bytes, md5 34c047c4749a811287f2c652104d7849.

It has no official split; ours is by speaker (asr/phones.py). A PER on it is a smoke test of the TIMIT recipe: four
test speakers are no benchmark, and no number here may stand beside a published one.
"""

import hashlib
import os
import tempfile
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from asr.corpora import timit
from asr.corpora.protocol import Expected, Protocol, Sets
from asr.errors import InputError
from asr.files import folder
from asr.phones import SAMPLE_DEV_SPEAKERS, SAMPLE_TEST_SPEAKERS

PROTOCOL: Protocol = {
    "train": Expected(80, 10, 3023),
    "dev": Expected(16, 2, 633, SAMPLE_DEV_SPEAKERS),
    "test": Expected(32, 4, 1237, SAMPLE_TEST_SPEAKERS),
}


class Archive(NamedTuple):
    """A file on the net: its address, its size in bytes, its md5."""

    url: str
    size: int
    md5: str


ARCHIVE = Archive(
    "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/timit.zip",
    22_251_869,
    "34c047c4749a811287f2c652104d7849",
)
BY_HAND = "try again later, or fetch and unpack it yourself and give TIMIT=/where/it/lies"
TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 16  # bytes


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets train, dev and test of our split of the sample.

    Args:
        source: The unpacked sample; None fetches it into `out`, once.
        out: Where the fetched sample is kept.
        partial: Go on with what can be read where the counts do not hold, and warn.

    Raises:
        InputError: The sample cannot be fetched or is not the one we know; a file is missing, extra or cannot be read.
    """
    root = source or fetch(ARCHIVE, out / "source")
    sets: dict[str, list[timit.Files]] = {"train": [], "dev": [], "test": []}
    for files in timit.scan_flat(root):
        held_out = {"dev": SAMPLE_DEV_SPEAKERS, "test": SAMPLE_TEST_SPEAKERS}
        sets[next((name for name, who in held_out.items() if files.speaker in who), "train")].append(files)
    return timit.assemble(root, sets, PROTOCOL, partial)


def fetch(archive: Archive, target: Path) -> Path:
    """Return the folder `target` with the archive's content, fetched and unpacked whole or not at all.

    Raises:
        InputError: The archive cannot be fetched, has another size or md5, or holds a path that leaves its folder.
    """
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=folder(target.parent)) as temporary:
        package, unpacked = Path(temporary, "package.zip"), Path(temporary, "unpacked")
        _download(archive, package)
        _unpack(archive, package, unpacked)
        os.replace(unpacked, target)
    return target


def _download(archive: Archive, path: Path) -> None:
    from tqdm import tqdm

    digest, size = hashlib.md5(usedforsecurity=False), 0
    try:
        with (
            urllib.request.urlopen(archive.url, timeout=TIMEOUT) as response,
            open(path, "wb") as file,
            tqdm(desc="fetch", total=archive.size, unit="B", unit_scale=True, disable=None) as bar,
        ):
            # One byte too many is enough to know that this is another file.
            while size <= archive.size and (block := response.read(BLOCK)):
                file.write(block)
                digest.update(block)
                size += len(block)
                bar.update(len(block))
    except (OSError, HTTPException) as error:
        raise InputError(f"{archive.url}: cannot be fetched ({error}); {BY_HAND}") from error
    if (size, digest.hexdigest()) != archive[1:]:
        raise InputError(
            f"{archive.url}: is not the package we know ({size} bytes, md5 {digest.hexdigest()}; expected "
            f"{archive.size} bytes, md5 {archive.md5}); {BY_HAND}"
        )


def _unpack(archive: Archive, package: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(package) as file:
            for name in file.namelist():
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                    raise InputError(f"{archive.url}: holds '{name}', which leaves its folder; do not use this package")
            file.extractall(target)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive.url}: cannot be unpacked ({error}); {BY_HAND}") from error

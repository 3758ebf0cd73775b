"""A folder as importers see it: searched once, its recordings found by any name that a transcript gives them."""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path

from asr.audio import READABLE
from asr.errors import InputError
from asr.support.files import walked

SETS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


class Tree:
    """A folder's files.

    Attributes:
        root: The folder.
        audio: The recordings below it, sorted.
        others: All other files, sorted.
    """

    def __init__(self, root: Path) -> None:
        """Search a folder; links to folders are followed, hidden files and folders are not looked at.

        Raises:
            InputError: It is not a folder, cannot be searched, or contains no recording.
        """
        if not root.is_dir():
            raise InputError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; pass a folder")
        self.root = root
        paths = sorted(_inside(root))
        self.audio = [path for path in paths if path.suffix.lower() in READABLE]
        self.others = [path for path in paths if path.suffix.lower() not in READABLE]
        if not self.audio:
            archives = [p.name for p in paths if p.suffix.lower() in {".zip", ".tar", ".gz", ".tgz", ".bz2", ".7z"}]
            hint = f"unpack {archives[0]} first" if archives else "name the folder that has them"
            raise InputError(f"{root}: contains no recording ({' '.join(sorted(READABLE))}); {hint}")

    def ending(self, *suffixes: str) -> list[Path]:
        """Return the files that end so, in any case."""
        return [path for path in self.others if path.name.lower().endswith(suffixes)]

    def relative(self, path: Path) -> str:
        """Return a path below the root, for people."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def find(self, name: str, beside: Path) -> Path | None:
        """Return the recording that a transcript names; None where there is none, or more than one could be meant.

        A name is taken relative to the folder of the file that contains it, to the folders above it up to the root, and
        at last as the name of a file anywhere below the root, with or without its ending, in any case.
        """
        plain = name.strip().replace("\\", "/")
        if plain.startswith("/"):
            path = Path(plain)
            if path.suffix.lower() in READABLE and os.path.isfile(path):  # of a name of any length
                return path
        else:
            for folder in self._folders_above(str(beside)):
                if (found := self._paths.get(os.path.normpath(f"{folder}/{plain}"))) is not None:
                    return found
        last = plain.rpartition("/")[2]
        named = self._names.get(last) or self._folded.get(last.lower()) or []
        return named[0] if len(named) == 1 else None

    def _folders_above(self, folder: str) -> list[str]:
        """Return a folder and those above it up to the root; of one outside the root, itself."""
        root, found = str(self.root), [folder]
        while found[-1] != root and found[-1].startswith(f"{root}/"):
            found.append(os.path.dirname(found[-1]))
        return found

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return {os.path.normpath(path): path for path in self.audio}

    @cached_property
    def _names(self) -> dict[str, list[Path]]:
        return self._index(lambda name: name)

    @cached_property
    def _folded(self) -> dict[str, list[Path]]:
        return self._index(str.lower)

    def _index(self, key: Callable[[str], str]) -> dict[str, list[Path]]:
        names: dict[str, list[Path]] = defaultdict(list)
        for path in self.audio:
            for name in (path.name, path.stem):
                names[key(name)].append(path)
        return names

    def set_of(self, path: Path) -> str:
        """Return the set that a file's folders name: `train`, `dev`, `test`, or nothing."""
        return next(filter(None, map(set_named, self._between(path))), "")

    def speaker_of(self, path: Path) -> str:
        """Return the speaker that a recording's folders name: the first of those that differ between recordings.

        The first is safe where there are more, as LibriSpeech's speaker and chapter: nobody is in two of them.
        """
        folders = [part for part in self._between(path) if not set_named(part)]
        return folders[self._common] if len(folders) > self._common else ""

    def _between(self, path: Path) -> list[str]:
        """Return the folders between the root and a file."""
        folder, root = os.path.dirname(path), f"{self.root}/"
        return folder.removeprefix(root).split("/") if folder.startswith(root) else []

    @cached_property
    def _common(self) -> int:
        """The number of folders that all recordings have in common, beside those that name a set."""
        folders = [[part for part in self._between(path) if not set_named(part)] for path in self.audio]
        return len(os.path.commonprefix(folders))


@cache
def set_named(name: str) -> str:
    """Return the set that a file's or a folder's name means, as `train-clean-5` does; nothing where it means none."""
    first = re.split(r"[-_. ]", name.lower(), maxsplit=1)[0]
    return SETS.get(first, "")


def _inside(root: Path) -> list[Path]:
    found: list[Path] = []

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be searched ({error.strerror}); check its permissions")

    for here, folders, names in walked(root, refuse):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [Path(here, name) for name in names if not name.startswith(".")]
    return found

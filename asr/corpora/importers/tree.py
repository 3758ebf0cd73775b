"""A folder as importers see it: searched once, its recordings found by any name that a transcript gives them."""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from asr.errors import InputError

AUDIO = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".sph", ".nist", ".caf", ".w64"}
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
            raise InputError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; name a folder")
        self.root = root
        paths = sorted(_inside(root))
        self.audio = [path for path in paths if path.suffix.lower() in AUDIO]
        self.others = [path for path in paths if path.suffix.lower() not in AUDIO]
        if not self.audio:
            archives = [p.name for p in paths if p.suffix.lower() in {".zip", ".tar", ".gz", ".tgz", ".bz2", ".7z"}]
            hint = f"unpack {archives[0]} first" if archives else "name the folder that has them"
            raise InputError(f"{root}: contains no recording ({' '.join(sorted(AUDIO))}); {hint}")

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
        path = Path(plain)
        if path.is_absolute():
            if path.suffix.lower() in AUDIO and path.is_file():
                return path
        else:
            for folder in (beside, *(p for p in beside.parents if p == self.root or p.is_relative_to(self.root))):
                if (found := self._paths.get(os.path.normpath(folder / path))) is not None:
                    return found
        named = self._names.get(path.name) or self._folded.get(path.name.lower()) or []
        return named[0] if len(named) == 1 else None

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
        for part in path.relative_to(self.root).parts[:-1] if path.is_relative_to(self.root) else ():
            if found := set_named(part):
                return found
        return ""

    def speaker_of(self, path: Path) -> str:
        """Return the speaker that a recording's folders name: the first of those that differ between recordings.

        The first is safe where there are more, as LibriSpeech's speaker and chapter: nobody is in two of them.
        """
        folders = self._folders(path)
        return folders[self._common] if len(folders) > self._common else ""

    def _folders(self, path: Path) -> list[str]:
        if not path.is_relative_to(self.root):
            return []
        return [part for part in path.relative_to(self.root).parts[:-1] if not set_named(part)]

    @cached_property
    def _common(self) -> int:
        """The number of folders that all recordings have in common, beside those that name a set."""
        folders = [self._folders(path) for path in self.audio]
        return len(os.path.commonprefix(folders))


def set_named(name: str) -> str:
    """Return the set that a file's or a folder's name means, as `train-clean-5` does; nothing where it means none."""
    first = re.split(r"[-_. ]", name.lower(), maxsplit=1)[0]
    return SETS.get(first, "")


def _inside(root: Path) -> list[Path]:
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be searched ({error.strerror}); allow it")

    for here, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:  # a link to a folder above it
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [Path(here, name) for name in names if not name.startswith(".")]
    return found

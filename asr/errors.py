"""Errors that a user can cause and fix; anything else is a bug of ours and keeps its traceback.

Every message has the form *where: what, with the value; what to do*, on one line.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class AsrError(ValueError):
    """A mistake in a command, a recipe or a setting; `status` is the command line's exit status."""

    status = 2


class AsrWarning(UserWarning):
    """Something a user should know although nothing failed; the command line prints it in one line."""


class BundleError(AsrError):
    """A model file that cannot be used."""

    status = 3


class InputError(AsrError):
    """Audio, a transcript, a manifest or a corpus that is missing or cannot be used."""

    status = 4


def first_few(names: Sequence[str], most: int = 8, separator: str = ", ") -> str:
    """Return the names in one line, at most `most` of them, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return separator.join([*names[:most], *more])


def suggest(name: str, known: list[str]) -> str:
    """Return the clause that ends an 'unknown name' message: the choices and the nearest one."""
    nearest = get_close_matches(name, known, n=1)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
    return f"choose from {', '.join(sorted(known))}{hint}"


def choose(table: Mapping[str, T], name: str, what: str) -> T:
    """Return `table[name]`.

    Args:
        table: One of the sockets' tables, for example `asr.cells.CELLS`.
        name: The key a user asked for.
        what: What the key names, for the message: `cell`, `decoder`, …

    Raises:
        AsrError: `name` is not in the table.
    """
    try:
        return table[name]
    except KeyError:
        raise AsrError(f"unknown {what} '{name}': {suggest(name, list(table))}") from None

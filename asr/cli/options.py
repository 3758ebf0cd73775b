"""Options and arguments that several commands share, and what they mean."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr.cli import output
from asr.evaluation.results import BEST
from asr.support import text

if TYPE_CHECKING:
    from asr.decoders import Search

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)
DEVICE = click.option("--device", metavar="NAME", help="cpu, cuda or cuda:1; chosen by itself when left out.")
BUNDLE = click.option(
    "--bundle", "system", type=FILE, default=Path("runs/espeak"), show_default=True, help="Run or bundle."
)
DATA = click.option("--data", type=FOLDER, default=Path("data"), show_default=True, help="Where prepared corpora lie.")
SET = click.option(
    "--set", "overrides", multiple=True, metavar="PART.KEY=VALUE", help="Change a setting of the recipe."
)


def search(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a search; what `asr tune` recorded stands where none is given."""
    options = (
        click.option("--decoder", help="greedy, beam or lexicon; what `asr tune` recorded, or greedy, when left out."),
        click.option("--width", type=int, help="Prefixes that the search keeps at each frame."),
        click.option("--lm", "language", type=FILE, help="A language model's ARPA file."),
        click.option("--lexicon", type=FILE, help="A pronouncing dictionary, TIMIT's format or CMUdict's."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def weights(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `asr tune` would choose."""
    command = click.option("--bonus", type=float, help="β, for each unit or word.")(command)
    return click.option("--weight", type=float, help="α, of the language model.")(command)


def settings(system: Path | None, given: dict[str, Any]) -> "Search":
    """Return how to decode: what the options say, on top of what tuning recorded for this bundle and decoder."""
    from dataclasses import replace

    from asr.decoders.search import FILE as RECORDED
    from asr.decoders.search import Search
    from asr.support.files import sha256

    search = Search()
    if system and (recorded := system.parent / RECORDED).exists():
        search = Search.load(recorded)
        if search.tuned_for != sha256(system):
            output.say(f"{recorded}: was tuned for another bundle and is not used; run `asr tune` again")
            search = Search()
    changed = {key: value for key, value in given.items() if value is not None}
    if changed.get("decoder", search.decoder) != search.decoder:
        search = Search()
    by_hand = bool({"weight", "bonus"} & set(changed))  # the calibration, at the least, is still what tuning chose
    return replace(search, **changed, by_hand=by_hand)


def bundle_of(system: Path) -> Path:
    """Return the bundle of a run's folder, or the file itself."""
    named = system.is_file() or (system.suffix and not system.is_dir())
    return system if named else system / BEST


def sentences(path: Path) -> list[list[str]]:
    """Return a text file's lines as symbols, empty lines left out.

    Raises:
        InputError: It cannot be read as UTF-8.
    """
    lines = text.lines(path, remedy="pass UTF-8, a sentence per line")
    return [line.split() for line in lines if line.strip()]

"""Options and arguments that several commands share, and what they mean."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr.cli import output
from asr.errors import choose
from asr.support import text

if TYPE_CHECKING:
    from dataclasses import Field

    from asr.decoders import DecoderSettings, Search

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)
DEVICE = click.option("--device", metavar="NAME", help="cpu, cuda or cuda:1.  [default: auto]")
BUNDLE = click.option(
    "--bundle",
    "system",
    type=FILE,
    help="Run folder or bundle.  [default: runs/espeak if trained, else the system that comes with asr]",
)
DATA = click.option(
    "--data", type=FOLDER, default=Path("data"), show_default=True, help="Folder with the prepared corpora."
)
SET = click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a setting of the recipe."
)


class Named(click.Choice[str]):
    """A key of a table; a misspelled one is answered with the nearest."""

    def __init__(self, table: Mapping[str, Any], what: str) -> None:
        super().__init__(list(table))
        self._table, self._what = table, what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Return the key.

        Raises:
            AsrError: It is not in the table.
        """
        choose(self._table, value, self._what)
        return str(value)


class DecoderCommand(click.Command):
    """A command with the options of a search: `--decoder`, and one for each setting of the decoders in the table.

    The table is imported only when options are parsed or shown, since it needs NumPy. Settings that several decoders
    share are one option. Each option's value is None when it is not given, and its parameter has the setting's name.

    Args:
        tuning: Whether the command is `asr tune`, which chooses the tunable settings itself.
        nbest: Whether it can print more than one hypothesis.
        rest: As for `click.Command`.
    """

    def __init__(self, *args: Any, tuning: bool = False, nbest: bool = False, **rest: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **rest)
        self._tuning, self._nbest = tuning, nbest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and those of the decoders."""
        from asr.decoders import DECODERS

        own = super().get_params(ctx)
        added = _decoder_options(tuple(DECODERS.items()), self._tuning, self._nbest)
        return [*own[: len(self.params)], *added, *own[len(self.params) :]]


@lru_cache(maxsize=8)  # click asks several times and expects the same objects
def _decoder_options(
    table: tuple[tuple[str, "type[DecoderSettings]"], ...], tuning: bool, nbest: bool
) -> list[click.Parameter]:
    from asr.support.settings import declared

    default = tuned_by_default() if tuning else "as tuned, else greedy"
    made: dict[str, click.Parameter] = {
        "decoder": click.Option(["--decoder"], type=Named(dict(table), "decoder"), help=f"[default: {default}]")
    }
    for _, entry in table:
        for name, one in declared(entry).items():
            wanted = nbest or not one.metadata["output"]
            if name not in made and wanted and not (tuning and one.metadata["tune"]):
                made[name] = _option(name, one, [key for key, other in table if name in declared(other)])
    return list(made.values())


def _option(name: str, one: "Field[Any]", decoders: list[str]) -> click.Parameter:
    """Return the option of a decoder's setting."""
    from asr.decoders.hypothesis import flag

    path, default = one.metadata["file"], one.default
    said, traits = one.metadata["help"], ", ".join(decoders)
    if default is not None:
        traits += f"; default: {default:g}" if isinstance(default, float) else f"; default: {default}"
    return click.Option(
        [flag(name), name],
        type=FILE if path else type(default),
        default=None,
        metavar="FILE" if path else None,
        help=f"{said[:1].upper()}{said[1:]}.  [{traits}]",
    )


def tuned_by_default() -> str:
    """Return the decoder that `asr tune` tunes where none is named: the first with something to tune."""
    from asr.decoders import DECODERS

    return next(name for name, entry in DECODERS.items() if entry.tunable())


def search(system: Path, given: Mapping[str, Any]) -> "Search":
    """Return how to decode: what the options say, on top of what tuning recorded for this bundle and decoder.

    Args:
        system: The bundle's file.
        given: The values of the options of `DecoderCommand`.

    Raises:
        AsrError: An option is not one of the decoder's, or its value is invalid.
    """
    from asr.decoders import Search

    settings = {key: value for key, value in given.items() if key != "decoder"}
    return Search.recorded(system, output.say).changed(given.get("decoder"), settings)


def sentences(path: Path) -> list[list[str]]:
    """Return a text file's lines as symbols; empty lines are omitted.

    Raises:
        InputError: It cannot be read as UTF-8.
    """
    lines = text.lines(path, remedy="pass a UTF-8 file with a sentence on each line")
    return [line.split() for line in lines if line.strip()]

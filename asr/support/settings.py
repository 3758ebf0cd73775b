"""Settings: dataclass fields that know their help text and their limits, and values that are checked against them.

Recipes, kinds of features and decoders declare their settings with `setting`; whoever receives values from a user (a
TOML file, the command line, Python) checks them with `checked`. A field's default carries its type.
"""

import inspect
import json
import math
import os
from collections.abc import Mapping
from dataclasses import Field, field, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from asr.errors import AsrError

Value = bool | int | float | str | tuple[Any, ...] | None
File = str | os.PathLike[str] | None

HIGHEST = 1e9  # of a number without a limit of its own
TYPES = {bool: "boolean (true or false)", int: "integer", float: "number", str: "quoted string"}


def setting(
    default: Any,  # noqa: ANN401
    help: str = "",
    *,
    low: float = 0.0,
    high: float = HIGHEST,
    above: float | None = None,
    needs: str = "",
    tune: tuple[Any, ...] = (),
    file: bool = False,
    required: bool = False,
    output: bool = False,
) -> Any:  # noqa: ANN401
    """Declare a dataclass field that a user may set.

    Args:
        default: Its value where none is given; of the field's type.
        help: What it is, for `--help`.
        low: The smallest number allowed.
        high: The largest.
        above: Numbers must be greater than this; replaces `low` in messages.
        needs: Another setting without which this one has no effect.
        tune: The values among which `asr tune` chooses.
        file: It names a file, and is None where there is none.
        required: There must be such a file.
        output: It changes what is returned, not what is found; only `asr transcribe` takes it.
    """
    limits = {"low": low, "high": high, "above": above}
    rest = {"help": help, "needs": needs, "tune": tune, "file": file, "required": required, "output": output}
    return field(default=default, metadata=MappingProxyType(limits | rest))


def declared(entry: Any) -> dict[str, "Field[Any]"]:  # noqa: ANN401
    """Return the settings of a dataclass (or an instance of one) by name."""
    return {one.name: one for one in fields(entry) if one.init}


def of(entry: Any) -> dict[str, tuple[Any, Mapping[str, Any]]]:  # noqa: ANN401
    """Return the settings of an entry of a table: a dataclass's fields, or the parameters that have defaults.

    Args:
        entry: A class or a function.

    Returns:
        By name, the default and the limits that `checked` takes.
    """
    if is_dataclass(entry):
        return {name: (one.default, one.metadata) for name, one in declared(entry).items()}
    parameters = inspect.signature(entry).parameters.values()
    return {one.name: (one.default, {"low": -HIGHEST}) for one in parameters if one.default is not one.empty}


def checked(default: Any, value: Any, limits: Mapping[str, Any], what: str) -> Any:  # noqa: ANN401
    """Return a value in the type of the default.

    Args:
        default: The setting's default.
        value: What a user gave.
        limits: The field's metadata.
        what: Place, name and value, for messages.

    Raises:
        AsrError: It has another type or is out of range.
    """
    if limits.get("file"):
        return _checked_file(value, limits, what)
    if isinstance(default, tuple):
        return _checked_list(default, value, limits, what)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e300 else math.inf  # an integer may be too large for a float
    if type(value) is not type(default):
        raise AsrError(f"{what}: must be of type {TYPES[type(default)]}, as in {toml(default)}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high, above = limits.get("low", 0.0), limits.get("high", HIGHEST), limits.get("above")
        if not low <= value <= high or (above is not None and value <= above):
            need = f"above {above:g}" if above is not None else f"at least {low:g}"
            raise AsrError(f"{what}: must be {need} and at most {high:g}")
    return value


def _checked_file(value: Any, limits: Mapping[str, Any], what: str) -> Path | None:  # noqa: ANN401
    if value is None and not limits.get("required"):
        return None
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise AsrError(f"{what}: must be the path of a file")
    return Path(value)


def _checked_list(default: tuple[Any, ...], value: Any, limits: Mapping[str, Any], what: str) -> tuple[Any, ...]:  # noqa: ANN401
    """Return a list's values, each once, as a tuple."""
    if not isinstance(value, list | tuple) or not value:
        raise AsrError(f"{what}: must be a list of at least one {TYPES[type(default[0])]}, as in {toml(default)}")
    items = tuple(checked(default[0], item, limits, f"{what}: {shown(item)}") for item in value)
    if duplicates := [item for item in items if items.count(item) > 1]:
        raise AsrError(f"{what}: duplicate value {duplicates[0]!r}; remove it")
    return items


def shown(value: Any) -> str:  # noqa: ANN401
    """Return a value for a message, without its middle where it is long, as numbers of 400 digits are."""
    try:
        text = repr(value)
    except ValueError:  # Python does not convert integers of more than 4300 digits
        return "an integer of too many digits"
    return text if len(text) <= 60 else f"{text[:40]}…{text[-10:]}"


def toml(value: Any) -> str:  # noqa: ANN401
    """Return a value as TOML writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # a TOML string is nearly a JSON one
    return repr(value)

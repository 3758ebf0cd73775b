"""Provenance of a result: commit, command, machine and checksums, so that it can be verified and reproduced."""

import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoders import Search
from asr.errors import AsrError
from asr.recognize import Recognizer
from asr.support import files
from asr.support.settings import declared

HERE = Path(__file__).resolve()


def of(source: str | None, system: Path, data: Path, recognizer: Recognizer, search: Search) -> dict[str, Any]:
    """Return everything needed to reproduce a result.

    Args:
        source: The commit that measured, determined at the start: files may change while it runs.
        system: The bundle's file.
        data: The manifest that was scored.
        recognizer: What recognized it.
        search: How it was decoded.
    """
    return {
        "set": data.stem,
        "manifest_sha256": files.sha256(data),
        "bundle": system.name,
        "bundle_sha256": files.sha256(system),
        "search": searched(search, data),
        "seed": recognizer.bundle.recipe.training.seed,
        "commit": source,
        "command": command(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(recognizer.device),
        "engine": recognizer.engine,
        "trained": recognizer.bundle.facts.get("trained"),
    }


def searched(search: Search, data: Path) -> dict[str, Any]:
    """Return how a set was decoded, and on what the decoder's settings were tuned.

    `tuned_on_set` names the manifest beside `data` on which they were. `tuned_here` marks settings tuned on this
    set itself, as is usual for dev; `tuned_on_test` such settings on any other set; `by_hand` settings that `asr tune`
    would choose and that were set by hand, even on top of tuned ones.
    """
    row = search.as_dict()
    for name, one in declared(search.decoder).items():
        if one.metadata["file"] and name in row:
            row[name] = Path(row[name]).name
    if search.tuned_on:
        sets = {files.sha256(path): path.stem for path in sorted(data.parent.glob("*.jsonl"))}
        row["tuned_on_set"] = sets.get(search.tuned_on, "")
        if search.tuned_on == files.sha256(data):
            row["tuned_here" if is_dev(data) else "tuned_on_test"] = True
    chosen = (
        getattr(search.decoder, name) != declared(search.decoder)[name].default for name in search.decoder.tunable()
    )
    if search.by_hand or (not search.tuned_on and any(chosen)):
        row["by_hand"] = True
    return row


def is_dev(data: Path) -> bool:
    """Return whether a manifest is a development set: whether it is called dev, or dev-something."""
    return data.stem.split("-")[0] == "dev"


def refuse_tuned(search: Search, data: Path, force: bool) -> None:
    """Refuse to score a set on which the decoder's settings were tuned, unless it is a development set.

    Raises:
        AsrError: They were, and `force` is false.
    """
    if search.tuned_on and not is_dev(data) and search.tuned_on == files.sha256(data) and not force:
        raise AsrError(
            f"{data}: the settings of the decoder '{search.decoder.name}' were tuned on this set; "
            "tune on dev (`asr tune`), or pass --force, and the result will be marked"
        )


def commit() -> str | None:
    """Return the commit of this source, with `-dirty` where files were changed; None outside a git repository."""
    command = ["git", "-C", str(HERE.parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        tracked = subprocess.run(
            ["git", "-C", str(HERE.parent), "ls-files", "--error-unmatch", HERE.name], capture_output=True
        )
        if tracked.returncode:
            return None
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def training(device: object, earlier: Mapping[str, Any] | None = None) -> dict[str, str | None]:
    """Return the commit and the machine that train a system.

    Args:
        device: Where.
        earlier: The facts of the run that is resumed. Its commits are included; None if one of them is unknown.
    """
    now = commit()
    if earlier is not None:
        before = (earlier.get("trained") or {}).get("commit")
        now = ", ".join(dict.fromkeys([*before.split(", "), now])) if before and now else None
    return {"commit": now, "machine": machine(device)}


def command() -> str:
    """Return the command as it can be run again: `python -m asr` is `asr`."""
    name = Path(sys.argv[0]).name
    return shlex.join(["asr" if name == "__main__.py" else name, *sys.argv[1:]])


def machine(device: object) -> str:
    """Return the machine: device, processor, cores, and the versions that matter; torch's, and its threads, if used.

    Args:
        device: The device, or its name, such as "cuda:1".
    """
    kind, torch = str(device).split(":")[0], sys.modules.get("torch")
    name = torch.cuda.get_device_name(str(device)) if torch and kind == "cuda" else _processor()
    size = f"{os.cpu_count()} cores" + (f", {torch.get_num_threads()} threads" if torch else "")
    versions = f"Python {platform.python_version()}," + (f" torch {torch.__version__}," if torch else "")
    return f"{kind} ({name}, {size}, {platform.system()}), {versions} NumPy {np.__version__}"


def _processor() -> str:
    """Return the processor's model; where the system does not report it, the architecture."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()

"""Who measured: what a result file says so that its numbers can be believed, and measured again."""

import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr.bundle import Bundle
from asr.decoders import Search
from asr.errors import AsrError
from asr.support import files

HERE = Path(__file__).resolve()


def of(
    source: str | None, system: Path, data: Path, loaded: Bundle, search: Search, device: torch.device
) -> dict[str, Any]:
    """Return everything needed to measure again.

    Args:
        source: The commit that measured, asked for when it began: files may change while it runs.
        system: The bundle's file.
        data: The manifest that was scored.
        loaded: The bundle.
        search: How it was decoded.
        device: Where the network ran.
    """
    return {
        "set": data.stem,
        "manifest_sha256": files.sha256(data),
        "bundle": system.name,
        "bundle_sha256": files.sha256(system),
        "search": searched(search, data),
        "seed": loaded.recipe.training.seed,
        "commit": source,
        "command": command(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(device),
        "trained": loaded.facts.get("trained"),
    }


def searched(search: Search, data: Path) -> dict[str, Any]:
    """Return how a set was decoded, and on what the weights were chosen.

    `tuned_on_set` names the manifest beside `data` on which they were. `tuned_here` marks weights chosen on this very
    set, as is usual for dev; `tuned_on_test` such weights on any other set; `by_hand` weights that were named by hand,
    even on top of recorded ones, or of which nobody recorded where they come from.
    """
    row = {key: value for key, value in asdict(search).items() if value not in (None, "") and key != "by_hand"}
    row |= {key: row[key].name for key in ("language", "lexicon") if key in row}
    row["tuned_on"] = search.tuned_on
    if search.tuned_on:
        sets = {files.sha256(path): path.stem for path in sorted(data.parent.glob("*.jsonl"))}
        row["tuned_on_set"] = sets.get(search.tuned_on, "")
        if search.tuned_on == files.sha256(data):
            row["tuned_here" if is_dev(data) else "tuned_on_test"] = True
    if search.by_hand or (not search.tuned_on and (search.weight or search.bonus)):
        row["by_hand"] = True
    return row


def is_dev(data: Path) -> bool:
    """Return whether a manifest is there to choose on: whether it is called dev, or dev-something."""
    return data.stem.split("-")[0] == "dev"


def refuse_tuned(search: Search, data: Path, force: bool) -> None:
    """Refuse to score a set on which the search's own weights were chosen, unless it is there to choose on.

    Raises:
        AsrError: They were, and nobody forces it.
    """
    if search.tuned_on and not is_dev(data) and search.tuned_on == files.sha256(data) and not force:
        raise AsrError(
            f"{data}: the parameters of the decoder '{search.decoder}' were chosen on this very set; "
            "choose them on dev (`asr tune`), or give --force, and the result will say so"
        )


def commit() -> str | None:
    """Return the commit of this source, with `-dirty` where files were changed; None where git does not know it."""
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


def training(device: torch.device, earlier: Mapping[str, Any] | None = None) -> dict[str, str | None]:
    """Return the commit and the machine that train a system.

    Args:
        device: Where.
        earlier: The facts of a run that goes on here. It has its commits too, or none where one is not known.
    """
    now = commit()
    if earlier is not None:
        before = (earlier.get("trained") or {}).get("commit")
        now = ", ".join(dict.fromkeys([*before.split(", "), now])) if before and now else None
    return {"commit": now, "machine": machine(device)}


def command() -> str:
    """Return the command as it can be given again: `python -m asr` is `asr`."""
    name = Path(sys.argv[0]).name
    return shlex.join(["asr" if name == "__main__.py" else name, *sys.argv[1:]])


def machine(device: torch.device) -> str:
    """Return what computed: device, processor, cores, threads, and the versions that matter."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}"
    size = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return f"{device.type} ({name}, {size}, {platform.system()}), {versions}"


def _processor() -> str:
    """Return the processor's model; where the system does not tell, its kind."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()

"""Damaged files of every kind: a few of the thousands of `make fuzz`, and those that once made something fail."""

import gzip
import importlib
import json
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from importer_formats import FORMATS

from asr.errors import AsrError

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parent)
    files = importlib.import_module("files")
KINDS = files.KINDS
SOUND = {"run": files.run, "trial": files.trial} | {
    f"folder of {name}": partial(files.imported, name) for name in FORMATS
}
LARGE = 10**400  # no float
TRIAL = "latch/s-0.05-T-5-seed1.json"
FAILED: list[tuple[str, str, dict[str, Any]]] = [  # a file of a kind, and what was changed in the last of its objects
    ("run", "test.json", {"metric": "x"}),
    ("run", "test.json", {"calibration_error": None}),
    ("run", "test.json", {"reliability": {"counts": [-1], "confidence": [0.5], "right": [0.5]}}),
    ("run", "test.json", {"others": 5}),
    ("run", "test.json", {"rate": LARGE}),
    ("run", "test.json", {"trained": 5}),
    ("run", "test.utterances.jsonl", {"id": "a\nb", "units": [["a", None, 1]]}),
    ("run", "test.utterances.jsonl", {"id": "a\nb", "alignment": [1]}),
    ("run", "epochs.jsonl", {"dev": -1}),
    ("run", "epochs.jsonl", {"dev": {"rate": "x"}}),
    ("run", "epochs.jsonl", {"seconds": "x"}),
    ("run", "epochs.jsonl", {"gradient_norm_max": "x"}),
    ("run", "epochs.jsonl", {"loss": LARGE}),
    ("run", "decoder.json", {"calibration": [LARGE, 1]}),
    ("folder of NeMo's manifest", "manifest.json", {"duration": "a\nb"}),
    ("folder of NeMo's manifest", "manifest.json", {"text": ["yes"]}),
    ("folder of audiofolder's metadata.jsonl", "metadata.jsonl", {"speaker": {}}),
    ("folder of lhotse's cuts", "cuts.jsonl", {"supervisions": 5}),
    ("folder of lhotse's cuts", "cuts.jsonl", {"supervisions": [5]}),
    ("folder of lhotse's cuts", "cuts.jsonl", {"supervisions": [{"id": "a\nb", "start": LARGE}]}),
    ("folder of lhotse's cuts", "cuts.jsonl", {"start": None}),
    ("folder of lhotse's cuts", "cuts.jsonl", {"recording": []}),
    ("folder of lhotse's supervisions", "mine_supervisions_all.jsonl.gz", {"duration": math.nan}),
    ("folder of lhotse's supervisions", "mine_supervisions_all.jsonl.gz", {"recording_id": []}),
    ("folder of lhotse's supervisions", "mine_recordings_all.jsonl.gz", {"id": {}}),
    ("folder of lhotse's supervisions", "mine_recordings_all.jsonl.gz", {"sources": 5}),
    ("folder of lhotse's supervisions", "mine_recordings_all.jsonl.gz", {"sources": ["file"]}),
    ("trial", TRIAL, {"observed": "\ud800"}),
    ("trial", TRIAL, {"seconds": LARGE}),
]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_or_refused_in_one_line(kind, tmp_path):
    path = KINDS[kind].damage(tmp_path, np.random.default_rng([1, 0, len(kind)]))
    try:
        KINDS[kind].read(path)
    except AsrError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(("kind", "file", "change"), FAILED)
def test_what_once_failed_is_refused_in_one_line(kind, file, change, tmp_path):
    root = SOUND[kind](tmp_path)
    KINDS[kind].read(root)
    path = root / file
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt") as whole:
        content = whole.read()
    *others, last = content.splitlines() if content.startswith('{"') else [content]
    with opened(path, "wt") as damaged:
        damaged.writelines(f"{line}\n" for line in [*others, json.dumps(json.loads(last) | change)])
    with pytest.raises(AsrError, match=rf"^[^\n]*{re.escape(path.name)}[^\n]*$"):
        KINDS[kind].read(root)


def test_what_is_nested_too_deeply_is_refused(tmp_path):
    """In JSON and TOML; both parsers run out of stack."""
    from asr import config, manifest
    from asr.decoders import Search

    for name, text, read in [
        ("a.toml", "a = " + "[" * 100_000, config.load),
        ("a.jsonl", "[" * 100_000, manifest.read),
        ("decoder.json", "[" * 100_000, Search.load),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(AsrError, match=name):
            read(tmp_path / name)

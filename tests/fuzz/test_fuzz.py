"""Damaged files of every kind: a few of the thousands of `make fuzz`, and those that once made something fail."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from asr.errors import AsrError

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parent)
    KINDS = importlib.import_module("files").KINDS
FAILED = [("run", 38), ("trial", 2), ("trial", 25)]  # cases of seed 1


@pytest.mark.parametrize(("kind", "number"), [*((kind, 0) for kind in KINDS), *FAILED])
def test_it_is_read_or_refused_in_one_line(kind, number, tmp_path):
    path = KINDS[kind].damage(tmp_path, np.random.default_rng([1, number, len(kind)]))
    try:
        KINDS[kind].read(path)
    except AsrError as error:
        assert "\n" not in str(error)


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

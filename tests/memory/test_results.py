"""The results in docs/ are those that the trials in docs/memory.json have, in the tables of today."""

import json
from pathlib import Path

import pytest

from asr.memory import EXPERIMENTS, overview
from asr.memory.experiment import Trial
from asr.report import plots

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = json.loads((DOCS / "memory.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RESULTS["experiments"])
def test_tables_and_pictures_follow_from_the_trials(name):
    stored, cases = RESULTS["experiments"][name], {case.name: case for case in EXPERIMENTS[name].cases}
    found = [
        Trial(cases[one["case"]], one["seed"], one["observed"], one["seconds"])
        for one in stored["trials"]
        if one["case"] in cases
    ]
    assert len(found) == len(stored["trials"]), "cases were renamed: run them again, or remove them from docs/"
    assert [overview.shown(row) for row in overview.rows(name, found)] == stored["rows"]
    axes = plots.new(*EXPERIMENTS[name].size).subplots()
    EXPERIMENTS[name].picture(axes, found)
    assert any(panel.has_data() for panel in (axes, *axes.child_axes, *axes.figure.axes))


def test_the_page_in_docs_is_written_from_them():
    assert (DOCS / "memory.md").read_text(encoding="utf-8") == overview.markdown(RESULTS)

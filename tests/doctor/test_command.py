"""`asr doctor` on the command line: the table, the JSON, the exit status."""

import json
import shutil
import sys

import pytest

from asr.cli import main
from asr.doctor import DATA_CHECKS, RUN_CHECKS
from asr.doctor.finding import Finding
from asr.doctor.listing import table, tally

RECIPE = '[corpus]\nname = "toy"\n[units]\nkind = "characters"\nalphabet = "abcd"\n'


@pytest.fixture
def workspace(toy, tmp_path, monkeypatch):
    shutil.copytree(toy, tmp_path / "data" / "toy")
    (tmp_path / "toy.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asr(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["asr", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        return status, *capsys.readouterr()

    return run


def damage(workspace, set_, number, **changes):
    path = workspace / "data" / "toy" / f"{set_}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[number] |= changes
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_good_corpus_is_reported_in_one_line(workspace, asr):
    status, out, _ = asr("doctor", "toy.toml")
    assert status == 0
    assert out == f"72 utterances, 0.01 h, in train dev test: no problems found by {len(DATA_CHECKS)} checks\n"


def test_an_error_sets_status_1_and_names_the_utterance_and_a_remedy(workspace, asr):
    damage(workspace, "train", 3, text="a" * 200)
    status, out, err = asr("doctor", "toy.toml")
    assert status == 1
    line = next(line for line in out.splitlines() if line.startswith("error"))
    assert line.split()[1:5] == ["unfit", "train", "1", "train-03"]
    assert "too few for 200 units (needs 399, with a blank between 199 equal neighbors); correct the transcript" in line
    assert err.endswith("72 utterances, 0.01 h, in train dev test: 1 error, 1 warning, 0 notes\n")


def test_a_warning_leaves_status_0(workspace, asr):
    damage(workspace, "train", 3, seconds=30.0)
    status, out, _ = asr("doctor", "toy.toml")
    assert status == 0 and out.startswith("warning  seconds  train  1  train-03  ")


def test_json_contains_every_id(workspace, asr):
    for number in range(5):
        damage(workspace, "train", number, seconds=30.0)
    status, out, _ = asr("doctor", "toy.toml", "--json")
    found = json.loads(out)
    assert status == 0
    assert found.keys() == {"subjects", "checks", "errors", "warnings", "notes", "findings"}
    assert found["subjects"] == ["toy.toml"] and found["checks"] == list(DATA_CHECKS)
    assert (found["errors"], found["warnings"], found["notes"]) == (0, 1, 0)
    (finding,) = found["findings"]
    assert finding.keys() == {"check", "severity", "set", "ids", "value", "what", "remedy"}
    assert set(finding["ids"]) == {f"train-0{i}" for i in range(5)} and finding["value"] > 28


def test_manifests_are_examined_alone_or_with_a_recipe(workspace, asr):
    damage(workspace, "dev", 0, text="abé")
    paths = ["data/toy/train.jsonl", "data/toy/dev.jsonl"]
    assert asr("doctor", "data/toy/test.jsonl")[:2] == (
        0,
        f"12 utterances, 0.00 h, in test: no problems found by {len(DATA_CHECKS)} checks\n",
    )
    assert "unseen" in asr("doctor", *paths)[1]
    status, out, _ = asr("doctor", "toy.toml", *paths)
    assert status == 1 and "error  symbols  dev" in out
    assert asr("doctor", "toy.toml", *paths, "--set", "units.alphabet=abcdé")[1].startswith("warning  unseen  dev")


def test_manifests_with_equal_names_are_distinguished(workspace, asr):
    shutil.copytree(workspace / "data" / "toy", workspace / "data" / "again")
    status, out, _ = asr("doctor", "data/toy/dev.jsonl", "data/again/dev.jsonl")
    assert status == 1 and "data/toy/dev.jsonl, data/again/dev.jsonl" in out and "duplicates" in out


def test_a_run_is_examined(workspace, sound, asr):
    status, out, _ = asr("doctor", sound)
    assert (status, out) == (0, f"{sound}: 12 epochs: no problems found by {len(RUN_CHECKS)} checks\n")
    (sound / "best.safetensors").unlink()
    assert asr("doctor", sound)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["toy.toml", "toy.toml"], 2, "asr: toy.toml: is a second recipe; pass only one"),
        (
            ["toy.toml", "--data", "elsewhere"],
            4,
            "asr: elsewhere/toy: contains no prepared corpus; run `asr prepare toy.toml` first",
        ),
        (["data/toy/dev.jsonl", "data"], 2, "asr: data: is a folder; pass a run alone"),
        (["data"], 4, "asr: data: contains no recipe.toml; pass a folder written by `asr train`"),
        (["data/toy/dev.jsonl", "--set", "units.kind=characters"], 2, "asr: --set units.kind=characters: changes a"),
        (["data/toy/dev.jsonl", "--device", "cpu"], 2, "asr: --device cpu: applies to runs only, not to data"),
        (["toy.toml", "--device", "cpu"], 2, "asr: --device cpu: applies to runs only, not to data"),
        (["data", "--set", "units.kind=characters"], 2, "asr: --set units.kind=characters: changes a recipe, but data"),
        (["missing.jsonl"], 4, "asr: missing.jsonl: cannot be read as a manifest"),
        (["missing.toml"], 2, "asr: missing.toml: no such recipe"),
    ],
)
def test_invalid_subjects_are_refused_in_one_line(workspace, asr, arguments, status, message):
    code, out, err = asr("doctor", *arguments)
    assert (code, out) == (status, "")
    assert err.startswith(message) and err.count("\n") == 1


def test_the_test_set_is_optional(workspace, asr):
    (workspace / "data" / "toy" / "test.jsonl").unlink()
    assert asr("doctor", "toy.toml")[0] == 0


FINDINGS = [
    Finding("error", "train", ("one", "two", "three"), 1.0, "is wrong", "fix it", "symbols"),
    Finding("note", "dev, test", (), 2.0, "is odd " * 20, "let it be", "texts"),
]


def test_columns_are_aligned():
    first, second = table(FINDINGS).splitlines()
    assert first == "error  symbols  train      3  one two …  is wrong; fix it"
    assert second.startswith("note   texts    dev, test                is odd")


def test_the_last_column_is_wrapped_under_itself_and_severities_are_colored():
    lines = table(FINDINGS, width=100, color=True).splitlines()
    assert lines[0].startswith("\x1b[31merror") and len(lines) > 3
    assert all(line.startswith(" " * 40) and len(line) <= 100 for line in lines[2:])


def test_a_tally_counts_each_severity():
    assert tally(FINDINGS) == "1 error, 0 warnings, 1 note"
    assert tally([]) == "0 errors, 0 warnings, 0 notes"

import json
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest
from result_files import EMPTY

from asr import config
from asr.errors import InputError
from asr.evaluation import results, table

ROOT = Path(__file__).parent.parent.parent


def result(seed=1, rate=0.07, **changed):
    conventions = [
        {"name": "standard", "title": "39", "metric": "PER", "rate": rate, "interval": [rate - 0.01, rate + 0.02]},
        {"name": "optional silence", "title": "opt", "metric": "PER", "rate": rate - 0.001, "interval": None},
        {"name": "mean of utterances", "title": "mean", "metric": "PER", "rate": rate + 0.001, "interval": None},
    ]
    row = EMPTY | {"rate": rate}
    row |= {
        "interval": [rate - 0.01, rate + 0.02],
        "manifest_sha256": "a" * 64,
        "bundle_sha256": str(seed) * 64,
        "seed": seed,
        "commit": "0123456789ab",
    }
    row |= {"search": {"decoder": "greedy", "tuned_on": ""}, "speakers": 24, "total": 7215}
    return row | {"conventions": conventions} | changed


def test_seeds_are_summarised_by_convention():
    rates = {3: 0.08, 1: 0.07, 2: 0.075}
    found = results.summarize({f"run{seed}": result(seed, rate) for seed, rate in rates.items()})
    assert [one.name for one in found] == ["standard", "optional silence", "mean of utterances"]
    assert found[0].mean == pytest.approx(0.075) and found[0].deviation == statistics.stdev(rates.values())
    assert list(found[0].rates) == [1, 2, 3]
    assert str(found[0]) == "test PER standard             7.50 ± 0.50 %, 3 seeds"
    assert json.loads(json.dumps(found[0].as_dict()))["mean"] == found[0].mean


def test_a_long_name_of_a_set_does_not_touch_the_metric():
    (found, *_) = results.summarize({"run": result(set="train")})
    assert str(found).startswith("train PER standard")


def test_one_seed_has_no_deviation():
    (found, *_) = results.summarize({"run": result()})
    assert found.deviation is None and found.rate == "7.00 %"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "two: seed 1 duplicates one; pass each seed once"),
        ({"manifest_sha256": "b" * 64}, "two: the set differs from one"),
        ({"search": {"decoder": "beam"}}, r"two: the decoder differs from one \(beam and greedy\)"),
        ({"search": {"decoder": "greedy", "width": 9}}, r"two: the decoder's width differs from one \(9 and None\)"),
        ({"search": {"decoder": "greedy", "lm": "a"}}, "two: the decoder's lm differs from one"),
        ({"search": {"decoder": "greedy", "lexicon": "a"}}, "two: the decoder's lexicon differs from one"),
        ({"search": {"decoder": "greedy", "by_hand": True}}, "two: how the settings were chosen differs from one"),
        ({"search": {"decoder": "greedy", "tuned_on_test": True}}, "two: tuned on test itself: not a test"),
        ({"conventions": result()["conventions"][:1]}, "two: what is scored differs from one"),
    ],
)
def test_what_does_not_go_together_is_not_summarised(changed, message):
    with pytest.raises(InputError, match=message):
        results.summarize({"one": result(1), "two": result(2) | changed})


def test_what_must_be_said_of_a_result_is_said_of_its_summary():
    (found, *_) = results.summarize({"one": result(set="dev", search={"decoder": "beam", "tuned_here": True})})
    assert str(found) == "dev  PER standard             7.00 % (tuned on dev itself)"
    assert found.as_dict()["remark"] == "tuned on dev itself"


def write_run(folder, seed, settings=None, **changed):
    folder.mkdir(parents=True)
    recipe = config.parse({"training": {"seed": seed}} | (settings or {}), "test")
    (folder / "recipe.toml").write_text(config.dump(recipe))
    for name in ("dev", "test"):
        (folder / f"{name}.json").write_text(json.dumps(result(seed, 0.06 + seed / 100, set=name) | changed))


def test_runs_of_another_recipe_are_not_summarised(tmp_path):
    write_run(tmp_path / "one", 1)
    write_run(tmp_path / "two", 2)
    assert len(results.of_runs([tmp_path / "one", tmp_path / "two"], "test")) == 2
    with pytest.raises(InputError, match=r"one.test\.json: is a duplicate"):
        results.of_runs([tmp_path / "one", tmp_path / "one" / "test.json"], "test")
    with pytest.raises(InputError, match=r"one.test\.json: is a result on test, not on dev"):
        results.of_runs([tmp_path / "one" / "test.json"], "dev")
    write_run(tmp_path / "three", 3, {"encoder": {"hidden": 80}})
    with pytest.raises(InputError, match=r"three.recipe\.toml: recipe differs from .* \(encoder\.hidden: 40 → 80\)"):
        results.of_runs([tmp_path / "one", tmp_path / "three"], "test")


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"set": "test"}', "\x00", json.dumps(result(conventions=None))])
def test_what_is_no_result_is_named(tmp_path, text):
    (tmp_path / "test.json").write_text(text)
    with pytest.raises(
        InputError,
        match=r"test\.json: (cannot be read as a result|not a result file, damaged, or written by an older version)",
    ):
        results.read(tmp_path / "test.json")


@pytest.fixture
def recipes(tmp_path):
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "mine.toml").write_text(
        '# A recipe of mine,\n# in two lines.\n#\n#   make train\n\n[corpus]\nname = "espeak"\n'
    )
    (folder / "none.toml").write_text('# One that was never run.\n#\n#   make train\n\n[corpus]\nname = "timit"\n')
    (folder / "README.md").write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    return folder


def test_the_table_is_made_from_the_runs_results(tmp_path, recipes):
    write_run(tmp_path / "runs" / "mine", 1)
    written, left_out = table.collect(tmp_path / "runs", recipes)
    assert not left_out and [path.name for path in written] == ["dev-seed1.json", "test-seed1.json"]
    table.fill(recipes / "README.md", recipes)
    lines = (recipes / "README.md").read_text().splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and "old" not in lines
    assert lines[4] == (
        "| [mine](mine.toml) | A recipe of mine, in two lines. | PER 7.00 % (6.0–9.0) | PER 7.00 % (6.0–9.0) | "
        "PER 6.90 % | – | PER 7.10 % | greedy, seed 1, 24 speakers, 7215 symbols, at 01234567 |"
    )
    assert lines[5].startswith("| [none](none.toml) | One that was never run. | – | – |")


def test_a_result_in_words_shows_no_rate_of_units(recipes):
    words = [{"name": "standard", "title": "words", "metric": "WER", "rate": 0.3, "interval": None}]
    row = result() | {"metric": "WER", "rate": 0.3, "interval": None}
    row["conventions"] = words + row["conventions"]
    (recipes / "results" / "mine").mkdir(parents=True)
    for name in ("dev", "test"):
        (recipes / "results" / "mine" / f"{name}-seed1.json").write_text(json.dumps(row | {"set": name}))
    assert "| WER 30.00 % | WER 30.00 % | – | – | – |" in table.block(recipes).splitlines()[3]


@pytest.mark.parametrize(
    ("name", "changed", "reason"),
    [
        ("test", {"manifest_sha256": "b" * 64}, "test.json was measured on a different test set than seed 1"),
        ("dev", {"manifest_sha256": "b" * 64}, "dev.json was measured on a different dev set than seed 1"),
        ("test", {"metric": "WER"}, "dev.json is a PER and test.json a WER"),
    ],
)
def test_a_run_that_does_not_go_with_the_others_is_left_out_and_named(tmp_path, recipes, name, changed, reason):
    for seed in (1, 2):
        write_run(tmp_path / "runs" / f"mine-seed{seed}", seed)
    path = tmp_path / "runs" / "mine-seed2" / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    written, left_out = table.collect(tmp_path / "runs", recipes)
    assert len(written) == 2 and len(left_out) == 1 and reason in left_out[0]


def test_several_seeds_share_a_row(tmp_path, recipes):
    for seed in (1, 2):
        write_run(tmp_path / "runs" / f"mine-seed{seed}", seed)
    table.collect(tmp_path / "runs", recipes)
    row = table.block(recipes).splitlines()[3]
    assert "| PER 7.50 ± 0.71 % | PER 7.50 ± 0.71 % | PER 7.40 ± 0.71 % |" in row and "seeds 1, 2" in row


@pytest.mark.parametrize(
    ("settings", "changed", "reason"),
    [
        ({"encoder": {"hidden": 80}}, {}, "differs from"),
        ({}, {"search": {"decoder": "beam", "tuned_on_test": True}}, "tuned on dev itself"),
        ({}, {"search": {"decoder": "beam", "by_hand": True}}, "settings chosen by hand"),
        ({}, {"commit": "0123-dirty"}, "was measured with uncommitted source code"),
        ({}, {"commit": None}, "was measured with uncommitted source code"),
        ({}, {"trained": {"commit": "0123-dirty, 4567"}}, "was trained with uncommitted source code"),
    ],
)
def test_a_run_that_cannot_stand_for_its_recipe_is_left_out_and_named(tmp_path, recipes, settings, changed, reason):
    write_run(tmp_path / "runs" / "mine", 1, settings, **changed)
    written, left_out = table.collect(tmp_path / "runs", recipes)
    assert not written and len(left_out) == 1 and reason in left_out[0]


@pytest.mark.parametrize("spoilt", ["test.json", "dev.json", "recipe.toml"])
def test_a_run_that_cannot_be_read_stops_no_other(tmp_path, recipes, spoilt):
    for seed in (1, 2):
        write_run(tmp_path / "runs" / f"mine-seed{seed}", seed)
    (tmp_path / "runs" / "mine-seed1" / spoilt).write_text("{}")
    written, left_out = table.collect(tmp_path / "runs", recipes)
    assert [path.name for path in written] == ["dev-seed2.json", "test-seed2.json"]
    assert len(left_out) == 1 and f"{tmp_path}/runs/mine-seed1: " in left_out[0] and spoilt in left_out[0]


def test_of_two_runs_of_one_seed_the_second_is_left_out(tmp_path, recipes):
    for name in ("mine", "mine-seed1"):
        write_run(tmp_path / "runs" / name, 1)
    written, left_out = table.collect(tmp_path / "runs", recipes)
    assert len(written) == 2 and [line.partition(": ")[0] for line in left_out] == [f"{tmp_path}/runs/mine-seed1"]


def test_a_file_without_a_place_for_the_table_is_left_alone(recipes):
    (recipes / "README.md").write_text("nothing\n")
    with pytest.raises(InputError, match=r"README\.md: has no markers for the table"):
        table.fill(recipes / "README.md", recipes)
    assert (recipes / "README.md").read_text() == "nothing\n"
    (recipes / "README.md").unlink()
    with pytest.raises(InputError, match=r"README\.md: cannot be read"):
        table.fill(recipes / "README.md", recipes)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_trains_several_seeds_and_summarises_them():
    quietly = ["make", "--no-print-directory", "-n", "-o", ".venv/.ready"]
    command = [*quietly, "train", "SEEDS=2", "RECIPE=timit", "SET=training.epochs=1"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "for run in runs/timit-seed1 runs/timit-seed2" in said
    assert "--set training.epochs=1 --set training.seed=${run##*-seed}" in said
    assert said.splitlines()[-1].endswith("asr summary runs/timit-seed1 runs/timit-seed2")


def test_the_committed_table_is_what_the_committed_results_give():
    readme = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    assert table.block(ROOT / "recipes") in readme


def test_committed_results_name_no_place_of_one_machine():
    found = sorted((ROOT / "recipes" / "results").rglob("*.json"))
    assert found
    for path in found:
        row = results.read(path)
        assert "/" not in row["command"].replace("runs/", "").replace("data/", ""), path
        assert not row["commit"].endswith("-dirty") and row["search"].get("tuned_on_set", "dev") == "dev"


@pytest.mark.parametrize("key", sorted(EMPTY))
def test_a_value_of_another_type_is_named_with_its_key(tmp_path, key):
    path = tmp_path / "test.json"
    path.write_text(json.dumps(result()))
    assert results.read(path)["seed"] == 1
    for value in (True, {}, [], [1, 2, 3], ["a", "b"], 1.5, "x", None, -1):
        path.write_text(json.dumps(result() | {key: value}))
        try:
            row = results.read(path)
            results.summarize({"one": row})
        except InputError as error:
            assert "test.json" in str(error) or "one" in str(error)  # noqa: PT017
    path.write_text(json.dumps(result() | {key: object.__name__ if key in ("rate", "search") else 1e400}))
    with pytest.raises(InputError, match=rf"\('({key})' is missing or has the wrong type\); run `asr evaluate` again"):
        results.read(path)


@pytest.mark.parametrize("row", [{"alignment": 3}, {"alignment": [["a"]]}, {"alignment": [["a", 3]]}, {"id": 3}, None])
def test_a_damaged_row_of_an_utterance_is_named(tmp_path, row):
    (tmp_path / "test.json").write_text(json.dumps(result(utterances=1, errors=0)))
    whole = {"id": "a", "speaker": "", "alignment": [["b", "b"]], "units": []}
    path = tmp_path / "test.utterances.jsonl"
    path.write_text(json.dumps(whole) + "\n")
    assert results.utterances(tmp_path / "test.json") == [whole]
    path.write_text(json.dumps(row and whole | row) + "\n")
    with pytest.raises(InputError, match=r"test\.utterances\.jsonl:.*; run `asr evaluate` again"):
        results.utterances(tmp_path / "test.json")


def test_a_result_of_version_0_1_names_its_settings_as_today(tmp_path):
    old = {"decoder": "beam", "width": 25, "language": "units-3.arpa.gz", "weight": 0.5, "bonus": 0.0, "tuned_on": ""}
    (tmp_path / "test.json").write_text(json.dumps(result(search=old) | {"borders": {"count": 3}}))
    row = results.read(tmp_path / "test.json")
    assert row["boundaries"] == {"count": 3} and "borders" not in row
    search = row["search"]
    assert results.decoding(search) == "beam, width 25, lm units-3.arpa.gz, weight 0.5"
    greedy = {"decoder": "greedy", "width": 25, "weight": 0.0, "bonus": 0.0, "tuned_on": ""}
    (tmp_path / "test.json").write_text(json.dumps(result(search=greedy)))
    assert results.decoding(results.read(tmp_path / "test.json")["search"]) == "greedy"

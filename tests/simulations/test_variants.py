import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr import config, manifest
from asr.manifest import Segment, Utterance
from asr.units import Units

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def scripts():
    """The script and its table, as a command line finds them."""
    found = []
    sys.path.append(str(HERE))
    try:
        for name in ("variant_table", "variants"):
            spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
            sys.modules[name] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found.append(module)
        yield found
    finally:
        sys.path.remove(str(HERE))
        for name in ("variant_table", "variants"):
            sys.modules.pop(name, None)


def trial(cell, seed, errors, rate=0.01):
    """A trial on ten speakers of 1000 chances each."""
    scores = {f"s{k}": [error, 1000] for k, error in enumerate(errors)}
    common = {"parameters": 100, "hidden": 4, "cpu_seconds": 1.0, "frames": 1000}
    return {"cell": cell, "seed": seed, "rate": rate, "dev": scores, "test": scores} | common


def trials(by_cell):
    generator = np.random.default_rng(1)
    rows = []
    for cell, mean in by_cell.items():
        rows += [trial(cell, 1000, [mean] * 10, rate) for rate in (0.003, 0.01, 0.03)]
        rows += [trial(cell, seed, (mean + generator.integers(0, 20, 10)).tolist()) for seed in range(1, 6)]
    return rows


def test_it_says_which_cells_differ_and_of_the_others_that_no_difference_is_known(scripts):
    table, _ = scripts
    cells = {"lstm": 200, "gru": 150, "rnn": 300, "mingru": 201}
    text = table.report(list(cells), trials(cells), "frames")
    assert "fewer errors than lstm: gru; more errors than lstm: rnn;" in text
    assert "no established difference from lstm: mingru." in text
    assert "with equal numbers of parameters" in text
    rows = trials(cells)
    rows[0]["parameters"] = rows[3]["parameters"] = 105  # both kinds of the first cell's trials
    assert "with different numbers of parameters" in table.report(list(cells), rows, "frames")
    assert text.count("0.01 (3)") == 4 and "edge" not in text


def test_seeds_that_not_all_cells_have_do_not_count(scripts):
    table, _ = scripts
    rows = trials({"lstm": 200, "gru": 150})
    assert "over 4 seeds" in table.report(["lstm", "gru"], rows[:-1], "ctc")
    assert "comparison needs at least 2" in table.report(["lstm", "gru"], rows[:-4], "ctc")


def test_folds_count_together_and_only_where_a_seed_has_them_all(scripts):
    table, _ = scripts
    rows = []
    for fold, speakers in (("fold-0", slice(0, 5)), ("fold-1", slice(5, 10))):
        for row in trials({"lstm": 200, "gru": 150}):
            part = dict(list(row["test"].items())[speakers])
            rows.append(row | {"fold": fold, "dev": part, "test": part})
    whole = table.report(["lstm", "gru"], trials({"lstm": 200, "gru": 150}), "ctc")
    numbers = [line.split("|")[5:10] for line in whole.splitlines() if line.startswith("| gru")]
    text = table.report(["lstm", "gru"], rows, "ctc")
    assert [line.split("|")[5:10] for line in text.splitlines() if line.startswith("| gru")] == numbers
    assert "over 4 seeds" in table.report(["lstm", "gru"], rows[:-1], "ctc")


def test_holms_correction(scripts):
    table, _ = scripts
    assert table.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})


def test_the_search_goes_beyond_an_edge(scripts):
    _, script = scripts
    assert script.beyond({0.01: 0.3, 0.03: 0.2}) == 0.09
    assert script.beyond({0.01: 0.2, 0.03: 0.3}) == 0.0033
    assert script.beyond({0.01: 0.3, 0.03: 0.2, 0.09: 0.4}) is None


def test_all_cells_get_as_many_parameters(scripts):
    _, script = scripts
    recipe = config.parse({"encoder": {"hidden": 16, "layers": 1}}, "test")
    for cell in ("gru", "lstm-coupled block=2", "rnn"):
        made = script.with_parameters(recipe, cell, 20_000)
        assert abs(script.bundle.build(made).model.parameter_count / 20_000 - 1) <= 0.02
    with pytest.raises(SystemExit, match="has no size within 2% of 300 parameters"):
        script.with_parameters(recipe, "lstm", 300)
    rung = script.with_parameters(recipe, "rnn layers=3 hidden=8 direction=forward block=2", 20_000).encoder
    assert (rung.cell, rung.layers, rung.hidden) == ("rnn", 3, 8)
    assert rung.own == {"direction": "forward", "block": 2}


@pytest.mark.parametrize("task", ["frames", "ctc"])
def test_a_small_study_runs_and_resumes(scripts, task, tmp_path, monkeypatch, toy, capsys):
    _, script = scripts
    for name in ("train", "dev", "test"):
        some = manifest.read(toy / f"{name}.jsonl")[:8]
        one = [replace(u, text=u.text[0], phones=(Segment("aa", 0.0, u.seconds),)) for u in some]
        manifest.write(tmp_path / f"toy/{name}.jsonl", one)
    units = 'kind = "phones39"' if task == "frames" else 'kind = "characters"\nalphabet = "abcd"'
    (tmp_path / "r.toml").write_text(f'[corpus]\nname = "toy"\n[units]\n{units}\n[encoder]\nlayers = 1\nhidden = 24\n')
    command = f"x {tmp_path}/r.toml {tmp_path}/out.json --task {task} --cell lstm --cell rnn --seeds 2 --rates 0.01"
    command += f" --trials 1 --epochs 1 --batch 4 --data {tmp_path} --runs {tmp_path}/runs"
    monkeypatch.setattr("sys.argv", command.split())
    script.main()
    once = (tmp_path / "out.json").read_text()
    assert "over 2 seeds" in capsys.readouterr().out and len(script.json.loads(once)["trials"]) == 6
    monkeypatch.setattr(script, "trained", None)  # nothing is left to train
    script.main()
    assert (tmp_path / "out.json").read_text() == once


def test_a_frame_has_the_phone_in_its_middle(scripts):
    _, script = scripts
    phones = (Segment("h#", 0.0, 0.03), Segment("q", 0.03, 0.05), Segment("aa", 0.05, 0.09))
    utterance = Utterance("u", Path("u.wav"), 0.1, phones=phones)
    units = Units.of("phones39")
    found = script.labels(utterance, units, 8, 0.01, 0.025)
    silence, vowel = units.ids(["sil", "aa"])
    middles = [0.0125, 0.0225, 0.0325, 0.0425, 0.0525, 0.0625, 0.0725, 0.0825]
    assert found.tolist() == [silence, silence, -100, -100, vowel, vowel, vowel, vowel] and len(middles) == 8

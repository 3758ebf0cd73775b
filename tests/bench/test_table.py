"""README's table of speed is made from the JSON that `make bench` writes."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import table

    return table


def run(table, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["table.py", *map(str, arguments)])
    table.main()


def test_what_is_measured_is_written_into_readme_as_often_as_one_likes(table, monkeypatch, tmp_path, capsys):
    def two(rounds):
        yield table.Row("a step", "ms", 2.0, "one", 30.0)
        yield table.Row("a step", "ms", 2.0, "other", 3.0)
        yield table.Row("features", "× real time", 4000.0, "slow", 1000.0, more=True)
        yield table.Row("alone", "s", 0.1234)
        yield table.Row("64 searches", "s", 0.5)

    monkeypatch.setitem(table.PARTS, "ctc", two)
    out, readme = tmp_path / "speed.json", tmp_path / "README.md"
    run(table, monkeypatch, "--out", out, "--only", "ctc", "--rounds", 1)
    printed = capsys.readouterr().out
    assert "15.0×  one" in printed and "4.0×  slow" in printed
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for _ in range(2):
        run(table, monkeypatch, "--out", out, "--readme", readme)
    text = readme.read_text()
    assert text.startswith(f"before\n{table.BEGIN}\nMeasured on {json.loads(out.read_text())['date']} at commit ")
    assert text.endswith(f"{table.END}\nafter\n") and text.count("| a step | 2 ms | one / other | 15 / 1.5 |") == 1
    assert "| features | 4,000 × real time | slow | 4 |" in text and "| alone | 0.123 s |  |  |" in text
    assert "searches" in printed and "searches" not in text


def test_a_readme_without_marks_and_a_missing_file_are_named(table, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=r"speed\.json: is missing; run `make bench` first"):
        run(table, monkeypatch, "--out", tmp_path / "speed.json", "--readme", tmp_path / "README.md")
    with pytest.raises(SystemExit, match=r"README\.md: contains no lines '<!-- speed: made by `make speed` -->' and"):
        (tmp_path / "README.md").write_text("nothing\n")
        table.write_readme({}, tmp_path / "README.md")

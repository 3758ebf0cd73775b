"""`asr prepare FOLDER`, from what lies there to a recipe that trains."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr import cli, config, manifest

TEXTS = {"a": "one two", "b": "two one", "c": "three", "d": "one three", "e": "five"}


@pytest.fixture
def asr(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; return its exit status, its result and its messages."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["asr", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def mine(tmp_path, record, write):
    root = tmp_path / "My recordings"
    for i, (name, text) in enumerate(TEXTS.items()):
        record(root / f"{name}.wav", seconds=1.0, seed=i)
        write(root / f"{name}.txt", text)
    return root


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(name):
    return {part: manifest.read(f"data/{name}/{part}.jsonl") for part in ("train", "dev", "test")}


def test_a_folder_becomes_a_corpus_and_a_recipe(asr, mine):
    status, result, said = asr("prepare", mine)
    assert (status, result) == (0, "data/My-recordings\n")
    assert "read as a transcript of the same name for each recording ('pairs'): text from .txt" in said
    assert "units: 11 characters of Latin" in said
    assert "doctor: " in said
    assert {u.id for utterances in read("My-recordings").values() for u in utterances} == set(TEXTS)
    assert config.load(Path("data/My-recordings/recipe.toml")).corpus.name == "My-recordings"


def test_a_second_time_gives_the_same_bytes(asr, mine):
    asr("prepare", mine, "--name", "mine")
    before = contents(Path("data/mine"))
    assert asr("prepare", mine, "--name", "mine")[0] == 0
    assert contents(Path("data/mine")) == before


def test_a_recipe_that_was_edited_is_kept_and_one_that_was_not_follows_the_data(asr, mine, record, write):
    asr("prepare", mine, "--name", "mine")
    record(mine / "f.wav", seconds=1.0, seed=9)
    write(mine / "f.txt", "quick")
    asr("prepare", mine, "--name", "mine")
    text = Path("data/mine/recipe.toml").read_text()
    assert "q" in config.load(Path("data/mine/recipe.toml")).units.alphabet
    Path("data/mine/recipe.toml").write_text(text + "[training]\nepochs = 3\n")
    _, _, said = asr("prepare", mine, "--name", "mine")
    assert "data/mine/recipe.toml: was edited and is kept; delete it to have it written again" in said
    assert Path("data/mine/recipe.toml").read_text() == text + "[training]\nepochs = 3\n"


def test_recordings_that_would_stop_training_are_left_out(asr, mine, write):
    samples, rate = soundfile.read(mine / "a.wav")
    samples[5] = np.nan
    soundfile.write(mine / "a.wav", samples, rate, subtype="FLOAT")
    write(mine / "b.txt", "many words " * 30)
    status, _, said = asr("prepare", mine, "--name", "mine")
    assert status == 0
    assert "2 recordings listed above would stop training: skipped" in said
    assert {u.id for utterances in read("mine").values() for u in utterances} == set("cde")


def test_where_most_would_stop_training_it_is_an_error(asr, mine, write):
    for name in "abcd":
        write(mine / f"{name}.txt", "many words " * 30)
    status, result, said = asr("prepare", mine, "--name", "mine")
    assert (status, result) == (4, "")
    assert "4 of 5 recordings cannot be used: " in said and "--partial" in said


def test_errors_that_remain_stop_make_unless_accepted_with_partial(asr, mine):
    for name in "bcde":
        (mine / f"{name}.wav").write_bytes((mine / "a.wav").read_bytes())
    status, result, said = asr("prepare", mine, "--name", "mine")
    assert (status, result) == (1, "data/mine\n")
    assert "has the errors above; fix them, or accept them with --partial (make: PARTIAL=1)" in said
    assert asr("prepare", mine, "--name", "mine", "--partial")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["FOLDER", "--name", "timit"], 2, "--name timit: is a known corpus; choose another name"),
        (["FOLDER", "--source", "."], 2, "--source .: is for a known corpus, and .* is a folder; omit it"),
        (
            ["timit", "--pattern", "{text}"],
            2,
            "--pattern: is for a folder of recordings, and 'timit' is a known corpus",
        ),
        (["./gone"], 4, "gone: no such folder; pass a folder"),
        (["FOLDER", "--units", "letters"], 2, "invalid value for '--units'"),
        (["FOLDER", "--lexicon", "none.txt"], 4, "none.txt: cannot be read as a dictionary"),
    ],
)
def test_what_is_wrong_with_a_command_is_said_in_one_line(asr, mine, arguments, status, message):
    code, _, said = asr("prepare", *(mine if argument == "FOLDER" else argument for argument in arguments))
    assert code == status
    assert re.search(message, said.splitlines()[-1]), said


def test_a_folder_named_as_a_corpus_gets_a_name_of_its_own(asr, mine):
    timit = mine.rename(mine.with_name("timit"))
    assert asr("prepare", timit)[:2] == (0, "data/my-timit\n")

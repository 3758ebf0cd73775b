"""`asr prepare TEXT.txt` and `asr prepare FOLDER --synthesize LANGUAGE`."""

import sys
from pathlib import Path

import pytest

from asr import cli, config, manifest
from asr.corpora import espeak_readings

pytest.importorskip("espeakng_loader")


@pytest.fixture
def asr(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder, with few synthetic recordings; return its status, result and messages."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(espeak_readings, "UTTERANCES", {"train": 20, "dev": 4, "test": 4})

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
def orders(tmp_path, write):
    return write(tmp_path / "orders.txt", "stop", "go on")


def read(name):
    return {part: manifest.read(f"data/{name}/{part}.jsonl") for part in ("train", "dev", "test")}


def test_a_text_becomes_a_corpus_and_a_recipe(asr, orders):
    status, result, said = asr("prepare", orders)
    assert (status, result) == (0, "data/orders\n")
    assert "2 sentences, spoken by eSpeak in 'en'" in said
    assert "every set reads all 2 sentences" in said
    assert "units: 3 words, a closed vocabulary" in said
    recipe = config.load(Path("data/orders/recipe.toml"))
    assert (recipe.corpus.name, recipe.units.kind, recipe.units.symbols) == ("orders", "words", "go on stop")
    assert {u.text for u in read("orders")["dev"]} == {"stop", "go on"}


def test_the_units_of_a_text_may_be_espeaks_phones_or_chinese_characters(asr, tmp_path, write):
    text = write(tmp_path / "tea.txt", "我喝茶", "你喝水")
    assert asr("prepare", text, "--synthesize", "cmn", "--name", "tea", "--units", "characters")[0] == 0
    assert config.load(Path("data/tea/recipe.toml")).units.alphabet == "你喝我水茶"
    assert asr("prepare", text, "--synthesize", "cmn", "--name", "phones", "--units", "phones")[0] == 0
    units = config.load(Path("data/phones/recipe.toml")).units
    spoken = {phone.symbol for own in read("phones").values() for u in own for phone in u.phones}
    assert units.kind == "phones" and set(units.symbols.split()) == spoken


def test_synthetic_recordings_are_added_to_train_only_at_the_rate_of_the_recordings(asr, tmp_path, record, write):
    for i, (speaker, word) in enumerate((s, w) for s in ("anna", "ben", "cleo", "dan") for w in ("yes", "no")):
        record(tmp_path / "mine" / f"{word}_{speaker}_{i}.wav", seconds=0.8, seed=i)
    mine = (tmp_path / "mine", "--name", "mine", "--pattern", "{text}_{speaker}_{take}")
    status, _, said = asr("prepare", *mine, "--synthesize", "en")
    assert status == 0
    assert (
        "20 synthetic recordings added to train only: 2 sentences of the training set's transcripts, 10 times" in said
    )
    sets = read("mine")
    synthetic = {part: [u for u in own if u.speaker.startswith("en-")] for part, own in sets.items()}
    assert {part: len(own) for part, own in synthetic.items()} == {"train": 20, "dev": 0, "test": 0}
    assert {u.samples()[1] for u in synthetic["train"]} == {8000}
    assert len(sets["train"]) > 20
    assert "SYNTHESIZE=en" in Path("data/mine/recipe.toml").read_text()
    status, _, said = asr("prepare", *mine, "--synthesize", "en", "--text", write(tmp_path / "more.txt", "maybe"))
    assert status == 0
    assert {u.text for u in read("mine")["train"]} == {"yes", "no", "maybe"}
    status, _, said = asr("prepare", *mine, "--synthesize", "en", "--units", "phones")
    assert status == 2 and "synthetic recordings have other phones; use --units words or characters" in said


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere.txt"], 4, "nowhere.txt: cannot be read as sentences (No such file or directory); pass a text file"),
        (["orders.txt", "--synthesize", "cnm"], 2, "did you mean 'cmn'"),
        (["orders.txt", "--dev", "10%"], 2, "--dev: is for a folder of recordings, and orders.txt is a text; omit it"),
        (["espeak", "--text", "orders.txt"], 2, "--text orders.txt: needs --synthesize LANGUAGE"),
        (["espeak", "--synthesize", "de"], 2, "--synthesize: is for a folder of recordings, and 'espeak' is a known"),
    ],
)
def test_what_cannot_be_synthesized_is_one_line(asr, write, arguments, status, message):
    write(Path("orders.txt"), "stop")
    found, _, said = asr("prepare", *arguments)
    assert found == status and message in said and "Traceback" not in said
    assert not Path("data").exists()

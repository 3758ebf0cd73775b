"""A decoder and a kind of features with settings of their own, each a class and a line in its table, work at once.

Nothing else knows them: recipe, command line, help, tuning, result files and bundles read the settings from the table.
"""

import json
import tomllib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from asr import bundle, config, decoders, features
from asr.cli import cli
from asr.decoders import DecoderSettings, Greedy, Search
from asr.errors import AsrError
from asr.features.framing import Framed, count
from asr.support.settings import setting


@dataclass(frozen=True)
class Peaks(DecoderSettings):
    """Greedy decoding with a penalty for blank."""

    name: ClassVar[str] = "peaks"

    penalty: float = setting(0.0, "subtracted from the log-prob of blank", high=100, tune=(0.0, 0.5, 50.0))

    def build(self, units):
        """Return the decoder."""
        return lambda log_probs: Greedy()(log_probs - self.penalty * (np.arange(log_probs.shape[1]) == 0))


@dataclass(kw_only=True, eq=False)
class Energy(Framed):
    """The log energy of each frame in some bands."""

    kind: ClassVar[str] = "energy"

    floor: float = setting(1e-6, "added to every energy", above=0, high=1)
    bands: int = setting(8, "of the spectrum", low=1, high=64)

    def __post_init__(self):
        """Check the settings."""
        super().__post_init__()
        self.dimension = self.bands

    def compute(self, samples):
        """Return the features (T, bands)."""
        width, step = count(self.window, self.rate), count(self.shift, self.rate)
        framed = np.lib.stride_tricks.sliding_window_view(samples, width)[::step]
        power = np.abs(np.fft.rfft(framed)) ** 2
        energies = [part.sum(axis=1) for part in np.array_split(power, self.bands, axis=1)]
        return np.log(self.floor + np.stack(energies, axis=1)).astype(np.float32)


@pytest.fixture
def asr(monkeypatch, capsys, tmp_path, toy):
    """Register both, and run commands in a folder with the toy corpus."""
    monkeypatch.setitem(decoders.DECODERS, "peaks", Peaks)
    monkeypatch.setitem(features.KINDS, "energy", Energy)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toy").symlink_to(toy)

    def run(*arguments):
        capsys.readouterr()
        cli.main([str(argument) for argument in arguments], standalone_mode=False)
        return " ".join(capsys.readouterr().out.split())

    return run


RECIPE = """
[corpus]
name = "toy"
[units]
kind = "characters"
alphabet = "abcd"
[features]
kind = "energy"
[features.energy]
floor = 1e-3
[encoder]
layers = 1
hidden = 16
[training]
epochs = 2
batch = 4
learning_rate = 0.03
"""


def test_a_decoder_and_a_kind_of_features_with_settings_work_everywhere_at_once(asr, tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE)
    with pytest.raises(SystemExit, match="1"):  # two epochs teach it nothing; the run is kept
        asr("train", "mine.toml", "--set", "features.energy.bands=6", "--device", "cpu")
    own = {"rate": 16000, "window": 0.025, "shift": 0.01, "floor": 1e-3, "bands": 6}
    assert tomllib.loads((tmp_path / "runs/mine/recipe.toml").read_text())["features"]["energy"] == own
    assert bundle.load(tmp_path / "runs/mine").features.settings == {"kind": "energy", **own}

    for command in ("transcribe", "evaluate"):
        shown = asr(command, "--help")
        assert "--decoder [greedy|beam|lexicon|peaks]" in shown
        assert "--penalty FLOAT Subtracted from the log-prob of blank. [peaks; default: 0]" in shown
    assert "--penalty" not in asr("tune", "--help")  # which chooses it

    assert ", penalty " in asr("tune", "runs/mine", "--decoder", "peaks", "--device", "cpu") + ", penalty 0"
    recorded = json.loads((tmp_path / "runs/mine/decoder.json").read_text())
    assert recorded["decoder"] == "peaks" and recorded["penalty"] in (0.0, 0.5, 50.0)

    asr("evaluate", "runs/mine", "--set", "dev", "--device", "cpu")
    tuned = json.loads((tmp_path / "runs/mine/dev.json").read_text())
    assert tuned["search"]["penalty"] == recorded["penalty"] and tuned["search"]["tuned_here"] is True
    asr("evaluate", "runs/mine", "--set", "dev", "--penalty", "50", "--out", "other", "--device", "cpu")
    by_hand = json.loads((tmp_path / "other/dev.json").read_text())
    assert by_hand["search"]["penalty"] == 50.0 and by_hand["search"]["by_hand"] is True
    assert by_hand["insertions"] > tuned["insertions"]  # no blank is left

    with pytest.raises(AsrError, match="'width' is not a setting of the decoder 'peaks'; .* --decoder beam or lexicon"):
        asr("evaluate", "runs/mine", "--width", "3", "--device", "cpu")
    with pytest.raises(AsrError, match=r"penalty 1000000.0: must be at least 0 and at most 100"):
        asr("evaluate", "runs/mine", "--penalty", "1e6", "--device", "cpu")
    with pytest.raises(AsrError, match=r"mine.toml \[features.energy\]: floor = 'x': must be of type number"):
        (tmp_path / "mine.toml").write_text(RECIPE.replace("1e-3", "'x'"))
        asr("train", "mine.toml", "--device", "cpu")


def test_a_decoders_settings_come_back_from_decoder_json_with_files_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.setitem(decoders.DECODERS, "peaks", Peaks)
    for search in (Search(Peaks(penalty=2.0)), Search(decoders.Beam(width=3, lm=tmp_path / "in/a.arpa", weight=1.0))):
        search.save(tmp_path / "decoder.json")
        assert Search.load(tmp_path / "decoder.json") == search
    assert json.loads((tmp_path / "decoder.json").read_text())["lm"] == "in/a.arpa"


def test_a_recipe_can_change_to_a_newcomer_by_override(tmp_path, monkeypatch):
    monkeypatch.setitem(features.KINDS, "energy", Energy)
    (tmp_path / "mine.toml").write_text("")
    recipe = config.load(tmp_path / "mine.toml", ["features.kind=energy", "features.bands=5", "features.deltas=1"])
    assert bundle.build_features(recipe.features).dimension == 10

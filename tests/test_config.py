import json

import pytest

from asr import config
from asr.errors import AsrError


def written(tmp_path, text):
    path = tmp_path / "an4.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_recipe_is_the_reference_system(tmp_path):
    recipe = config.load(written(tmp_path, ""))
    assert recipe == config.Recipe()
    assert (recipe.encoder.layers, recipe.encoder.hidden, recipe.features.kind) == (2, 40, "mfcc")


def test_a_recipe_lists_only_what_differs(tmp_path):
    recipe = config.load(written(tmp_path, "[encoder]\nhidden = 250\n"))
    assert config.differences(config.Recipe(), recipe) == ["encoder.hidden: 40 → 250"]


def test_a_dumped_recipe_is_read_back_equal(tmp_path):
    recipe = config.load(
        written(tmp_path, '[units]\nkind = "characters"\ndrop = "\\"\\\\é"\n[training]\nnoise = 1e-3\n')
    )
    assert config.load(written(tmp_path, config.dump(recipe))) == recipe


def test_overrides_take_the_same_typed_path(tmp_path):
    path = written(tmp_path, "[encoder]\nhidden = 250\n")
    recipe = config.load(
        path, ["encoder.hidden=80", "encoder.cell=gru", "training.learning_rate=1", "features.energy=true"]
    )
    assert (recipe.encoder.hidden, recipe.encoder.cell, recipe.features.own["energy"]) == (80, "gru", True)
    assert recipe.training.learning_rate == 1.0 and isinstance(recipe.training.learning_rate, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[augment]\nspeed = [1]",
            r"an4.toml \[augment\]: unknown key 'speed': choose from .*; did you mean 'speeds'\?",
        ),
        (
            "[features.fbank]\nmels = 3",
            r"\[features.fbank\]: kind is 'mfcc'; remove this table, or write kind = 'fbank'",
        ),
        ("[encodr]\nlayers = 3", r"unknown key 'encodr': .* did you mean 'encoder'\?"),
        ("[encoder]\nlayers = 2.5", r"\[encoder\]: layers = 2.5: must be of type integer, as in 2"),
        ("[encoder]\nlayers = true", r"layers = True: must be of type integer"),
        ("[encoder]\ncell = 3", r"cell = 3: must be of type quoted string"),
        ("[encoder]\nhidden = -40", r"hidden = -40: must be at least 1 and at most 16384"),
        ("[encoder]\nhidden = 0", r"hidden = 0: must be at least 1 and at most 16384"),
        ("[encoder]\ndropout = 1.5", r"dropout = 1.5: must be at least 0 and at most 0.95"),
        ("[training]\nlearning_rate = nan", r"learning_rate = nan: must be at least 0"),
        ("[training]\nclip = inf", r"clip = inf: must be above 0"),
        ("[augment]\nspeeds = 0.9", r"\[augment\]: speeds = 0.9: must be a list of at least one number, as in \[1.0\]"),
        ("[augment]\nspeeds = []", r"speeds = \[\]: must be a list of at least one number"),
        ('[augment]\nspeeds = "0.9"', r"speeds = '0.9': must be a list"),
        ("[augment]\nspeeds = [0.9, 3]", r"speeds = \[0.9, 3\]: 3: must be at least 0.5 and at most 2"),
        ("[augment]\nspeeds = [0.9, nan]", r"speeds = \[0.9, nan\]: nan: must be at least 0.5"),
        ("[augment]\nspeeds = [0.9, true]", r"speeds = \[0.9, True\]: True: must be of type number"),
        ("[augment]\nspeeds = [1, 0.9, 1.0]", r"speeds = .*: duplicate value 1.0; remove it"),
        ("[augment]\ntime_share = 0", r"time_share = 0: must be above 0 and at most 1"),
        ("encoder = 3", r"encoder = 3: must be a table; write \[encoder\]"),
        ("[encoder]\nlayers = 2\nlayers = 3", r"not a recipe \(Cannot overwrite a value.*recipes are TOML"),
        ("layers: 3", r"not a recipe"),
        ("[training]\nepochs = " + "9" * 24, r"epochs = 9+: must be at least 0 and at most 100000"),
        ("[training]\nnoise = 1" + "0" * 400, r"noise = 10+…0+: must be at least 0 and at most 100"),
        ("[training]\nepochs = 1" + "0" * 5000, r"not a recipe \(Exceeds the limit"),
        ("[augment]\ntime_masks = 1" + "0" * 20, r"time_masks = 10+: must be at least 0 and at most 100"),
        ("[augment]\ntime_width = 1" + "0" * 20, r"time_width = 10+: must be at least 1 and at most 100000"),
        ("[training]\nclip = 1e308", r"clip = 1e\+308: must be above 0 and at most 1e\+09"),
    ],
)
def test_a_bad_recipe_is_named_with_its_remedy(tmp_path, text, message):
    with pytest.raises(AsrError, match=message):
        config.load(written(tmp_path, text))


def test_a_missing_recipe_names_the_nearest(tmp_path):
    written(tmp_path, "")
    with pytest.raises(AsrError, match=r"an5.toml: no such recipe; choose from an4; did you mean 'an4'\?"):
        config.load(tmp_path / "an5.toml")


@pytest.mark.parametrize("override", ["encoder.hidden", "hidden=3", "=", "encoder=3"])
def test_a_malformed_override_says_how_it_is_written(tmp_path, override):
    with pytest.raises(AsrError, match=r"section.key=value"):
        config.load(written(tmp_path, ""), [override])


def test_an_override_of_an_unknown_key_is_named(tmp_path):
    with pytest.raises(AsrError, match=r"--set training.epoch=3 \[training\]: unknown key 'epoch'"):
        config.load(written(tmp_path, ""), ["training.epoch=3"])


def test_every_character_survives_a_dump(tmp_path):
    drop = "".join(chr(code) for code in [*range(1, 256), 0x2028, 0x1F600])
    recipe = config.parse({"units": {"drop": drop}}, "test")
    (tmp_path / "again.toml").write_bytes(config.dump(recipe).encode())
    assert config.load(tmp_path / "again.toml") == recipe


def test_a_list_is_typed_dumped_and_overridden_like_any_setting(tmp_path):
    recipe = config.load(written(tmp_path, "[augment]\nspeeds = [0.9, 1, 1.1]\n"))
    assert recipe.augment.speeds == (0.9, 1.0, 1.1) and all(isinstance(s, float) for s in recipe.augment.speeds)
    assert config.load(written(tmp_path, config.dump(recipe))) == recipe
    assert config.parse(json.loads(json.dumps(recipe.as_dict())), "test") == recipe
    assert config.load(written(tmp_path, ""), ["augment.speeds=[0.9,1]"]).augment.speeds == (0.9, 1.0)
    assert config.differences(config.Recipe(), recipe) == ["augment.speeds: [1.0] → [0.9, 1.0, 1.1]"]


class Sock:
    """An entry with settings, as a kind of features or a cell has them: parameters that have defaults."""

    def __init__(self, size, floor=1.0, deep=False):
        pass


TABLE = {"mfcc": Sock, "energy": Sock}


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ('[features]\nkind = "energy"\nfloor = 2', []),
        ('[features]\nkind = "energy"\n[features.energy]\nfloor = 2.0', []),
        ('[features]\nkind = "energy"\n', ["features.floor=2"]),
        ("", ["features.kind=energy", "features.energy.floor=2"]),
    ],
)
def test_an_entrys_settings_are_given_in_the_section_or_in_a_table_of_its_own(tmp_path, text, overrides):
    recipe = config.load(written(tmp_path, text), overrides)
    assert config.resolved(recipe.features, TABLE).own == {"floor": 2.0, "deep": False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flor = 2", r"an4.toml \[features\]: 'flor' is not a setting of the kind 'mfcc'; .* did you mean 'floor'\?"),
        ("delta = 2", r"'delta' is not a setting of the kind 'mfcc'; .* did you mean 'deltas'\?"),
        ("floor = 'x'", r"an4.toml \[features\]: floor = 'x': must be of type number, as in 1.0"),
        ("[features.mfcc]\ndeep = 1", r"an4.toml \[features.mfcc\]: deep = 1: must be of type boolean"),
        ("floor = 1" + "0" * 400, r"floor = 10+…0+: must be at least -1e\+09"),
        ("kind = 'enrgy'", r"unknown kind of features 'enrgy': .* did you mean 'energy'"),
    ],
)
def test_an_entrys_settings_are_checked_against_the_entry_and_the_file_is_named(tmp_path, text, message):
    with pytest.raises(AsrError, match=message):
        config.resolved(config.load(written(tmp_path, f"[features]\n{text}")).features, TABLE)


def test_a_resolved_recipe_states_the_entrys_defaults_and_is_read_back_equal(tmp_path):
    recipe = config.load(written(tmp_path, "[features]\nfloor = 2"))
    recipe = config.Recipe(features=config.resolved(recipe.features, TABLE))
    text = config.dump(recipe)
    assert "[features.mfcc]\nfloor = 2.0\ndeep = false\n" in text
    assert config.load(written(tmp_path, text)) == recipe
    assert config.parse(json.loads(json.dumps(recipe.as_dict())), "test") == recipe
    assert config.differences(config.Recipe(features=config.resolved(config.FeatureSettings(), TABLE)), recipe) == [
        "features.floor: 1.0 → 2.0"
    ]


def test_settings_that_version_0_1_wrote_for_every_kind_are_ignored_at_their_defaults(tmp_path):
    old = config.load(written(tmp_path, '[features]\nkind = "energy"\ncoefficients = 13\nlifter = 22.0\n'))
    assert config.resolved(old.features, TABLE).own == {"floor": 1.0, "deep": False}
    changed = config.load(written(tmp_path, '[features]\nkind = "energy"\ncoefficients = 12\n'))
    with pytest.raises(AsrError, match="'coefficients' is not a setting"):
        config.resolved(changed.features, TABLE)

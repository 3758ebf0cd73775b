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
    assert (recipe.encoder.layers, recipe.encoder.hidden, recipe.features.coefficients) == (2, 40, 13)


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
    assert (recipe.encoder.hidden, recipe.encoder.cell, recipe.features.energy) == (80, "gru", True)
    assert recipe.training.learning_rate == 1.0 and isinstance(recipe.training.learning_rate, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[encoder]\nlayer = 3", r"an4.toml \[encoder\]: unknown key 'layer': choose from .*; did you mean 'layers'\?"),
        ("[encodr]\nlayers = 3", r"unknown key 'encodr': .* did you mean 'encoder'\?"),
        ("[encoder]\nlayers = 2.5", r"\[encoder\]: layers = 2.5: must be a whole number, as in 2"),
        ("[encoder]\nlayers = true", r"layers = True: must be a whole number"),
        ("[encoder]\ncell = 3", r"cell = 3: must be a text in quotes"),
        ("[encoder]\nhidden = -40", r"hidden = -40: must be above 0"),
        ("[encoder]\nhidden = 0", r"hidden = 0: must be above 0"),
        ("[encoder]\ndropout = 1.5", r"dropout = 1.5: must be at least 0 and at most 0.95"),
        ("[training]\nlearning_rate = nan", r"learning_rate = nan: must be at least 0"),
        ("[training]\nclip = inf", r"clip = inf: must be above 0"),
        ("[augment]\nspeeds = 0.9", r"\[augment\]: speeds = 0.9: must be a list of at least one number, as in \[1.0\]"),
        ("[augment]\nspeeds = []", r"speeds = \[\]: must be a list of at least one number"),
        ('[augment]\nspeeds = "0.9"', r"speeds = '0.9': must be a list"),
        ("[augment]\nspeeds = [0.9, 3]", r"speeds = \[0.9, 3\]: 3: must be at least 0.5 and at most 2"),
        ("[augment]\nspeeds = [0.9, nan]", r"speeds = \[0.9, nan\]: nan: must be at least 0.5"),
        ("[augment]\nspeeds = [0.9, true]", r"speeds = \[0.9, True\]: True: must be a number"),
        ("[augment]\nspeeds = [1, 0.9, 1.0]", r"speeds = .*: 1.0 stands twice; name each once"),
        ("[augment]\ntime_share = 0", r"time_share = 0: must be above 0 and at most 1"),
        ("encoder = 3", r"encoder = 3 is no section"),
        ("[encoder]\nlayers = 2\nlayers = 3", r"not a recipe \(Cannot overwrite a value.*recipes are TOML"),
        ("layers: 3", r"not a recipe"),
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
    with pytest.raises(AsrError, match=r"part.key=value"):
        config.load(written(tmp_path, ""), [override])


def test_an_override_of_an_unknown_key_is_named(tmp_path):
    with pytest.raises(AsrError, match=r"--set encoder.hiden=3 \[encoder\]: unknown key 'hiden'"):
        config.load(written(tmp_path, ""), ["encoder.hiden=3"])


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

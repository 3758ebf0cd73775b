from pathlib import Path

import numpy as np
import pytest

from asr import bundle, config
from asr.corpora import CORPORA
from asr.errors import AsrError
from asr.features.normalise import Statistics

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.toml"))


@pytest.fixture(params=RECIPES, ids=lambda path: path.stem)
def recipe(request):
    return request.param


def test_there_are_recipes():
    assert {"espeak", "timit", "timit-sample"} <= {path.stem for path in RECIPES}


def test_it_names_a_corpus_and_builds_a_system(recipe):
    settings = config.load(recipe)
    if settings.frontend.kind == config.AUTO:  # follows from the recordings, which are not here
        settings = config.load(recipe, ["frontend.kind=none"])
    if settings.units.alphabet == config.AUTO:  # likewise
        with pytest.raises(AsrError, match="follows from a corpus's transcripts"):
            bundle.build(settings)
        settings = config.load(recipe, ["units.alphabet=的一是"])
    assert settings.corpus.name in CORPORA
    assert bundle.build_features(settings.features).dimension > 0
    assert bundle.build(settings).model.parameter_count > 0


def test_it_lists_only_what_differs_from_the_defaults(recipe):
    import tomllib

    table = tomllib.loads(recipe.read_text(encoding="utf-8"))
    entries = {
        part: {key: table[part][key]}
        for part, key in (("features", "kind"), ("frontend", "kind"), ("encoder", "cell"))
        if table.get(part, {}).get(key, config.AUTO) != config.AUTO
    }
    defaults = bundle.resolve(config.parse(entries, "the entries' defaults")).flat()
    given = config.load(recipe).flat()
    for part, settings in table.items():
        for key in settings:
            assert f"{part}.{key}" in ("corpus.name", "features.kind", "frontend.kind", "encoder.cell") or given[
                f"{part}.{key}"
            ] != defaults.get(f"{part}.{key}")


def test_it_opens_with_its_command(recipe):
    text = recipe.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "#   make train" in text


# As published, in millions; that of 2006 in full. The tanh units' have torch's second bias besides.
PUBLISHED = {
    "timit-graves2006": (114_662, 0.1),
    "timit-1l-250h": (780_562, 0.8),
    "timit-2l-250h": (2_284_062, 2.3),
    "timit-3l-250h": (3_787_562, 3.8),
    "timit-5l-250h": (6_794_562, 6.8),
    "timit-3l-421h-uni": (3_786_957, 3.8),
    "timit-3l-500h-tanh": (3_688_062 + 3 * 2 * 500, 3.7),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_of_the_literature_have_the_published_numbers_of_weights(name):
    made = bundle.build(config.load(RECIPES[0].parent / f"{name}.toml"), Statistics(2, np.zeros(1), np.zeros(1)))
    count, millions = PUBLISHED[name]
    assert made.model.parameter_count == count and round(count / 1e6, 1) == millions
    assert made.features.dimension == (26 if name == "timit-graves2006" else 123) and len(made.units) == 62
    training = made.recipe.training
    assert training.weight_noise == (0.0 if name in ("timit-graves2006", "timit-3l-500h-tanh") else 0.075)
    assert bool(training.init) == bool(training.weight_noise)
    first = config.load(RECIPES[0].parent / f"{name}.toml", ["training.init=", "training.weight_noise=0"]).training
    assert (first.init, first.weight_noise) == ("", 0.0)


def test_the_default_recipe_is_the_reference_system():
    system = bundle.build(config.load(RECIPES[0].parent / "espeak.toml"))
    assert (system.features.dimension, len(system.units)) == (13, 40)
    assert system.model.parameter_count == 59_880

import numpy as np
import pytest

from asr import bundle, config
from asr.features.normalise import Statistics


@pytest.fixture(scope="session")
def made():
    """Make a system with large random weights, so that small differences of its input change what it writes."""

    def make(seed=1, gain=3.0, **parts):
        settings = {"units": {"kind": "characters", "alphabet": "abcd"}, **parts}
        settings["encoder"] = {"hidden": 8, "layers": 2, **parts.get("encoder", {})}
        recipe = config.parse(settings, "test")
        size = bundle.build_features(recipe.features).dimension
        generator = np.random.default_rng(seed)
        prior = Statistics.of((10 * generator.standard_normal((500, size))).astype(np.float32))
        system = bundle.build(recipe, prior if recipe.features.prior or recipe.features.normalise == "global" else None)
        for parameter in system.model.parameters():
            parameter.data.mul_(gain)
        return system

    return make


@pytest.fixture(scope="session")
def speech():
    """Ten seconds of noise that changes every tenth of a second with two pauses, at 16 kHz."""
    generator = np.random.default_rng(3)
    loud = np.repeat(generator.uniform(0, 0.2, 100) * (generator.uniform(size=100) > 0.2), 1600)
    loud[50_000:66_000] = loud[110_000:122_000] = 0
    return (loud * generator.standard_normal(len(loud)) + 1e-3 * generator.standard_normal(len(loud))).astype("f4")


@pytest.fixture(scope="session")
def loudness():
    """A network that hears pitch where it is loud, and nothing where it is not: its best path has pauses."""

    def engine(features, lengths):
        scores = np.concatenate([-9 * features[..., :1], features[..., 1:5]], axis=-1)
        return (scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))).astype(np.float32), lengths

    return engine

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from asr import bundle, config
from asr.errors import AsrError, BundleError
from asr.features.normalise import Statistics

RECIPE = config.Recipe()


def recipe(**parts):
    return config.parse(parts, "test")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "best.safetensors"
    system = bundle.build(RECIPE)
    system.facts = {"seed": 1, "epoch": 3}
    system.save(path)
    return path


def test_a_bundle_comes_back_as_it_went(saved):
    before, after = bundle.build(RECIPE), bundle.load(saved)
    assert (
        after.recipe == before.recipe == bundle.resolve(RECIPE)
        and after.units == before.units
        and after.facts == {"seed": 1, "epoch": 3}
    )
    for one, other in zip(before.model.parameters(), after.model.parameters(), strict=True):
        assert torch.equal(one, other)
    samples = np.random.default_rng(1).standard_normal(8000).astype(np.float32)
    assert (before.features(samples) == after.features(samples)).all()


def test_global_statistics_travel_with_the_model(tmp_path):
    statistics = Statistics.of(np.random.default_rng(1).standard_normal((50, 13)).astype(np.float32))
    system = bundle.build(recipe(features={"normalise": "global"}), statistics)
    system.save(tmp_path / "a.safetensors")
    again = bundle.load(tmp_path / "a.safetensors")
    features = np.ones((4, 13), np.float32)
    assert (again.normaliser(features) == system.normaliser(features)).all()


def test_weights_follow_from_the_seed():
    def first(seed):
        return next(bundle.build(recipe(training={"seed": seed})).model.parameters())

    assert torch.equal(first(1), first(1)) and not torch.equal(first(1), first(2))


def test_building_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    bundle.build(RECIPE)
    assert torch.equal(before, torch.random.get_rng_state())


def test_no_damage_is_loaded_silently(saved, tmp_path):
    content = saved.read_bytes()
    generator = np.random.default_rng(1)
    for case in range(60):
        damaged = bytearray(content)
        if case % 3:
            place = int(generator.integers(len(damaged)))
            damaged[place] ^= 1 << int(generator.integers(8))
        else:
            del damaged[int(generator.integers(len(damaged))) :]
        path = tmp_path / "damaged.safetensors"
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match=r"damaged\.safetensors: .*(copy|train|pass)"):
            bundle.load(path)


def test_a_file_that_is_no_bundle_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(BundleError, match="is not an 'asr bundle 1' file"):
        bundle.load(path)
    path.write_text("hello")
    with pytest.raises(BundleError, match="not a bundle, or damaged"):
        bundle.load(path)
    with pytest.raises(BundleError, match="no such bundle"):
        bundle.load(tmp_path / "missing.safetensors")


def checksum(held, header):
    """Return the checksum of torch's tensors and a header, as version 0.1 computed it."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(held):
        digest.update(f"{name} {held[name].dtype} {tuple(held[name].shape)}".encode())
        digest.update(held[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def resealed(path, change):
    """Write a bundle whose header was changed by somebody who also mended the checksum."""
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = json.loads(metadata["header"])
    change(header)
    metadata["header"] = json.dumps(header)
    metadata["sha256"] = checksum(held, metadata["header"])
    safetensors.torch.save_file(held, path, metadata)


def test_weights_for_other_units_are_refused(saved):
    resealed(saved, lambda header: header["units"]["symbols"].pop())
    with pytest.raises(BundleError, match="written by another version .*size mismatch"):
        bundle.load(saved)


def test_a_recipe_of_a_newer_version_is_refused_by_the_key_it_has(saved):
    resealed(saved, lambda header: header["recipe"]["encoder"].update(gates=4))
    with pytest.raises(BundleError, match="written by another version .*'gates'"):
        bundle.load(saved)


OTHERS = [None, True, -1, 10**400, 1e308, "", "x", [], [[]], [None], {}, {"a": None}]


def paths_in(value, path=()):
    """Yield the path of every value in a header, tables and lists included."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(min(len(value), 1)):
            yield from paths_in(value[key], (*path, key))


def test_a_header_with_values_of_other_types_is_refused_or_loads_whichever_key_it_is(tmp_path):
    statistics = Statistics.of(np.random.default_rng(1).normal(size=(20, 13)).astype(np.float32))
    path = tmp_path / "best.safetensors"
    bundle.build(recipe(features={"normalise": "global"}, encoder={"hidden": 2, "layers": 1}), statistics).save(path)
    with safetensors.safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["header"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    bundle.restore(path, header, tensors)
    for keys in paths_in(header):
        for other in OTHERS:
            changed = json.loads(json.dumps(header))
            inner = changed
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = other
            try:
                bundle.restore(path, changed, tensors)
            except BundleError as error:
                assert "\n" not in str(error) and "was written by another version" in str(error)


def test_a_bundle_of_bfloat16_tensors_is_verified_like_any_other(tmp_path):
    path = tmp_path / "narrow.safetensors"
    held = {"weight": torch.tensor([1.5, -3e38, 0.1], dtype=torch.bfloat16), "scale": torch.tensor(1.0)}
    metadata = {"format": bundle.FORMAT, "header": "{}", "sha256": checksum(held, "{}")}
    safetensors.torch.save_file(held, path, metadata)
    header, again = bundle.tensors.read(path, bundle.FORMAT)
    assert header == {} and {name: array.shape for name, array in again.items()} == {"weight": (3,), "scale": ()}
    assert (again["weight"] == held["weight"].float().numpy()).all()
    with pytest.raises(BundleError, match="written by another version .*'recipe' is missing"):
        bundle.load(path)


@pytest.mark.parametrize("header", ["[1, 2]", "3", "{", "[" * 100_000])
def test_a_sealed_file_whose_header_is_not_an_object_is_refused(tmp_path, header):
    held = {"weight": torch.zeros(2)}
    metadata = {"format": bundle.FORMAT, "header": header, "sha256": checksum(held, header)}
    safetensors.torch.save_file(held, tmp_path / "odd.safetensors", metadata)
    with pytest.raises(BundleError, match="its header is damaged"):
        bundle.load(tmp_path / "odd.safetensors")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"encoder": {"cell": "lstn"}}, r"unknown cell 'lstn': .* did you mean 'lstm'\?"),
        ({"features": {"kind": "mfc"}}, r"unknown kind of features 'mfc': .* did you mean 'mfcc'\?"),
        ({"features": {"normalise": "speakers"}}, r"'speakers'.* did you mean 'speaker'\?"),
        (
            {"features": {"kind": "fbank", "lifter": 10}},
            r"test \[features\]: 'lifter' is not a setting of the kind 'fbank'",
        ),
        ({"features": {"normalise": "global"}}, "global"),
        ({"units": {"kind": "phonemes"}}, "unknown units 'phonemes'"),
    ],
)
def test_a_recipe_that_cannot_be_built_is_refused(parts, message):
    with pytest.raises(AsrError, match=message):
        features = np.ones((4, 13), np.float32)
        bundle.build(recipe(**parts)).normaliser(features)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrError, match="cannot be written"):
        bundle.build(RECIPE).save(tmp_path / "file" / "best.safetensors")


def test_a_runs_folder_is_loaded_by_its_best_bundle(saved):
    assert bundle.load(str(saved.parent)).facts == bundle.load(saved).facts
    assert bundle.find(saved.parent) == bundle.find(str(saved)) == saved
    saved.rename(saved.with_name("other.safetensors"))
    with pytest.raises(BundleError, match=r"is a folder without best\.safetensors; train there first"):
        bundle.load(saved.parent)


@pytest.mark.parametrize("name", ["plain", "mine-0.5", "v1.2.safetensors"])
def test_a_runs_folder_is_recognized_whatever_its_name(tmp_path, name):
    best = tmp_path / name / "best.safetensors"
    best.parent.mkdir()
    with pytest.raises(BundleError, match="is a folder without best.safetensors; train there first"):
        bundle.find(tmp_path / name)
    best.touch()
    assert bundle.find(tmp_path / name) == bundle.find(best) == best


def test_what_is_not_a_folder_is_a_bundle_if_it_exists_or_has_an_ending(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert bundle.find(tmp_path / "file") == tmp_path / "file"
    assert bundle.find("missing.safetensors") == Path("missing.safetensors")
    assert bundle.find("missing") == Path("missing/best.safetensors")

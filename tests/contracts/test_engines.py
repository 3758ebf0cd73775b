"""Every engine gives the log-probs of training's network, for every cell and front end, whatever the lengths."""

import numpy as np
import pytest
import torch

from asr import bundle, config, engines
from asr.cells import CELLS
from asr.engines import ENGINES, graph
from asr.engines.network import Network
from asr.engines.numpy_cells import NUMPY_CELLS
from asr.engines.numpy_frontends import NUMPY_FRONTENDS
from asr.errors import AsrError
from asr.frontends import FRONTENDS

LENGTHS = [70, 33, 8, 7, 2, 1]
CASES = [(cell, "none") for cell in NUMPY_CELLS] + [("lstm", frontend) for frontend in FRONTENDS if frontend != "none"]


def made(cell, frontend, **encoder):
    parts = {
        "units": {"kind": "characters", "alphabet": "abcdef"},
        "features": {"kind": "fbank", "mels": 9, "deltas": 2},
        "encoder": {"cell": cell, "hidden": 12, "layers": 2} | encoder,
        "frontend": {"kind": frontend},
    }
    system = bundle.build(config.parse(parts, "test"))
    generator = torch.Generator().manual_seed(1)
    for name, value in system.model.state_dict().items():
        value.add_(0.3 * torch.randn(value.shape, generator=generator))
        assert value.std() > 0 or value.numel() == 1, f"{name} would not be tested"
    return system


def inputs():
    generator = np.random.default_rng(2)
    features = generator.normal(size=(len(LENGTHS), max(LENGTHS), 27)).astype(np.float32)
    for own, length in zip(features, LENGTHS, strict=True):
        own[length:] = 1e3  # what is in the padding must not matter
    return features, np.array(LENGTHS)


def read(system, path):
    system.save(path)
    return bundle.load(path)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def pair(request, tmp_path_factory):
    """A system in torch, and the same read from its file."""
    system = made(*request.param, norm=request.param[0] == "lstm", dense=5)
    return system, read(system, tmp_path_factory.mktemp("system") / "best.safetensors")


def test_every_cell_and_front_end_has_equations_in_numpy():
    assert list(NUMPY_CELLS) == list(CELLS) and list(NUMPY_FRONTENDS) == list(FRONTENDS)


def test_a_cell_that_has_none_yet_runs_in_torch(monkeypatch):
    system = made("gru", "none")
    monkeypatch.delitem(NUMPY_CELLS, "gru")
    assert engines.choose(system, "cpu") == "torch"


@pytest.mark.parametrize(
    ("name", "own", "said"),
    [
        ("lstm", {"direction": "forward"}, "direction = forward"),
        ("lstm", {"projection": 4}, "projection = 4"),
        ("gru", {"reset": "before"}, "reset = before"),
        ("gru", {"direction": "forward"}, "direction = forward"),
        ("rnn", {"activation": "relu"}, "activation = relu"),
        ("rnn", {"leak": [0.5, 0.2]}, r"leak = \(0.5, 0.2\)"),
    ],
)
def test_a_cell_with_other_equations_runs_in_numpy_and_is_not_exported(name, own, said, tmp_path):
    system = read(made(name, "none", **own), tmp_path / "a.safetensors")
    assert engines.choose(system, "cpu", 100) == "numpy" and not graph.exports(system.architecture)
    with pytest.raises(AsrError, match=said):
        graph.build(system.architecture, system.weights, {})
    features, lengths = inputs()
    (one, counts), (other, _) = (ENGINES[engine](system, "cpu")(features, lengths) for engine in ("numpy", "torch"))
    for row, count in enumerate(counts.tolist()):
        np.testing.assert_allclose(one[row, :count], other[row, :count], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "own"), [("lstm", {"forget_bias": 1.0, "chrono": 9}), ("rnn", {"radius": 0.9})])
def test_settings_that_change_weights_only_change_no_engine(name, own):
    assert made(name, "none", **own).architecture.unusual == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_gives_the_log_probs_of_the_model(pair, engine):
    system, loaded = pair
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
        if not graph.exports(loaded.architecture):
            pytest.skip("has no standard node")
    features, lengths = inputs()
    run = ENGINES[engine](loaded, "cpu")
    log_probs, counts = run(features, lengths)
    model = system.model.eval()
    with torch.inference_mode():
        for row, length in enumerate(LENGTHS):  # each alone
            alone = torch.from_numpy(features[row : row + 1, :length])
            expected = model(alone, torch.tensor([length]))[0][0].numpy()
            assert counts[row] == len(expected)
            np.testing.assert_allclose(log_probs[row, : counts[row]], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_an_utterance_is_the_same_to_the_bit_in_any_batch(pair, engine):
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
        if not graph.exports(pair[1].architecture):
            pytest.skip("has no standard node")
    features, lengths = inputs()
    run = ENGINES[engine](pair[1], "cpu")
    together, counts = run(features, lengths)
    for row, length in enumerate(LENGTHS):
        alone = run(features[row : row + 1, :length], lengths[row : row + 1])[0][0]
        np.testing.assert_array_equal(together[row, : counts[row]], alone)


def test_a_recording_longer_than_a_chunk_is_as_in_torch(tmp_path):
    system = made("gru", "none")
    features = np.random.default_rng(3).normal(size=(1, 1200, 27)).astype(np.float32)
    lengths = np.array([1200])
    expected = ENGINES["torch"](system, "cpu")(features, lengths)[0]
    loaded = read(system, tmp_path / "a.safetensors")
    np.testing.assert_allclose(ENGINES["numpy"](loaded, "cpu")(features, lengths)[0], expected, rtol=1e-5, atol=1e-5)


def test_weights_of_another_network_are_refused(pair):
    arrays = dict(pair[1].weights)
    extra = arrays | {"more": np.zeros(1)}
    with pytest.raises(ValueError, match="unknown weights more"):
        Network(pair[1].architecture, engines.Parameters(extra))
    del arrays["projection.bias"]
    with pytest.raises(KeyError, match=r"projection\.bias"):
        Network(pair[1].architecture, engines.Parameters(arrays))


def test_the_engine_follows_from_the_device_the_number_and_what_is_installed(tmp_path, monkeypatch):
    loaded = read(made("lstm", "none"), tmp_path / "a.safetensors")
    assert engines.choose(loaded, "cuda:1", 1) == "torch"
    assert engines.choose(loaded, "cpu", 1) == "numpy"
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert engines.choose(loaded, "cpu", 1000) == "numpy"
    assert engines.choose(loaded, "cpu", 100_000_000) == "torch"
    monkeypatch.setattr(engines, "find_spec", lambda name: name)
    assert engines.choose(loaded, "cpu", 1000) == "onnx"
    other = read(made("lstm", "conv"), tmp_path / "b.safetensors")
    assert engines.choose(other, "cpu", 1000) == "numpy"


def test_what_has_no_standard_node_is_refused_by_name(tmp_path):
    loaded = read(made("lstm", "conv"), tmp_path / "b.safetensors")
    with pytest.raises(AsrError, match="the front end 'conv' has no ONNX node; only none, stack can be exported"):
        graph.build(loaded.architecture, loaded.weights, {})

"""Every engine gives the log-probs of training's network, for every cell and front end, whatever the lengths."""

import re

import numpy as np
import pytest
import torch

from asr import bundle, config, engines
from asr.cells import CELLS
from asr.config import FRAMES
from asr.engines import ENGINES, graph
from asr.engines.network import Network
from asr.engines.numpy_cells import NUMPY_CELLS
from asr.engines.numpy_frontends import NUMPY_FRONTENDS
from asr.engines.numpy_readouts import NUMPY_READOUTS
from asr.engines.onnx_frontends import ONNX_FRONTENDS
from asr.errors import AsrError
from asr.frontends import FRONTENDS
from asr.readouts import READOUTS

PLAIN = {"kind": "none"}
LENGTHS = [70, 33, 8, 7, 2, 1]
CASES = [
    *((cell, {}) for cell in CELLS),
    *((cell, {"direction": "forward"}) for cell in CELLS),
    ("lstm", {"projection": 4}),
    ("lstm", {"forget_bias": 1.0, "chrono": 9}),
    ("lstm-peephole", {"gates": "o"}),
    ("lstm-coupled", {"block": 3}),
    ("lstm-1997", {"block": 3}),
    ("lstm-1997", {"block": 3, "recurrence": "cells"}),
    ("gru", {"reset": "before"}),
    ("rnn", {"activation": "relu"}),
    ("rnn", {"leak": [0.5, 0.2]}),
    ("rnn", {"radius": 0.9}),
    ("clockwork", {"modules": 3}),
]
NOT_EXPORTED = [
    ("lstm", {"projection": 4}),
    ("lstm-1997", {}),
    ("lstm-depth-gated", {}),
    ("mingru", {}),
    ("rnn", {"leak": (0.5, 0.2)}),
    ("clockwork", {}),
]
READ = [readout for readout in READOUTS if readout != FRAMES]
STRIDES = [(kind, {"stride": stride}) for kind, stride in [("stack", 3), ("pool", 2), ("conv", 1), ("conv", 3)]]


def named(case):
    return " ".join([case[0], *map(str, case[1].values())])


def made(cell, frontend=PLAIN, **encoder):
    parts = {
        "units": {"kind": "characters", "alphabet": "abcdef"},
        "features": {"kind": "fbank", "mels": 9, "deltas": 2},
        "encoder": {"cell": cell, "hidden": 12, "layers": 2} | encoder,
        "frontend": frontend,
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


@pytest.fixture(scope="module", params=[*CASES, *STRIDES, *((one, {}) for one in READ)], ids=named)
def pair(request, tmp_path_factory):
    """A system in torch, and the same read from its file."""
    name, own = request.param
    if name in CELLS:
        system = made(name, PLAIN, norm=own == {}, dense=5, **own)
    elif name in READOUTS:
        system = made("lstm", {"kind": "stack", "stride": 3}, norm=True, readout=name)
    else:
        system = made("lstm", {"kind": name, **own})
    return system, read(system, tmp_path_factory.mktemp("system") / "best.safetensors")


def test_every_cell_front_end_and_readout_has_equations_in_numpy():
    assert NUMPY_CELLS.keys() == CELLS.keys()
    assert NUMPY_READOUTS.keys() == READOUTS.keys() == graph.ONNX_READOUTS.keys()
    assert NUMPY_FRONTENDS.keys() == FRONTENDS.keys() == ONNX_FRONTENDS.keys()


def test_a_cell_that_has_none_yet_runs_in_torch(monkeypatch):
    system = made("gru")
    monkeypatch.delitem(NUMPY_CELLS, "gru")
    assert engines.choose(system, "cpu") == "torch"


@pytest.mark.parametrize(("cell", "own"), NOT_EXPORTED, ids=str)
def test_a_cell_without_a_standard_node_is_refused_by_name_and_numpys(cell, own):
    system = made(cell, PLAIN, **own)
    assert not graph.exports(system.architecture) and engines.choose(system, "cpu", 1000) == "numpy"
    said = " ".join([f"the cell '{cell}' has no ONNX node", *(f"with {key} = {value}" for key, value in own.items())])
    with pytest.raises(AsrError, match=re.escape(said)):
        graph.build(system.architecture, system.weights, {})


def test_every_cell_is_exported_or_says_that_it_is_not():
    plain = [cell for cell, own in CASES if own == {} and (cell, own) not in NOT_EXPORTED]
    exported = [cell for cell in CELLS if graph.exports(made(cell).architecture)]
    assert exported == plain == ["lstm", "lstm-peephole", "lstm-coupled", "gru", "rnn"]


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
    system = made("gru")
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
    loaded = read(made("lstm"), tmp_path / "a.safetensors")
    assert engines.choose(loaded, "cuda:1", 1) == "torch"
    assert engines.choose(loaded, "cpu", 1) == "numpy"
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert engines.choose(loaded, "cpu", 1000) == "numpy"
    assert engines.choose(loaded, "cpu", 100_000_000) == "torch"
    monkeypatch.setattr(engines, "find_spec", lambda name: name)
    assert engines.choose(loaded, "cpu", 1000) == "onnx"


def test_a_front_end_without_nodes_is_refused_by_name_and_numpys(monkeypatch):
    system = made("lstm", {"kind": "conv"})
    monkeypatch.delitem(ONNX_FRONTENDS, "conv")
    assert engines.choose(system, "cpu", 1000) == "numpy"
    with pytest.raises(
        AsrError, match="the front end 'conv' has no ONNX nodes; only none, stack, pool can be exported"
    ):
        graph.build(system.architecture, system.weights, {})

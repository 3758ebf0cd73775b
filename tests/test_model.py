import pytest
import torch

from asr.cells import CELLS
from asr.frontends import FRONTENDS
from asr.model import Model


def model(**changes):
    torch.manual_seed(1)
    settings = {"features": 13, "units": 40, "cell": CELLS["lstm"], "layers": 2, "hidden": 40} | changes
    return Model(**settings)


def test_the_reference_system_has_59880_parameters():
    assert model().parameter_count == 59_880


def test_it_returns_normalised_log_probs_in_every_mode():
    inputs, lengths = torch.randn(2, 6, 13), torch.tensor([6, 4])
    for mode in (True, False):
        log_probs, out_lengths = model().train(mode)(inputs, lengths)
        assert log_probs.shape == (2, 6, 40)
        assert out_lengths.tolist() == [6, 4]
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 6))


def test_an_utterance_has_the_same_log_probs_alone_and_in_any_batch():
    network = model().eval()
    generator = torch.Generator().manual_seed(4)
    lengths = torch.tensor([211, 80, 300, 1])
    inputs = torch.randn(4, 300, 13, generator=generator)
    together, _ = network(inputs, lengths)
    for b, n in enumerate(lengths.tolist()):
        alone, _ = network(inputs[b : b + 1, :n], lengths[b : b + 1])
        assert (together[b, :n] - alone[0]).abs().max() <= 1e-5


def test_dropout_acts_in_training_only():
    network = model(dropout=0.5)
    inputs, lengths = torch.randn(1, 6, 13), torch.tensor([6])
    assert (network(inputs, lengths)[0] != network(inputs, lengths)[0]).any()
    network.eval()
    assert (network(inputs, lengths)[0] == network(inputs, lengths)[0]).all()


def changed(kind, **changes):
    return model(frontend=FRONTENDS[kind](13, 1, **changes), norm=True, dense=20)


@pytest.mark.parametrize(
    "network",
    [
        changed("stack", stride=3),
        changed("pool", stride=2),
        changed("conv", stride=2, channels=4, depth=2),
        changed("none"),
    ],
    ids=["stack", "pool", "conv", "none"],
)
def test_with_a_front_end_an_utterance_has_the_same_log_probs_alone_and_in_any_batch(network):
    network.eval()
    lengths = torch.tensor([211, 80, 300, 1])
    inputs = torch.randn(4, 300, 13, generator=torch.Generator().manual_seed(4))
    together, out_lengths = network(inputs, lengths)
    assert out_lengths.tolist() == [-(-n // network.stride) for n in lengths.tolist()]
    for b, n in enumerate(lengths.tolist()):
        alone, (count,) = network(inputs[b : b + 1, :n], lengths[b : b + 1])
        assert count == out_lengths[b] and (together[b, :count] - alone[0]).abs().max() <= 1e-5


def test_layer_normalization_gives_a_layer_that_changes_scale_the_same_output():
    network = model(norm=True)
    first = network.norms[0](torch.randn(2, 6, 80))
    torch.testing.assert_close(first.mean(dim=2), torch.zeros(2, 6), atol=1e-6, rtol=0)
    torch.testing.assert_close(first.var(dim=2, correction=0), torch.ones(2, 6), atol=1e-3, rtol=0)


def test_a_dense_layer_comes_between_recurrence_and_projection():
    network = model(dense=24)
    assert network.projection.in_features == 24 and network.dense[0].in_features == 80
    assert network.parameter_count == 59_880 - 80 * 40 + 80 * 24 + 24 + 24 * 40

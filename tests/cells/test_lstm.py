import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.cells.lstm import LSTM


def both(features=7, hidden=5):
    torch.manual_seed(1)
    ours = LSTM(features, hidden)
    theirs = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def run(theirs, inputs, lengths):
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(theirs(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]


@pytest.mark.parametrize("lengths", [[30, 30, 30], [30, 1, 17], [1, 1, 2]])
def test_outputs_and_gradients_are_those_of_torch_on_packed_sequences(lengths):
    ours, theirs = both()
    lengths = torch.tensor(lengths)
    inputs = torch.randn(3, int(lengths.max()), 7, generator=torch.Generator().manual_seed(2))
    weight = torch.randn(3, int(lengths.max()), 10, generator=torch.Generator().manual_seed(3))
    mine, reference = ours(inputs, lengths), run(theirs, inputs, lengths)
    torch.testing.assert_close(mine, reference, atol=1e-6, rtol=0)
    (mine * weight).sum().backward()
    (reference * weight).sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-5)


def test_the_packed_route_gives_the_same():
    ours, _ = both()
    lengths = torch.tensor([12, 5])
    inputs = torch.randn(2, 12, 7)
    torch.testing.assert_close(ours._packed(inputs, lengths), ours._reversed(inputs, lengths), atol=1e-6, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_what_the_cpu_gives():
    ours, _ = both()
    lengths = torch.tensor([12, 5])
    inputs = torch.randn(2, 12, 7)
    there = ours.cuda()(inputs.cuda(), lengths.cuda()).cpu()
    torch.testing.assert_close(there, ours.cpu()(inputs, lengths), atol=1e-5, rtol=0)

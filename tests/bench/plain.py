"""The peers of `bench_train`: training as people write it in PyTorch, and the fastest that torch alone can do.

Both are a linear layer, a log-softmax, `F.ctc_loss`, clipping, AdamW, and batches from a shuffled `DataLoader`. They
differ in the network: packed sequences and one `nn.LSTM` of all layers, or two unpacked one-directional calls a layer.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader

from asr.batch import Batch, Dataset
from asr.model import Model


class Plain(nn.Module):
    """The network, with the weights of ours, on its device."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        first, layers, projection = model.cells[0], len(model.cells), model.projection
        self.lstm = nn.LSTM(first.input_size, first.hidden_size, layers, batch_first=True, bidirectional=True)
        self.projection = nn.Linear(projection.in_features, projection.out_features)
        for layer, cell in enumerate(model.cells):
            for name, values in cell.named_parameters():
                getattr(self.lstm, name.replace("l0", f"l{layer}")).data.copy_(values)
        self.projection.load_state_dict(projection.state_dict())
        self.to(projection.weight.device)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(features, lengths.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.projection(hidden).log_softmax(dim=-1)


class Unpacked(nn.Module):
    """Torch's best route: each direction is a call on padded utterances, reversed within their lengths for the second.

    On a CPU these calls are oneDNN's; on CUDA they may take cuDNN's persistent kernels, which packed calls never get.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        for cell in self.model.cells:
            cell._compiled = lambda inputs: False
            cell._packed = cell._reversed

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.model(features, lengths)[0]


class Loop:
    """The training loop."""

    def __init__(self, model: Model, network: type[Plain] | type[Unpacked] = Plain) -> None:
        self.model = network(model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=1e-2)

    def step(self, now: Batch) -> float:
        """Learn from one batch."""
        self.optimizer.zero_grad()
        log_probs = self.model(now.features, now.lengths).transpose(0, 1)
        loss = F.ctc_loss(log_probs, now.targets, now.lengths, now.target_lengths, reduction="sum") / len(now.lengths)
        loss.backward()
        clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def epoch(self, batches: DataLoader) -> None:
        """Learn from every utterance once."""
        device = next(self.model.parameters()).device
        for now in batches:
            self.step(now.to(device))


def loader(data: Dataset, width: int) -> DataLoader:
    """Return a set, held in memory, in shuffled batches."""
    items = [(data.batch([i]).features[0], torch.tensor(data.targets[i])) for i in range(len(data))]
    return DataLoader(items, width, shuffle=True, collate_fn=_collate)


def _collate(some: list[tuple[Tensor, Tensor]]) -> Batch:
    features, targets = zip(*some, strict=True)
    lengths, counts = (torch.tensor([len(one) for one in ones]) for ones in (features, targets))
    unused = (lengths, lengths, lengths)  # what the features were normalized by, which augmentation alone asks for
    return Batch(pad_sequence(features, True), lengths, pad_sequence(targets, True), counts, (), lengths, unused)

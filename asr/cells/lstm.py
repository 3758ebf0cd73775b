"""The long short-term memory cell, in both directions over sequences of unequal lengths.

Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; with forget gates,
F. Gers et al., Neural Computation 12(10), 2000; bidirectional, A. Graves and J. Schmidhuber, Neural Networks 18, 2005.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from asr.cells.fused import fused


class LSTM(nn.LSTM):
    """One bidirectional layer; parameters and state dict are those of `torch.nn.LSTM`.

    Padding never changes a result: the backward direction starts at each utterance's own last frame, and frames
    beyond an utterance's length come out as 0.

    Args:
        features: Size F of an input vector.
        hidden: Units H per direction.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(features, hidden, batch_first=True, bidirectional=True)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        """Return the outputs of both directions, (B, T, 2H).

        Args:
            inputs: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each.
        """
        if inputs.is_cuda:
            return self._packed(inputs, lengths)
        if inputs.device.type == "cpu" and inputs.dtype in (torch.float32, torch.float64):
            return self._fused(inputs, lengths)
        return self._reversed(inputs, lengths)

    def _packed(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Take the packed call: cuDNN's own for unequal lengths; on a CPU it would be one small product a step."""
        kind = inputs.device.type
        wanted = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else inputs.dtype
        with torch.autocast(kind, enabled=False):  # for this call it knows float16 only, in which gradients vanish
            packed = pack_padded_sequence(inputs.to(wanted), lengths.cpu(), batch_first=True, enforce_sorted=False)
            if wanted == self.weight_ih_l0.dtype:
                outputs, _ = super().forward(packed)
            else:
                outputs = packed._replace(data=self._narrow(packed, wanted))
            return pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])[0]

    def _narrow(self, packed: PackedSequence, wanted: torch.dtype) -> Tensor:
        """Run both directions in a type with fewer bits than the weights have."""
        zeros = packed.data.new_zeros(2, int(packed.batch_sizes[0]), self.hidden_size)
        weights = [weight.to(wanted) for weight in self._flat("") + self._flat("_reverse")]
        # has_biases, num_layers, dropout, train, bidirectional
        settings = True, 1, 0.0, self.training, True
        outputs: Tensor = torch.lstm(packed.data, packed.batch_sizes, [zeros, zeros], weights, *settings)[0]
        return outputs

    def _fused(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Take our own walks: up to twice as fast as oneDNN, level with it at 250 units (tests/bench/bench_cells.py).

        Numba, which compiles them, is imported with the first.
        """
        from asr.cells.lstm_gates import KERNEL

        return fused(KERNEL, inputs, lengths, self._flat("") + self._flat("_reverse"))

    def _reversed(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Take two one-directional calls, as any device can; the second on utterances turned round in their length."""
        frames, lengths = torch.arange(inputs.shape[1], device=inputs.device), lengths.to(inputs.device)
        inside = frames < lengths[:, None]  # (B, T)
        turned = torch.where(inside, lengths[:, None] - 1 - frames, frames)
        forward = self._one_way(inputs, self._flat(""))
        backward = _gather(self._one_way(_gather(inputs, turned), self._flat("_reverse")), turned)
        return torch.cat([forward, backward], dim=-1) * inside[:, :, None]

    def _one_way(self, inputs: Tensor, weights: list[Tensor]) -> Tensor:
        """Run one direction over all T frames, (B, T, F) → (B, T, H); padding comes last and harms nothing."""
        zeros = inputs.new_zeros(1, inputs.shape[0], self.hidden_size)
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        outputs: Tensor = torch.lstm(inputs, [zeros, zeros], weights, True, 1, 0.0, self.training, False, True)[0]
        return outputs

    def _flat(self, direction: str) -> list[Tensor]:
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return [getattr(self, name + direction) for name in names]


def _gather(values: Tensor, index: Tensor) -> Tensor:
    """Return values (B, T, F) with their frames in the order of index (B, T)."""
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))

"""Cells: one bidirectional recurrent layer each. A new one is a file here and a line in the table.

A cell is built as `cell(features, hidden)` and called as `cell(inputs, lengths)`: (B, T, F), (B,) → (B, T, 2H), with
no result changed by padding and zeros beyond each length.
"""

from torch import nn

from asr.cells.lstm import LSTM

CELLS: dict[str, type[nn.Module]] = {"lstm": LSTM}

"""Speech recognition with one idea: a bidirectional LSTM trained with CTC."""

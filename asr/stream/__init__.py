"""Recognition of audio that does not fit in memory, or is still being spoken: blocks of samples in, passages out.

    blocks ──Extractor──▶ rows ──normalize, Windowed or Carried──▶ log-probs ──Cutter──▶ cuts ──decoder──▶ passages

Each part is fed what arrives and returns what is certain by then, so that nothing grows with the recording:

* *Features* are those of the whole recording, to the bit.
* *Normalization.* An utterance is what it always was: the whole recording. Its statistics are taken in a first pass
  over a file (`long`), and are to the bit those of the features at once. Of a live stream they are those of what was
  heard so far, with the recipe's prior (`live`).
* *A bidirectional network* sees windows that overlap, a network that only runs forward carries its state.
* *The decoder* gets what is between two pauses, as if it were an utterance of its own.
"""

from asr.stream.live import Stream
from asr.stream.passage import Passage

__all__ = ["Passage", "Stream"]

"""Recognition: samples or a whole set in, hypotheses out."""

import os
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from asr import augment, batch, ctc, manifest
from asr.audio import Samples, resample
from asr.batch import Dataset, Ints
from asr.bundle import Bundle
from asr.decoders import Decoder, Hypothesis
from asr.errors import AsrError, InputError
from asr.features import Features
from asr.features.store import Store
from asr.formats import Transcript, joined
from asr.manifest import Segment, Utterance
from asr.support import job
from asr.support.parallel import ALONE, Group

BATCH = 32  # utterances decoded side by side; changes no result


def choose_device(name: str | None = None) -> torch.device:
    """Return the device asked for, or CUDA where there is one, or the CPU.

    Raises:
        AsrError: There is no such device here.
    """
    if not name or name == "cuda":
        on = job.place()  # of several processes each takes its own
        name = "cuda" if name or torch.cuda.is_available() else "cpu"
        name += f":{on.local_rank}" if name == "cuda" and on.size > 1 else ""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise AsrError(f"device '{name}': cannot be used ({reason}); leave it out or use cpu") from error
    return device


def load(features: Features, path: Path, speeds: Sequence[float] = (1.0,)) -> tuple[list[Utterance], Store]:
    """Return a manifest's utterances and their features, which are computed at the first use.

    Args:
        features: From samples to feature vectors.
        path: The manifest; `features/` beside it keeps what was computed, or the user's cache where that cannot be.
        speeds: At which each utterance is heard, once at each.

    Raises:
        InputError: The manifest or a recording of it cannot be used.
    """
    utterances = augment.at_speeds(manifest.read(path), speeds)
    return utterances, Store.open(_cache(path), path.stem, utterances, features)


def _cache(path: Path) -> Path:
    """Return where a manifest's features are kept: beside it, or where the user may write."""
    beside = path.parent / "features"
    if os.access(beside if beside.exists() else path.parent, os.W_OK):
        return beside
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "asr" / f"{zlib.crc32(str(path.resolve()).encode()):08x}"


def dataset(bundle: Bundle, path: Path) -> Dataset:
    """Return a manifest's utterances as a system sees them.

    Raises:
        InputError: The manifest, a recording or a transcript cannot be used.
    """
    utterances, store = load(bundle.features, path)
    return batch.dataset(utterances, store, bundle.normaliser, bundle.units)


def share_threads(device: torch.device) -> None:
    """Leave a CPU's second core to the network's other direction, and to nobody else.

    The cells take two threads that meet once a layer: on two cores 2×40 units train up to 1.4 times faster than on one,
    and no slower beside another program. Torch's own threads meet in every operation. On top of that they are worth
    nothing at 3×250 units, and cost 5 % at 128 and 20 to 40 % at 40 and 64.

    Args:
        device: Where the network runs; only a CPU has threads to share.
    """
    if device.type == "cpu":
        torch.set_num_threads(1)


class Recognizer:
    """A system, a decoder and a device, ready to recognise.

    Args:
        bundle: The system.
        decoder: Turns log-probs into hypotheses.
        device: Where the network runs.
    """

    def __init__(self, bundle: Bundle, decoder: Decoder, device: torch.device) -> None:
        self.bundle, self.decoder, self.device = bundle, decoder, device
        share_threads(device)
        self._model = bundle.model.to(device).eval()

    @torch.inference_mode()
    def log_probs(self, samples: Samples, rate: int) -> npt.NDArray[np.float32]:
        """Return one recording's log-probs (T, V), natural log.

        Args:
            samples: (S,), in [−1, 1].
            rate: Hz; resampled to what the system was trained on.

        Raises:
            InputError: The recording is shorter than one window.
        """
        bundle = self.bundle
        features = bundle.normaliser(bundle.features(resample(samples, rate, bundle.features.rate)))
        inputs = torch.from_numpy(features)[None].to(self.device)  # (1, T, F)
        log_probs, _ = self._model(inputs, torch.tensor([len(features)]))
        return np.asarray(log_probs[0].cpu())

    def transcribe(self, samples: Samples, rate: int) -> Hypothesis:
        """Return the best hypothesis of one recording; arguments and errors are those of `log_probs`."""
        return self.decoder(self.log_probs(samples, rate))[0]

    def transcript(self, name: str, samples: Samples, rate: int) -> Transcript:
        """Return what is said in one recording, with times; arguments and errors are those of `log_probs`.

        Args:
            name: The recording's, for the transcript and the messages.
            samples: (S,), in [−1, 1].
            rate: Hz.
        """
        try:
            hypothesis = self.transcribe(samples, rate)
        except AsrError as error:
            raise InputError(f"{name}: {error}") from error
        units = self.bundle.units
        said = self._segments(units.names(hypothesis.ids), hypothesis.frames)
        return Transcript(
            audio=name,
            seconds=len(samples) / rate,
            text=" ".join(hypothesis.words) or units.text(hypothesis.ids),
            units=said,
            words=self._segments(hypothesis.words, hypothesis.word_frames)
            or (joined(said) if units.kind == "characters" else ()),
            confidence=hypothesis.confidence,
            word_confidence=hypothesis.word_confidence,
            score=hypothesis.score,
        )

    def _segments(self, symbols: Sequence[str], frames: Sequence[tuple[int, int]]) -> tuple[Segment, ...]:
        return tuple(Segment(symbol, *span) for symbol, span in zip(symbols, self.times(frames), strict=True))

    def align(self, samples: Samples, rate: int, symbols: Sequence[str]) -> list[Segment]:
        """Return when each symbol of a known transcript is said.

        Args:
            samples: (S,), in [−1, 1].
            rate: Hz.
            symbols: The transcript, in the system's units.

        Raises:
            InputError: A symbol is no unit, or the recording is too short for the transcript.
        """
        log_probs = self.log_probs(samples, rate)
        ids = self.bundle.units.ids(symbols)
        inner = self.seconds(ctc.borders(log_probs, ids, ctc.align(torch.from_numpy(log_probs), ids)))
        borders = [0.0, *inner, len(samples) / rate]
        return [Segment(symbol, *span) for symbol, span in zip(symbols, pairwise(borders), strict=True)]

    @torch.inference_mode()
    def emissions(
        self, data: Dataset, group: Group = ALONE, only: Ints | None = None
    ) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        """Yield each utterance's id and log-probs (T, V), longest first, with a progress bar.

        Args:
            data: The set.
            group: Who works on it; each process yields its own share of the utterances.
            only: Places of the utterances that are wanted; all of them when left out.
        """
        wanted = np.arange(len(data)) if only is None else only
        places = [wanted[rows] for rows in batch.in_order(data.lengths[wanted], BATCH)][group.rank :: group.size]
        for rows in tqdm(places, desc="decode", unit="batch", leave=False, disable=None if group.leads else True):
            inputs = data.batch(rows.tolist()).to(self.device)
            log_probs, lengths = self._model(inputs.features, inputs.lengths)
            values = log_probs.cpu().numpy()
            for row, (id, length) in enumerate(zip(inputs.ids, lengths.tolist(), strict=True)):
                yield id, values[row, :length]

    def decode(self, data: Dataset) -> dict[str, Hypothesis]:
        """Return the best hypothesis of each utterance of a set, by id."""
        return {id: self.decoder(log_probs)[0] for id, log_probs in self.emissions(data)}

    def seconds(self, frames: Sequence[float]) -> list[float]:
        """Return where these frames begin, in seconds.

        A frame of features stands for the `shift` seconds around its window's center, a frame of log-probs for the
        frames of features that the front end made it of.
        """
        features = self.bundle.features
        first = (features.window - features.shift) / 2
        return [first + frame * self.bundle.model.stride * features.shift for frame in frames]

    def times(self, frames: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
        """Return spans of frames as (start, end) in seconds.

        CTC spikes inside a phone: the spans of a decoder's hypothesis are the spikes' borders and not the phone's.
        """
        return [(start, end) for start, end in (self.seconds(span) for span in frames)]

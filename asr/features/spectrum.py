"""The way from feature vectors to log-mel energies and back, as matrices, for augmentation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import AsrError
from asr.features.fbank import mel
from asr.features.framing import Matrix
from asr.features.mfcc import cosines, lift

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """How features relate to log-mel energies; features of a lower dimension contain a smoothed spectrum.

    Attributes:
        to_mel: (F', M), maps a feature vector, without its Δ and its energy, to log energies.
        from_mel: (M, F'), maps log energies to such a feature vector.
        centers: (M,), the filters' center frequencies, Hz.
        step: From one center to the next, in mel.
        rate: Of the samples, Hz.
        shift: From one frame to the next, seconds.
        energy: Whether a log energy precedes the F' coefficients.
        deltas: How many times Δ is appended.
    """

    to_mel: Matrix
    from_mel: Matrix
    centers: Reals
    step: float
    rate: int
    shift: float
    energy: bool
    deltas: int

    def filters(self, frequencies: Reals) -> Reals:
        """Return where on the axis of filters these frequencies are: i at the center of filter i, within the axis."""
        index = (mel(frequencies) - mel(self.centers[0])) / self.step
        return np.asarray(np.clip(index, 0, len(self.centers) - 1))


def of(settings: Mapping[str, Any]) -> Spectrum:
    """Return the spectrum behind features of these settings.

    Raises:
        AsrError: They have none.
    """
    kind, energy = settings["kind"], settings.get("energy", False)
    if kind not in ("fbank", "mfcc") or (kind == "mfcc" and energy):
        what = f"'{kind}'" + (" with energy = true" if kind == "mfcc" else "")
        raise AsrError(f"[augment]: features of kind {what} have no spectrum to change; set warp and the shares to 0")
    rate, count = settings["rate"], settings["mels"]
    edges = np.linspace(mel(settings["low"]), mel(settings["high"] or rate / 2), count + 2)
    from_mel = np.eye(count)
    if kind == "mfcc":
        from_mel = cosines(count, settings["coefficients"]) * lift(settings["coefficients"], settings["lifter"])
    return Spectrum(
        to_mel=np.linalg.pinv(from_mel).astype(np.float32),
        from_mel=from_mel.astype(np.float32),
        centers=700 * np.expm1(edges[1:-1] / 1127),
        step=float(edges[1] - edges[0]),
        rate=rate,
        shift=settings["shift"],
        energy=energy,
        deltas=settings.get("deltas", 0),
    )

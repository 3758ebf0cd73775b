"""What training does to a batch: another voice and another place, noise on the features, masks over them.

Source: D. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", Interspeech
2019, sections 2 and 3.1 (masks; no time warping).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from asr.augment.scenes import Scenes
from asr.augment.streams import normal, streams, uniform

NOISE, TIMES, FREQUENCIES = 1, 2, 3  # purposes, each with numbers of its own; those of scenes.py follow


@dataclass(frozen=True)
class Augmentation:
    """Other voices and places, noise on features, and masks over them; nothing by default.

    Attributes:
        scenes: Other voices and places.
        noise: Standard deviation of Gaussian noise on the (normalized) features.
        time_masks: Number of stretches of frames that are masked in each utterance.
        time_width: Largest number of frames masked at a time.
        time_share: Largest share of an utterance masked at a time.
        frequency_masks: Number of bands that are masked in each utterance.
        frequency_width: Largest number of adjacent features masked at a time.
        blocks: Number of parts of a feature vector that are masked alike: the features themselves, their Δ, their ΔΔ.
    """

    noise: float = 0.0
    time_masks: int = 0
    time_width: int = 25
    time_share: float = 0.2
    frequency_masks: int = 0
    frequency_width: int = 4
    blocks: int = 1
    scenes: Scenes | None = None

    def __call__(
        self, features: Tensor, lengths: Tensor, rows: Tensor, key: int, norm: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Return the features (B, T, F) as they would be elsewhere, with noise, and 0, the mean, where masked.

        Padding stays 0.

        Args:
            features: (B, T, F).
            lengths: (B,), int64, frames.
            rows: (B,), int64, the utterances' indices in their set.
            key: From `seeds.integer`, a different one in each epoch.
            norm: What the features were normalized by; see `asr.batch.Batch`.
        """
        if not (self.scenes or self.noise or self.time_masks or self.frequency_masks):
            return features
        _, frames, width = features.shape
        lengths, rows = lengths.to(features.device), rows.to(features.device)
        times = torch.arange(frames, device=features.device)
        kept = times < lengths[:, None]  # (B, T)
        if self.scenes:
            features = self.scenes(features, lengths, rows, key, norm)
        if self.noise:
            noise = normal(streams(key, NOISE, rows), frames * width).view(features.shape)
            features = features + self.noise * noise
        if self.time_masks:
            longest = (self.time_share * lengths).long().clamp(max=self.time_width)
            drawn = uniform(streams(key, TIMES, rows), 2 * self.time_masks)
            kept = kept & ~_masked(drawn, longest, lengths, frames)
        features = features * kept[:, :, None]
        if self.frequency_masks:
            bins = torch.full_like(lengths, width // self.blocks)
            drawn = uniform(streams(key, FREQUENCIES, rows), 2 * self.frequency_masks)
            masked = _masked(drawn, bins.clamp(max=self.frequency_width), bins, width // self.blocks)
            features = features * ~masked.repeat(1, self.blocks)[:, None, :]
        return features


UNCHANGED = Augmentation()


def _masked(drawn: Tensor, longest: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Return what masks cover, (B, size), bool.

    Args:
        drawn: (B, 2·M), uniform in [0, 1): the width and the position of each of M masks.
        longest: (B,), the largest width of a mask.
        lengths: (B,), where the last one ends.
        size: Of what is masked, padding included.
    """
    widths = (drawn[:, ::2] * (longest[:, None] + 1)).long()  # (B, M), 0 … longest
    starts = (drawn[:, 1::2] * (lengths[:, None] - widths + 1)).long()
    index = torch.arange(size, device=drawn.device)[:, None]  # (size, 1)
    return ((index >= starts[:, None]) & (index < (starts + widths)[:, None])).any(dim=2)

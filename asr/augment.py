"""Augmentation: what training changes in what it hears, so that it does not learn recordings by heart.

What is drawn for an utterance follows from the seed, the epoch and the utterance's place in its set: not from the
batch it is in, the process that has it, or the device. So several processes take the step that one would take.

Source: D. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", Interspeech
2019, sections 2 and 3.1 (masks; no time warping); T. Ko et al., "Audio augmentation for speech recognition",
Interspeech 2015 (speeds); G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014, figure 17 (SplitMix64, whose n-th number can be had without those before it).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from asr.errors import InputError
from asr.manifest import Segment, Utterance

GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)  # the golden ratio, odd; torch has signed integers only, which wrap alike
NOISE, TIMES, FREQUENCIES = 1, 2, 3  # purposes, each with numbers of its own


@dataclass(frozen=True)
class Augmentation:
    """Noise on features, and masks over them; nothing by default.

    Attributes:
        noise: Standard deviation of Gaussian noise on the (normalised) features.
        time_masks: Stretches of frames that are hidden in each utterance.
        time_width: Frames hidden at a time, at most.
        time_share: Share of an utterance hidden at a time, at most.
        frequency_masks: Bands that are hidden in each utterance.
        frequency_width: Neighbouring features hidden at a time, at most.
        blocks: Parts of a feature vector that are masked alike: the features themselves, their Δ, their ΔΔ.
    """

    noise: float = 0.0
    time_masks: int = 0
    time_width: int = 25
    time_share: float = 0.2
    frequency_masks: int = 0
    frequency_width: int = 4
    blocks: int = 1

    def __call__(self, features: Tensor, lengths: Tensor, rows: Tensor, key: int) -> Tensor:
        """Return the features (B, T, F) with noise, and with 0, the mean of what is normalised, where they are masked.

        Padding stays 0.

        Args:
            features: (B, T, F).
            lengths: (B,), int64, frames.
            rows: (B,), int64, the utterances' places in their set.
            key: From `seeds.integer`, another one in each epoch.
        """
        if not (self.noise or self.time_masks or self.frequency_masks):
            return features
        _, frames, width = features.shape
        lengths, rows = lengths.to(features.device), rows.to(features.device)
        times = torch.arange(frames, device=features.device)
        kept = times < lengths[:, None]  # (B, T)
        if self.noise:
            noise = _normal(_streams(key, NOISE, rows), frames * width).view(features.shape)
            features = features + self.noise * noise
        if self.time_masks:
            longest = (self.time_share * lengths).long().clamp(max=self.time_width)
            drawn = _uniform(_streams(key, TIMES, rows), 2 * self.time_masks)
            kept = kept & ~_hidden(drawn, longest, lengths, frames)
        features = features * kept[:, :, None]
        if self.frequency_masks:
            bins = torch.full_like(lengths, width // self.blocks)
            drawn = _uniform(_streams(key, FREQUENCIES, rows), 2 * self.frequency_masks)
            hidden = _hidden(drawn, bins.clamp(max=self.frequency_width), bins, width // self.blocks)
            features = features * ~hidden.repeat(1, self.blocks)[:, None, :]
        return features


UNCHANGED = Augmentation()


def at_speeds(utterances: Sequence[Utterance], speeds: Sequence[float]) -> list[Utterance]:
    """Return each utterance once at each speed: its tempo and its pitch change, as if a tape ran faster or slower.

    Its copy at 0.9 is called `id@0.9` and has a speaker of its own, `speaker@0.9`, since the voice is another.

    Args:
        utterances: The set.
        speeds: Times the recorded one.

    Raises:
        InputError: A copy's id is one that stands in the set already.
    """
    ids = {utterance.id for utterance in utterances}
    found = []
    for speed in speeds:
        copies = list(utterances) if speed == 1 else [_at_speed(utterance, speed) for utterance in utterances]
        if speed != 1 and (taken := [copy.id for copy in copies if copy.id in ids]):
            raise InputError(f"'{taken[0]}': an utterance has the id of another at another speed; rename it")
        found += copies
    return sorted(found, key=lambda utterance: utterance.id) if len(speeds) > 1 else found


def _at_speed(utterance: Utterance, speed: float) -> Utterance:
    def scaled(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        return tuple(Segment(s.symbol, s.start / speed, s.end / speed) for s in segments)

    return replace(
        utterance,
        id=f"{utterance.id}@{speed}",
        seconds=utterance.seconds / speed,
        speaker=utterance.speaker and f"{utterance.speaker}@{speed}",
        phones=scaled(utterance.phones),
        words=scaled(utterance.words),
        speed=utterance.speed * speed,
    )


def _hidden(drawn: Tensor, longest: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Return what masks hide, (B, size), bool.

    Args:
        drawn: (B, 2·M), uniform in [0, 1): of each of M masks its width and its place.
        longest: (B,), the widest a mask may be.
        lengths: (B,), where the last one ends.
        size: Of what is masked, padding included.
    """
    widths = (drawn[:, ::2] * (longest[:, None] + 1)).long()  # (B, M), 0 … longest
    starts = (drawn[:, 1::2] * (lengths[:, None] - widths + 1)).long()
    places = torch.arange(size, device=drawn.device)[:, None]  # (size, 1)
    return ((places >= starts[:, None]) & (places < (starts + widths)[:, None])).any(dim=2)


def _streams(key: int, purpose: int, rows: Tensor) -> Tensor:
    """Return the seed of each utterance's numbers for a purpose, (B,)."""
    return _mixed(_mixed(torch.tensor([key], device=rows.device) + purpose) + rows * GAMMA)


def _uniform(streams: Tensor, count: int) -> Tensor:
    """Return the first numbers of each stream, (B, count), uniform in [0, 1)."""
    return _shifted(_numbers(streams, count), 11).double() / (1 << 53)


def _normal(streams: Tensor, count: int) -> Tensor:
    """Return the first Gaussian numbers of each stream, (B, count), float32.

    Source: G. Box and M. Muller, "A note on the generation of random normal deviates", Annals of Mathematical
    Statistics 29(2), 1958.
    """
    numbers = _numbers(streams, (count + 1) // 2)
    radius = ((_shifted(numbers, 32).float() + 0.5) / (1 << 32)).log_().mul_(-2).clamp_(min=0).sqrt_()
    angle = (numbers & 0xFFFFFFFF).float() * (2 * math.pi / (1 << 32))
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=2).flatten(1)[:, :count]


def _numbers(streams: Tensor, count: int) -> Tensor:
    """Return the first 64-bit numbers that SplitMix64 gives from each seed, (B, count)."""
    return _mixed(streams[:, None] + torch.arange(1, count + 1, device=streams.device) * GAMMA)


def _mixed(number: Tensor) -> Tensor:
    number = (number ^ _shifted(number, 30)) * (0xBF58476D1CE4E5B9 - (1 << 64))
    number = (number ^ _shifted(number, 27)) * (0x94D049BB133111EB - (1 << 64))
    return number ^ _shifted(number, 31)


def _shifted(number: Tensor, bits: int) -> Tensor:
    """Return a number shifted right, zeros coming in from the left."""
    return (number >> bits) & ((1 << (64 - bits)) - 1)

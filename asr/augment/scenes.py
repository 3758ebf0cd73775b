"""Other voices and other places: what the features of an utterance would be in another throat, room or telephone.

All is done to log-mel energies, where it costs little: a longer vocal tract moves them along the mel axis, noise adds
to their powers, a room smears powers over time, a telephone cuts a band out. MFCCs contain a smoothed spectrum,
which is what changes. The result is then normalized as the original features were.

Source: N. Jaitly and G. Hinton, "Vocal tract length perturbation (VTLP) improves speech recognition", ICML workshop on
deep learning for audio, speech and language processing, 2013, section 3 (warp); D. Park et al. (SpecAugment) and C. Kim
et al., "Generation of large-scale simulated utterances in virtual rooms", Interspeech 2017 (shares and ranges of noise
and reverberation); J. Polack's model of late reverberation as exponentially decaying noise, 1988.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from asr.augment.streams import exponential, streams, uniform
from asr.features.spectrum import Spectrum

DRAWN, FLUCTUATION = 4, 5  # purposes; those of batches.py precede
WARP, NOISY, SNR, TILT, ROOM, DECAY, WET, TELEPHONE, GAIN, CHANNEL = range(10)  # what each drawn number is for
RIPPLES = 4  # of the channel's response, each with a number from CHANNEL on
COUNT = CHANNEL + RIPPLES

KNEE = 4800.0  # Hz; above it the warp returns to meet half the rate, as most formants lie below
BAND = (300.0, 3400.0)  # Hz, of a telephone (ITU-T G.712)
STOPBAND = 1e-4  # power that a telephone lets through outside its band, -40 dB
TAPS = 5  # 2^TAPS frames of a decay
MIN_VARIANCE = 1e-2  # variance of a normalized coefficient below which it does not vary, as in a single frame
FLOOR = 1.2e-7  # power that energies are raised to, as features do


class Drawn(NamedTuple):
    """What was drawn for each utterance, (B, COUNT), uniform in [0, 1)."""

    values: Tensor

    def between(self, column: int, low: float, high: float) -> Tensor:
        """Return a column scaled to [low, high), (B, 1, 1), float32."""
        return (low + (high - low) * self.values[:, column]).float()[:, None, None]

    def happens(self, column: int, share: float) -> Tensor:
        """Return in which utterances something of this probability happens, (B,), bool."""
        return self.values[:, column] < share


@dataclass(frozen=True, eq=False)
class Scenes:
    """Other voices and other places.

    Attributes:
        spectrum: How the features relate to log-mel energies.
        warp: The vocal tract is changed by a factor in 1 ± warp, in every utterance.
        gain: The level is changed by at most so many dB either way, in every utterance.
        channel: Each of the smooth ripples that make up a microphone's response is at most so many dB deep, likewise.
        noise_share: Probability of added noise, of a spectrum with a random slope.
        snr: Lowest and highest signal-to-noise ratio, dB.
        room_share: Probability of reverberation.
        decay: Longest reverberation time (by 60 dB), seconds.
        telephone_share: Probability of a telephone's band.
    """

    spectrum: Spectrum
    warp: float = 0.0
    gain: float = 0.0
    channel: float = 0.0
    noise_share: float = 0.0
    snr: tuple[float, float] = (5.0, 30.0)
    room_share: float = 0.0
    decay: float = 0.6
    telephone_share: float = 0.0

    def __call__(
        self, features: Tensor, lengths: Tensor, rows: Tensor, key: int, norm: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Return normalized features (B, T, F) as they would be elsewhere; padding has no meaning.

        Args:
            features: (B, T, F), normalized.
            lengths: (B,), int64, frames.
            rows: (B,), int64, the utterances' indices in their set.
            key: From `seeds.integer`, a different one in each epoch.
            norm: Mean (B, 1, F), standard deviation (B, 1, F), and how much of an utterance's own statistics they are
                (B, 1, 1).
        """
        drawn = Drawn(uniform(streams(key, DRAWN, rows), COUNT))
        if self.warp or self.gain or self.channel:
            features = self._spoken(features, lengths, drawn, norm)
        where = drawn.happens(NOISY, self.noise_share) | drawn.happens(ROOM, self.room_share)
        where = (where | drawn.happens(TELEPHONE, self.telephone_share)).nonzero()[:, 0]
        if not len(where):
            return features
        before, mean, std, own = (part.index_select(0, where) for part in (features, *norm))
        now, lengths = Drawn(drawn.values[where]), lengths[where]
        moved = self._moved(torch.addcmul(mean, before, std), lengths, rows[where], key, now)
        return features.index_copy(0, where, _normalized(before, moved.sub_(mean).div_(std), lengths, own))

    def _spoken(self, features: Tensor, lengths: Tensor, drawn: Drawn, norm: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Warp the mel axis and change the level: one product, of matrices that act on normalized features.

        With x = z σ + μ, the warped x A normalized is (x A − μ') / σ = z (σ A / σ) + (μ A − μ') / σ, where μ' is what
        the mean becomes. Δ is linear, so A acts on it as on what it is taken of.
        """
        mean, std, own = norm
        width, skipped = features.shape[2] // (1 + self.spectrum.deltas), int(self.spectrum.energy)
        matrix = torch.eye(width, device=features.device).repeat(len(features), 1, 1)  # (B, width, width)
        matrix[:, skipped:, skipped:] = self._warping(drawn, features.device)
        within = torch.arange(features.shape[1], device=features.device) < lengths[:, None]  # (B, T)
        average = within[:, None].float() @ features / lengths[:, None, None]  # (B, 1, F)
        changed = torch.empty_like(features)
        for start in range(0, features.shape[2], width):
            block = slice(start, start + width)
            mu, sigma, usual = mean[..., block], std[..., block], average[..., block]
            scaled = sigma.transpose(1, 2) * matrix / sigma
            added = mu @ matrix - mu + (self._filtered(drawn, features.device) if start == 0 else 0)
            moved = (usual * sigma) @ matrix - usual * sigma + added  # the utterance's own mean
            torch.baddbmm((added - own * moved) / sigma, features[..., block], scaled, out=changed[..., block])
        return changed

    def _warping(self, drawn: Drawn, device: torch.device) -> Tensor:
        """Return A (B, F', F'), which moves the spectrum along the mel axis."""
        to_mel, from_mel = self._matrices(device)
        factors = drawn.between(WARP, 1 - self.warp, 1 + self.warp)[:, 0].double().cpu().numpy()  # (B, 1)
        read = self.spectrum.filters(warped(self.spectrum.centers, factors, self.spectrum.rate))  # (B, M)
        read_from = torch.from_numpy(read).float().to(device)[:, None]  # (B, 1, M)
        filters = torch.arange(len(to_mel[0]), device=device)[:, None]  # (M, 1)
        return to_mel @ (1 - (read_from - filters).abs()).clamp(min=0) @ from_mel

    def _filtered(self, drawn: Drawn, device: torch.device) -> Tensor:
        """Return what level and channel add to a feature vector without Δ, (B, 1, width)."""
        from_mel = self._matrices(device)[1]
        filters = (torch.arange(len(from_mel), device=device) + 0.5) / len(from_mel)
        decibels = drawn.between(GAIN, -self.gain, self.gain).expand(-1, 1, len(from_mel))
        for ripple in range(RIPPLES):
            depth = drawn.between(CHANNEL + ripple, -self.channel, self.channel)
            decibels = decibels + depth * torch.cos(math.pi * (ripple + 1) * filters)
        added = decibels * (math.log(10) / 10)
        energy = added.mean(dim=2, keepdim=True).expand(-1, -1, int(self.spectrum.energy))
        return torch.cat([energy, added @ from_mel], dim=2)

    def _moved(self, raw: Tensor, lengths: Tensor, rows: Tensor, key: int, drawn: Drawn) -> Tensor:
        """Put utterances (B, T, F) into rooms, noise and telephones."""
        to_mel, from_mel = self._matrices(raw.device)
        skipped, width = int(self.spectrum.energy), raw.shape[2] // (1 + self.spectrum.deltas)
        power = (raw[..., skipped:width] @ to_mel).exp()  # (B, T, M)
        before = power.sum(dim=2, keepdim=True)
        if self.room_share:
            power = self._reverberant(power, drawn)
        if self.noise_share:
            power = power + self._noise(power, lengths, rows, key, drawn)
        if self.telephone_share:
            outside = (self.spectrum.centers < BAND[0]) | (self.spectrum.centers > BAND[1])
            passed = torch.from_numpy(np.where(outside, STOPBAND, 1.0)).float().to(raw.device)
            calls = drawn.happens(TELEPHONE, self.telephone_share)[:, None, None]
            power = torch.where(calls, power * passed, power)
        static = power.clamp(min=FLOOR).log() @ from_mel
        if skipped:
            louder = (power.sum(dim=2, keepdim=True) / before).clamp(min=FLOOR).log()
            static = torch.cat([raw[..., :1] + louder, static], dim=2)
        return _with_deltas(static, lengths, self.spectrum.deltas)

    def _reverberant(self, power: Tensor, drawn: Drawn) -> Tensor:
        """Add each frame's exponentially decaying tail to those after it, of up to the power of the frame itself."""
        happens = drawn.happens(ROOM, self.room_share)[:, None, None]
        seconds = drawn.between(DECAY, self.decay / 4, self.decay)
        ratio = torch.pow(10.0, -6 * self.spectrum.shift / seconds)  # from one frame to the next
        tail = power
        for i in range(TAPS):  # (1 + r z)(1 + r² z²)(1 + r⁴ z⁴)… = 1 + r z + r² z² + …
            tail = tail + ratio ** (1 << i) * torch.nn.functional.pad(tail, (0, 0, 1 << i, 0))[:, : power.shape[1]]
        share = drawn.between(WET, 0.1, 1.0) * (1 - ratio) / ratio * happens
        return power + share * (tail - power)

    def _noise(self, power: Tensor, lengths: Tensor, rows: Tensor, key: int, drawn: Drawn) -> Tensor:
        """Return the powers of noise (B, T, M) at a drawn ratio to the utterance's mean power."""
        _, frames, filters = power.shape
        inside = torch.arange(frames, device=power.device) < lengths[:, None]  # (B, T)
        speech = (power.sum(dim=2) * inside).sum(dim=1) / lengths  # (B,)
        slope = torch.linspace(-1, 1, filters, device=power.device)
        shape = (drawn.between(TILT, -3.0, 3.0) * slope).softmax(dim=2)  # (B, 1, M)
        level = speech[:, None, None] * torch.pow(10.0, -drawn.between(SNR, *self.snr) / 10)
        level = level * drawn.happens(NOISY, self.noise_share)[:, None, None]
        varying = exponential(streams(key, FLUCTUATION, rows), frames * (filters + 1)).view(-1, frames, filters + 1)
        return level * shape * (varying[..., 1:] + varying[..., :-1]) / 2

    def _matrices(self, device: torch.device) -> tuple[Tensor, Tensor]:
        return tuple(torch.from_numpy(m).to(device) for m in (self.spectrum.to_mel, self.spectrum.from_mel))  # type: ignore[return-value]


def warped(frequencies: np.ndarray, factor: np.ndarray | float, rate: int) -> np.ndarray:
    """Return frequencies (…) scaled by a factor up to a knee, and from there on straight to half the rate.

    Args:
        frequencies: Hz.
        factor: Of the vocal tract's change.
        rate: Of the samples, Hz.
    """
    half = rate / 2
    knee = min(KNEE, 0.6 * rate / 2) * np.minimum(factor, 1)
    above = half - (half - knee) / (half - knee / factor) * (half - frequencies)
    return np.where(frequencies <= knee / factor, frequencies * factor, above)


def _normalized(before: Tensor, after: Tensor, lengths: Tensor, own: Tensor) -> Tensor:
    """Return changed features as the normalization would have them, given that they are `before` unchanged.

    Args:
        before: (B, T, F), normalized.
        after: (B, T, F), changed, and normalized by the statistics of what they were.
        lengths: (B,), frames.
        own: (B, 1, 1), how much of the statistics are the utterance's own.
    """
    count = lengths[:, None, None]
    inside = (torch.arange(before.shape[1], device=before.device) < lengths[:, None])[:, :, None]
    before, after = before * inside, after * inside
    pairs = [(values, values.sum(dim=1, keepdim=True) / count) for values in (before, after)]
    means = [mean for _, mean in pairs]
    variances = [((values - mean) * inside).square().sum(dim=1, keepdim=True) / count for values, mean in pairs]
    wider = (variances[1].clamp(min=MIN_VARIANCE) / variances[0].clamp(min=MIN_VARIANCE)).pow(own / 2)
    return (after - own * (means[1] - means[0])) / wider * inside


def _with_deltas(static: Tensor, lengths: Tensor, order: int) -> Tensor:
    """Append Δ and ΔΔ as `asr.features.delta` defines them."""
    parts = [static]
    times = torch.arange(-2, static.shape[1] + 2, device=static.device)
    index = torch.minimum(times.clamp(min=0), lengths[:, None] - 1)[:, :, None].expand(-1, -1, static.shape[2])
    for _ in range(order):
        around = parts[-1].gather(1, index)
        parts.append((around[:, 3:-1] - around[:, 1:-3] + 2 * (around[:, 4:] - around[:, :-4])) / 10)
    return torch.cat(parts, dim=2) if order else static

/** Samples → feature vectors, as `asr.features` makes them: Kaldi's log-mel energies or cepstra, and their Δ. */
import { PowerSpectrum } from "./fourier.js";
import { product } from "./matrix.js";

const FULL_SCALE = 32768; // Kaldi works on 16-bit steps; ours are in [−1, 1]
const FLOOR = 2 ** -23; // what Kaldi raises energies to before the logarithm

/** How many whole samples fit into a duration, which may have been rounded down a little. */
export const samplesIn = (seconds, rate) => Math.floor(seconds * rate + 1e-6);

const mel = (frequency) => 1127 * Math.log1p(frequency / 700);

/** A table (rows, columns) as one array, from a function of row and column. */
const table = (rows, columns, value) =>
  Float64Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));

/** Triangular filters (mels, bins), equally wide and half overlapping in mel. */
function melFilters({ mels, low, high, rate }, points) {
  const [bottom, top] = [mel(low), mel(high || rate / 2)];
  const width = (top - bottom) / (mels + 1);
  return table(mels, points / 2 + 1, (filter, bin) => {
    const place = (mel((bin * rate) / points) - bottom) / width - filter; // 0 at the left edge, 1 at the center
    return Math.max(0, Math.min(place, 2 - place));
  });
}

/** The orthonormal DCT-II (coefficients, mels), its rows liftered. */
function cepstral({ mels, coefficients, lifter }) {
  const lift = (k) => (lifter ? 1 + (lifter / 2) * Math.sin((Math.PI * k) / lifter) : 1);
  return table(coefficients, mels, (k, filter) => {
    const scale = Math.sqrt((k ? 2 : 1) / mels);
    return lift(k) * scale * Math.cos((Math.PI / mels) * (filter + 0.5) * k);
  });
}

export class Features {
  /** @param {object} settings - Those of `asr.features`, by name: kind, rate, window, shift, mels, deltas, … */
  constructor(settings) {
    this.settings = settings;
    this.width = samplesIn(settings.window, settings.rate);
    this.step = samplesIn(settings.shift, settings.rate);
    this.spectrum = new PowerSpectrum(2 ** Math.ceil(Math.log2(this.width)));
    this.filters = melFilters(settings, this.spectrum.points);
    this.cepstral = settings.kind === "mfcc" ? cepstral(settings) : null;
    this.size = this.cepstral ? settings.coefficients : settings.mels + Number(settings.energy);
    this.window = Float64Array.from({ length: this.width }, (_, i) => {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (this.width - 1));
      return hann ** 0.85 * FULL_SCALE; // Povey's
    });
  }

  /** T, the number of whole windows in so many samples. */
  frames(samples) {
    return samples < this.width ? 0 : 1 + Math.floor((samples - this.width) / this.step);
  }

  /**
   * Return the feature vectors (T, F) of samples (S,), before normalization.
   * @param {Float32Array} samples
   * @param {(frame: number, power: Float64Array) => void} [seen] - Is shown each frame's power spectrum.
   */
  compute(samples, seen = () => {}) {
    const frames = this.frames(samples.length);
    const features = new Float32Array(frames * this.size);
    const [windowed, power] = [new Float64Array(this.width), new Float64Array(this.spectrum.bins)];
    for (let t = 0; t < frames; t++) {
      const frame = samples.subarray(t * this.step, t * this.step + this.width);
      const energy = this.#windowed(frame, windowed);
      this.spectrum.of(windowed, power);
      seen(t, power);
      features.set(this.#vector(power, energy), t * this.size);
    }
    if (!features.every(Number.isFinite)) throw new Error("the samples are not finite; write the file again");
    return { frames, ...withDeltas(features, frames, this.size, this.settings.deltas || 0) };
  }

  /** Remove a frame's mean, emphasize high frequencies, apply the window; return the energy after the first of these. */
  #windowed(frame, out) {
    const { preemphasis } = this.settings;
    const mean = frame.reduce((sum, sample) => sum + sample, 0) / frame.length;
    let energy = (frame[0] - mean) ** 2;
    for (let i = 1; i < frame.length; i++) {
      energy += (frame[i] - mean) ** 2;
      out[i] = (frame[i] - mean - preemphasis * (frame[i - 1] - mean)) * this.window[i];
    }
    return energy * FULL_SCALE ** 2;
  }

  #vector(power, energy) {
    const { mels, energy: wanted } = this.settings;
    const floored = (value) => Math.log(Math.max(value, FLOOR));
    const logs = product(this.filters, power, new Float64Array(mels)).map(floored);
    const vector = this.cepstral ? product(this.cepstral, logs, new Float64Array(this.size)) : logs;
    if (!wanted) return vector;
    if (!this.cepstral) return [floored(energy), ...vector];
    vector[0] = floored(energy);
    return vector;
  }
}

/** Append Δ, or Δ and ΔΔ, to vectors (T, F): the slope of the regression line through five frames, ends repeated. */
function withDeltas(features, frames, size, order) {
  const wide = size * (1 + order);
  const all = new Float32Array(frames * wide);
  const at = (t) => Math.min(Math.max(t, 0), frames - 1) * wide;
  for (let t = 0; t < frames; t++) all.set(features.subarray(t * size, (t + 1) * size), t * wide);
  for (let from = 0; from < size * order; from += size) {
    for (let t = 0; t < frames; t++) {
      for (let f = from; f < from + size; f++) {
        const slope = all[at(t + 1) + f] - all[at(t - 1) + f] + 2 * (all[at(t + 2) + f] - all[at(t - 2) + f]);
        all[t * wide + size + f] = slope / 10;
      }
    }
  }
  return { features: all, size: wide };
}

/**
 * Normalize feature vectors (T, F) in place: each coefficient to mean 0 and deviation 1.
 * @param {object} normalizer - Its kind, and `count` frames of the training set by their sum, `total`, and the sum of
 *   their `squares`: a prior, or with the kind `global` all that counts.
 */
export function normalize(features, size, { kind, count, total, squares }) {
  if (kind === "none") return features;
  for (let f = 0; f < size; f++) {
    let [frames, sum, square] = count ? [count, total[f], squares[f]] : [0, 0, 0];
    for (let i = f; i < features.length && kind !== "global"; i += size) {
      frames += 1;
      sum += features[i];
      square += features[i] ** 2;
    }
    const mean = sum / frames;
    const deviation = Math.sqrt(Math.max(square / frames - mean ** 2, 1e-10));
    for (let i = f; i < features.length; i += size) features[i] = (features[i] - mean) / deviation;
  }
  return features;
}

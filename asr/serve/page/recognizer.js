/** The system of the page: samples in, analysis out. */
import { Features, normalize } from "./features.js";
import { greedy } from "./greedy.js";
import { Network } from "./network.js";
import { resample } from "./resample.js";

const BANDS = 128; // of the spectrogram
const RANGE = 60; // dB below the loudest that it shows

/** Return a function that gives each of a system's weights by its name, in double precision. */
function weights({ tensors, weights: text }) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const values = new Float32Array(bytes.buffer); // little-endian, as every machine that runs a browser
  return (name) => {
    const [first, count] = tensors[name];
    return Float64Array.from(values.subarray(first, first + count));
  };
}

export class Recognizer {
  /** @param {object} system - What `asr.serve.page.described` returns. */
  constructor(system) {
    this.system = system;
    this.features = new Features(system.features);
    this.network = new Network(system.architecture, weights(system));
  }

  /** Return { logProbs, frames, features, size, spectrogram } of samples at the system's rate. */
  logProbs(samples) {
    const { rate, window } = this.system.features;
    if (samples.length < this.features.width) {
      const lasts = `${((1000 * samples.length) / rate).toFixed()} ms`;
      throw new Error(`${lasts} are shorter than one window of ${1000 * window} ms; record a longer one`);
    }
    const spectrogram = new Spectrogram(this.features.frames(samples.length), this.features.spectrum.bins);
    const { features, size, frames } = this.features.compute(samples, (t, power) => spectrogram.add(t, power));
    const outputs = this.network.run(normalize(features, size, this.system.normalizer), frames);
    return { ...outputs, spectrogram: spectrogram.scaled(rate / 2) };
  }

  /**
   * Return what is said in samples at any rate, and all that the page draws of it.
   * @returns {{samples, rate, seconds, units: {symbol, start, end, confidence}[], score, posteriors, spectrogram}}
   *   The last two are tables: `data` (T, wide) in bytes, a row for each of `frames` of `shift` seconds, from `first` on.
   */
  analyze(samples, rate) {
    const seconds = samples.length / rate;
    const { rate: own, window, shift } = this.system.features;
    const heard = resample(samples, rate, own);
    const { logProbs, frames, spectrogram } = this.logProbs(heard);
    const symbols = this.system.units.symbols;
    const seen = { first: (window - shift) / 2, shift };
    const whole = this.system.architecture.readout !== "frames"; // its only frame is the recording
    const said = whole ? { first: 0, shift: seconds } : { ...seen, shift: shift * this.system.stride };
    const second = (frame) => Math.min(Math.max(said.first + frame * said.shift, 0), seconds);
    let score = 0;
    for (let t = 0; t < frames; t++) {
      score += logProbs.subarray(t * symbols.length, (t + 1) * symbols.length).reduce((a, b) => Math.max(a, b));
    }
    const units = greedy(logProbs, frames, symbols.length).map(({ id, first: start, end, confidence }) => (
      { symbol: symbols[id], start: second(start), end: second(end), confidence }
    ));
    const data = Uint8Array.from(logProbs, (value) => Math.round(255 * Math.exp(value)));
    const posteriors = { data, wide: symbols.length, frames, ...said };
    return { samples: heard, rate: own, seconds, units, score, posteriors, spectrogram: { ...spectrogram, ...seen } };
  }
}

/** Power over time and frequency, as the features see it: emphasized, a column a frame. */
class Spectrogram {
  constructor(frames, bins) {
    this.frames = frames;
    this.bands = Math.min(BANDS, bins - 1);
    this.bins = bins;
    this.decibels = new Uint8Array(frames * this.bands); // from −60 to 195, where full scale is 140
  }

  add(t, power) {
    const wide = (this.bins - 1) / this.bands;
    for (let band = 0; band < this.bands; band++) {
      let most = 0;
      for (let k = Math.floor(band * wide); k < (band + 1) * wide; k++) most = Math.max(most, power[k]);
      this.decibels[t * this.bands + band] = 60 + 10 * Math.log10(most + 1e-6);
    }
  }

  /** Return { data: Uint8Array (T, wide), wide, frames, top }: 255 is the loudest, 0 all `RANGE` dB below it and less. */
  scaled(top) {
    const loudest = this.decibels.reduce((a, b) => Math.max(a, b), 0);
    const data = this.decibels.map((value) => Math.max(0, 255 * (1 + (value - loudest) / RANGE)));
    return { data, wide: this.bands, frames: this.frames, top };
  }
}

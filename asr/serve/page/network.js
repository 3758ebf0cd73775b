/** The network: normalized feature vectors (T, F) → natural-log probabilities (T', V). */
import { recurrent } from "./cells.js";
import { FRONTENDS } from "./frontends.js";
import { layerNormalize, logSoftmax, product } from "./matrix.js";

/** The readouts, by the name that each has in `asr.readouts`: outputs (T', H) → (T'', H). */
export const READOUTS = {
  frames: (outputs, frames) => ({ outputs, frames }),
  mean(outputs, frames) {
    const size = outputs.length / frames;
    const mean = new Float64Array(size);
    for (let i = 0; i < outputs.length; i++) mean[i % size] += outputs[i] / frames;
    return { outputs: mean, frames: 1 };
  },
};

export class Network {
  /**
   * @param {object} architecture - As `asr.engines.Architecture`.
   * @param {(name: string) => Float64Array} weight - The weights by name; throws if there is none.
   */
  constructor(architecture, weight) {
    const within = (prefix) => (name) => weight(prefix + name);
    this.frontend = FRONTENDS[architecture.frontend](within("frontend."), architecture);
    this.units = architecture.units;
    this.readout = READOUTS[architecture.readout];
    this.layers = [];
    let { size } = this.frontend;
    for (let layer = 0; layer < architecture.layers; layer++) {
      const own = recurrent(within(`cells.${layer}.`), size, architecture);
      const norm = architecture.norm && [weight(`norms.${layer}.weight`), weight(`norms.${layer}.bias`)];
      this.layers.push({ ...own, norm });
      ({ size } = own);
    }
    this.dense = architecture.dense ? [weight("dense.0.weight"), weight("dense.0.bias")] : null;
    this.projection = [weight("projection.weight"), weight("projection.bias")];
  }

  /** Return { logProbs: Float32Array (T', V), frames: T' }. */
  run(features, count) {
    let { outputs: hidden, frames } = this.frontend.run(features, count);
    let below = null; // what the layer below remembers
    for (const { run, size, norm } of this.layers) {
      const { outputs, states } = run(hidden, frames, below);
      [hidden, below] = [outputs, states];
      for (let t = 0; norm && t < frames; t++) layerNormalize(hidden.subarray(t * size, (t + 1) * size), ...norm);
    }
    ({ outputs: hidden, frames } = this.readout(hidden, frames));
    const logProbs = new Float32Array(frames * this.units);
    const size = hidden.length / frames;
    for (let t = 0; t < frames; t++) {
      logProbs.set(this.#scores(Float64Array.from(hidden.subarray(t * size, (t + 1) * size))), t * this.units);
    }
    return { logProbs, frames };
  }

  /** Return the log-probs (V,) of one output of the recurrence. */
  #scores(vector) {
    const linear = ([matrix, bias], input) => product(matrix, input, new Float64Array(bias.length), bias);
    const input = this.dense ? linear(this.dense, vector).map((value) => Math.max(value, 0)) : vector;
    const scores = linear(this.projection, input);
    logSoftmax(scores);
    return scores;
  }
}

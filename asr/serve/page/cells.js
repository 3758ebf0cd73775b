/**
 * The cells' equations, by the name that the cell has in `asr.cells`, with torch's parameters.
 *
 * A cell takes a direction's weights, its sizes and the cell's settings, and returns a function that takes one step:
 * (x, state) changes `state.h`, the output, and what else it remembers.
 */
import { product } from "./matrix.js";

const sigmoid = (x) => 0.5 + 0.5 * Math.tanh(0.5 * x);

function lstm({ W, U, b, R }, hidden) {
  const sums = new Float64Array(4 * hidden);
  const m = R ? new Float64Array(hidden) : null;
  return (x, state) => {
    sums.set(b);
    product(W, x, sums, true);
    product(U, state.h, sums, true);
    const out = m || state.h;
    for (let j = 0; j < hidden; j++) {
      const [i, f] = [sigmoid(sums[j]), sigmoid(sums[hidden + j])];
      const [g, o] = [Math.tanh(sums[2 * hidden + j]), sigmoid(sums[3 * hidden + j])];
      state.c[j] = f * state.c[j] + i * g;
      out[j] = o * Math.tanh(state.c[j]);
    }
    if (m) product(R, m, state.h);
  };
}

/** Gated recurrent units; their reset gate comes after the product with U, as cuDNN has it, or before it. */
function gru({ W, U, bx, bh }, hidden, { reset = "after" }) {
  const [ofInput, ofOutput] = [new Float64Array(3 * hidden), new Float64Array(3 * hidden)];
  const [reduced, inner] = [new Float64Array(hidden), new Float64Array(hidden)];
  const candidate = U.subarray(2 * hidden * hidden);
  return (x, { h }) => {
    ofInput.set(bx);
    ofOutput.set(bh);
    product(W, x, ofInput, true);
    product(U, h, ofOutput, true);
    const gate = (place) => sigmoid(ofInput[place] + ofOutput[place]);
    for (let j = 0; j < hidden; j++) reduced[j] = gate(j) * (reset === "before" ? h[j] : ofOutput[2 * hidden + j]);
    if (reset === "before") product(candidate, reduced, inner);
    for (let j = 0; j < hidden; j++) {
      const m = reset === "before" ? inner[j] + bh[2 * hidden + j] : reduced[j];
      const n = Math.tanh(ofInput[2 * hidden + j] + m);
      h[j] = n + gate(hidden + j) * (h[j] - n);
    }
  };
}

/** Elman's cells; a leak smaller than 1 keeps a part of the output before. */
function rnn({ W, U, b }, hidden, { activation = "tanh", leak = [1] }) {
  const sums = new Float64Array(hidden);
  const block = Math.ceil(hidden / leak.length); // outputs that share a leak
  return (x, { h }) => {
    sums.set(b);
    product(W, x, sums, true);
    product(U, h, sums, true);
    for (let j = 0; j < hidden; j++) {
      const n = activation === "tanh" ? Math.tanh(sums[j]) : Math.max(sums[j], 0);
      const share = leak[Math.floor(j / block)];
      h[j] = h[j] * (1 - share) + n * share;
    }
  };
}

const CELLS = { lstm, gru, rnn };

/**
 * Return a layer: vectors (T, F) → (T, D H), D directions side by side.
 * @param {(name: string) => Float64Array} weight - The layer's weights by torch's names.
 */
export function recurrent(weight, features, { cell, hidden, of_cell: settings }) {
  const directions = settings.direction === "forward" ? [""] : ["", "_reverse"];
  const size = settings.projection || hidden;
  const steps = directions.map((side) => {
    const [W, U] = [weight(`weight_ih_l0${side}`), weight(`weight_hh_l0${side}`)];
    const [bx, bh] = [weight(`bias_ih_l0${side}`), weight(`bias_hh_l0${side}`)];
    const R = settings.projection ? weight(`weight_hr_l0${side}`) : null;
    return CELLS[cell]({ W, U, bx, bh, b: bx.map((value, i) => value + bh[i]), R }, hidden, settings);
  });
  const wide = directions.length * size;
  const run = (inputs, frames) => {
    const outputs = new Float32Array(frames * wide);
    steps.forEach((step, side) => {
      const state = { h: new Float64Array(size), c: new Float64Array(hidden) };
      const x = new Float64Array(features);
      for (let i = 0; i < frames; i++) {
        const t = side ? frames - 1 - i : i; // the second direction walks backwards
        x.set(inputs.subarray(t * features, (t + 1) * features));
        step(x, state);
        outputs.set(state.h, t * wide + side * size);
      }
    });
    return outputs;
  };
  return { run, size: wide };
}

/**
 * The cells' equations, by the name that the cell has in `asr.cells`: here those with torch's own parameters.
 *
 * A cell takes a direction's weights by name, its hidden units and its settings. It returns how many values it feeds
 * back (`fed`) and how many of them are outputs (`shown`), if not H; whether it looks at the layer below (`deep`); and
 * a function that takes one step: (x, state, low) changes `state.h`, the output, and `state.c`, what else it
 * remembers; `low` is the `c` of the layer below in the same frame.
 */
import { LITERATURE } from "./literature.js";
import { product, sigmoid } from "./matrix.js";

const added = (one, other) => one.map((value, i) => value + other[i]);

function lstm(weight, hidden, { projection }) {
  const [W, U] = [weight("weight_ih_l0"), weight("weight_hh_l0")];
  const b = added(weight("bias_ih_l0"), weight("bias_hh_l0"));
  const R = projection ? weight("weight_hr_l0") : null;
  const sums = new Float64Array(4 * hidden);
  const whole = new Float64Array(hidden);
  const step = (x, { h, c }) => {
    product(W, x, sums, b);
    product(U, h, sums, sums);
    const out = R ? whole : h;
    for (let j = 0; j < hidden; j++) {
      const [i, f] = [sigmoid(sums[j]), sigmoid(sums[hidden + j])];
      c[j] = f * c[j] + i * Math.tanh(sums[2 * hidden + j]);
      out[j] = sigmoid(sums[3 * hidden + j]) * Math.tanh(c[j]);
    }
    if (R) product(R, whole, h);
  };
  return { step, fed: projection || hidden };
}

/** Gated recurrent units; their reset gate comes after the product with U, as cuDNN has it, or before it. */
function gru(weight, hidden, { reset = "after" }) {
  const [W, U] = [weight("weight_ih_l0"), weight("weight_hh_l0")];
  const [bx, bh] = [weight("bias_ih_l0"), weight("bias_hh_l0")];
  const [ofInput, ofOutput] = [new Float64Array(3 * hidden), new Float64Array(3 * hidden)];
  const [reduced, inner] = [new Float64Array(hidden), new Float64Array(hidden)];
  const [candidate, own] = [U.subarray(2 * hidden * hidden), bh.subarray(2 * hidden)];
  const step = (x, { h }) => {
    product(W, x, ofInput, bx);
    product(U, h, ofOutput, bh);
    const gate = (place) => sigmoid(ofInput[place] + ofOutput[place]);
    for (let j = 0; j < hidden; j++) reduced[j] = gate(j) * (reset === "before" ? h[j] : ofOutput[2 * hidden + j]);
    const m = reset === "before" ? product(candidate, reduced, inner, own) : reduced;
    for (let j = 0; j < hidden; j++) {
      const n = Math.tanh(ofInput[2 * hidden + j] + m[j]);
      h[j] = n + gate(hidden + j) * (h[j] - n);
    }
  };
  return { step };
}

/** Elman's cells; a leak smaller than 1 keeps a part of the output before. */
function rnn(weight, hidden, { activation = "tanh", leak = [1] }) {
  const [W, U] = [weight("weight_ih_l0"), weight("weight_hh_l0")];
  const b = added(weight("bias_ih_l0"), weight("bias_hh_l0"));
  const sums = new Float64Array(hidden);
  const block = Math.ceil(hidden / leak.length); // outputs that share a leak
  const step = (x, { h }) => {
    product(W, x, sums, b);
    product(U, h, sums, sums);
    for (let j = 0; j < hidden; j++) {
      const n = activation === "tanh" ? Math.tanh(sums[j]) : Math.max(sums[j], 0);
      const share = leak[Math.floor(j / block)];
      h[j] = h[j] * (1 - share) + n * share;
    }
  };
  return { step };
}

const CELLS = { lstm, gru, rnn, ...LITERATURE };

/**
 * Return a layer, which makes of vectors (T, F) its outputs (T, D H), D directions side by side, and the
 * states `c` (T, D H) of cells that look at them from the layer above.
 * @param {(name: string) => Float64Array} weight - The layer's weights.
 */
export function recurrent(weight, features, { cell, hidden, of_cell: settings }) {
  const sides = settings.direction === "forward" ? [""] : ["", "_reverse"];
  const cells = sides.map((side) => CELLS[cell]((name) => weight(name + side), hidden, settings));
  const { fed = hidden, shown = fed } = cells[0];
  const { deep } = cells[0];
  const [wide, remembered] = [sides.length * shown, deep ? sides.length * hidden : 0];
  const run = (inputs, frames, below) => {
    const [outputs, states] = [new Float32Array(frames * wide), new Float32Array(frames * remembered)];
    cells.forEach(({ step }, side) => {
      const state = { h: new Float64Array(fed), c: new Float64Array(hidden) };
      const x = new Float64Array(features);
      for (let i = 0; i < frames; i++) {
        const t = side ? frames - 1 - i : i; // the second direction walks backwards
        const place = t * remembered + side * hidden; // of what it remembers
        x.set(inputs.subarray(t * features, (t + 1) * features));
        step(x, state, below && below.subarray(place, place + hidden));
        outputs.set(state.h.subarray(0, shown), t * wide + side * shown);
        if (deep) states.set(state.c, place);
      }
    });
    return { outputs, states };
  };
  return { run, size: wide };
}

/** The literature's cells, with parameters of our own; see cells.js, and `asr.cells` for the sources. */
import { product, sigmoid } from "./matrix.js";

/** Return the function that puts W x + U h + b into an array of its own, and that array. */
function summed(weight) {
  const [W, U, b] = [weight("weight_ih"), weight("weight_hh"), weight("bias")];
  const sums = new Float64Array(b.length);
  const sum = (x, h) => product(U, h, product(W, x, sums, b), sums);
  return [sum, sums];
}

function peephole(weight, hidden, { gates = "ifo" }) {
  const [sum, sums] = summed(weight);
  const none = new Float64Array(hidden);
  const [pi, pf, po] = [..."ifo"].map((gate) => (gates.includes(gate) ? weight(`peephole_${gate}`) : none));
  const step = (x, { h, c }) => {
    sum(x, h);
    for (let j = 0; j < hidden; j++) {
      const [i, f] = [sigmoid(sums[j] + pi[j] * c[j]), sigmoid(sums[hidden + j] + pf[j] * c[j])];
      c[j] = f * c[j] + i * Math.tanh(sums[2 * hidden + j]);
      h[j] = sigmoid(sums[3 * hidden + j] + po[j] * c[j]) * Math.tanh(c[j]);
    }
  };
  return { step };
}

/** Cells that forget as much as they write; `block` of them share gates. */
function coupled(weight, hidden, { block = 1 }) {
  const [sum, sums] = summed(weight);
  const wide = hidden / block;
  const step = (x, { h, c }) => {
    sum(x, h);
    for (let j = 0; j < hidden; j++) {
      const gate = Math.floor(j / block);
      c[j] += sigmoid(sums[gate]) * (Math.tanh(sums[wide + j]) - c[j]);
      h[j] = sigmoid(sums[wide + hidden + gate]) * Math.tanh(c[j]);
    }
  };
  return { step };
}

/** Cells without forget gates, whose sums may read the gates, too: those are fed back behind the outputs. */
function lstm1997(weight, hidden, { block = 1, recurrence = "gates" }) {
  const [sum, sums] = summed(weight);
  const wide = hidden / block;
  const full = recurrence === "gates";
  const step = (x, { h, c }) => {
    sum(x, h);
    const gate = (kind, j) => sigmoid(sums[kind * (wide + hidden) + j]); // 0: input, 1: output
    for (let j = 0; j < hidden; j++) {
      const own = Math.floor(j / block);
      c[j] += gate(0, own) * 2 * Math.tanh(sums[wide + j] / 2);
      h[j] = gate(1, own) * Math.tanh(c[j] / 2);
    }
    for (let j = 0; full && j < wide; j++) [h[hidden + j], h[hidden + wide + j]] = [gate(0, j), gate(1, j)];
  };
  return { step, fed: full ? hidden + 2 * wide : hidden, shown: hidden };
}

/** Cells with a gate to those of the layer below, where there is one. */
function depthGated(weight, hidden) {
  const [sum, sums] = summed(weight);
  const deep = new Float64Array(hidden);
  let gate = null; // of all layers but the lowest
  const step = (x, { h, c }, low) => {
    sum(x, h);
    if (low) {
      gate ||= ["weight_id", "bias_d", "depth_c", "depth_l"].map(weight);
      product(gate[0], x, deep, gate[1]);
    }
    for (let j = 0; j < hidden; j++) {
      const before = c[j];
      c[j] = sigmoid(sums[hidden + j]) * before + sigmoid(sums[j]) * Math.tanh(sums[2 * hidden + j]);
      if (low) c[j] += sigmoid(deep[j] + gate[2][j] * before + gate[3][j] * low[j]) * low[j];
      h[j] = sigmoid(sums[3 * hidden + j]) * Math.tanh(c[j]);
    }
  };
  return { step, deep: true };
}

function mingru(weight, hidden) {
  const [W, b] = [weight("weight_ih"), weight("bias")];
  const sums = new Float64Array(2 * hidden);
  const step = (x, { h }) => {
    product(W, x, sums, b);
    for (let j = 0; j < hidden; j++) {
      const v = sums[hidden + j];
      h[j] += sigmoid(sums[j]) * ((v > 0 ? v + 0.5 : sigmoid(v)) - h[j]);
    }
  };
  return { step };
}

/** Modules, the first so many of which move at a frame; a unit reads those of its own and of slower modules. */
function clockwork(weight, hidden, { modules = 4 }) {
  const [W, read, b] = [weight("weight_ih"), weight("weight_hh"), weight("bias")];
  const wide = hidden / modules;
  const U = new Float64Array(hidden * hidden);
  for (let j = 0, next = 0; j < hidden; j++) {
    for (let k = wide * Math.floor(j / wide); k < hidden; k++) U[j * hidden + k] = read[next++];
  }
  const sums = new Float64Array(hidden);
  const step = (x, state) => {
    product(W, x, sums, b);
    product(U, state.h, sums, sums);
    const frame = state.frame || 0;
    let moved = 0;
    while (moved < modules && frame % 2 ** moved === 0) moved++;
    for (let j = 0; j < wide * moved; j++) state.h[j] = Math.tanh(sums[j]);
    state.frame = frame + 1;
  };
  return { step };
}

export const LITERATURE = {
  "lstm-peephole": peephole,
  "lstm-coupled": coupled,
  "lstm-1997": lstm1997,
  "lstm-depth-gated": depthGated,
  mingru,
  clockwork,
};

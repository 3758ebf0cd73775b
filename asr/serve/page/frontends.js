/**
 * The front ends, by the name that each has in `asr.frontends`: vectors (T, F) → (T', F'), with F' and the stride.
 */
import { layerNormalize, product } from "./matrix.js";

const KERNEL = 3; // frames and filters that a convolution sees
const POOLED = 2; // filters that become one after it

const none = (weight, { features }) => ({ run: (inputs, frames) => ({ outputs: inputs, frames }), size: features });

function stack(weight, { features, of_frontend: { stride = 2 } }) {
  const run = (inputs, frames) => {
    const groups = Math.ceil(frames / stride);
    const outputs = new Float32Array(groups * stride * features); // zeros after the last
    outputs.set(inputs);
    return { outputs, frames: groups };
  };
  return { run, size: stride * features };
}

function pool(weight, { features, of_frontend: { stride = 2 } }) {
  const run = (inputs, frames) => {
    const groups = Math.ceil(frames / stride);
    const outputs = new Float32Array(groups * features);
    for (let t = 0; t < frames; t++) {
      const group = Math.floor(t / stride);
      const count = Math.min(stride, frames - group * stride); // of the last, those that exist
      for (let f = 0; f < features; f++) outputs[group * features + f] += inputs[t * features + f] / count;
    }
    return { outputs, frames: groups };
  };
  return { run, size: features };
}

function conv(weight, { features, blocks, of_frontend: { stride = 2, channels = 16, depth = 2 } }) {
  const layers = [];
  let [filters, before] = [features / blocks, blocks];
  for (let layer = 0; layer < depth; layer++) {
    const [kernel, bias] = [weight(`convolutions.${layer}.weight`), weight(`convolutions.${layer}.bias`)];
    const [scale, shift] = [weight(`norms.${layer}.weight`), weight(`norms.${layer}.bias`)];
    layers.push({ kernel, bias, scale, shift, filters, before, channels });
    [filters, before] = [Math.ceil(filters / POOLED), channels];
  }
  const size = channels * filters;
  const run = (inputs, frames) => {
    const hidden = layers.reduce((seen, layer) => convolved(seen, frames, layer), inputs);
    const groups = Math.ceil(frames / stride);
    const outputs = new Float32Array(groups * size); // zeros never exceed a rectified maximum
    for (let t = 0; t < frames; t++) {
      const group = Math.floor(t / stride) * size;
      for (let f = 0; f < size; f++) outputs[group + f] = Math.max(outputs[group + f], hidden[t * size + f]);
    }
    return { outputs, frames: groups };
  };
  return { run, size };
}

/** Return one convolution's rectified and pooled output (T, C', filters') of (T, C, filters). */
function convolved(hidden, frames, { kernel, bias, scale, shift, filters, before, channels }) {
  const pooled = Math.ceil(filters / POOLED);
  const outputs = new Float32Array(frames * channels * pooled);
  const around = new Float64Array(before * KERNEL * KERNEL);
  const [sums, values] = [new Float64Array(channels), new Float64Array(channels * filters)];
  for (let t = 0; t < frames; t++) {
    for (let f = 0; f < filters; f++) {
      for (let i = 0; i < around.length; i++) {
        const [channel, dt, df] = [Math.floor(i / KERNEL ** 2), Math.floor(i / KERNEL) % KERNEL, i % KERNEL];
        const [time, filter] = [t + dt - 1, f + df - 1];
        const inside = time >= 0 && time < frames && filter >= 0 && filter < filters;
        around[i] = inside ? hidden[(time * before + channel) * filters + filter] : 0;
      }
      product(kernel, around, sums, bias);
      for (let c = 0; c < channels; c++) values[c * filters + f] = sums[c];
    }
    layerNormalize(values, scale, shift);
    for (let c = 0; c < channels; c++) {
      for (let f = 0; f < filters; f++) {
        const place = (t * channels + c) * pooled + Math.floor(f / POOLED);
        outputs[place] = Math.max(outputs[place], values[c * filters + f]);
      }
    }
  }
  return outputs;
}

export const FRONTENDS = { none, stack, pool, conv };

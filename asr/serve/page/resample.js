/** Band-limited interpolation: a sinc, windowed by Kaiser, at the lower of the two rates. */

const CROSSINGS = 48; // zeros of the sinc on each side
const ROLLOFF = 0.95; // where the pass band ends, of half the lower rate
const BETA = 8; // of Kaiser's window: 80 dB

/** The modified Bessel function of order 0, by its series. */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

/** Return samples at `wanted` Hz. */
export function resample(samples, rate, wanted) {
  if (rate === wanted) return samples;
  const common = divisor(rate, wanted);
  const [up, down] = [wanted / common, rate / common]; // `down` samples become `up`
  const cutoff = ROLLOFF * Math.min(1, wanted / rate);
  const reach = Math.ceil(CROSSINGS / cutoff);
  const phases = new Map(); // filters by where the output is between two samples
  const phase = (offset) => {
    if (!phases.has(offset)) phases.set(offset, filter(offset / up, cutoff, reach));
    return phases.get(offset);
  };
  const output = new Float32Array(Math.round((samples.length * wanted) / rate));
  for (let i = 0; i < output.length; i++) {
    const center = Math.floor((i * down) / up);
    const taps = phase((i * down) % up);
    const start = center - reach + 1;
    const [from, to] = [Math.max(0, -start), Math.min(taps.length, samples.length - start)];
    let sum = 0;
    for (let k = from; k < to; k++) sum += taps[k] * samples[start + k];
    output[i] = sum;
  }
  return output;
}

/** Return the filter whose center is `fraction` of a sample after its middle. */
function filter(fraction, cutoff, reach) {
  return Float64Array.from({ length: 2 * reach }, (_, k) => {
    const x = k - reach + 1 - fraction;
    const inside = Math.max(0, 1 - (x / reach) ** 2);
    const angle = Math.PI * cutoff * x;
    return cutoff * (angle ? Math.sin(angle) / angle : 1) * (bessel(BETA * Math.sqrt(inside)) / bessel(BETA));
  });
}

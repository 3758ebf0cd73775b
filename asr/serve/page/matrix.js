/** Products with matrices, stored row by row, and what is done to a vector. */

export const sigmoid = (x) => 0.5 + 0.5 * Math.tanh(0.5 * x);

/**
 * Put bias (R,) + matrix (R, C) · vector (C,) into `out` (R,), which may be the bias, and return it.
 * Four rows at a time: each loads an element of the vector once, and their sums do not wait for each other.
 */
export function product(matrix, vector, out, bias = null) {
  const [rows, columns] = [out.length, vector.length];
  if (bias) out.set(bias);
  else out.fill(0);
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    const first = row * columns;
    const [second, third, fourth] = [first + columns, first + 2 * columns, first + 3 * columns];
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let k = 0; k < columns; k++) {
      const value = vector[k];
      a += matrix[first + k] * value;
      b += matrix[second + k] * value;
      c += matrix[third + k] * value;
      d += matrix[fourth + k] * value;
    }
    out[row] += a;
    out[row + 1] += b;
    out[row + 2] += c;
    out[row + 3] += d;
  }
  for (; row < rows; row++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += matrix[row * columns + k] * vector[k];
    out[row] += sum;
  }
  return out;
}

/** Give values mean 0 and deviation 1, then scale and shift each: layer normalization, in place. */
export function layerNormalize(values, scale, shift) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance + 1e-5);
  for (let i = 0; i < values.length; i++) values[i] = ((values[i] - mean) / deviation) * scale[i] + shift[i];
}

/** Turn values into natural-log probabilities, in place. */
export function logSoftmax(values) {
  const most = values.reduce((largest, value) => Math.max(largest, value), -Infinity);
  const sum = values.reduce((total, value) => total + Math.exp(value - most), 0);
  const total = most + Math.log(sum);
  for (let i = 0; i < values.length; i++) values[i] -= total;
}

/** The power spectrum of real vectors, by Cooley and Tukey's radix-2 transform in double precision. */
export class PowerSpectrum {
  /** @param {number} points - Length of the transform, a power of two. */
  constructor(points) {
    this.points = points;
    this.bins = points / 2 + 1;
    this.real = new Float64Array(points);
    this.imaginary = new Float64Array(points);
    this.reversed = new Uint32Array(points);
    for (let i = 1; i < points; i++) this.reversed[i] = (this.reversed[i >> 1] >> 1) | (i & 1 ? points >> 1 : 0);
    this.cosines = Float64Array.from({ length: points / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / points));
    this.sines = Float64Array.from({ length: points / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / points));
  }

  /** Put |X|² of a vector into `power`; the vector may be shorter than the transform. */
  of(vector, power) {
    const { points, real, imaginary, reversed } = this;
    imaginary.fill(0);
    for (let i = 0; i < points; i++) real[reversed[i]] = i < vector.length ? vector[i] : 0;
    for (let half = 1; half < points; half *= 2) this.#combine(half);
    for (let k = 0; k < this.bins; k++) power[k] = real[k] ** 2 + imaginary[k] ** 2;
  }

  /** Combine transforms of `half` points into those of twice as many. */
  #combine(half) {
    const { points, real, imaginary, cosines, sines } = this;
    const step = points / (2 * half);
    for (let start = 0; start < points; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const [one, other] = [start + k, start + k + half];
        const [cosine, sine] = [cosines[k * step], sines[k * step]];
        const turned = real[other] * cosine + imaginary[other] * sine;
        const crossed = imaginary[other] * cosine - real[other] * sine;
        real[other] = real[one] - turned;
        imaginary[other] = imaginary[one] - crossed;
        real[one] += turned;
        imaginary[one] += crossed;
      }
    }
  }
}

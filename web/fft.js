// The Fourier transform behind all features.

/** Samples per frame. */
export const N_FFT = 2048;
/** Frequency bins, 0 Hz to Nyquist. */
export const BINS = N_FFT / 2 + 1;

/**
 * The transform of 2048 real numbers as one of 1024 complex ones, even samples being the real parts: five passes of
 * radix 4 that sort as they go (Stockham), then the two halves are told apart by their symmetry.
 */
export class RealFft {
  constructor() {
    const half = N_FFT / 2;
    this.size = half;
    this.re = new Float64Array(half);
    this.im = new Float64Array(half);
    this.otherRe = new Float64Array(half);
    this.otherIm = new Float64Array(half);
    this.cos = Float64Array.from({ length: half }, (_, i) => Math.cos((2 * Math.PI * i) / half));
    this.sin = Float64Array.from({ length: half }, (_, i) => -Math.sin((2 * Math.PI * i) / half));
    this.splitCos = Float64Array.from({ length: half / 2 + 1 }, (_, i) => Math.cos((Math.PI * i) / half));
    this.splitSin = Float64Array.from({ length: half / 2 + 1 }, (_, i) => -Math.sin((Math.PI * i) / half));
  }

  /**
   * Writes |X|^2 of `frame` (2048 values) to `power` (1025 values).
   * @param {Float64Array} frame
   * @param {Float32Array} power
   */
  power(frame, power) {
    const { re, im, size } = this;
    for (let i = 0; i < size; i++) {
      re[i] = frame[2 * i];
      im[i] = frame[2 * i + 1];
    }
    let [fromRe, fromIm, toRe, toIm] = [re, im, this.otherRe, this.otherIm];
    for (let quarter = size / 4, stride = 1; quarter >= 1; quarter /= 4, stride *= 4) {
      this.pass(fromRe, fromIm, toRe, toIm, quarter, stride);
      [fromRe, fromIm, toRe, toIm] = [toRe, toIm, fromRe, fromIm];
    }
    power[0] = (fromRe[0] + fromIm[0]) ** 2;
    power[size] = (fromRe[0] - fromIm[0]) ** 2;
    for (let k = 1; k <= size / 2; k++) {
      const m = size - k;
      const evenRe = 0.5 * (fromRe[k] + fromRe[m]);
      const evenIm = 0.5 * (fromIm[k] - fromIm[m]);
      const oddRe = 0.5 * (fromIm[k] + fromIm[m]);
      const oddIm = 0.5 * (fromRe[m] - fromRe[k]);
      const turnedRe = this.splitCos[k] * oddRe - this.splitSin[k] * oddIm;
      const turnedIm = this.splitCos[k] * oddIm + this.splitSin[k] * oddRe;
      power[k] = (evenRe + turnedRe) ** 2 + (evenIm + turnedIm) ** 2;
      power[m] = (evenRe - turnedRe) ** 2 + (turnedIm - evenIm) ** 2;
    }
  }

  /**
   * One pass of radix 4: `quarter` butterflies, each on `stride` columns.
   * @param {Float64Array} fromRe
   * @param {Float64Array} fromIm
   * @param {Float64Array} toRe
   * @param {Float64Array} toIm
   * @param {number} quarter
   * @param {number} stride
   */
  pass(fromRe, fromIm, toRe, toIm, quarter, stride) {
    const { cos, sin } = this;
    const far = quarter * stride;
    for (let p = 0; p < quarter; p++) {
      const [c1, s1] = [cos[p * stride], sin[p * stride]];
      const [c2, s2] = [cos[2 * p * stride], sin[2 * p * stride]];
      const [c3, s3] = [cos[3 * p * stride], sin[3 * p * stride]];
      for (let q = 0; q < stride; q++) {
        const i = q + stride * p;
        const o = q + 4 * stride * p;
        const sumRe = fromRe[i] + fromRe[i + 2 * far];
        const sumIm = fromIm[i] + fromIm[i + 2 * far];
        const gapRe = fromRe[i] - fromRe[i + 2 * far];
        const gapIm = fromIm[i] - fromIm[i + 2 * far];
        const otherSumRe = fromRe[i + far] + fromRe[i + 3 * far];
        const otherSumIm = fromIm[i + far] + fromIm[i + 3 * far];
        const otherGapRe = fromRe[i + far] - fromRe[i + 3 * far];
        const otherGapIm = fromIm[i + far] - fromIm[i + 3 * far];
        toRe[o] = sumRe + otherSumRe;
        toIm[o] = sumIm + otherSumIm;
        // -i times the other gap.
        let [a, b] = [gapRe + otherGapIm, gapIm - otherGapRe];
        toRe[o + stride] = a * c1 - b * s1;
        toIm[o + stride] = a * s1 + b * c1;
        [a, b] = [sumRe - otherSumRe, sumIm - otherSumIm];
        toRe[o + 2 * stride] = a * c2 - b * s2;
        toIm[o + 2 * stride] = a * s2 + b * c2;
        [a, b] = [gapRe - otherGapIm, gapIm + otherGapRe];
        toRe[o + 3 * stride] = a * c3 - b * s3;
        toIm[o + 3 * stride] = a * s3 + b * c3;
      }
    }
  }
}

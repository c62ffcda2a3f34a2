// Sample-rate conversion to 22,050 Hz as the Rust program's: one windowed sinc, evaluated where the output's samples lie.
// The filter is designed from the figures of soxr's "HQ", which librosa uses.

import { SAMPLE_RATE } from "./filters.js";

/** -6 dB point of the sharp stage, as a fraction of the lower Nyquist frequency; its stop band begins at 1. */
const CUTOFF = 0.95687;
const TRANSITION = 2 * (1 - CUTOFF);
/** Rejection of one stage: 21 bits. */
const REJECTION_DB = 126.43;
/** Points of the table per sample of the lower rate. */
const DENSITY = 256;
/** Distance of the gentle stage's taps in points of the table. */
const GENTLE_STEP = DENSITY / 4;

/**
 * Modified Bessel function of the first kind and order 0, by its power series.
 * @param {number} x
 */
function besselI0(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > (sum * Number.EPSILON) / 4; k++) {
    term *= (x * x) / 4 / (k * k);
    sum += term;
  }
  return sum;
}

/**
 * A sinc under Kaiser's window; `half` is half the window's length in samples of the lower rate.
 * @param {{ cutoff: number, beta: number, half: number }} window
 * @param {number} t
 */
function kaiser({ cutoff, beta, half }, t) {
  const inside = 1 - (t / half) ** 2;
  if (inside < 0) return 0;
  const angle = Math.PI * cutoff * t;
  const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
  return (cutoff * sinc * besselI0(beta * Math.sqrt(inside))) / besselI0(beta);
}

/** @param {number} rejection in dB */
const kaiserBeta = (rejection) => 0.11146 * (rejection - 9.44);

/**
 * How soxr gets from one rate to another: the rate of the sharp stage in multiples of the lower one, whether that is
 * enough, and by how much the error of one stage must be smaller for all to keep the whole's.
 * @param {number} rate
 * @param {number} target
 */
function stages(rate, target) {
  const [low, high] = [Math.min(rate, target), Math.max(rate, target)];
  const octaves = Math.max(Math.floor(Math.log2(high / low)), 1);
  let ratio = 2;
  let exact = target % rate === 0;
  if (rate >= target) {
    ratio = high / low;
    while (ratio >= 4) ratio /= 2;
    exact = Number.isInteger(ratio);
  }
  if (ratio < 1.5) ratio *= 2;
  return { ratio: Math.max(ratio, 2), exact, count: octaves * (exact ? 1 : 2) };
}

/** The middle tap of the gentle stage and those on one side, with sum 1 over both. @param {number} ratio */
function gentleTaps(ratio) {
  const cutoff = 0.921 * ratio;
  const window = { cutoff, beta: kaiserBeta(REJECTION_DB), half: 3.3 / (cutoff - 0.9) };
  const step = GENTLE_STEP / DENSITY;
  const taps = Array.from({ length: Math.floor(window.half / step) + 1 }, (_, k) => kaiser(window, k * step));
  const sum = taps.reduce((a, b) => a + b, 0) * 2 - taps[0];
  return taps.map((tap) => tap / sum);
}

/** An even impulse response over continuous time, with area 1; time is in samples of the lower of two rates. */
class LowPass {
  /** @param {number} rate @param {number} target */
  constructor(rate, target) {
    const { ratio, exact, count } = stages(rate, target);
    const rejection = REJECTION_DB + 20 * Math.log10(count);
    const length = (rejection - 7.95) / (2.27 * TRANSITION * Math.PI);
    const half = (4 * Math.ceil((length * ratio) / 4) + 1) / 2 / ratio;
    const sharp = { cutoff: CUTOFF, beta: kaiserBeta(rejection), half };
    const gentle = exact ? [1] : gentleTaps(ratio);
    /** Nothing is farther from time 0 than this. */
    this.reach = half + ((gentle.length - 1) * GENTLE_STEP) / DENSITY;
    const points = Math.ceil(this.reach * DENSITY) + 1;
    const alone = Float64Array.from({ length: points }, (_, i) => kaiser(sharp, i / DENSITY));
    const get = (/** @type {number} */ i) => alone[i] ?? 0;
    // Three zeros behind the end, for interpolation.
    this.table = new Float64Array(points + 3);
    for (let i = 0; i < points; i++) {
      this.table[i] = gentle.reduce((sum, w, k) => {
        const by = k * GENTLE_STEP;
        return sum + w * (k === 0 ? get(i) : get(i + by) + get(Math.abs(i - by)));
      }, 0);
    }
  }

  /** The response at time `t`, by the cubic through the four points around it. @param {number} t */
  at(t) {
    const position = Math.abs(t) * DENSITY;
    const i = Math.floor(position);
    if (i + 2 >= this.table.length) return 0;
    const a = this.table[i === 0 ? 1 : i - 1];
    const [b, c, d] = [this.table[i], this.table[i + 1], this.table[i + 2]];
    const x = position - i;
    const [y, z, w] = [x + 1, x - 1, x - 2];
    return ((y * z * w) / 2) * b - ((x * y * w) / 2) * c + ((x * z) / 6) * (y * d - w * a);
  }
}

/** @param {number} a @param {number} b @returns {number} */
const divisor = (a, b) => (b === 0 ? a : divisor(b, a % b));

/** From a rate to 22,050 Hz, any stretch at a time: output k depends only on the input near it. */
export class Resampler {
  /** @param {number} rate in Hz, a whole number */
  constructor(rate) {
    const common = divisor(rate, SAMPLE_RATE);
    this.step = rate / common;
    this.phases = SAMPLE_RATE / common;
    this.filter = new LowPass(rate, SAMPLE_RATE);
    /** Samples of the lower rate per sample of the input. */
    this.unit = Math.min(rate, SAMPLE_RATE) / rate;
    /** Samples of the input on either side that an output depends on. */
    this.reach = Math.ceil(this.filter.reach / this.unit);
    this.row = new Float64Array(2 * this.reach + 1);
  }

  /** Outputs of `n` samples. @param {number} n */
  length(n) {
    return Math.ceil((n * this.phases) / this.step);
  }

  /** Outputs that samples after the first `n` can't change. @param {number} n */
  certain(n) {
    return Math.max(Math.floor(((n - this.reach - 1) * this.phases) / this.step), 0);
  }

  /**
   * Outputs `from` to `to` of the first `n` of `samples`.
   * @param {Float32Array} samples
   * @param {number} n
   * @param {number} from
   * @param {number} to
   */
  range(samples, n, from, to) {
    const { step, phases, reach, row, unit } = this;
    const output = new Float32Array(to - from);
    // Where the exact length is nearer to one sample less, the last is zero, as librosa pads it.
    const wanted = Math.min(to, Math.floor((2 * n * phases + step) / (2 * step)));
    for (let first = from; first < Math.min(from + phases, wanted); first++) {
      const offset = ((first * step) % phases) / phases + reach;
      for (let j = 0; j < row.length; j++) row[j] = unit * this.filter.at((j - offset) * unit);
      for (let k = first; k < wanted; k += phases) {
        const start = Math.floor((k * step) / phases) - reach;
        const end = Math.min(row.length, n - start);
        let sum = 0;
        for (let j = Math.max(-start, 0); j < end; j++) sum += row[j] * samples[start + j];
        output[k - from] = sum;
      }
    }
    return output;
  }
}

// What a power spectrum is weighted with: mel, cosine, chroma and contrast, as the Rust program computes them (and librosa
// 0.11, which it follows), rounded to 32 bits in the same places.

import { BINS, N_FFT } from "./fft.js";

/** Samples per second of everything here. */
export const SAMPLE_RATE = 22050;
/** Log-mel rows. */
export const MELS = 128;
/** MFCC rows. */
export const MFCCS = 40;
/** Chroma rows. */
export const CHROMAS = 12;
/** Spectral contrast rows. */
export const CONTRASTS = 7;

const BIN_HZ = SAMPLE_RATE / N_FFT;
const { fround } = Math;

const lanes = new Float32Array(16);

/**
 * Dot product of `length` values in single precision, with `n` partial sums (at most 16).
 * @param {number} n
 * @param {Float32Array} a
 * @param {number} aFrom
 * @param {Float32Array} b
 * @param {number} bFrom
 * @param {number} length
 */
export function dot(n, a, aFrom, b, bFrom, length) {
  lanes.fill(0);
  const whole = length - (length % n);
  for (let i = 0; i < whole; i += n) {
    for (let k = 0; k < n; k++) {
      lanes[k] += fround(a[aFrom + i + k] * b[bFrom + i + k]);
    }
  }
  let rest = 0;
  for (let i = whole; i < length; i++) {
    rest = fround(rest + fround(a[aFrom + i] * b[bFrom + i]));
  }
  let sum = 0;
  for (let k = 0; k < n; k++) {
    sum = fround(sum + lanes[k]);
  }
  return fround(sum + rest);
}

const BREAK_HZ = 1000;
const HZ_PER_MEL = 200 / 3;
const MELS_PER_LOG = 27 / Math.log(6.4);

/**
 * Slaney's mel scale.
 * @param {number} hz
 */
function hzToMel(hz) {
  return hz < BREAK_HZ ? hz / HZ_PER_MEL : BREAK_HZ / HZ_PER_MEL + Math.log(hz / BREAK_HZ) * MELS_PER_LOG;
}

/** @param {number} mel */
function melToHz(mel) {
  const knee = BREAK_HZ / HZ_PER_MEL;
  return mel < knee ? mel * HZ_PER_MEL : BREAK_HZ * Math.exp((mel - knee) / MELS_PER_LOG);
}

/** Triangles of unit area on the mel scale: the first bin of each and its non-zero weights. */
export function melFilters() {
  const step = hzToMel(SAMPLE_RATE / 2) / (MELS + 1);
  return Array.from({ length: MELS }, (_, i) => {
    const [low, centre, high] = [melToHz(step * i), melToHz(step * (i + 1)), melToHz(step * (i + 2))];
    const area = 2 / (high - low);
    const weight = (/** @type {number} */ bin) => {
      const hz = (bin * SAMPLE_RATE) / N_FFT;
      const triangle = Math.max(Math.min((hz - low) / (centre - low), (high - hz) / (high - centre)), 0);
      return fround(fround(triangle) * area);
    };
    let first = 0;
    while (first < BINS && !(weight(first) > 0)) first++;
    let end = first;
    while (end < BINS && weight(end) > 0) end++;
    return { first, weights: Float32Array.from({ length: end - first }, (_, k) => weight(first + k)) };
  });
}

/** The first rows of the orthonormal DCT-II, (40, 128). */
export function dctBasis() {
  const basis = new Float32Array(MFCCS * MELS);
  for (let k = 0; k < MFCCS; k++) {
    const scale = Math.sqrt((k === 0 ? 1 : 2) / MELS);
    for (let i = 0; i < MELS; i++) {
      basis[k * MELS + i] = scale * Math.cos((Math.PI * k * (i + 0.5)) / MELS);
    }
  }
  return basis;
}

/**
 * The bins of each octave, and how many of its smallest and largest magnitudes are averaged.
 * @returns {{ from: number, to: number, quantile: number }[]}
 */
export function contrastBands() {
  return Array.from({ length: CONTRASTS }, (_, k) => {
    const low = k === 0 ? 0 : 200 * 2 ** (k - 1);
    const high = 200 * 2 ** k;
    const inside = Array.from({ length: BINS }, (_, bin) => bin * BIN_HZ >= low && bin * BIN_HZ <= high);
    const isLast = k === CONTRASTS - 1;
    const from = Math.max(inside.indexOf(true) - (k > 0 ? 1 : 0), 0);
    const to = isLast ? BINS : inside.lastIndexOf(true) + 1;
    // Counted before all bands but the last drop their top bin; a half is rounded to the even neighbour.
    const share = 0.02 * (to - from);
    const below = Math.floor(share);
    const up = share - below > 0.5 || (share - below === 0.5 && below % 2 === 1);
    return { from, to: isLast ? to : to - 1, quantile: Math.max(below + (up ? 1 : 0), 1) };
  });
}

const chosen = new Float64Array(16);

/**
 * Mean magnitude of the `k` largest (`sign` -1) or smallest (`sign` 1) of the powers from bin `from` to `to`.
 * @param {Float32Array} power
 * @param {number} from
 * @param {number} to
 * @param {number} k
 * @param {1 | -1} sign
 */
export function extremes(power, from, to, k, sign) {
  chosen.fill(Infinity);
  for (let n = 0; n < to - from; n++) {
    // Music gets quieter towards high frequencies: in these directions most values are refused at once.
    const key = sign < 0 ? -power[from + n] : power[to - 1 - n];
    if (key >= chosen[k - 1]) continue;
    let at = k - 1;
    for (; at > 0 && chosen[at - 1] > key; at--) chosen[at] = chosen[at - 1];
    chosen[at] = key;
  }
  let sum = 0;
  for (let i = 0; i < k; i++) sum += Math.sqrt(Math.abs(chosen[i]));
  return sum / k;
}

/** Spectral peaks of a recording, from which its tuning is estimated: the fullest of a hundred bins of a semitone. */
export class PitchTracker {
  constructor() {
    /** @type {number[]} */
    this.pitches = [];
    /** @type {number[]} */
    this.heights = [];
  }

  /**
   * Adds the peaks between 150 and 4000 Hz of one power spectrum that reach a tenth of its maximum.
   * @param {Float32Array} power
   */
  addFrame(power) {
    let largest = 0;
    for (let i = 0; i < BINS; i++) if (power[i] > largest) largest = power[i];
    const threshold = fround(fround(0.1) * largest);
    const last = Math.ceil(4000 / BIN_HZ) - 1;
    for (let bin = Math.ceil(150 / BIN_HZ); bin <= last; bin++) {
      const [left, here, right] = [power[bin - 1], power[bin], power[bin + 1]];
      if (!(here > threshold && here > left && here >= right)) continue;
      // Vertex of the parabola through the three.
      const curvature = fround(right + left) - 2 * here;
      const slope = fround(right - left) / 2;
      const shift = Math.abs(slope) >= Math.abs(curvature) ? 0 : fround(-slope / curvature);
      this.pitches.push(fround(((bin + shift) * SAMPLE_RATE) / N_FFT));
      this.heights.push(fround(here + fround(fround(0.5 * slope) * shift)));
    }
  }

  /** Deviation from A440 in semitones, one of -0.5, -0.49, ... 0.49; 0 when there was no peak. */
  tuning() {
    const n = this.heights.length;
    if (n === 0) return 0;
    const sorted = Float32Array.from(this.heights).sort();
    const upper = sorted[n >> 1];
    const median = n % 2 === 1 ? upper : fround(fround(sorted[(n >> 1) - 1] + upper) / 2);
    const edge = (/** @type {number} */ bin) => bin * (1 / 100) - 0.5;
    const counts = new Uint32Array(100);
    for (let i = 0; i < n; i++) {
      if (this.heights[i] < median) continue;
      const semitones = fround(12 * fround(Math.log2(fround(this.pitches[i] / 27.5))));
      let residual = fround(semitones - Math.floor(semitones));
      if (residual >= 0.5) residual = fround(residual - 1);
      let bin = Math.min(Math.trunc((residual + 0.5) * 100), 99);
      // The bin whose edges, exactly as rounded, enclose it.
      if (residual < edge(bin)) bin--;
      else if (bin < 99 && residual >= edge(bin + 1)) bin++;
      counts[bin]++;
    }
    return edge(counts.indexOf(Math.max(...counts)));
  }
}

/**
 * Chroma filters for a recording whose A is `tuning` semitones away from 440 Hz, (12, 1025).
 * @param {number} tuning
 */
export function chromaFilters(tuning) {
  const reference = (440 / 16) * 2 ** (tuning / CHROMAS);
  const position = Float64Array.from({ length: BINS + 1 }, (_, b) => CHROMAS * Math.log2((b * BIN_HZ) / reference));
  // 0 Hz has no place among the semitones: 1.5 octaves under the first bin.
  position[0] = position[1] - 1.5 * CHROMAS;
  const filters = new Float32Array(CHROMAS * BINS);
  const bumps = new Float64Array(CHROMAS);
  for (let bin = 0; bin < BINS; bin++) {
    const width = Math.max(position[bin + 1] - position[bin], 1);
    let squares = 0;
    for (let k = 0; k < CHROMAS; k++) {
      const turned = position[bin] - k + CHROMAS / 2;
      const distance = turned - CHROMAS * Math.floor(turned / CHROMAS) - CHROMAS / 2;
      bumps[k] = Math.exp(-0.5 * ((2 * distance) / width) ** 2);
      squares += bumps[k] * bumps[k];
    }
    const octave = (position[bin] / CHROMAS - 5) / 2;
    const emphasis = Math.exp(-0.5 * octave * octave);
    // Semitones count from A, chroma rows from C: three further.
    for (let k = 0; k < CHROMAS; k++) {
      filters[((k + CHROMAS - 3) % CHROMAS) * BINS + bin] = (bumps[k] / Math.sqrt(squares)) * emphasis;
    }
  }
  return filters;
}

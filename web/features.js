// Samples to features: the (187, 130) stack of log-mel, MFCC, chroma and spectral contrast that models are trained on.
//
// The same steps as the Rust program's `features`, in the same order and rounded to 32 bits in the same places, so that
// a page and the program judge the same numbers. Transforms are in double precision, as there: the spectral contrast
// looks at the quietest bins, which the rounding noise of a single-precision transform would reach.

import { BINS, N_FFT, RealFft } from "./fft.js";
import {
  CHROMAS,
  CONTRASTS,
  chromaFilters,
  contrastBands,
  dctBasis,
  dot,
  extremes,
  MELS,
  MFCCS,
  melFilters,
  PitchTracker,
  SAMPLE_RATE,
} from "./filters.js";

export { SAMPLE_RATE };
/** Samples of one 3 s segment. */
export const SEGMENT_SAMPLES = 3 * SAMPLE_RATE;
/** Feature columns: one per 512 samples. */
export const FRAMES = 130;
/** Feature rows. */
export const ROWS = MELS + MFCCS + CHROMAS + CONTRASTS;

const HOP = 512;
/**
 * A feature stack, row by row.
 * @typedef {{ rows: number, frames: number, data: Float32Array<ArrayBuffer> }} Features
 */

const TOP_DB = 80;

/** @param {number} power */
function db(power) {
  return 10 * Math.log10(Math.max(power, 1e-10));
}

/**
 * In place; no value is more than 80 dB under the largest.
 * @param {Float64Array} power
 */
function powerToDb(power) {
  let floor = -Infinity;
  for (let i = 0; i < power.length; i++) {
    power[i] = db(power[i]);
    floor = Math.max(floor, power[i] - TOP_DB);
  }
  for (let i = 0; i < power.length; i++) power[i] = Math.max(power[i], floor);
}

/** Computes features; keep one, for it prepares windows and filters. */
export class Extractor {
  constructor() {
    this.fft = new RealFft();
    // The periodic Hann window.
    this.window = Float64Array.from({ length: N_FFT }, (_, i) => 0.5 - 0.5 * Math.cos(((2 * Math.PI) / N_FFT) * i));
    this.mel = melFilters();
    this.dct = dctBasis();
    this.bands = contrastBands();
    this.frame = new Float64Array(N_FFT);
    this.power = new Float32Array(BINS);
  }

  /**
   * Features of mono samples at 22,050 Hz, full scale -1 to 1: of 3 s, mel in dB relative to their maximum. Fewer are
   * padded with zeros, more are cut. Throws without samples, when one is no finite number, or when their power overflows.
   * @param {Float32Array} samples
   * @returns {Features}
   */
  features(samples) {
    if (samples.length === 0) throw new Error("no samples to compute features of: the audio is empty");
    const used = samples.subarray(0, SEGMENT_SAMPLES);
    for (let at = 0; at < used.length; at++) {
      if (!Number.isFinite(used[at])) {
        const seconds = (at / SAMPLE_RATE).toFixed(3);
        throw new Error(`sample ${at} (at ${seconds} s) is ${used[at]}, and features need finite numbers`);
      }
    }
    const features = this.stack(this.analyse(used));
    if (!features.data.every(Number.isFinite)) {
      const loudest = used.reduce((most, s) => Math.max(most, Math.abs(s)), 0).toExponential(1);
      throw new Error(
        `the features overflow: samples reach ${loudest} where full scale is 1; scale the audio to -1 to 1`,
      );
    }
    return features;
  }

  /** One pass over the frames of `samples`, followed by zeros up to 3 s. @param {Float32Array} samples */
  analyse(samples) {
    const spectra = new Float32Array(FRAMES * BINS);
    const mel = new Float64Array(FRAMES * MELS);
    const peak = new Float64Array(FRAMES * CONTRASTS);
    const valley = new Float64Array(FRAMES * CONTRASTS);
    const pitches = new PitchTracker();
    const { power } = this;
    for (let frame = 0; frame < FRAMES; frame++) {
      // Centred at its sample; before the start and after the end are zeros.
      const start = frame * HOP - N_FFT / 2;
      const end = Math.min(N_FFT, samples.length - start);
      this.frame.fill(0);
      for (let i = Math.max(-start, 0); i < end; i++) this.frame[i] = this.window[i] * samples[start + i];
      this.fft.power(this.frame, power);
      this.mel.forEach(({ first, weights }, i) => {
        mel[frame * MELS + i] = dot(4, weights, 0, power, first, weights.length);
      });
      this.bands.forEach(({ from, to, quantile }, i) => {
        peak[frame * CONTRASTS + i] = extremes(power, from, to, quantile, -1);
        valley[frame * CONTRASTS + i] = extremes(power, from, to, quantile, 1);
      });
      pitches.addFrame(power);
      spectra.set(power, frame * BINS);
    }
    return { spectra, mel, peak, valley, tuning: pitches.tuning() };
  }

  /**
   * The feature stack.
   * @param {ReturnType<Extractor["analyse"]>} analysis
   * @returns {Features}
   */
  stack({ spectra, mel, peak, valley, tuning }) {
    const data = new Float32Array(ROWS * FRAMES);
    const loudest = db(mel.reduce((most, v) => Math.max(most, v), 0));
    const floor = loudest - TOP_DB;
    powerToDb(peak);
    powerToDb(valley);
    const filters = chromaFilters(tuning);
    const logMel = new Float32Array(MELS);
    const chroma = new Float32Array(CHROMAS);
    for (let frame = 0; frame < FRAMES; frame++) {
      for (let i = 0; i < MELS; i++) {
        const level = Math.max(db(mel[frame * MELS + i]), floor);
        data[i * FRAMES + frame] = level - loudest;
        logMel[i] = level;
      }
      for (let k = 0; k < MFCCS; k++) {
        data[(MELS + k) * FRAMES + frame] = dot(16, this.dct, k * MELS, logMel, 0, MELS);
      }
      for (let k = 0; k < CHROMAS; k++) chroma[k] = dot(16, filters, k * BINS, spectra, frame * BINS, BINS);
      const largest = Math.max(...chroma);
      // Silence has no pitch; less than the smallest normal number is silence.
      const scale = largest < 2 ** -126 ? 1 : largest;
      for (let k = 0; k < CHROMAS; k++) data[(MELS + MFCCS + k) * FRAMES + frame] = chroma[k] / scale;
      for (let k = 0; k < CONTRASTS; k++) {
        const at = frame * CONTRASTS + k;
        data[(MELS + MFCCS + CHROMAS + k) * FRAMES + frame] = peak[at] - valley[at];
      }
    }
    return { rows: ROWS, frames: FRAMES, data };
  }
}

/**
 * Where a song's segments begin and end, in samples: 3 s each, the last of at least 1.5 s; all of a shorter song.
 * @param {number} length samples of the song
 * @returns {{ from: number, to: number }[]}
 */
export function segments(length) {
  const list = [];
  for (let from = 0; from < length; from += SEGMENT_SAMPLES) {
    const to = Math.min(from + SEGMENT_SAMPLES, length);
    if (length < SEGMENT_SAMPLES || to - from >= SEGMENT_SAMPLES / 2) list.push({ from, to });
  }
  return list;
}

/** Samples below which there is no sound to judge: one window of the spectrum (93 ms). */
const SHORTEST = N_FFT;
/** How far apart lowest and highest sample of a silent recording are at most: 4 steps of 16 bits. */
export const SILENCE = 4 / 32768;

/**
 * Why no genre can be named for a recording, in the words of `gtzan-gpu predict`; undefined when there is something to
 * hear. A model names one for anything.
 * @param {{ length: number, low: number, high: number }} heard samples, the lowest and the highest
 * @returns {string | undefined}
 */
export function nothingToHear({ length, low, high }) {
  const milliseconds = (/** @type {number} */ n) => {
    const ms = (n * 1e3) / SAMPLE_RATE;
    return `${ms.toFixed(ms < 1 ? 2 : 0)} ms`;
  };
  if (length < SHORTEST) {
    return `no genre: ${milliseconds(length)} of sound is too short to tell (${milliseconds(SHORTEST)} or more is needed)`;
  }
  return high - low <= SILENCE ? `no genre: its ${(length / SAMPLE_RATE).toFixed(1)} s are silent` : undefined;
}

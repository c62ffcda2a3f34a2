// The features of a page against those of the Rust program, which wrote a folder of them; in a browser or in node.

import { Extractor, FRAMES, ROWS } from "../features.js";

/**
 * Rows of each feature, and the largest difference allowed. The numbers are decibels but for the chroma, which is 0 to 1;
 * a rounding in single precision is 4e-6 dB at -80 dB, 3e-5 at the first MFCC's -900 and 6e-8 in chroma.
 * @type {[string, number, number, number][]}
 */
const LIMITS = [
  ["log-mel", 0, 128, 1e-5],
  ["mfcc", 128, 168, 1e-4],
  ["chroma", 168, 180, 1e-6],
  ["contrast", 180, 187, 1e-5],
];

/**
 * What was compared; `failed` names every sound and feature that differs by more than its limit.
 * @typedef {{ sounds: number, worst: Record<string, number>, unequal: number, failed: string[] }} FeaturesReport
 */

/**
 * `read` gives the bytes of a file of the folder: `index.json`, a list of { name, samples } in the order in
 * which `sounds.f32` holds samples and features of each.
 * @param {(name: string) => Promise<ArrayBuffer>} read
 * @returns {Promise<FeaturesReport>}
 */
export async function checkFeatures(read) {
  const index = JSON.parse(new TextDecoder().decode(await read("index.json")));
  const values = new Float32Array(await read("sounds.f32"));
  const extractor = new Extractor();
  /** @type {FeaturesReport} */
  const report = { sounds: 0, worst: {}, unequal: 0, failed: [] };
  let at = 0;
  for (const { name, samples } of index) {
    const sound = values.subarray(at, at + samples);
    const want = values.subarray(at + samples, at + samples + ROWS * FRAMES);
    at += samples + ROWS * FRAMES;
    const { data } = extractor.features(sound);
    report.sounds++;
    for (const [feature, from, to, limit] of LIMITS) {
      let worst = 0;
      for (let i = from * FRAMES; i < to * FRAMES; i++) {
        const difference = Math.abs(data[i] - want[i]);
        if (difference > 0) report.unequal++;
        // Not Math.max: a difference that is no number must show.
        if (!(difference <= worst)) worst = difference;
      }
      report.worst[feature] = Math.max(report.worst[feature] ?? 0, worst);
      if (!(worst <= limit)) report.failed.push(`${name}: ${feature} differs by ${worst}, more than ${limit}`);
    }
  }
  if (at !== values.length || report.sounds === 0)
    report.failed.push(`sounds.f32 holds ${values.length} values, not ${at}`);
  return report;
}

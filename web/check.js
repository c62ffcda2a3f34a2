// Gradient checks on the reader's GPU, against values that the export computed in f64.
/** @import {Check, Recording} from "./types" */
/** @import {Kernels} from "./player.js" */
import { messageOf, Player } from "./player.js";

/**
 * What became of a tensor of a check, or of the whole check when it did not run.
 * @typedef {object} Verdict
 * @property {Check} check
 * @property {string} tensor
 * @property {number} error Greatest difference, relative to the greatest value.
 * @property {number} tolerance
 * @property {boolean} ok
 * @property {string} [trouble] Why it did not run.
 * @property {boolean} [skipped] The device lacks something that it needs.
 */

/** How long a device may work on a step, in ms. */
const PATIENCE = 30000;

/** Fail when something on the device takes longer than it may. @template T @param {Promise<T>} work @param {Kernels} kernels */
export function withPatience(work, kernels) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      kernels.gpu.device.destroy();
      reject(
        new Error(`The GPU has worked for ${PATIENCE / 1000} s without an end: a loop whose bound is never reached?`),
      );
    }, PATIENCE);
  });
  return /** @type {Promise<T>} */ (Promise.race([work, late]).finally(() => clearTimeout(timer)));
}

/** Kernels that a recording runs. @param {Recording} recording */
export function kernelsOf(recording) {
  return new Set(recording.programs.flatMap((program) => program.dispatches.map((dispatch) => dispatch.kernel)));
}

/**
 * Run one check.
 * @param {Kernels} kernels
 * @param {Check} check
 * @returns {Promise<Verdict[]>}
 */
export async function runCheck(kernels, check) {
  const { recording, inputs, outputs, step } = check;
  const none = { check, tensor: "", error: Number.NaN, tolerance: Number.NaN };
  const missing = [...kernelsOf(recording)].flatMap((kernel) => kernels.missing(kernel));
  if (missing.length > 0) {
    return [{ ...none, ok: true, skipped: true, trouble: `this GPU has no ${missing[0]}` }];
  }
  /** @type {Player | null} */
  let player = null;
  try {
    player = await Player.open(kernels, recording);
    // What a kernel reads without having written it shows as a NaN.
    recording.buffers.forEach(({ bytes, purpose }, buffer) => {
      if (purpose === "scratch") {
        player?.write({ buffer, offset: 0 }, new Uint8Array(bytes).fill(0xff));
      }
    });
    for (const { at, data } of inputs) {
      player.write(at, kernels.data.bytes(data));
    }
    player.write("control", kernels.data.bytes(step));
    player.run();
    const got = await withPatience(player.read(...outputs.map((output) => output.at)), kernels);
    return outputs.map(({ name, dtype, values, tolerance }, i) => {
      const error = relativeError(numbers(got[i], dtype), kernels.data.floats(values));
      return { check, tensor: name, error, tolerance, ok: error <= tolerance };
    });
  } catch (error) {
    return [{ ...none, ok: false, trouble: messageOf(error) }];
  } finally {
    player?.destroy();
  }
}

/**
 * The numbers of a tensor.
 * @param {ArrayBuffer} bytes
 * @param {"f32" | "u32" | "u8"} dtype
 */
export function numbers(bytes, dtype) {
  return dtype === "f32" ? new Float32Array(bytes) : dtype === "u32" ? new Uint32Array(bytes) : new Uint8Array(bytes);
}

/**
 * Greatest difference, relative to the greatest expected value; infinite when a value is no number.
 * @param {ArrayLike<number>} got May be longer.
 * @param {Float32Array} expected
 */
function relativeError(got, expected) {
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i] - expected[i]) / scale;
    if (!Number.isFinite(error)) {
      return Number.POSITIVE_INFINITY;
    }
    worst = Math.max(worst, error);
  }
  return worst;
}

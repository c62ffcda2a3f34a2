// Times of kernels on the reader's GPU.
/** @import {Ladder, Rung} from "./types" */
/** @import {Kernels} from "./player.js" */
import { kernelsOf, withPatience } from "./check.js";
import { messageOf, Player } from "./player.js";

/** Measurements of one kernel, of which the median is taken. */
const SAMPLES = 9;
/** A measurement of the page's clock, which ticks in tenths of milliseconds, takes at least this long, in ms. */
const LEAST = 20;
/** No more measurements are taken after this time, in ms. */
const CAP = 1500;

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Times dispatches by the device's own clock, or, without one, by the page's, many in a row. */
export class Stopwatch {
  /** @param {Kernels} kernels */
  constructor(kernels) {
    this.kernels = kernels;
    const { device, timestamps } = kernels.gpu;
    this.queries = timestamps ? device.createQuerySet({ type: "timestamp", count: 2 }) : null;
  }

  /** What the times rest on. */
  get clock() {
    return this.queries ? "the GPU's timestamps" : "the page's clock, many runs in a row";
  }

  /**
   * Median time of dispatches in ms.
   * @param {Player} player
   * @param {number} program
   * @param {number} from
   * @param {number} to
   */
  async time(player, program, from, to) {
    const wait = () => withPatience(player.device.queue.onSubmittedWorkDone(), this.kernels);
    player.run(program, from, to);
    await wait();
    const began = performance.now();
    const times = [];
    let repeats = 1;
    while (times.length === 0 || (times.length < SAMPLES && performance.now() - began < CAP)) {
      const stamped = await this.#stamped(player, program, from, to);
      // Some adapters round timestamps so coarsely that a kernel takes no time at all.
      if (stamped !== null && stamped > 0) {
        times.push(stamped);
        continue;
      }
      const start = performance.now();
      for (let i = 0; i < repeats; i++) {
        player.run(program, from, to);
      }
      await wait();
      const took = performance.now() - start;
      if (took < LEAST && repeats < 4096) {
        repeats *= 2;
        continue;
      }
      times.push(took / repeats);
    }
    return median(times);
  }

  /**
   * @param {Player} player
   * @param {number} program
   * @param {number} from
   * @param {number} to
   */
  async #stamped(player, program, from, to) {
    if (!this.queries) {
      return null;
    }
    const { device } = player;
    player.run(program, from, to, { querySet: this.queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 });
    const resolved = device.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const mapped = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    try {
      const encoder = device.createCommandEncoder();
      encoder.resolveQuerySet(this.queries, 0, 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, mapped, 0, 16);
      device.queue.submit([encoder.finish()]);
      await withPatience(mapped.mapAsync(GPUMapMode.READ), this.kernels);
      const [start, end] = new BigUint64Array(mapped.getMappedRange());
      return Number(end - start) / 1e6;
    } finally {
      resolved.destroy();
      mapped.destroy();
    }
  }
}

/**
 * A rung measured.
 * @typedef {object} Measured
 * @property {Ladder} ladder
 * @property {Rung} rung
 * @property {number | null} ms
 * @property {string} [trouble]
 */

/**
 * Time every rung of a ladder, on numbers of a middling size.
 * @param {Stopwatch} watch
 * @param {Ladder} ladder
 * @param {(measured: Measured) => void} each
 */
export async function benchLadder(watch, ladder, each) {
  const { kernels } = watch;
  for (const rung of ladder.rungs) {
    const missing = [...kernelsOf(rung.recording)].flatMap((kernel) => kernels.missing(kernel));
    if (missing.length > 0) {
      each({ ladder, rung, ms: null, trouble: `this GPU has no ${missing[0]}` });
      continue;
    }
    /** @type {Player | null} */
    let player = null;
    try {
      player = await Player.open(kernels, rung.recording);
      fill(player);
      each({ ladder, rung, ms: await watch.time(player, 0, rung.range[0], rung.range[1]) });
    } catch (error) {
      each({ ladder, rung, ms: null, trouble: messageOf(error) });
      if (kernels.gpu.lost !== null) {
        throw error;
      }
    } finally {
      player?.destroy();
    }
  }
}

/** Random numbers from 0.5 to 1.5 in all buffers of tensors, so that no kernel meets numbers that slow it down. @param {Player} player */
function fill(player) {
  const noise = Float32Array.from({ length: 4099 }, () => 0.5 + Math.random());
  player.recording.buffers.forEach(({ name, bytes, purpose }, buffer) => {
    if (name === "control" || purpose === "staging" || purpose === "params") {
      return;
    }
    const values = new Float32Array(Math.floor(bytes / 4));
    for (let at = 0; at < values.length; at += noise.length) {
      values.set(noise.subarray(0, Math.min(noise.length, values.length - at)), at);
    }
    player.write({ buffer, offset: 0 }, values);
  });
}

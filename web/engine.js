// The steps of a run, driven as the program drives them: the same seed, orders, weights and rates.
/** @import {Data} from "./page.js" */
/** @import {Classify, Recording} from "./types" */
/** @import {Kernels} from "./player.js" */
import { uniform } from "./chacha.js";
import { Player } from "./player.js";

/**
 * The state of a step as kernels read it: 64 bytes.
 * @param {{seed?: number, step?: number, valid: number, cursor?: number, rate?: number, alpha?: number}} step
 */
export function stepState({ seed = 0, step = 1, valid, cursor = 0, rate = 0, alpha = 0 }) {
  const view = new DataView(new ArrayBuffer(64));
  // Seed, step, samples here, samples of the batch, position in the batch, position in the epoch's order.
  [seed, step, valid, valid, 0, cursor].forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  // Share of the batch, learning rate, the same with Adam's bias correction.
  [1, rate, alpha].forEach((value, i) => {
    view.setFloat32(24 + 4 * i, value, true);
  });
  return view;
}

/**
 * What a run is saved as, between epochs.
 * @typedef {object} Saved
 * @property {Record<string, Uint8Array<ArrayBuffer>>} buffers
 * @property {number} step Steps done.
 */

const LASTING = ["parameters", "state", "moment 1", "moment 2"];
const TRAINING = 0;
const EVALUATION = 1;

/** Training of the page's model on the small set. */
export class Engine {
  /**
   * @param {Data} data
   * @param {Player} player
   */
  constructor(data, player) {
    this.data = data;
    this.set = data.page.train;
    this.player = player;
    /** Steps done. */
    this.step = 0;
  }

  /**
   * Fresh weights and the data set on the device; or those of a saved run.
   * @param {Data} data
   * @param {Kernels} kernels
   * @param {Saved | null} saved
   * @param {Recording} recording
   */
  static async open(data, kernels, saved = null, recording = kernels.choose(data.page.train.recordings)) {
    const { train } = data.page;
    const engine = new Engine(data, await Player.open(kernels, recording));
    const { player } = engine;
    player.write("input dataset", samples(data));
    player.write("input dataset labels", Uint32Array.from(train.y));
    player.write("input eval order", Uint32Array.from(train.validation));
    const ones = new Float32Array(train.labels.length).fill(1);
    player.write("input class weights", ones);
    player.write("input unit weights", ones);
    if (saved) {
      for (const [name, bytes] of Object.entries(saved.buffers)) {
        player.write(name, bytes);
      }
      engine.step = saved.step;
      engine.#setOrder();
      return engine;
    }
    for (const { buffer, offset, elements, start } of train.weights) {
      const place = player.find(buffer);
      const values =
        "uniform" in start
          ? uniform(start.uniform.key, start.uniform.limit, elements)
          : new Float32Array(elements).fill(start.constant);
      if (place) {
        player.write({ ...place, offset }, values);
      }
      // Drawing takes a while; let the page breathe in between.
      await new Promise((resolve) => setTimeout(resolve));
    }
    return engine;
  }

  /** Steps of an epoch. */
  get stepsPerEpoch() {
    return Math.ceil(this.set.train.length / this.set.batch);
  }

  /** The epoch of the next step, from 0. */
  get epoch() {
    return Math.floor(this.step / this.stepsPerEpoch);
  }

  /** The order of the next step's epoch. */
  #setOrder() {
    const { train, orders, epochs } = this.set;
    const order = this.data.bytes(orders).subarray((this.epoch % epochs) * train.length);
    this.player.write(
      "input order",
      Uint32Array.from(train, (_, i) => train[order[i]]),
    );
    this.player.write("output totals", new Float32Array(4));
  }

  /**
   * Submit one training step, or only its first dispatches; the number of its samples.
   * @param {number} [dispatches]
   */
  train(dispatches) {
    const { seed, batch, train, learning_rate: rate, beta1, beta2 } = this.set;
    const index = this.step % this.stepsPerEpoch;
    if (index === 0) {
      this.#setOrder();
    }
    this.step++;
    const cursor = index * batch;
    const valid = Math.min(batch, train.length - cursor);
    const alpha = (rate * Math.sqrt(1 - beta2 ** this.step)) / (1 - beta1 ** this.step);
    this.player.write("control", stepState({ seed, step: this.step, valid, cursor, rate, alpha }));
    this.player.run(TRAINING, 0, dispatches);
    return valid;
  }

  /** Sums since the epoch began: of losses, of correct answers, of samples. */
  async totals() {
    return this.#totals("output totals");
  }

  /** @param {string} name */
  async #totals(name) {
    const [bytes] = await this.player.read(this.#place(name));
    const [loss, correct, count] = new Float32Array(bytes);
    return { loss, correct, count };
  }

  /** @param {string} name */
  #place(name) {
    const place = this.player.find(name);
    if (!place) {
      throw new Error(`the recording has no buffer '${name}'`);
    }
    return place;
  }

  /** Loss, accuracy and probabilities (samples x classes) of the validation samples. */
  async evaluate() {
    const { batch, validation, labels } = this.set;
    this.player.write("output eval totals", new Float32Array(4));
    for (let cursor = 0; cursor < validation.length; cursor += batch) {
      const valid = Math.min(batch, validation.length - cursor);
      this.player.write("control", stepState({ valid, cursor }));
      this.player.run(EVALUATION);
    }
    const [bytes] = await this.player.read(this.#place("output predictions"));
    const { loss, correct, count } = await this.#totals("output eval totals");
    const probabilities = new Float32Array(bytes).subarray(0, validation.length * labels.length);
    return { loss: loss / count, accuracy: correct / count, probabilities };
  }

  /** Everything that a run needs to go on. @returns {Promise<Saved>} */
  async save() {
    const names = LASTING.filter((name) => this.player.find(name));
    const contents = await this.player.read(...names.map((name) => this.#place(name)));
    const buffers = Object.fromEntries(names.map((name, i) => [name, new Uint8Array(contents[i])]));
    return { buffers, step: this.step };
  }
}

/** The small set as numbers. @param {Data} data */
function samples(data) {
  const { x, rows, frames, offset, scale } = data.page.train;
  const bytes = data.bytes(x);
  const values = new Float32Array(bytes.length);
  let value = 0;
  for (let i = 0; i < bytes.length; i++) {
    const row = Math.floor(i / frames) % rows;
    value = ((i % frames === 0 ? 0 : value) + bytes[i]) & 255;
    values[i] = offset[row] + scale[row] * value;
  }
  return values;
}

/** The page's trained model, for classifying segments. */
export class Classifier {
  /**
   * @param {Classify} model
   * @param {number} classes
   * @param {Player} player
   */
  constructor(model, classes, player) {
    this.model = model;
    this.classes = classes;
    this.player = player;
  }

  /**
   * @param {Data} data
   * @param {Kernels} kernels
   * @param {Classify} model
   * @param {Recording} recording
   */
  static async open(data, kernels, model, recording = kernels.choose(model.recordings)) {
    const player = await Player.open(kernels, recording);
    for (const [name, piece] of Object.entries(model.weights)) {
      player.write(name, data.bytes(piece));
    }
    const classes = data.page.labels.length;
    player.write("input unit weights", new Float32Array(classes).fill(1));
    return new Classifier(model, classes, player);
  }

  /**
   * Probabilities (samples x classes) of raw features (samples x rows x frames).
   * @param {Float32Array} features
   */
  async classify(features) {
    const { batch, rows, frames, mean, std } = this.model;
    const size = rows * frames;
    const count = features.length / size;
    const place = this.player.find("output predictions");
    if (!Number.isInteger(count) || !place) {
      throw new Error(`segments of ${rows} rows and ${frames} frames are expected`);
    }
    const classes = this.classes;
    const all = new Float32Array(count * classes);
    const input = new Float32Array(batch * size);
    for (let from = 0; from < count; from += batch) {
      const valid = Math.min(batch, count - from);
      for (let i = 0; i < batch * size; i++) {
        const row = Math.floor(i / frames) % rows;
        // What is not there is the first segment again, so that its values are finite.
        const value = features[from * size + (i < valid * size ? i : i % size)];
        input[i] = Math.fround(value - Math.fround(mean[row])) / Math.fround(std[row]);
      }
      this.player.write("input batch x", input);
      this.player.write("input batch labels", new Uint32Array(batch));
      this.player.write("control", stepState({ valid }));
      this.player.run();
      const [bytes] = await this.player.read(place);
      all.set(new Float32Array(bytes).subarray(0, valid * classes), from * classes);
    }
    return all;
  }
}

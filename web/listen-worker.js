// The worker behind the Listen tab: recordings to feature stacks, one segment at a time, whenever the page asks for one.
// Between two it answers messages, so it can be told to stop; and nothing piles up when the GPU is slow.

import { Extractor, nothingToHear, SAMPLE_RATE, SEGMENT_SAMPLES, segments } from "./features.js";
import { readPcm } from "./pcm.js";
import { Resampler } from "./resample.js";

/**
 * What the page asks. `file`: a file that may be WAV or AU (else the answer is `unknown`). `open`, `append`, `end`: samples at
 * a rate, as they come; channels are averaged. `next`: one more segment. `sound`: all of it as a WAV file, for playing.
 * @typedef {{ id: number } & (
 *   | { type: "file", file: Blob, most: number }
 *   | { type: "open", rate: number }
 *   | { type: "append", channels: Float32Array[] }
 *   | { type: "end" | "next" | "sound" | "stop" })} Ask
 */

/**
 * What the worker answers. Times are in seconds at 22,050 Hz; `note` says why there is nothing to name a genre of.
 * @typedef {{ id: number } & (
 *   | { type: "unknown" }
 *   | { type: "opened", seconds: number, whole: number, rate: number }
 *   | { type: "segment", from: number, to: number, data: Float32Array<ArrayBuffer> }
 *   | { type: "done", seconds: number, segments: number, note?: string }
 *   | { type: "sound", wav: Blob }
 *   | { type: "failed", message: string })} Answer
 */

/** One recording. */
class Session {
  /** @param {number} rate */
  constructor(rate) {
    this.resampler = rate === SAMPLE_RATE ? undefined : new Resampler(rate);
    this.samples = new Float32Array(0);
    this.count = 0;
    this.ended = false;
    this.asked = 0;
    this.given = 0;
    this.finished = false;
    // The lowest and the highest sample of what was judged so far, and how many those are.
    this.heard = { length: 0, low: Infinity, high: -Infinity };
  }

  /** @param {Float32Array[]} channels */
  append(channels) {
    const [{ length }] = channels;
    const needed = this.count + length;
    if (needed > this.samples.length) {
      const grown = new Float32Array(Math.max(needed, Math.min(2 * this.samples.length, needed + 2 ** 23)));
      grown.set(this.samples.subarray(0, this.count));
      this.samples = grown;
    }
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const channel of channels) sum = Math.fround(sum + channel[i]);
      this.samples[this.count + i] = sum / channels.length;
    }
    this.count = needed;
  }

  /** Samples at 22,050 Hz that are there for good. */
  get length() {
    if (!this.resampler) return this.count;
    return this.ended ? this.resampler.length(this.count) : this.resampler.certain(this.count);
  }

  /** @param {number} from @param {number} to */
  range(from, to) {
    if (!this.resampler) return this.samples.subarray(from, to);
    return this.resampler.range(this.samples, this.count, from, to);
  }

  /** Takes note of how loud what follows is, up to `to`. @param {number} to */
  hear(to) {
    for (const { heard } = this; heard.length < to; ) {
      const end = Math.min(heard.length + SEGMENT_SAMPLES, to);
      const part = this.range(heard.length, end);
      for (const sample of part) {
        if (sample < heard.low) heard.low = sample;
        if (sample > heard.high) heard.high = sample;
      }
      heard.length = end;
    }
  }

  /** The next segment's place; undefined when it is not there yet, null behind the last. */
  place() {
    const needed = (this.given + 1) * SEGMENT_SAMPLES;
    if (!this.ended && this.length < needed) return undefined;
    return segments(this.length)[this.given] ?? (this.ended ? null : undefined);
  }
}

/** @type {{ id: number, session: Session } | undefined} */
let current;
const extractor = new Extractor();
const scope = /** @type {{ postMessage: (answer: Answer, transfer?: Transferable[]) => void }} */ (
  /** @type {unknown} */ (globalThis)
);

/** Gives what was asked for, as far as it is there. @param {number} id @param {Session} session */
function give(id, session) {
  while (session.asked > 0 && !session.finished) {
    const place = session.place();
    if (place === undefined) return;
    const seconds = session.length / SAMPLE_RATE;
    const silent = () => nothingToHear(session.heard);
    // A recording at 22,050 Hz is looked at as a whole before anything is said of it; resampling takes longer.
    if (place === null || (session.ended && session.given === 0 && !session.resampler)) session.hear(session.length);
    if (place === null || (session.heard.length === session.length && session.ended && silent())) {
      session.finished = true;
      scope.postMessage({ id, type: "done", seconds, segments: session.given, note: silent() });
      return;
    }
    const { data } = extractor.features(session.range(place.from, place.to));
    session.hear(Math.max(place.to, session.heard.length));
    session.asked--;
    session.given++;
    const times = { from: place.from / SAMPLE_RATE, to: place.to / SAMPLE_RATE };
    scope.postMessage({ id, type: "segment", ...times, data }, [data.buffer]);
  }
}

/** 16-bit mono at 22,050 Hz. @param {Session} session */
function wavOf(session) {
  const { length } = session;
  const bytes = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (/** @type {number} */ at, /** @type {string} */ name) => {
    for (let i = 0; i < name.length; i++) bytes.setUint8(at + i, name.charCodeAt(i));
  };
  text(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, SAMPLE_RATE, true);
  bytes.setUint32(28, 2 * SAMPLE_RATE, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  text(36, "data");
  bytes.setUint32(40, 2 * length, true);
  for (let from = 0; from < length; from += SEGMENT_SAMPLES) {
    session.range(from, Math.min(from + SEGMENT_SAMPLES, length)).forEach((sample, i) => {
      bytes.setInt16(44 + 2 * (from + i), Math.round(Math.max(-1, Math.min(sample, 1)) * 32767), true);
    });
  }
  return new Blob([bytes.buffer], { type: "audio/wav" });
}

/** @param {Ask} ask */
async function answer(ask) {
  const { id } = ask;
  if (ask.type === "file") {
    current = undefined;
    latest = id;
    const pcm = await readPcm(ask.file, ask.most);
    // Another may have been asked for meanwhile.
    if (latest !== id) return;
    if (!pcm) return scope.postMessage({ id, type: "unknown" });
    const session = new Session(pcm.rate);
    session.samples = pcm.samples;
    session.count = pcm.samples.length;
    session.ended = true;
    current = { id, session };
    const seconds = session.length / SAMPLE_RATE;
    return scope.postMessage({ id, type: "opened", seconds, whole: pcm.seconds, rate: pcm.rate });
  }
  if (ask.type === "open") {
    latest = id;
    current = { id, session: new Session(ask.rate) };
    return;
  }
  if (ask.type === "stop") latest = 0;
  if (current?.id !== id) return;
  const { session } = current;
  if (ask.type === "stop") current = undefined;
  if (ask.type === "append") session.append(ask.channels);
  if (ask.type === "end") session.ended = true;
  if (ask.type === "next") session.asked++;
  if (ask.type === "sound") return scope.postMessage({ id, type: "sound", wav: wavOf(session) });
  if (ask.type !== "stop") give(id, session);
}

/** The recording that was asked for last. */
let latest = 0;

addEventListener("message", (event) => {
  const ask = /** @type {Ask} */ (event.data);
  answer(ask).catch((error) => {
    if (current?.id === ask.id) current = undefined;
    scope.postMessage({ id: ask.id, type: "failed", message: String(error?.message ?? error) });
  });
});

// The Listen tab: a song, or what a microphone hears, judged segment by segment.

import { classColours, Pictures, pictureOf } from "./listen-draw.js";
import { buildView, drawBars, durationOf, fillRow, timeText } from "./listen-view.js";
import { microphoneTrouble, openMicrophone } from "./microphone.js";
import { messageOf } from "./player.js";
import { Votes } from "./votes.js";

/** @typedef {import("./listen-worker.js").Answer} Answer */
/** @typedef {Answer & { type: "segment" }} Segment */

/**
 * What the tab needs of a model. `classify` takes raw features of any number of segments, and gives probabilities of each.
 * @typedef {object} ListenModel
 * @property {string[]} labels
 * @property {number} rows
 * @property {number} frames
 * @property {number} batch segments that are classified at once
 * @property {(features: Float32Array) => Promise<Float32Array>} classify
 */

/** More than this is not listened to: half an hour takes some 0.6 GB while a browser decodes it. */
const MOST_SECONDS = 30 * 60;
/** Bytes of a compressed file whose length the browser can't tell. */
const MOST_BYTES = 32 * 2 ** 20;
const RATE = 22050;

class Listen {
  /** @param {HTMLElement} root @param {ListenModel} model */
  constructor(root, model) {
    this.model = model;
    /** Counts recordings: what belongs to an older one is let go. */
    this.id = 0;
    /** @type {Segment[]} */
    this.waiting = [];
    this.classifying = false;
    /** @type {Extract<Answer, { type: "done" }> | undefined} */
    this.done = undefined;
    /** @type {{ close: () => void } | undefined} */
    this.microphone = undefined;
    this.votes = new Votes(model.labels.length);
    /** What is listened to, when it is a file. @type {File | undefined} */
    this.song = undefined;
    this.url = "";
    this.name = "";
    this.began = 0;

    this.ui = buildView(root);
    this.pictures = new Pictures(this.ui.spectrogram, this.ui.curves, model.labels.length);
    this.reset(3);
    this.ui.results.hidden = true;
    this.listenToReader();
    this.worker = this.startWorker();
  }

  startWorker() {
    const worker = new Worker(import.meta.resolve("./listen-worker.js"), { type: "module" });
    worker.onmessage = ({ data }) => this.answered(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.fail(`The features can't be computed: ${event.message || "the browser did not start the page's worker"}.`);
    };
    return worker;
  }

  listenToReader() {
    this.ui.file.addEventListener("change", () => {
      const [file] = this.ui.file.files ?? [];
      if (file) this.open(file);
      // The same file may be chosen again.
      this.ui.file.value = "";
    });
    this.ui.recordButton.addEventListener("click", () => this.record());
    this.ui.stopButton.addEventListener("click", () => this.stop());
    const root = this.ui.drop;
    addEventListener("dragover", (event) => {
      if (root.offsetParent) event.preventDefault();
    });
    root.addEventListener("dragenter", () => root.classList.add("over"));
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    addEventListener("drop", (event) => {
      if (!root.offsetParent) return;
      event.preventDefault();
      root.classList.remove("over");
      const files = event.dataTransfer?.files;
      if (files?.length) this.open(files[0], files.length - 1);
      else this.fail("What was dropped is no file: drop one, or choose it.");
    });
    this.ui.view.addEventListener("click", (event) => {
      const { left, width } = this.ui.view.getBoundingClientRect();
      if (!this.ui.audio.src) return;
      this.ui.audio.currentTime = ((event.clientX - left) / width) * this.pictures.seconds;
      this.ui.audio.play().catch(() => {});
    });
    const follow = () => {
      this.ui.head.style.left = `${Math.min((100 * this.ui.audio.currentTime) / this.pictures.seconds, 100)}%`;
      if (!this.ui.audio.paused) requestAnimationFrame(follow);
    };
    for (const name of ["play", "seeked"]) this.ui.audio.addEventListener(name, follow);
  }

  /** Ends whatever is on its way. */
  letGo() {
    this.closeMicrophone();
    if (this.id > 0) this.worker.postMessage({ id: this.id, type: "stop" });
    this.id++;
    this.waiting = [];
  }

  /** Forgets the last recording. @param {number} seconds of the next */
  reset(seconds) {
    this.letGo();
    this.done = undefined;
    this.votes = new Votes(this.model.labels.length);
    this.ui.trouble.textContent = "";
    this.ui.rows.replaceChildren();
    this.ui.bars.replaceChildren();
    this.ui.progress.value = 0;
    this.ui.audio.hidden = true;
    this.ui.audio.removeAttribute("src");
    this.ui.head.style.left = "0";
    URL.revokeObjectURL(this.url);
    this.url = "";
    this.pictures.clear(seconds);
  }

  /** @param {string} message */
  fail(message) {
    this.letGo();
    this.ui.trouble.textContent = message;
    this.ui.status.textContent = "";
    this.busy(false);
  }

  /** @param {boolean} busy */
  busy(busy) {
    this.ui.stopButton.disabled = !busy;
    this.ui.recordButton.disabled = busy && this.microphone !== undefined;
    this.ui.drop.setAttribute("aria-busy", String(busy));
  }

  /** Listens to a file. @param {File} file @param {number} others that were dropped with it */
  open(file, others = 0) {
    this.reset(3);
    this.name = file.name;
    this.began = performance.now();
    this.ui.results.hidden = true;
    if (file.size === 0) return this.fail(`${file.name} is empty: 0 bytes.`);
    if (others > 0) this.ui.trouble.textContent = `One song at a time: ${file.name}, and not the other ${others}.`;
    this.ui.status.textContent = `Opening ${file.name} …`;
    this.busy(true);
    this.song = file;
    this.url = URL.createObjectURL(file);
    this.ui.audio.src = this.url;
    this.worker.postMessage({ id: this.id, type: "file", file, most: MOST_SECONDS });
  }

  /** Has the browser decode what is neither WAV nor AU, at 22,050 Hz. */
  async decode() {
    const { id, song } = this;
    const { audio } = this.ui;
    if (!song) return;
    const seconds = await durationOf(audio);
    if (id !== this.id) return;
    // Bytes and seconds go together well enough; the decoded length is looked at again.
    const share = seconds ? (MOST_SECONDS / seconds) * song.size : MOST_BYTES;
    const part = song.size > share ? song.slice(0, share) : song;
    this.ui.status.textContent = `Decoding ${song.name} …`;
    const context = new OfflineAudioContext(1, 1, RATE);
    const decoded = await part
      .arrayBuffer()
      .then((bytes) => context.decodeAudioData(bytes))
      .catch(() => undefined);
    if (id !== this.id) return;
    if (!decoded) {
      const why =
        part === song
          ? `${song.name} is no sound that this browser can decode: convert it, e.g. with "ffmpeg -i FILE song.wav".`
          : `${song.name} is too long (${seconds ? timeText(seconds) : "of unknown length"}), and its beginning can't be decoded alone: cut it to half an hour.`;
      return this.fail(why);
    }
    const frames = Math.min(decoded.length, MOST_SECONDS * RATE);
    const channels = Array.from({ length: decoded.numberOfChannels }, (_, c) => {
      const channel = new Float32Array(frames);
      decoded.copyFromChannel(channel, c);
      return channel;
    });
    this.worker.postMessage({ id, type: "open", rate: RATE });
    this.worker.postMessage(
      { id, type: "append", channels },
      channels.map(({ buffer }) => buffer),
    );
    this.worker.postMessage({ id, type: "end" });
    this.begin(frames / RATE, Math.max(seconds ?? 0, decoded.duration), part !== song && !seconds);
  }

  /**
   * The recording lies with the worker: asks for its segments.
   * @param {number} seconds
   * @param {number} whole seconds of the file
   * @param {boolean} unknown whether there is more, of unknown length
   */
  begin(seconds, whole, unknown = false) {
    this.ui.results.hidden = false;
    this.pictures.clear(seconds);
    if (whole > seconds + 1) {
      this.ui.trouble.textContent = `Only the first ${timeText(seconds)} of ${timeText(whole)} are listened to.`;
    } else if (unknown) this.ui.trouble.textContent = `Only the first ${timeText(seconds)} are listened to.`;
    this.ui.status.textContent = `Listening to ${this.name}, ${timeText(seconds)} …`;
    // Enough for the next batch while one is classified.
    for (let i = 0; i < 2 * this.model.batch; i++) this.worker.postMessage({ id: this.id, type: "next" });
  }

  async record() {
    this.reset(15);
    const { id } = this;
    this.name = "the microphone";
    this.song = undefined;
    this.began = performance.now();
    this.ui.status.textContent = "Waiting for the microphone …";
    this.ui.recordButton.disabled = true;
    let heard = 0;
    let rate = RATE;
    try {
      const microphone = await openMicrophone(
        (samples) => {
          if (id !== this.id || !this.microphone) return;
          heard += samples.length / rate;
          this.worker.postMessage({ id, type: "append", channels: [samples] }, [samples.buffer]);
          this.pictures.reach(heard);
          if (!this.ui.rows.firstChild) this.ui.status.textContent = `Recording … the first answer comes after 3 s.`;
          if (heard >= MOST_SECONDS) this.finishRecording(`The recording ended at ${timeText(MOST_SECONDS)}.`);
        },
        () => this.finishRecording("The microphone went away; what it heard until then is below."),
      );
      if (id !== this.id) return microphone.close();
      this.microphone = microphone;
      rate = microphone.rate;
      this.worker.postMessage({ id, type: "open", rate });
      this.begin(15, 15);
      this.busy(true);
    } catch (error) {
      if (id === this.id) this.fail(microphoneTrouble(error));
    }
  }

  closeMicrophone() {
    this.microphone?.close();
    this.microphone = undefined;
    this.ui.recordButton.disabled = false;
  }

  /** @param {string} note */
  finishRecording(note) {
    this.closeMicrophone();
    this.worker.postMessage({ id: this.id, type: "end" });
    this.ui.trouble.textContent = note;
  }

  stop() {
    if (this.microphone) return this.finishRecording("");
    this.letGo();
    this.busy(false);
    this.ui.status.textContent = `Stopped after ${this.pictures.parts.length} segments.`;
  }

  /** @param {Answer} answer */
  answered(answer) {
    if (answer.id !== this.id) return;
    switch (answer.type) {
      case "unknown":
        this.decode().catch((error) => this.fail(`${this.name} can't be read (${messageOf(error)}): copy it again.`));
        break;
      case "opened":
        this.begin(answer.seconds, answer.whole);
        break;
      case "failed":
        this.fail(`${this.name}: ${answer.message}.`);
        break;
      case "sound":
        this.play(answer.wav);
        break;
      case "done":
        this.done = answer;
        this.finish();
        break;
      default:
        this.waiting.push(answer);
        this.classify();
    }
  }

  /** Classifies what has come, at most a batch at a time, until nothing waits. */
  async classify() {
    if (this.classifying) return;
    this.classifying = true;
    const { rows, frames, batch, labels } = this.model;
    while (this.waiting.length > 0) {
      const { id } = this;
      const parts = this.waiting.splice(0, batch);
      const features = new Float32Array(parts.length * rows * frames);
      parts.forEach(({ data }, i) => {
        features.set(data, i * rows * frames);
      });
      try {
        const all = await this.model.classify(features);
        if (id !== this.id) continue;
        if (!all.every(Number.isFinite)) throw new Error("the model's probabilities for this are not finite numbers");
        this.show(parts, (i) => all.slice(i * labels.length, (i + 1) * labels.length));
        for (let i = 0; i < parts.length; i++) this.worker.postMessage({ id, type: "next" });
      } catch (error) {
        if (id === this.id) this.fail(`${messageOf(error).replace(/\.$/, "")}. Drop the song again.`);
      }
    }
    this.classifying = false;
    this.finish();
  }

  /** @param {Segment[]} segments @param {(i: number) => Float32Array} probabilitiesOf */
  show(segments, probabilitiesOf) {
    const { labels, frames } = this.model;
    const isFirst = this.pictures.parts.length === 0;
    const parts = segments.map(({ from, to, data }, i) => {
      const probabilities = probabilitiesOf(i);
      this.votes.add(probabilities);
      const best = probabilities.indexOf(Math.max(...probabilities));
      fillRow(this.ui.rows, [from.toFixed(1), to.toFixed(1), labels[best], probabilities[best].toFixed(4)]);
      return { from, to, picture: pictureOf(data, frames), probabilities };
    });
    this.pictures.reach(parts[parts.length - 1].to);
    this.pictures.add(parts);
    this.ui.progress.value = parts[parts.length - 1].to / this.pictures.seconds;
    this.drawBars();
    if (isFirst) {
      const seconds = ((performance.now() - this.began) / 1000).toFixed(1);
      this.ui.status.textContent = `Listening to ${this.name}: first answer after ${seconds} s …`;
    }
  }

  /** What all segments so far say together, the likeliest first. */
  together() {
    const probabilities = this.votes.probabilities();
    const all = this.model.labels.map((label, k) => ({ label, k, probability: probabilities[k] }));
    return all.sort((a, b) => b.probability - a.probability);
  }

  drawBars() {
    drawBars(this.ui.bars, this.together(), classColours(this.model.labels.length));
  }

  /** Says what came out, once all is classified. */
  finish() {
    const { done } = this;
    if (!done || done.id !== this.id || this.classifying || this.waiting.length > 0) return;
    this.done = undefined;
    this.busy(false);
    this.ui.progress.value = 1;
    if (done.note) {
      // A model names a genre for anything; there was nothing to judge.
      this.ui.results.hidden = true;
      this.ui.status.textContent = `${this.name}: ${done.note}.`;
      return;
    }
    this.pictures.seconds = Math.max(done.seconds, 0.1);
    this.pictures.soon();
    const [best] = this.together();
    const count = done.segments === 1 ? "one segment" : `${done.segments} segments`;
    this.ui.status.textContent = `${this.name}: ${best.label}, ${(100 * best.probability).toFixed(1)} % over ${count}.`;
    // What the browser can't play by itself is played as the model heard it.
    if (this.song && !this.ui.audio.error && this.ui.audio.readyState > 0) this.ui.audio.hidden = false;
    else this.worker.postMessage({ id: this.id, type: "sound" });
  }

  /** @param {Blob} wav */
  play(wav) {
    URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(wav);
    this.ui.audio.src = this.url;
    this.ui.audio.hidden = false;
  }

  /** Draws again, in the colours and sizes of now. */
  redraw() {
    this.pictures.soon();
    if (this.ui.bars.firstChild) this.drawBars();
  }
}

/**
 * Fills `root` with the tab.
 * @param {HTMLElement} root
 * @param {ListenModel} model
 * @returns {{ show: () => void }}
 */
export function mountListen(root, model) {
  const listen = new Listen(root, model);
  return { show: () => listen.redraw() };
}

// What the Listen tab consists of.

import { element } from "./draw.js";

const EXPLANATION =
  "Above, the features' mel rows as the model is given them, with the likeliest genre's colour on top of each segment; " +
  "below, all probabilities. Click to play from there.";

/** Seconds for people. @param {number} seconds */
export function timeText(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** How long the browser says a file is; undefined when it can't tell. @param {HTMLAudioElement} audio @returns {Promise<number | undefined>} */
export function durationOf(audio) {
  return new Promise((resolve) => {
    const done = () => resolve(Number.isFinite(audio.duration) ? audio.duration : undefined);
    if (audio.readyState > 0 || audio.error) return done();
    audio.addEventListener("loadedmetadata", done, { once: true });
    audio.addEventListener("error", done, { once: true });
    setTimeout(done, 5000);
  });
}

/** Fills `root` with the tab's elements. @param {HTMLElement} root */
export function buildView(root) {
  const file = element("input", {
    type: "file",
    accept: "audio/*,.au,.snd,.wav,.mp3,.flac,.ogg,.m4a",
    id: "listen-file",
  });
  const recordButton = element("button", { type: "button", id: "listen-record" }, "Record");
  const stopButton = element("button", { type: "button", id: "listen-stop", disabled: "" }, "Stop");
  const status = element("p", { id: "listen-status", role: "status" }, "No song yet.");
  const trouble = element("p", { id: "listen-trouble", role: "alert", class: "trouble" });
  const progress = element("progress", {
    id: "listen-progress",
    max: "1",
    value: "0",
    "aria-label": "How much was listened to",
  });
  const audio = element("audio", { controls: "", preload: "metadata", id: "listen-audio" });
  const spectrogram = element("canvas", {
    class: "spectrogram",
    role: "img",
    "aria-label": "Spectrogram with its segments",
  });
  const curves = element("canvas", { class: "curves", role: "img", "aria-label": "Probabilities over time" });
  const head = element("div", { class: "playhead" });
  const view = element("div", { class: "timeline" }, spectrogram, curves, head);
  const bars = element("ol", { id: "listen-bars", class: "bars" });
  const rows = element("tbody");
  const header = element(
    "tr",
    {},
    ...["from", "to", "likeliest", "probability"].map((text) => element("th", {}, text)),
  );
  const table = element("table", { id: "listen-segments" }, element("thead", {}, header), rows);
  const results = element(
    "div",
    {},
    element("h2", {}, "The whole song"),
    element("p", { class: "quiet" }, "What its segments say together, as gtzan-gpu predict gives it."),
    bars,
    element("h2", {}, "Over time"),
    element("p", { class: "quiet" }, EXPLANATION),
    view,
    audio,
    element(
      "details",
      {},
      element("summary", {}, "Every segment in numbers"),
      element("div", { class: "scroll" }, table),
    ),
  );
  const drop = element(
    "div",
    { class: "drop" },
    element("p", {}, element("label", { for: "listen-file" }, "Drop a song here, or choose one: "), file),
    element("p", { class: "controls" }, recordButton, stopButton, progress),
  );
  root.replaceChildren(drop, status, trouble, results);
  return {
    file,
    recordButton,
    stopButton,
    status,
    trouble,
    progress,
    audio,
    spectrogram,
    curves,
    head,
    view,
    bars,
    rows,
    results,
    drop,
  };
}

/** A row of text. @param {HTMLTableSectionElement} rows @param {string[]} cells */
export function fillRow(rows, cells) {
  rows.append(element("tr", {}, ...cells.map((text) => element("td", {}, text))));
}

/**
 * One bar per class.
 * @param {HTMLElement} bars
 * @param {{ label: string, k: number, probability: number }[]} means the likeliest first
 * @param {string[]} colours
 */
export function drawBars(bars, means, colours) {
  bars.replaceChildren(
    ...means.map(({ label, k, probability }) => {
      const bar = element("span", { class: "bar" });
      bar.style.width = `${100 * probability}%`;
      bar.style.background = colours[k];
      const value = element("span", { class: "value" }, `${(100 * probability).toFixed(1)} %`);
      const track = element("span", { class: "track" }, bar);
      return element("li", { "data-probability": String(probability) }, element("span", {}, label), track, value);
    }),
  );
}

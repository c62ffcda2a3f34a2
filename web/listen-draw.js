// The pictures of the Listen tab: the spectrogram with its segments, and the probabilities over time.

import { colour, surface } from "./draw.js";

/** One classified stretch: times in seconds, log-mel as bytes (frames x 128 rows, the lowest last), probabilities.
 * @typedef {{ from: number, to: number, picture: Uint8ClampedArray<ArrayBuffer>, probabilities: Float32Array }} Part */

const ROWS = 128;
/** Decibels under the loudest that are drawn black; as far as log-mel reaches. */
const DEPTH = 80;
/** Dark blue, violet, orange, pale yellow: equal steps of lightness, after matplotlib's `inferno`. */
const HEAT = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

/**
 * The log-mel rows of a raw feature stack as bytes.
 * @param {Float32Array} features
 * @param {number} frames
 */
export function pictureOf(features, frames) {
  const picture = new Uint8ClampedArray(ROWS * frames);
  let loudest = -Infinity;
  for (let i = 0; i < picture.length; i++) loudest = Math.max(loudest, features[i]);
  for (let row = 0; row < ROWS; row++) {
    for (let frame = 0; frame < frames; frame++) {
      const level = 1 + (features[row * frames + frame] - loudest) / DEPTH;
      picture[(ROWS - 1 - row) * frames + frame] = 255 * level;
    }
  }
  return picture;
}

/** As many colours as there are classes, told apart by hue and lightness, on light and dark grounds. @param {number} n */
export function classColours(n) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return Array.from({ length: n }, (_, i) => {
    const lightness = (dark ? 66 : 50) + (i % 2 === 0 ? 8 : -8);
    return `oklch(${lightness}% 0.14 ${Math.round((360 * i) / n + 20)})`;
  });
}

const scratch = document.createElement("canvas");

/** @param {CanvasRenderingContext2D} context @param {Part} part @param {number} x @param {number} width @param {number} top @param {number} height */
function drawPart(context, part, x, width, top, height) {
  const frames = part.picture.length / ROWS;
  scratch.width = frames;
  scratch.height = ROWS;
  const own = scratch.getContext("2d");
  if (!own) return;
  const image = own.createImageData(frames, ROWS);
  part.picture.forEach((value, i) => {
    const at = (value / 255) * (HEAT.length - 1);
    const k = Math.min(Math.floor(at), HEAT.length - 2);
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = HEAT[k][c] + (at - k) * (HEAT[k + 1][c] - HEAT[k][c]);
    image.data[4 * i + 3] = 255;
  });
  own.putImageData(image, 0, 0);
  // A short sound's features are padded to a whole segment: only what was heard is shown.
  const shown = Math.max(Math.min((part.to - part.from) / 3, 1) * frames, 1);
  context.drawImage(scratch, 0, 0, shown, ROWS, x, top, width, height);
}

/** Height of the strip above the spectrogram that shows the likeliest genre of each segment. */
const STRIP = 10;

/** Both pictures over the same time. */
export class Pictures {
  /** @param {HTMLCanvasElement} spectrogram @param {HTMLCanvasElement} curves @param {number} classes */
  constructor(spectrogram, curves, classes) {
    this.spectrogram = spectrogram;
    this.curves = curves;
    this.classes = classes;
    /** @type {Part[]} */
    this.parts = [];
    /** Seconds that the pictures are wide. */
    this.seconds = 3;
    this.pending = 0;
  }

  /** @param {number} seconds */
  clear(seconds) {
    this.parts = [];
    this.seconds = Math.max(seconds, 0.1);
    this.soon();
  }

  /** Makes room for a recording that goes on, by half as much again. @param {number} seconds */
  reach(seconds) {
    while (this.seconds < seconds) this.seconds = Math.ceil(this.seconds * 1.5);
  }

  /** @param {Part[]} parts */
  add(parts) {
    this.parts.push(...parts);
    this.soon();
  }

  /** Draws with the screen's next picture, once for all that has come by then. */
  soon() {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }

  draw() {
    if (this.spectrogram.clientWidth === 0) return;
    const colours = classColours(this.classes);
    const best = (/** @type {Part} */ { probabilities }) => probabilities.indexOf(Math.max(...probabilities));
    {
      const { context, width, height } = surface(this.spectrogram);
      context.fillStyle = colour("panel");
      context.fillRect(0, 0, width, height);
      for (const part of this.parts) {
        const [x, end] = [part.from, part.to].map((t) => (t / this.seconds) * width);
        drawPart(context, part, x, end - x, STRIP, height - STRIP);
        context.fillStyle = colours[best(part)];
        context.fillRect(x, 0, end - x, STRIP - 2);
        // The marks of segments, where they would not hide what lies between them.
        if (end - x < 5) continue;
        context.fillStyle = "rgb(255 255 255 / 0.7)";
        context.fillRect(Math.round(end) - 1, 0, 1, height);
      }
    }
    const { context, width, height } = surface(this.curves);
    context.fillStyle = colour("panel");
    context.fillRect(0, 0, width, height);
    for (const part of this.parts) {
      const [x, end] = [part.from, part.to].map((t) => (t / this.seconds) * width);
      let y = height;
      part.probabilities.forEach((p, k) => {
        context.fillStyle = colours[k];
        context.fillRect(x, y - p * height, Math.max(end - x - (end - x < 5 ? 0 : 1), 0.5), p * height);
        y -= p * height;
      });
    }
  }
}

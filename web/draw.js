// Pictures on canvases, in the page's own colours.
/** @import {Memory} from "./types" */

/**
 * A canvas's context at the screen's resolution, cleared; sizes are those of the page.
 * @param {HTMLCanvasElement} canvas
 */
export function surface(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  if (!context) {
    throw new Error("the browser draws no canvas");
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return { context, width, height };
}

/** A colour of the style sheet. @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour Name of a colour of the style sheet.
 * @property {[number, number][]} points
 */

/**
 * Lines over a common x, from 0 to the greatest value.
 * @param {HTMLCanvasElement} canvas
 * @param {Line[]} lines
 * @param {{x: string, top?: number}} options
 */
export function chart(canvas, lines, { x, top }) {
  const { context, width, height } = surface(canvas);
  const [left, right, above, below] = [44, 10, 10, 34];
  const all = lines.flatMap((line) => line.points);
  const maxX = Math.max(1, ...all.map((p) => p[0]));
  const maxY = top ?? Math.max(0.1, ...all.map((p) => p[1])) * 1.05;
  const at = (/** @type {number} */ px, /** @type {number} */ py) =>
    /** @type {[number, number]} */ ([
      left + (px / maxX) * (width - left - right),
      height - below - (py / maxY) * (height - above - below),
    ]);
  context.strokeStyle = colour("line");
  context.fillStyle = colour("quiet");
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (let i = 0; i <= 4; i++) {
    const value = (maxY * i) / 4;
    const [x0, y] = at(0, value);
    context.beginPath();
    context.moveTo(x0, y);
    context.lineTo(width - right, y);
    context.stroke();
    context.fillText(value.toFixed(maxY < 3 ? 2 : 1), left - 6, y);
  }
  context.textBaseline = "alphabetic";
  context.fillText(`${Math.round(maxX)} ${x}`, width - right, height - below + 16);
  context.textAlign = "left";
  context.fillText("0", left, height - below + 16);
  let legend = left;
  for (const line of lines) {
    context.strokeStyle = colour(line.colour);
    context.lineWidth = 2;
    context.beginPath();
    for (const [px, py] of line.points) {
      context.lineTo(...at(px, Math.min(py, maxY)));
    }
    context.stroke();
    context.lineWidth = 1;
    context.fillStyle = colour(line.colour);
    context.fillRect(legend, height - 12, 10, 10);
    context.fillStyle = colour("text");
    context.fillText(line.label, legend + 14, height - 3);
    legend += context.measureText(line.label).width + 32;
  }
}

/** Bytes for people. @param {number} bytes */
export function bytesText(bytes) {
  if (bytes < 1024) {
    return `${bytes} B`;
  }
  return bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** The memory of a program over its dispatches, with a cursor. */
export class MemoryPicture {
  /** @type {HTMLCanvasElement | null} */
  #still = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Memory} memory
   */
  constructor(canvas, memory) {
    this.canvas = canvas;
    this.memory = memory;
    // What was drawn for another size or another scheme is drawn anew.
    const forget = () => {
      this.#still = null;
    };
    new ResizeObserver(forget).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forget);
  }

  /** Where an arena begins, above each other with gaps. */
  #layout(/** @type {number} */ height) {
    const { arenas } = this.memory;
    const gap = 6;
    const total = arenas.reduce((sum, arena) => sum + arena.bytes, 0);
    const scale = (height - gap * (arenas.length - 1)) / Math.max(1, total);
    let y = 0;
    return arenas.map((arena) => {
      const from = y;
      y += arena.bytes * scale + gap;
      return { from, scale };
    });
  }

  /** @param {Set<string>} marked Tensors to point out. */
  #draw(marked) {
    const { context, width, height } = surface(this.canvas);
    const { buffers, arenas, dispatches } = this.memory;
    const layout = this.#layout(height);
    const step = width / dispatches.length;
    arenas.forEach((arena, i) => {
      const { from, scale } = layout[i];
      context.fillStyle = colour("panel");
      context.fillRect(0, from, width, arena.bytes * scale);
    });
    for (const buffer of buffers) {
      const { from, scale } = layout[buffer.arena];
      const y = from + buffer.offset * scale;
      const h = Math.max(1, buffer.bytes * scale - 0.5);
      const x = buffer.first * step;
      const w = Math.max(1, (buffer.last + 1 - buffer.first) * step - 0.5);
      context.fillStyle = marked.has(buffer.name) ? colour("mark") : tint(buffer.name);
      context.fillRect(x, y, w, h);
      if (w > 60 && h > 13) {
        context.save();
        context.beginPath();
        context.rect(x, y, w, h);
        context.clip();
        context.fillStyle = "#111";
        context.fillText(buffer.name, x + 3, y + 11);
        context.restore();
      }
    }
  }

  /**
   * Draw with the cursor at a dispatch (fractions lie in between).
   * @param {number} at
   * @param {Set<string>} marked
   */
  show(at, marked = new Set()) {
    if (!this.#still || marked.size > 0) {
      this.#draw(marked);
      const still = document.createElement("canvas");
      still.width = this.canvas.width;
      still.height = this.canvas.height;
      still.getContext("2d")?.drawImage(this.canvas, 0, 0);
      this.#still = marked.size > 0 ? null : still;
    }
    const { context, width, height } = marked.size > 0 ? this.#over() : surface(this.canvas);
    if (this.#still) {
      context.drawImage(this.#still, 0, 0, width, height);
    }
    const x = (at / this.memory.dispatches.length) * width;
    context.fillStyle = colour("text");
    context.fillRect(Math.min(width - 2, x), 0, 2, height);
  }

  #over() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const context = this.canvas.getContext("2d");
    if (!context) {
      throw new Error("the browser draws no canvas");
    }
    return { context, width, height };
  }
}

/**
 * A tensor's numbers as a picture: planes of rows and columns side by side, dark to light from the least to the greatest value.
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} values
 * @param {number[]} shape
 */
export function heat(canvas, values, shape) {
  const [rows, columns] = shape.length >= 2 ? shape.slice(-2) : [1, shape[0] ?? 1];
  const planes = Math.max(1, Math.min(16, Math.floor(values.length / (rows * columns))));
  const across = rows * columns === 1 ? planes : Math.ceil(Math.sqrt((planes * rows * 2) / columns)) || 1;
  const beside = Math.min(planes, Math.max(1, across));
  const down = Math.ceil(planes / beside);
  const [gap, width, height] = [1, beside * (columns + 1), down * (rows + 1)];
  const finite = values.slice(0, planes * rows * columns).filter(Number.isFinite);
  const [low, high] = finite.reduce(
    ([a, b], v) => [Math.min(a, v), Math.max(b, v)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  canvas.width = Math.max(1, width - gap);
  canvas.height = Math.max(1, height - gap);
  canvas.style.aspectRatio = `${canvas.width} / ${Math.max(canvas.height, canvas.width / 24)}`;
  const context = canvas.getContext("2d");
  const image = context?.createImageData(canvas.width, canvas.height);
  if (!context || !image) {
    return;
  }
  for (let plane = 0; plane < planes; plane++) {
    const [x0, y0] = [(plane % beside) * (columns + 1), Math.floor(plane / beside) * (rows + 1)];
    for (let i = 0; i < rows * columns; i++) {
      const value = values[plane * rows * columns + i];
      const share = (value - low) / (high - low || 1);
      const at = 4 * ((y0 + Math.floor(i / columns)) * canvas.width + x0 + (i % columns));
      // From dark blue over green to yellow; red for what is no number.
      const [r, g, b] = Number.isFinite(value)
        ? [40 + 215 * share ** 2, 20 + 210 * share, 90 + 60 * Math.sin(Math.PI * share) - 60 * share]
        : [255, 0, 0];
      image.data.set([r, g, b, 255], at);
    }
  }
  context.putImageData(image, 0, 0);
}

/** A colour that goes with a name, the same every time. @param {string} name */
function tint(name) {
  let hash = 7;
  for (const letter of name) {
    hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  }
  return `hsl(${hash} 45% 65%)`;
}

/**
 * Rows of labels and counts: which class was taken for which.
 * @param {HTMLElement} root
 * @param {string[]} labels
 * @param {number[][]} counts By true class, then by answer.
 */
export function confusion(root, labels, counts) {
  const table = element("table", { class: "confusion" });
  const head = element("tr", {}, element("th", {}, "is \\ taken for"));
  head.append(...labels.map((label) => element("th", { title: label }, label.slice(0, 5))));
  table.append(head);
  counts.forEach((row, i) => {
    const total = row.reduce((sum, count) => sum + count, 0) || 1;
    const line = element("tr", {}, element("th", {}, labels[i]));
    row.forEach((count, j) => {
      const cell = element("td", { class: i === j ? "right" : "wrong" }, count ? String(count) : "·");
      cell.style.setProperty("--share", String(count / total));
      line.append(cell);
    });
    table.append(line);
  });
  root.replaceChildren(table);
}

/**
 * An element with attributes and content.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} content
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...content);
  return made;
}

/**
 * The element with this id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) {
    throw new Error(`the page has no #${id}`);
  }
  return /** @type {T} */ (found);
}

// WAV and AU files to mono samples at their own rate, as the Rust program reads them: a browser's own decoder would
// resample, dither or refuse some.

/**
 * @typedef {object} Layout
 * @property {string} encoding u8, i8, i16, i24, i32, f32, f64, mulaw or alaw
 * @property {boolean} little
 * @property {number} rate
 * @property {number} channels
 * @property {number} from first byte of the samples
 * @property {number} to
 */

/** @typedef {{ rate: number, samples: Float32Array<ArrayBuffer>, seconds: number }} Pcm `seconds` of the whole file */

/** @type {Record<string, number>} */
const BYTES = { u8: 1, i8: 1, mulaw: 1, alaw: 1, i16: 2, i24: 3, i32: 4, f32: 4, f64: 8 };
/** Frames that are decoded at once. */
const BLOCK = 1 << 18;

/** @param {Blob} file @param {number} from @param {number} length */
async function viewOf(file, from, length) {
  return new DataView(await file.slice(from, from + length).arrayBuffer());
}

/** @param {DataView} view @param {number} at */
function nameAt(view, at) {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, Math.min(4, view.byteLength - at)));
}

/**
 * The first `most` seconds of a WAV or AU file, channels averaged; undefined when it is neither. Throws a sentence when it is
 * damaged.
 * @param {Blob} file
 * @param {number} most
 * @returns {Promise<Pcm | undefined>}
 */
export async function readPcm(file, most) {
  const head = await viewOf(file, 0, 24);
  if (head.byteLength < 4) return undefined;
  const magic = nameAt(head, 0);
  /** @type {Layout} */
  let layout;
  if (magic === ".snd" || magic === "dns.") layout = auLayout(head, file.size);
  else if (["RIFF", "RIFX", "RF64", "BW64"].includes(magic)) {
    if (head.byteLength < 12 || nameAt(head, 8) !== "WAVE") return undefined;
    layout = await wavLayout(file, magic !== "RIFX");
  } else return undefined;
  const { encoding, little, rate, channels, from, to } = layout;
  if (rate < 1000 || rate > 384000) throw new Error(`a sample rate of ${rate} Hz: the header is damaged`);
  if (channels === 0 || channels > 64) throw new Error(`${channels} channels: the header is damaged`);
  const frame = BYTES[encoding] * channels;
  const all = Math.floor((to - from) / frame);
  if (all === 0) throw new Error("no audio in the file: it ends after its header");
  const frames = Math.min(all, Math.floor(most * rate));
  const samples = new Float32Array(frames);
  for (let done = 0; done < frames; done += BLOCK) {
    const count = Math.min(BLOCK, frames - done);
    const view = await viewOf(file, from + done * frame, count * frame);
    decode(view, encoding, little, channels, samples.subarray(done, done + count));
  }
  return { rate, samples, seconds: all / rate };
}

/** @param {DataView} head @param {number} size @returns {Layout} */
function auLayout(head, size) {
  if (head.byteLength < 24) throw new Error("its AU header is cut off: copy it again");
  const little = nameAt(head, 0) === "dns.";
  const word = (/** @type {number} */ i) => head.getUint32(4 * i, little);
  const [from, bytes, kind, rate, channels] = [word(1), word(2), word(3), word(4), word(5)];
  const encoding = new Map([
    [1, "mulaw"],
    [2, "i8"],
    [3, "i16"],
    [4, "i24"],
    [5, "i32"],
    [6, "f32"],
    [7, "f64"],
    [27, "alaw"],
  ]).get(kind);
  if (!encoding) throw new Error(`AU encoding ${kind} can't be read; convert it to 16-bit PCM`);
  if (from < 24 || from > size) throw new Error("its AU header puts the samples outside the file: copy it again");
  // A length that was never filled in is that of the file.
  const claimed = bytes === 0 || bytes === 0xffffffff ? size : from + bytes;
  return { encoding, little, rate, channels, from, to: Math.min(claimed, size) };
}

/** @param {Blob} file @param {boolean} little @returns {Promise<Layout>} */
async function wavLayout(file, little) {
  let format;
  let longSize = 0;
  for (let at = 12; ; ) {
    const head = await viewOf(file, at, 8 + 40);
    if (head.byteLength < 8) throw new Error("the WAVE file ends before its samples begin: copy it again");
    const name = nameAt(head, 0);
    const size = head.getUint32(4, little);
    if (name === "fmt ") format = wavFormat(head, size, little);
    if (name === "ds64" && head.byteLength >= 24) longSize = Number(head.getBigUint64(16, true));
    if (name === "data") {
      if (!format) throw new Error("it has no format before its samples: the WAVE header is damaged");
      const from = at + 8;
      let claimed = size;
      if (size === 0xffffffff) claimed = longSize || file.size;
      else if (size === 0 && !(await chunksToTheEnd(file, from, little))) claimed = file.size;
      return { ...format, little, from, to: Math.min(from + claimed, file.size) };
    }
    // Chunks are padded to an even length.
    at += 8 + size + (size % 2);
  }
}

/** Whether the bytes from `at` on are chunks with printable names that end where the file does.
 * @param {Blob} file @param {number} at @param {boolean} little */
async function chunksToTheEnd(file, at, little) {
  while (at < file.size) {
    const head = await viewOf(file, at, 8);
    if (head.byteLength < 8 || !/^[ -~]{4}$/.test(nameAt(head, 0))) return false;
    const size = head.getUint32(4, little);
    at += 8 + size + (size % 2);
  }
  return at <= file.size + 1;
}

/** @param {DataView} head of the chunk @param {number} size @param {boolean} little */
function wavFormat(head, size, little) {
  if (size < 16 || head.byteLength < 24) throw new Error("its WAVE format chunk is too short: the header is damaged");
  const word = (/** @type {number} */ at) => head.getUint16(8 + at, little);
  const channels = word(2);
  const rate = head.getUint32(8 + 4, little);
  // Extensible: the real tag begins the sub-format.
  const tag = word(0) === 0xfffe && size >= 26 && head.byteLength >= 8 + 26 ? word(24) : word(0);
  // A sample fills its container, so the container's width counts: a frame's size always has it, `bits` not.
  const stated = Math.ceil(Math.min(word(14), 64) / 8);
  const container = channels > 0 ? word(12) / channels : Number.NaN;
  const bytes = Number.isInteger(container) && container >= stated && container <= 8 ? container : stated;
  const encoding = new Map([
    ["1 1", "u8"],
    ["1 2", "i16"],
    ["1 3", "i24"],
    ["1 4", "i32"],
    ["3 4", "f32"],
    ["3 8", "f64"],
    ["6 1", "alaw"],
    ["7 1", "mulaw"],
  ]).get(`${tag} ${bytes}`);
  if (!encoding) {
    throw new Error(`WAVE format ${tag} with ${8 * bytes} bits can't be read; convert it to 16-bit PCM`);
  }
  return { encoding, rate, channels };
}

/** ITU-T G.711, to the 16-bit scale. @param {number} byte */
function muLaw(byte) {
  const b = ~byte & 0xff;
  const magnitude = ((((b & 15) << 3) + 132) << ((b >> 4) & 7)) - 132;
  return (b & 0x80 ? -magnitude : magnitude) / 32768;
}

/** ITU-T G.711, to the 16-bit scale. @param {number} byte */
function aLaw(byte) {
  const b = byte ^ 0x55;
  const mantissa = (b & 15) << 4;
  const exponent = (b >> 4) & 7;
  const magnitude = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1);
  return (b & 0x80 ? magnitude : -magnitude) / 32768;
}

/**
 * @param {DataView} view
 * @param {string} encoding
 * @param {boolean} little
 * @returns {(at: number) => number}
 */
function reader(view, encoding, little) {
  switch (encoding) {
    case "u8":
      return (at) => (view.getUint8(at) - 128) / 128;
    case "i8":
      return (at) => view.getInt8(at) / 128;
    case "mulaw":
      return (at) => muLaw(view.getUint8(at));
    case "alaw":
      return (at) => aLaw(view.getUint8(at));
    case "i16":
      return (at) => view.getInt16(at, little) / 32768;
    case "i24":
      return (at) => {
        const middle = view.getUint8(at + 1) << 8;
        const [low, high] = little
          ? [view.getUint8(at), view.getInt8(at + 2)]
          : [view.getUint8(at + 2), view.getInt8(at)];
        return ((high << 16) | middle | low) / 8388608;
      };
    case "i32":
      return (at) => view.getInt32(at, little) / 2147483648;
    case "f32":
      return (at) => view.getFloat32(at, little);
    default:
      return (at) => view.getFloat64(at, little);
  }
}

/**
 * Frames of `view` to `out`, channels averaged in single precision, as the program does.
 * @param {DataView} view
 * @param {string} encoding
 * @param {boolean} little
 * @param {number} channels
 * @param {Float32Array} out
 */
function decode(view, encoding, little, channels, out) {
  const read = reader(view, encoding, little);
  const bytes = BYTES[encoding];
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum = Math.fround(sum + Math.fround(read((i * channels + c) * bytes)));
    out[i] = sum / channels;
  }
}

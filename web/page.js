// The page's data: beside it as page.bin.gz, or inside it when it is a single file.
/** @import {Page, Piece} from "./types" */

/** Everything that the page knows, and the numbers that go with it. */
export class Data {
  /**
   * @param {Page} page
   * @param {ArrayBuffer} blob
   */
  constructor(page, blob) {
    this.page = page;
    this.blob = blob;
  }

  /** @param {Piece} piece */
  bytes(piece) {
    return new Uint8Array(this.blob, piece.offset, piece.bytes);
  }

  /** @param {Piece} piece */
  floats(piece) {
    return new Float32Array(this.blob, piece.offset, piece.bytes / 4);
  }
}

/**
 * Read the page's data.
 * @returns {Promise<Data>}
 */
export async function load() {
  const inside = document.getElementById("page-bin");
  const bytes = inside ? bytesOf(inside.textContent ?? "", Number(inside.dataset.bytes)) : await fetched("page.bin.gz");
  // Some servers say that the file is packed, and the browser then has unpacked it.
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const all = isPacked ? await unpacked(bytes) : bytes.buffer;
  // The description's length, the description, the numbers.
  const end = 4 + new DataView(all).getUint32(0, true);
  const json = new TextDecoder().decode(new Uint8Array(all, 4, end - 4));
  return new Data(JSON.parse(json), words(new Uint8Array(all, end)));
}

/** Characters that can't stand in a page's script element. */
const RESERVED = [0, 10, 13, 60];

/**
 * The bytes in a text of seven bits to a character, the highest first; one beyond ASCII is a reserved one and seven bits more.
 * @param {string} text
 * @param {number} length
 */
export function bytesOf(text, length) {
  const bytes = new Uint8Array(length);
  let at = 0;
  let held = 0;
  let bits = 0;
  /** @param {number} seven */
  const put = (seven) => {
    held = (held << 7) | seven;
    bits += 7;
    if (bits >= 8 && at < length) {
      bits -= 8;
      bytes[at++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  };
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 128) {
      put(RESERVED[(code >> 7) - 2]);
    }
    put(code & 127);
  }
  return bytes;
}

/**
 * The blob, of which the file has first the lowest byte of every 32 bits, then the next ones.
 * @param {Uint8Array<ArrayBuffer>} planes
 */
function words(planes) {
  const bytes = new Uint8Array(planes.length);
  const count = planes.length / 4;
  for (let i = 0; i < count; i++) {
    for (let plane = 0; plane < 4; plane++) {
      bytes[4 * i + plane] = planes[plane * count + i];
    }
  }
  return bytes.buffer;
}

/** @param {string} name */
async function fetched(name) {
  const response = await fetch(name).catch(() => null);
  if (!response?.ok) {
    throw new Error(
      `${name} can't be read: serve this folder with a web server, e.g. python3 -m http.server, or export with --single.`,
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

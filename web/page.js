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
  const base64 = document.getElementById("page-bin")?.textContent;
  const bytes = base64 ? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)) : await fetched("page.bin.gz");
  // Some servers say that the file is packed, and the browser then has unpacked it.
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const all = isPacked ? await unpacked(bytes) : bytes.buffer;
  // The description's length, the description, the numbers.
  const end = 4 + new DataView(all).getUint32(0, true);
  const json = new TextDecoder().decode(new Uint8Array(all, 4, end - 4));
  return new Data(JSON.parse(json), all.slice(end));
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

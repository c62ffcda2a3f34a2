// ChaCha with 8 rounds as a generator of numbers: what draws the program's fresh weights, to the bit.

const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/**
 * A block of 16 words.
 * @param {Uint32Array} state Constants, key, block number, stream.
 * @param {Uint32Array} out
 */
function block(state, out) {
  out.set(state);
  const quarter = (
    /** @type {number} */ a,
    /** @type {number} */ b,
    /** @type {number} */ c,
    /** @type {number} */ d,
  ) => {
    out[a] += out[b];
    out[d] = rotated(out[d] ^ out[a], 16);
    out[c] += out[d];
    out[b] = rotated(out[b] ^ out[c], 12);
    out[a] += out[b];
    out[d] = rotated(out[d] ^ out[a], 8);
    out[c] += out[d];
    out[b] = rotated(out[b] ^ out[c], 7);
  };
  for (let round = 0; round < 8; round += 2) {
    for (let i = 0; i < 4; i++) {
      quarter(i, 4 + i, 8 + i, 12 + i);
    }
    for (let i = 0; i < 4; i++) {
      quarter(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
    }
  }
  for (let i = 0; i < 16; i++) {
    out[i] += state[i];
  }
}

/**
 * @param {number} word
 * @param {number} by
 */
function rotated(word, by) {
  return (word << by) | (word >>> (32 - by));
}

/**
 * Uniform values within plus and minus `limit`, as the program draws them.
 * @param {string} key 32 bytes in hexadecimal.
 * @param {number} limit
 * @param {number} count
 */
export function uniform(key, limit, count) {
  const bytes = Uint8Array.from(key.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const view = new DataView(bytes.buffer);
  const state = new Uint32Array(16);
  state.set(CONSTANTS);
  for (let i = 0; i < 8; i++) {
    state[4 + i] = view.getUint32(4 * i, true);
  }
  const values = new Float32Array(count);
  const words = new Uint32Array(16);
  const [low, width] = [Math.fround(-limit), Math.fround(limit + limit)];
  for (let i = 0; i < count; i++) {
    if (i % 16 === 0) {
      state[12] = i / 16;
      block(state, words);
    }
    // 24 bits make a number in 0..1; rounded to 32 bits after each operation, as in the program.
    const unit = (words[i % 16] >>> 8) * 2 ** -24;
    values[i] = low + Math.fround(width * unit);
  }
  return values;
}

// What the segments of a song say together, as src/train/votes.rs has it.

/** What counts as the least probability: the smallest normal number of 32 bits; a GPU may flush what lies below to 0. */
const LEAST = 2 ** -126;

/** The mean of the logarithms of segments' probabilities, normalised to a sum of 1. */
export class Votes {
  /** @param {number} classes */
  constructor(classes) {
    this.sums = new Float64Array(classes);
    this.count = 0;
  }

  /** @param {Float32Array} probabilities of one segment */
  add(probabilities) {
    probabilities.forEach((p, k) => {
      this.sums[k] += Math.log(Math.max(p, LEAST));
    });
    this.count += 1;
  }

  /** Of what was added so far; equal ones before. */
  probabilities() {
    const most = Math.max(...this.sums);
    const weights = this.sums.map((sum) => Math.exp((sum - most) / Math.max(this.count, 1)));
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / total);
  }
}

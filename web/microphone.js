// Samples from a microphone, as they come.

/** What runs beside the audio: blocks of about 0.2 s to the page. Its output stays silent. */
const PROCESSOR = `registerProcessor("gtzan-gpu-microphone", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(8192);
    this.filled = 0;
  }
  process([input]) {
    const [first, ...others] = input;
    if (!first) return true;
    if (this.filled + first.length > this.block.length) {
      const part = this.block.slice(0, this.filled);
      this.port.postMessage(part, [part.buffer]);
      this.filled = 0;
    }
    for (let i = 0; i < first.length; i++) {
      let sum = first[i];
      for (const other of others) sum += other[i];
      this.block[this.filled + i] = sum / input.length;
    }
    this.filled += first.length;
    return true;
  }
});`;

/** What to do when a microphone can't be had. @param {unknown} error */
export function microphoneTrouble(error) {
  const name = error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return "The microphone may not be used: allow it for this page in the browser's settings, or choose a file.";
    case "NotFoundError":
      return "There is no microphone: plug one in, or choose a file.";
    case "NotReadableError":
      return "The microphone can't be opened, perhaps because another program uses it: close that, or choose a file.";
    default:
      return `The microphone can't be used (${error instanceof Error ? error.message : error}): choose a file.`;
  }
}

/**
 * Opens the microphone. `hear` gets mono samples at `rate`; `lost` is called when the microphone goes away by itself.
 * @param {(samples: Float32Array<ArrayBuffer>) => void} hear
 * @param {() => void} lost
 * @returns {Promise<{ rate: number, close: () => void }>}
 */
export async function openMicrophone(hear, lost) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("this page was not opened from https:// or localhost, which browsers demand for microphones");
  }
  // What helps speech on the telephone spoils music.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const close = () => {
    for (const track of stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    if (context.state !== "closed") context.close();
  };
  try {
    const url = URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" }));
    await context.audioWorklet.addModule(url).finally(() => URL.revokeObjectURL(url));
    await context.resume();
    const node = new AudioWorkletNode(context, "gtzan-gpu-microphone");
    node.port.onmessage = ({ data }) => hear(data);
    context.createMediaStreamSource(stream).connect(node).connect(context.destination);
    for (const track of stream.getAudioTracks()) track.onended = lost;
    return { rate: context.sampleRate, close };
  } catch (error) {
    close();
    throw error;
  }
}

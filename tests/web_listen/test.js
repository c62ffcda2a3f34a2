// What the test in main.rs has the browser do; each step posts what came out.
import { checkFeatures } from "./test/features-check.js";

/** @param {string} step @param {unknown} value */
const post = (step, value) => fetch(step, { method: "POST", body: JSON.stringify(value) });

/** @param {string} step @param {() => Promise<object>} work */
async function report(step, work) {
  const result = await work().catch((error) => ({ error: String(error?.stack ?? error) }));
  await post(step, result);
}

await report("features", () => checkFeatures(async (name) => (await fetch(name)).arrayBuffer()));

/** The page itself, in a frame. */
const frame = /** @type {HTMLIFrameElement} */ (document.getElementById("page"));
const get = (/** @type {string} */ id) => /** @type {any} */ (frame.contentDocument?.getElementById(id));
const until = async (/** @type {() => any} */ what, seconds = 100) => {
  for (let i = 0; i < 20 * seconds; i++) {
    const found = what();
    if (found) {
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what}; the page says ${get("listen-status").textContent}`);
};

/** Devices that the page opens, to lose them. @type {GPUDevice[]} */
const devices = [];
/** Tasks of the page's main thread that took longer than it should, in ms. @type {number[]} */
const long = [];
frame.src = "index.html#listen";
await until(() => get("listen"));
const page = /** @type {any} */ (frame.contentWindow);
const request = page.GPUAdapter.prototype.requestDevice;
page.GPUAdapter.prototype.requestDevice = async function (/** @type {any[]} */ ...args) {
  const device = await request.apply(this, args);
  devices.push(device);
  return device;
};
await until(() => get("tabs") && !get("tabs").hidden);
await until(() => get("listen-file"));
new page.PerformanceObserver((/** @type {any} */ list) => {
  for (const { duration } of list.getEntries()) {
    long.push(duration);
  }
}).observe({ type: "longtask" });

/** Drops files on the page as a hand does, and waits for what it says of them. @param {File[]} files */
async function drop(...files) {
  get("listen-status").textContent = "";
  get("listen-trouble").textContent = "";
  const data = new page.DataTransfer();
  for (const file of files) {
    data.items.add(file);
  }
  const began = performance.now();
  page.dispatchEvent(new page.DragEvent("drop", { dataTransfer: data, cancelable: true }));
  const text = () => get("listen-status").textContent;
  let first = Number.NaN;
  await until(() => {
    if (Number.isNaN(first) && get("listen-bars").firstChild) {
      first = performance.now() - began;
    }
    return get("listen-stop").disabled && (get("listen-trouble").textContent || !/…$|^$/.test(text()));
  });
  const bars = [...get("listen-bars").children].map((bar) => [bar.firstChild.textContent, +bar.dataset.probability]);
  const said = `${text()} ${get("listen-trouble").textContent}`;
  return { said, first, probabilities: Object.fromEntries(bars) };
}

const bytesOf = async (/** @type {string} */ name) => (await fetch(name)).arrayBuffer();
const songs = /** @type {string[]} */ (await (await fetch("songs.json")).json());

await report("songs", async () => {
  const all = /** @type {Record<string, object>} */ ({});
  for (const name of songs) {
    all[name] = await drop(new File([await bytesOf(name)], name));
    await post("note", name);
  }
  return { all, long };
});

await report("trouble", async () => {
  const result = /** @type {Record<string, string>} */ ({});
  result.text = (await drop(new File(["Not a song.\n".repeat(500)], "notes.txt"))).said;
  result.mp3 = (await drop(new File(["Not a song.\n".repeat(500)], "text.mp3", { type: "audio/mpeg" }))).said;
  result.empty = (await drop(new File([], "empty.wav"))).said;
  result.silent = (await drop(new File([await bytesOf("silent.wav")], "silent.wav"))).said;
  result.damaged = (await drop(new File([(await bytesOf("silent.wav")).slice(0, 30)], "cut.wav"))).said;
  // Five hours: a header, some sound, and nothing for the rest, in a Blob that repeats itself.
  const head = new Uint8Array(await bytesOf(songs[0])).slice(0, 44);
  new DataView(head.buffer).setUint32(40, 5 * 3600 * 22050 * 2, true);
  const minute = new Blob([new Int16Array(60 * 22050).map((_, i) => 9000 * Math.sin(i * i * 1e-6))]);
  await post("note", "five hours");
  const pieces = Array.from({ length: 300 }, () => minute);
  const hours = new File([head, ...pieces], "hours.wav");
  const began = drop(hours).catch(() => undefined);
  result.long = await until(() => get("listen-trouble").textContent);
  await until(() => get("listen-bars").firstChild);
  get("listen-stop").click();
  await began;
  result.stopped = get("listen-status").textContent;
  result.two = (await drop(new File([await bytesOf(songs[0])], songs[0]), new File(["x"], "other.wav"))).said;

  // Without a device to record from.
  await post("note", "no microphone");
  page.navigator.mediaDevices.getUserMedia = () => Promise.reject(new page.DOMException("no", "NotAllowedError"));
  get("listen-record").click();
  result.denied = await until(() => get("listen-trouble").textContent);
  page.navigator.mediaDevices.getUserMedia = () => Promise.reject(new page.DOMException("no", "NotFoundError"));
  get("listen-record").click();
  result.none = await until(
    () => /There is no/.test(get("listen-trouble").textContent) && get("listen-trouble").textContent,
  );

  // A microphone, and then none any more.
  await post("note", "a microphone that goes away");
  const context = new page.AudioContext();
  const tone = new page.OscillatorNode(context, { frequency: 500 });
  const out = context.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  await context.resume();
  page.navigator.mediaDevices.getUserMedia = () => Promise.resolve(out.stream);
  get("listen-record").click();
  await until(() => get("listen-bars").firstChild);
  out.stream.getAudioTracks()[0].dispatchEvent(new page.Event("ended"));
  await until(() => get("listen-stop").disabled);
  result.recorded = `${get("listen-status").textContent} ${get("listen-trouble").textContent}`;

  await post("note", "a lost device");
  const opened = devices.length;
  for (const device of devices) {
    device.destroy();
  }
  result.lost = (await drop(new File([await bytesOf(songs[0])], songs[0]))).said;
  result.reopened = opened > 0 && devices.length > opened ? "yes" : `${opened} devices, then ${devices.length}`;
  return result;
});

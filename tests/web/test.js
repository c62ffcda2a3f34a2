// What the test in main.rs has the browser do; each step posts what came out.
import { kernelsOf, runCheck } from "./check.js";
import { Classifier, Engine } from "./engine.js";
import { load } from "./page.js";
import { Kernels, openGpu } from "./player.js";

/** @param {string} step @param {unknown} value */
const post = (step, value) => fetch(step, { method: "POST", body: JSON.stringify(value) });
const note = (/** @type {string} */ text) => post("note", `${(performance.now() / 1000).toFixed(1)} s: ${text}`);

/** @param {string} step @param {() => Promise<object>} work */
async function report(step, work) {
  const result = await work().catch((error) => ({ error: String(error?.stack ?? error) }));
  await note(step);
  await post(step, result);
}

const data = await load();
const gpu = await openGpu();
const kernels = new Kernels(gpu, data);

await report("losses", async () => {
  const all = /** @type {Record<string, number[]>} */ ({});
  for (const [name, recording] of Object.entries(data.page.train.recordings)) {
    const engine = await Engine.open(data, kernels, null, recording);
    await note(`compiled the ${name} kernels`);
    const losses = [];
    let before = { loss: 0, count: 0 };
    for (let i = 0; i < 10; i++) {
      engine.train();
      const totals = await engine.totals();
      losses.push((totals.loss - before.loss) / (totals.count - before.count));
      before = totals;
    }
    engine.player.destroy();
    all[name] = losses;
  }
  return all;
});

await report("probabilities", async () => {
  const model = data.page.classify;
  if (!model) {
    throw new Error("the page has no trained model");
  }
  let state = 9;
  const features = Float32Array.from({ length: 11 * model.rows * model.frames }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return -20 + Math.fround(30 * ((state >>> 8) / (1 << 23) - 1));
  });
  const all = /** @type {Record<string, number[]>} */ ({});
  for (const [name, recording] of Object.entries(model.recordings)) {
    const classifier = await Classifier.open(data, kernels, model, recording);
    all[name] = Array.from(await classifier.classify(features));
    classifier.player.destroy();
  }
  return all;
});

await report("checks", async () => {
  const verdicts = [];
  const checked = new Set();
  for (const check of data.page.checks) {
    for (const kernel of kernelsOf(check.recording)) {
      checked.add(kernels.filesOf(kernel));
    }
    for (const { tensor, error, tolerance, ok, skipped, trouble } of await runCheck(kernels, check)) {
      const { op, case: name, rung } = check;
      verdicts.push({ op, case: name, rung, tensor, error, tolerance, ok, skipped: skipped ?? false, trouble });
    }
  }
  const unchecked = data.page.kernels.map((_, i) => kernels.filesOf(i)).filter((name) => !checked.has(name));
  return { verdicts, unchecked: [...new Set(unchecked)] };
});

gpu.device.destroy();

/** The page itself, in a frame. */
const frame = /** @type {HTMLIFrameElement} */ (document.getElementById("page"));
const until = async (/** @type {() => any} */ what, seconds = 120) => {
  for (let i = 0; i < 10 * seconds; i++) {
    const found = what();
    if (found) {
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain for ${what}`);
};

await report("page", async () => {
  // Devices that the page opens, to lose them.
  /** @type {GPUDevice[]} */
  const devices = [];
  frame.src = "index.html#train";
  await until(() => frame.contentDocument?.getElementById("tabs"));
  const window = /** @type {any} */ (frame.contentWindow);
  const request = window.GPUAdapter.prototype.requestDevice;
  window.GPUAdapter.prototype.requestDevice = async function (/** @type {any[]} */ ...args) {
    const device = await request.apply(this, args);
    devices.push(device);
    return device;
  };
  const get = (/** @type {string} */ id) => /** @type {any} */ (frame.contentDocument?.getElementById(id));
  const text = (/** @type {string} */ id) => get(id).textContent;
  await until(() => !get("tabs").hidden);
  const result = /** @type {Record<string, string>} */ ({});

  // A kernel that computes something else is named by the page's gradient check.
  window.location.hash = "#study";
  const launch = data.page.train.recordings.naive.programs[0].dispatches.findIndex(
    ({ kernel }) => data.page.kernels[kernel].name === "conv2d/naive/forward",
  );
  get("study-list").value = String(launch);
  get("study-list").dispatchEvent(new window.Event("change"));
  await until(() => get("edit-source").value.includes("fn main"));
  const original = get("edit-source").value;
  const shown = () => get("study-outputs").querySelector("canvas");
  await until(shown);
  await note("a launch is shown");
  get("edit-source").value = original.replace("fn main", "fn other");
  get("edit-run").click();
  result.uncompilable = await until(() => text("edit-status").includes("does not compile") && text("edit-status"));
  await note("does not compile");
  get("edit-source").value = broken(original);
  get("edit-run").click();
  result.broken = await until(() => /failed, first.*edited|0 failed/.test(text("edit-status")) && text("edit-status"));
  await note("broken");
  await until(() => text("edit-status").includes("ms now"));
  get("edit-original").click();
  await until(() => text("edit-status").includes("original is back"));

  window.location.hash = "#train";
  get("train-start").click();
  result.trained = await until(() => text("train-status").includes("samples/s") && text("train-status"));
  await note("trains");
  for (const device of devices) {
    device.destroy();
  }
  result.lost = await until(() => text("train-status").includes("lost") && text("train-status"));
  get("train-start").click();
  result.continued = await until(() => text("train-status").includes("samples/s") && text("train-status"));
  get("train-start").click();
  return result;
});

/** A kernel that stores twice what it should. @param {string} source */
function broken(source) {
  const text = source.replace("y[index] = sum;", "y[index] = 2.0 * sum;");
  if (text === source) {
    throw new Error("the kernel stores its sum in another way");
  }
  return text;
}

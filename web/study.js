// The Study tab: a training step, kernel by kernel.
/** @import {App} from "./main.js" */
/** @import {Dispatch} from "./types" */
/** @import {Saved} from "./engine.js" */
/** @import {Kernels} from "./player.js" */
import { mountBench } from "./benchtab.js";
import { numbers, withPatience } from "./check.js";
import { mountChecks } from "./checktab.js";
import { byId, bytesText, element, heat, MemoryPicture } from "./draw.js";
import { mountEditor } from "./editor.js";
import { Engine } from "./engine.js";
import { messageOf } from "./player.js";

/** Numbers of a tensor that are shown. */
const SHOWN = 48;

/**
 * @param {App} app
 * @param {Kernels} kernels
 */
export function mountStudy(app, kernels) {
  const { page } = app.data;
  const recording = kernels.choose(page.train.recordings);
  const program = recording.programs[0];
  const { dispatches } = program;
  const [slider, list] = [
    /** @type {HTMLInputElement} */ (byId("study-slider")),
    /** @type {HTMLSelectElement} */ (byId("study-list")),
  ];
  const picture = program.memory ? new MemoryPicture(byId("study-memory"), program.memory) : null;
  slider.max = String(dispatches.length - 1);
  list.append(
    ...dispatches.map(({ label, kernel }, i) =>
      element("option", { value: String(i) }, `${i + 1}. ${label}: ${page.kernels[kernel].name}`),
    ),
  );

  /** @type {Engine | null} */
  let engine = null;
  /** @type {Saved | null} */
  let fresh = null;
  let chosen = 0;
  /** The newest request for a dispatch's outputs; older ones are dropped. */
  let request = 0;
  /** @type {Promise<void>} */
  let queue = Promise.resolve();

  /** Tensors that a dispatch writes, with where they lie. @param {Dispatch} dispatch */
  const written = (dispatch) =>
    dispatch.bindings.flatMap((binding, i) => {
      const isWritten = page.kernels[dispatch.kernel].bindings[i] === "write";
      return isWritten && binding.tensor !== undefined ? [{ binding, tensor: program.tensors[binding.tensor] }] : [];
    });

  /** Run the step up to and with the chosen dispatch, and show what that wrote. */
  const runTo = async (/** @type {number} */ index) => {
    const root = byId("study-outputs");
    const kernels = await app.kernels();
    if (!engine || engine.player.kernels !== kernels) {
      root.replaceChildren(element("p", { class: "quiet", role: "status" }, "Compiling the kernels of the step …"));
      engine = await Engine.open(app.data, kernels);
      fresh = await engine.save();
    }
    const { player } = engine;
    await player.bind();
    for (const [name, bytes] of Object.entries(fresh?.buffers ?? {})) {
      player.write(name, bytes);
    }
    engine.step = 0;
    engine.train(index + 1);
    const outputs = written(dispatches[index]);
    const contents = await withPatience(player.read(...outputs.map(({ binding }) => binding)), kernels);
    root.replaceChildren(
      ...outputs.map(({ tensor }, i) => {
        const size = tensor.shape.reduce((product, extent) => product * extent, 1);
        const values = Array.from(numbers(contents[i], tensor.dtype).subarray(0, size));
        return shownTensor(tensor.name, tensor.shape, values);
      }),
    );
    root.querySelectorAll("canvas").forEach((canvas) => {
      canvas.dispatchEvent(new Event("draw"));
    });
  };

  /** Show a dispatch. @param {number} index */
  const choose = (index) => {
    chosen = index;
    slider.value = String(index);
    list.value = String(index);
    const dispatch = dispatches[index];
    const kernel = page.kernels[dispatch.kernel];
    byId("study-title").textContent = `${index + 1} of ${dispatches.length}: ${kernel.name}.wgsl for ${dispatch.label}`;
    const file = page.files[kernel.files[0]].text;
    byId("study-header").textContent = header(file);
    const { choice, grid } = dispatch;
    const constants = Object.entries(kernel.constants).map(([name, value]) => `${name} = ${value}`);
    const facts = [
      choice
        ? `Rung ${choice.rung} of the ladder ${choice.ladder}, for ${choice.problem}.`
        : "A kernel without rivals.",
      `Grid of ${grid.join(" × ")} workgroups, ${bytesText(kernel.workgroup_bytes)} of workgroup memory each.`,
      constants.length > 0 ? `Constants: ${constants.join(", ")}.` : "",
      kernel.files.length > 1 ? `Made of ${kernel.files.map((f) => `${page.files[f].name}.wgsl`).join(", ")}.` : "",
    ];
    byId("study-facts").textContent = facts.join(" ");
    const rows = dispatch.bindings.map(({ buffer, offset, bytes, tensor }, i) => {
      const name = tensor === undefined ? "params" : program.tensors[tensor].name;
      const shape = tensor === undefined ? "" : program.tensors[tensor].shape.join(" × ");
      const place = `${recording.buffers[buffer].name} at ${offset}`;
      const cells = [String(i), name, shape, kernel.bindings[i], place, bytesText(bytes)];
      return element("tr", {}, ...cells.map((text) => element("td", {}, text)));
    });
    byId("study-bindings").replaceChildren(...rows);
    const names = dispatch.bindings.map(({ tensor }) => (tensor === undefined ? "" : program.tensors[tensor].name));
    picture?.show(index + 0.5, new Set(names));
    editor.show(dispatch.kernel);
    bench.show(dispatch);
    look();
  };

  /** Fetch the outputs, the newest request only. */
  const look = () => {
    const mine = ++request;
    queue = queue.then(async () => {
      if (mine !== request) {
        return;
      }
      await runTo(chosen).catch((error) => {
        if (app.isLost()) {
          engine = null;
        }
        byId("study-outputs").replaceChildren(element("p", { role: "status", class: "trouble" }, messageOf(error)));
      });
    });
  };

  slider.addEventListener("input", () => choose(Number(slider.value)));
  list.addEventListener("change", () => choose(Number(list.value)));
  const move = (/** @type {number} */ by) => choose(Math.min(dispatches.length - 1, Math.max(0, chosen + by)));
  byId("study-back").addEventListener("click", () => move(-1));
  byId("study-on").addEventListener("click", () => move(1));
  mountChecks(app);
  const bench = mountBench(app);
  const editor = mountEditor(app, { time: (kernel) => timeOf(kernel), changed: look });

  /** Time of the chosen dispatch in ms, with a kernel as it is now. @param {number} kernel */
  const timeOf = (kernel) => bench.timeDispatch(dispatches[chosen].kernel === kernel ? chosen : firstOf(kernel));
  const firstOf = (/** @type {number} */ kernel) => dispatches.findIndex((dispatch) => dispatch.kernel === kernel);

  return { show: () => choose(chosen) };
}

/** The comment that a kernel begins with. @param {string} text */
function header(text) {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => line.startsWith("//"));
  const rest = from < 0 ? [] : lines.slice(from);
  const end = rest.findIndex((line) => !line.startsWith("//"));
  return rest
    .slice(0, end < 0 ? rest.length : end)
    .map((line) => line.replace(/^\/\/ ?/, ""))
    .join("\n");
}

/**
 * A tensor as picture and numbers.
 * @param {string} name
 * @param {number[]} shape
 * @param {number[]} values
 */
function shownTensor(name, shape, values) {
  const finite = values.filter(Number.isFinite);
  const [low, high, sum] = finite.reduce(
    ([least, most, total], value) => [Math.min(least, value), Math.max(most, value), total + value],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0],
  );
  const bad = values.length - finite.length;
  const facts =
    finite.length > 0
      ? `from ${digits(low)} to ${digits(high)}, mean ${digits(sum / finite.length)}${bad ? `, ${bad} NaN or infinite` : ""}`
      : "no finite number";
  const canvas = element("canvas", { class: "heat" });
  canvas.addEventListener("draw", () => heat(canvas, values, shape));
  const first = values.slice(0, SHOWN).map(digits).join("  ");
  return element(
    "figure",
    {},
    element("figcaption", {}, element("strong", {}, name), ` ${shape.join(" × ")}: ${facts}`),
    canvas,
    element("pre", { class: "numbers" }, values.length > SHOWN ? `${first}  …` : first),
  );
}

/** @param {number} value */
function digits(value) {
  return Number.isInteger(value) ? String(value) : value.toPrecision(5);
}

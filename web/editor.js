// Edit a kernel in place: does it compile, does its check still pass, how did its time change?
/** @import {App} from "./main.js" */
import { kernelsOf, runCheck } from "./check.js";
import { row, summary } from "./checktab.js";
import { byId } from "./draw.js";
import { messageOf } from "./player.js";

/**
 * @param {App} app
 * @param {{time: (kernel: number) => Promise<number>, changed: () => void}} study
 */
export function mountEditor(app, { time, changed }) {
  const text = /** @type {HTMLTextAreaElement} */ (byId("edit-source"));
  const [run, original, status, rows] = [
    byId("edit-run"),
    byId("edit-original"),
    byId("edit-status"),
    byId("edit-rows"),
  ];
  let kernel = 0;
  /** Times of kernels as they were exported, in ms. @type {Map<number, number>} */
  const before = new Map();

  const show = async () => {
    const kernels = await app.kernels();
    text.value = kernels.source(kernel);
    byId("edit-name").textContent = kernels.filesOf(kernel);
    mark(kernels.source(kernel) !== kernels.original(kernel));
  };
  const mark = (/** @type {boolean} */ edited) => {
    byId("edit-mark").textContent = edited ? "edited" : "as exported";
  };

  /** Put a text in a kernel's place, or its own back. @param {string | null} source */
  const put = async (source) => {
    const name = (await app.kernels()).filesOf(kernel);
    if (source === null) {
      app.edits.delete(name);
    } else {
      app.edits.set(name, source);
    }
  };

  const tryOut = async () => {
    const mine = kernel;
    const kernels = await app.kernels();
    const edited = text.value === kernels.original(mine) ? null : text.value;
    rows.replaceChildren();
    if (!before.has(mine)) {
      say("Timing the kernel as it was …");
      await put(null);
      before.set(mine, await time(mine));
    }
    await put(edited);
    mark(edited !== null);
    say("Compiling …");
    await kernels.get(mine);
    say("Checking …");
    const verdicts = [];
    for (const check of app.data.page.checks.filter(({ recording }) => same(kernels, kernelsOf(recording), mine))) {
      const found = await runCheck(await app.kernels(), check);
      verdicts.push(...found);
      rows.append(...found.map((verdict) => row(app, verdict)));
      if (app.isLost()) {
        break;
      }
    }
    const verdict = verdicts.length > 0 ? summary(app, verdicts) : "No check runs this kernel.";
    if (app.isLost()) {
      say(`${verdict} The GPU is opened again when it is needed; mend the kernel or take the original back.`);
      return;
    }
    say(`${verdict} Timing …`);
    const [was, is] = [before.get(mine) ?? Number.NaN, await time(mine)];
    const change = (100 * (is - was)) / was;
    say(
      `${verdict} ${was.toPrecision(3)} ms as exported, ${is.toPrecision(3)} ms now (${change > 0 ? "+" : ""}${change.toFixed(0)} %).`,
    );
  };

  /** Whether a set of kernels has one made of the same files. */
  const same = (
    /** @type {import("./player.js").Kernels} */ kernels,
    /** @type {Set<number>} */ set,
    /** @type {number} */ one,
  ) => [...set].some((other) => kernels.filesOf(other) === kernels.filesOf(one));

  const say = (/** @type {string} */ what) => {
    status.textContent = what;
  };
  let busy = false;
  const exclusively = async (/** @type {() => Promise<void>} */ work) => {
    if (busy) {
      return;
    }
    busy = true;
    await work().catch((error) => say(messageOf(error)));
    busy = false;
    changed();
  };
  run.addEventListener("click", () => exclusively(tryOut));
  original.addEventListener("click", () =>
    exclusively(async () => {
      await put(null);
      rows.replaceChildren();
      say("The original is back.");
      await show();
    }),
  );

  return {
    /** Offer a kernel. @param {number} index */
    show(index) {
      if (index !== kernel || text.value === "") {
        kernel = index;
        say("");
        rows.replaceChildren();
        show().catch((error) => say(messageOf(error)));
      }
    },
  };
}

// Run gradcheck: every kernel of the page against the reference.
/** @import {App} from "./main.js" */
/** @import {Verdict} from "./check.js" */
import { kernelsOf, runCheck } from "./check.js";
import { byId, element } from "./draw.js";
import { messageOf } from "./player.js";

/** @param {App} app */
export function mountChecks(app) {
  const [button, status, rows] = [byId("check-run"), byId("check-status"), byId("check-rows")];
  let going = false;
  button.addEventListener("click", async () => {
    if (going) {
      going = false;
      return;
    }
    going = true;
    button.textContent = "Stop";
    rows.replaceChildren();
    const verdicts = [];
    for (const check of app.data.page.checks) {
      if (!going) {
        break;
      }
      status.textContent = `${check.op}, ${check.case} …`;
      try {
        // A check that loses the device fails; the next opens it again.
        const found = await runCheck(await app.kernels(), check);
        verdicts.push(...found);
        rows.append(...found.map((verdict) => row(app, verdict)));
      } catch (error) {
        status.textContent = messageOf(error);
        break;
      }
    }
    status.textContent = summary(app, verdicts);
    going = false;
    button.textContent = "Run gradcheck";
  });
}

/**
 * One sentence, which names the kernels at fault.
 * @param {App} app
 * @param {Verdict[]} verdicts
 */
export function summary(app, verdicts) {
  const failed = verdicts.filter((verdict) => !verdict.ok);
  const skipped = verdicts.filter((verdict) => verdict.skipped).length;
  const text = `${verdicts.length - skipped} tensors compared with the f64 reference, ${failed.length} failed${skipped ? `, ${skipped} checks skipped` : ""}`;
  if (failed.length === 0) {
    return `${text}.`;
  }
  const { edits, data } = app;
  const suspects = data.page.kernels.filter((kernel, i) => {
    const name = kernel.files.map((file) => data.page.files[file].name).join(" + ");
    return edits.has(name) && failed.some(({ check }) => kernelsOf(check.recording).has(i));
  });
  const names = [...new Set(suspects.map((kernel) => `${kernel.name}.wgsl`))];
  const first = failed[0];
  const what = `${first.check.op}, case '${first.check.case}'${first.tensor ? `, tensor ${first.tensor}` : ""}`;
  return `${text}, first ${what}${names.length > 0 ? `; edited among the kernels that ran: ${names.join(", ")}` : ""}.${first.trouble ? ` ${first.trouble}` : ""}`;
}

/**
 * @param {App} app
 * @param {Verdict} verdict
 */
export function row(app, { check, tensor, error, tolerance, ok, skipped, trouble }) {
  const kernels = [...kernelsOf(check.recording)].map((kernel) => app.data.page.kernels[kernel].name);
  const verdict = skipped ? `skipped: ${trouble}` : ok ? "ok" : `FAILED${trouble ? `: ${trouble}` : ""}`;
  const cells = [check.op, check.case, check.rung, tensor, number(error), number(tolerance), verdict];
  return element(
    "tr",
    { title: [...new Set(kernels)].join(", "), class: ok ? "" : "trouble" },
    ...cells.map((text) => element("td", {}, text)),
  );
}

/** @param {number} value */
function number(value) {
  return Number.isNaN(value) ? "" : value.toExponential(1);
}

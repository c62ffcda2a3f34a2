// Bench: the ladders on the reader's GPU, as a table to copy.
/** @import {App} from "./main.js" */
/** @import {Measured} from "./bench.js" */
/** @import {Dispatch, Ladder} from "./types" */
import { benchLadder, Stopwatch } from "./bench.js";
import { byId, element } from "./draw.js";
import { Engine } from "./engine.js";
import { messageOf } from "./player.js";

/** @param {App} app */
export function mountBench(app) {
  const { ladders } = app.data.page;
  const [one, all, copy] = [byId("bench-one"), byId("bench-all"), byId("bench-copy")];
  const [status, rows] = [byId("bench-status"), byId("bench-rows")];
  /** @type {Ladder | undefined} */
  let own;
  let going = false;
  /** @type {Measured[]} */
  let measured = [];

  const cells = (/** @type {Measured} */ { ladder, rung, ms, trouble }) => [
    `${rung.rung}${rung.default ? " *" : ""}`,
    ms === null ? (trouble ?? "") : ms.toPrecision(3),
    ms === null ? "" : (ladder.flops / ms / 1e6).toPrecision(3),
    ms === null ? "" : (ladder.bytes / ms / 1e6).toPrecision(3),
    ladder.ladder,
    ladder.problem,
  ];

  const run = async (/** @type {Ladder[]} */ which) => {
    going = true;
    measured = [];
    rows.replaceChildren();
    for (const button of [one, all]) {
      button.textContent = "Stop";
    }
    let clock = "";
    try {
      for (const ladder of which) {
        if (!going) {
          break;
        }
        status.textContent = `${ladder.ladder}, ${ladder.problem} …`;
        const watch = new Stopwatch(await app.kernels());
        clock = watch.clock;
        await benchLadder(watch, ladder, (row) => {
          measured.push(row);
          rows.append(element("tr", {}, ...cells(row).map((text) => element("td", {}, text))));
        });
      }
      status.textContent = `Medians by ${clock}; * is what a GPU runs when nothing else is asked for.`;
    } catch (error) {
      status.textContent = messageOf(error);
    }
    going = false;
    label();
  };

  const label = () => {
    one.textContent = own ? `Bench ${own.ladder}` : "Bench this ladder";
    /** @type {HTMLButtonElement} */ (one).disabled = !own;
    all.textContent = "Bench all ladders";
  };
  one.addEventListener("click", () => {
    going ? stop() : own && run([own]);
  });
  all.addEventListener("click", () => {
    going ? stop() : run(ladders);
  });
  const stop = () => {
    going = false;
  };
  copy.addEventListener("click", async () => {
    const head = ["rung", "ms", "GFLOP/s", "GB/s", "ladder", "problem"];
    const lines = [head, head.map(() => "---"), ...measured.map(cells)].map((line) => `| ${line.join(" | ")} |`);
    const text = `${byId("device").textContent}, ${navigator.userAgent}\n\n${lines.join("\n")}\n`;
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = `Copied: ${measured.length} rows.`;
    } catch {
      status.textContent = "The browser does not let the page copy; select the table instead.";
    }
  });
  label();

  return {
    /** Offer the ladder of a dispatch. @param {Dispatch} dispatch */
    show({ choice }) {
      own = ladders.find(({ ladder, problem }) => ladder === choice?.ladder && problem === choice?.problem);
      if (!going) {
        label();
      }
    },

    /** Time of a dispatch of the training step in ms, alone. @param {number} index */
    async timeDispatch(index) {
      const kernels = await app.kernels();
      const engine = await Engine.open(app.data, kernels);
      try {
        engine.train();
        return await new Stopwatch(kernels).time(engine.player, 0, index, index + 1);
      } finally {
        engine.player.destroy();
      }
    },
  };
}

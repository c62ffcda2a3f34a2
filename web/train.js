// The Train tab: the model trained on the small set, live.
/** @import {App} from "./main.js" */
/** @import {Saved} from "./engine.js" */
/** @import {Kernels} from "./player.js" */
import { byId, bytesText, chart, confusion, MemoryPicture } from "./draw.js";
import { Engine } from "./engine.js";
import { messageOf } from "./player.js";

/** How long the device may work before the page looks at it again, in ms. */
const LOOK_EVERY = 50;
/** How long the cursor takes for a step that is faster than the eye, in ms. */
const SLOW_STEP = 4000;

/**
 * @param {App} app
 * @param {Kernels} kernels
 */
export function mountTrain(app, kernels) {
  const { train } = app.data.page;
  const program = kernels.choose(train.recordings).programs[0];
  const memory = program.memory;
  if (!memory) {
    throw new Error("the page has no memory plan");
  }
  const [start, again, status] = [byId("train-start"), byId("train-again"), byId("train-status")];
  const picture = new MemoryPicture(byId("train-memory"), memory);
  const arena = memory.arenas.reduce((sum, { bytes }) => sum + bytes, 0);
  byId("train-about").textContent =
    `${app.data.page.model} (${app.data.page.parameters.toLocaleString("en")} parameters) learns ${train.labels.length} genres of composed, ` +
    `not real, music from ${train.train.length} samples of ${train.rows} rows and ${train.frames} frames, ${train.batch} to a step, ` +
    `each step ${program.dispatches.length} kernel launches; ${train.validation.length} samples are kept to look how it does on others.`;
  byId("train-memory-about").textContent =
    `Arenas of ${bytesText(arena)} (top to bottom: addresses; left to right: the launches of a step). Each box is a tensor from its first write to its last read.`;

  /** @type {Engine | null} */
  let engine = null;
  /** @type {Saved | null} */
  let saved = null;
  /** Whether training goes on. */
  let going = false;
  /** @type {[number, number][]} */
  let losses = [];
  /** @type {[number, number][]} */
  let validationLosses = [];
  /** @type {[number, number][]} */
  let accuracies = [];
  /** @type {[number, number][]} */
  let validationAccuracies = [];

  const draw = () => {
    chart(
      byId("train-loss"),
      [
        { label: "loss of steps", colour: "first", points: losses },
        { label: "validation", colour: "second", points: validationLosses },
      ],
      { x: "epochs" },
    );
    chart(
      byId("train-accuracy"),
      [
        { label: "accuracy in training", colour: "first", points: accuracies },
        { label: "validation", colour: "second", points: validationAccuracies },
      ],
      { x: "epochs", top: 1 },
    );
  };

  const showValidation = async (/** @type {Engine} */ on) => {
    const { loss, accuracy, probabilities } = await on.evaluate();
    validationLosses.push([on.step / on.stepsPerEpoch, loss]);
    validationAccuracies.push([on.step / on.stepsPerEpoch, accuracy]);
    const classes = train.labels.length;
    const counts = train.labels.map(() => new Array(classes).fill(0));
    train.validation.forEach((sample, i) => {
      const row = probabilities.subarray(i * classes, (i + 1) * classes);
      counts[train.y[sample]][row.indexOf(Math.max(...row))]++;
    });
    confusion(byId("train-confusion"), train.labels, counts);
  };

  /** Let the cursor move through the step while it trains. */
  const sweep = (/** @type {number} */ now) => {
    if (going && !byId("train").hidden) {
      const at = ((now % SLOW_STEP) / SLOW_STEP) * memory.dispatches.length;
      picture.show(at);
      const live = bytesText(memory.live[Math.floor(at)]);
      byId("train-cursor").textContent =
        `${memory.dispatches[Math.floor(at)]}: ${live} alive (slowed down for the eye)`;
    }
    if (going) {
      requestAnimationFrame(sweep);
    }
  };

  const run = async () => {
    const kernels = await app.kernels();
    if (!engine || engine.player.kernels !== kernels) {
      say(saved || losses.length === 0 ? "Compiling the kernels …" : "Starting anew …");
      engine = await Engine.open(app.data, kernels, saved);
    }
    const on = engine;
    const per = on.stepsPerEpoch;
    let before = { loss: 0, correct: 0, count: 0 };
    let burst = 1;
    // What the first look shows is training alone: without the wait for the compiler.
    let [rate, drawn] = [0, 0];
    requestAnimationFrame(sweep);
    while (going) {
      const began = performance.now();
      const todo = Math.min(burst, per - (on.step % per));
      if (on.step % per === 0) {
        before = { loss: 0, correct: 0, count: 0 };
      }
      let seen = 0;
      for (let i = 0; i < todo; i++) {
        seen += on.train();
      }
      const totals = await on.totals();
      const took = performance.now() - began;
      burst = Math.max(1, Math.min(per, Math.round((todo * LOOK_EVERY) / took)));
      rate = rate ? 0.8 * rate + 0.2 * ((1000 * seen) / took) : (1000 * seen) / took;
      const epochs = on.step / per;
      losses.push([epochs, (totals.loss - before.loss) / (totals.count - before.count)]);
      accuracies.push([epochs, totals.correct / totals.count]);
      before = totals;
      if (!Number.isFinite(totals.loss)) {
        throw new Error("The loss is no number any more; start anew.");
      }
      say(
        `epoch ${Math.floor((on.step - 1) / per) + 1}, step ${on.step}: loss ${(totals.loss / totals.count).toFixed(3)}, ` +
          `accuracy ${((100 * totals.correct) / totals.count).toFixed(0)} %, ${rate.toFixed(0)} samples/s`,
      );
      if (on.step % per === 0) {
        await showValidation(on);
        saved = await on.save();
        thin(losses);
        thin(accuracies);
      }
      if (began - drawn > 200 || on.step % per === 0) {
        drawn = began;
        draw();
      }
      // A task of its own for each look, so that clicks come through.
      await new Promise((resolve) => setTimeout(resolve));
    }
    await showValidation(on);
    draw();
    say(
      `${status.textContent}; stopped. The matrix shows the ${train.validation.length} samples that it did not learn from.`,
    );
  };

  const say = (/** @type {string} */ text) => {
    status.textContent = text;
  };
  const label = () => {
    start.textContent = going ? "Stop" : losses.length > 0 ? "Continue" : "Train";
  };

  /** @type {Promise<void> | null} */
  let running = null;
  start.addEventListener("click", () => {
    going = !going;
    label();
    if (!going || running) {
      return;
    }
    running = run()
      .catch((error) => {
        // What the device held is gone with it; the last epoch's weights are here.
        engine = app.isLost() ? null : engine;
        const epoch = saved
          ? `the end of epoch ${saved.step / (engine?.stepsPerEpoch ?? stepsPerEpoch())}`
          : "fresh weights";
        say(app.isLost() ? `${messageOf(error)} Press Continue to go on from ${epoch}.` : messageOf(error));
      })
      .finally(() => {
        going = false;
        running = null;
        label();
      });
  });
  const stepsPerEpoch = () => Math.ceil(train.train.length / train.batch);
  again.addEventListener("click", async () => {
    going = false;
    await running;
    engine?.player.destroy();
    engine = null;
    saved = null;
    [losses, validationLosses, accuracies, validationAccuracies] = [[], [], [], []];
    byId("train-confusion").replaceChildren();
    say("Fresh weights.");
    label();
    draw();
  });

  const show = () => {
    draw();
    picture.show(0);
  };
  return { show };
}

/** Keep a curve short: of two points one, where there are many. @param {[number, number][]} points */
function thin(points) {
  if (points.length > 2000) {
    for (let i = 0; 2 * i < points.length; i++) {
      points[i] = points[2 * i];
    }
    points.length = Math.ceil(points.length / 2);
  }
}

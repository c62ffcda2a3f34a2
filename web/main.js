// The page: its data, its device, its tabs.
/** @import {Gpu} from "./player.js" */
/** @import {Data} from "./page.js" */
import { byId } from "./draw.js";
import { mountListenTab } from "./listen-tab.js";
import { load } from "./page.js";
import { Kernels, messageOf, openGpu } from "./player.js";
import { mountStudy } from "./study.js";
import { mountTrain } from "./train.js";

/** What the tabs share. */
export class App {
  /** @type {Promise<Kernels> | null} */
  #kernels = null;
  /** @type {Gpu | null} */
  #gpu = null;
  /** Sources that readers changed: they outlive a device. @type {Map<string, string>} */
  edits = new Map();

  /** @param {Data} data */
  constructor(data) {
    this.data = data;
  }

  /** Whether the device that was used last is lost. */
  isLost() {
    return this.#gpu?.lost != null;
  }

  /** The kernels on an opened device; on a new one when the last is lost. */
  kernels() {
    if (!this.#kernels || this.isLost()) {
      this.#kernels = openGpu().then((gpu) => {
        this.#gpu = gpu;
        byId("device").textContent = gpu.software
          ? `${gpu.name} (a CPU driver: the first rung of every ladder runs)`
          : gpu.name;
        gpu.device.lost.then(() => {
          byId("device").textContent = "the GPU was lost; it is opened again when it is needed";
        });
        return new Kernels(gpu, this.data, this.edits);
      });
      this.#kernels.catch(() => {
        this.#kernels = null;
      });
    }
    return this.#kernels;
  }
}

/** @typedef {{show: () => void}} Tab */

async function start() {
  const data = await load();
  const { model, version } = data.page;
  document.title = `${model} – gtzan-gpu`;
  byId("model").textContent = model;
  byId("version").textContent = `written by gtzan-gpu ${version}`;
  const app = new App(data);
  const kernels = await app.kernels();
  /** @type {Record<string, Tab>} */
  const tabs = {
    listen: mountListenTab(app, byId("listen")),
    train: mountTrain(app, kernels),
    study: mountStudy(app, kernels),
  };
  const buttons = [...document.querySelectorAll("nav button")];
  const choose = (/** @type {string} */ name) => {
    for (const button of buttons) {
      const own = button.getAttribute("data-tab") === name;
      button.setAttribute("aria-selected", String(own));
      byId(button.getAttribute("data-tab") ?? "").hidden = !own;
    }
    tabs[name]?.show();
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      location.hash = button.getAttribute("data-tab") ?? "";
    });
  }
  const fromAddress = () => {
    const name = location.hash.slice(1);
    const first = buttons[0].getAttribute("data-tab") ?? "";
    choose(name in tabs ? name : first);
  };
  addEventListener("hashchange", fromAddress);
  addEventListener("resize", () => tabs[location.hash.slice(1)]?.show());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fromAddress);
  fromAddress();
  byId("tabs").hidden = false;
  byId("loading").hidden = true;
}

start().catch((error) => {
  byId("loading").textContent = messageOf(error);
});

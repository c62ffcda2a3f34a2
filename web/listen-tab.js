// The Listen tab of a page with a trained model: the model that it listens with is the page's, on the page's device.
/** @import {App} from "./main.js" */
import { element } from "./draw.js";
import { Classifier } from "./engine.js";
import { mountListen } from "./listen.js";
/** @import {Kernels} from "./player.js" */

/**
 * Fills `root`; with why there is nothing to listen with, when the page has no trained model.
 * @param {App} app
 * @param {HTMLElement} root
 */
export function mountListenTab(app, root) {
  const { classify: model, no_classify: why, labels } = app.data.page;
  if (!model) {
    root.replaceChildren(element("p", {}, why ?? ""));
    return { show: () => {} };
  }
  /** @type {{ kernels: Kernels, opened: Promise<Classifier> } | undefined} */
  let current;
  // On another device when the last was lost.
  const open = async () => {
    const kernels = await app.kernels();
    if (current?.kernels !== kernels) {
      current = { kernels, opened: Classifier.open(app.data, kernels, model) };
      const { opened } = current;
      opened.catch(() => {
        current = undefined;
      });
    }
    return current.opened;
  };
  const { batch, rows, frames } = model;
  const tab = mountListen(root, {
    labels,
    batch,
    rows,
    frames,
    classify: async (features) => (await open()).classify(features),
  });
  return {
    show: () => {
      // Kernels are compiled before the first song is there; what goes wrong is said when one is.
      open().catch(() => {});
      tab.show();
    },
  };
}

// A player of recorded programs: a step is kernels, buffers, dispatches and params, and all of that is data.
/** @import {Data} from "./page.js" */
/** @import {Binding, Kernel, Recording, Recordings} from "./types" */

/**
 * An opened device.
 * @typedef {object} Gpu
 * @property {GPUDevice} device
 * @property {string} name What the adapter calls itself.
 * @property {boolean} software Whether it is a driver that runs kernels on the CPU.
 * @property {boolean} timestamps Whether kernels can be timed by the device's own clock.
 * @property {string | null} lost Why the device is lost, once it is.
 */

/** What to do where there is no WebGPU. */
const NO_WEBGPU =
  "This browser has no WebGPU: use a current Chrome or Edge, Safari 26, or Firefox 141 and later; the page must come from https:// or localhost, or be a file of its own.";

/**
 * Open the adapter that the browser recommends.
 * @returns {Promise<Gpu>}
 */
export async function openGpu() {
  if (!navigator.gpu) {
    throw new Error(NO_WEBGPU);
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new Error(
      "The browser has WebGPU but finds no GPU for it: look at chrome://gpu, and whether hardware acceleration is on.",
    );
  }
  /** @type {GPUFeatureName[]} */
  const wanted = ["timestamp-query", "shader-f16", "subgroups"];
  const requiredFeatures = wanted.filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ label: "gtzan-gpu", requiredFeatures });
  const { vendor, architecture, device: model, description } = adapter.info;
  const name = [vendor, architecture, model, description].filter(Boolean).join(" ") || "a GPU without a name";
  /** @type {Gpu} */
  const gpu = {
    device,
    name,
    software: adapter.info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software|warp/i.test(name),
    timestamps: device.features.has("timestamp-query"),
    lost: null,
  };
  device.lost.then(({ message, reason }) => {
    gpu.lost = message || reason || "no reason given";
  });
  return gpu;
}

/** Kernels of a page, compiled for one device when they are first used. */
export class Kernels {
  /** @type {Map<string, Promise<{pipeline: GPUComputePipeline, layout: GPUBindGroupLayout}>>} */
  #compiled = new Map();

  /**
   * @param {Gpu} gpu
   * @param {Data} data
   * @param {Map<string, string>} edits Sources that readers changed, by what {@link filesOf} says.
   */
  constructor(gpu, data, edits = new Map()) {
    this.gpu = gpu;
    this.data = data;
    this.edits = edits;
  }

  /** Which of two recordings to play: on a CPU driver the one of the ladders' first rungs. @param {Recordings} recordings */
  choose(recordings) {
    return this.gpu.software ? recordings.naive : recordings.gpu;
  }

  /** The files that a kernel is made of. @param {number} index */
  filesOf(index) {
    const { files, kernels } = this.data.page;
    return kernels[index].files.map((file) => files[file].name).join(" + ");
  }

  /** A kernel's text as it was exported. @param {number} index */
  original(index) {
    const { files, kernels } = this.data.page;
    return kernels[index].files.map((file) => files[file].text).join("\n");
  }

  /** A kernel's text. @param {number} index */
  source(index) {
    return this.edits.get(this.filesOf(index)) ?? this.original(index);
  }

  /** Features that a kernel needs and the device lacks. @param {number} index */
  missing(index) {
    const { features } = this.gpu.device;
    return this.data.page.kernels[index].needs.filter((feature) => !features.has(feature));
  }

  /** The pipeline of a kernel; fails with the compiler's first message. @param {number} index */
  get(index) {
    const source = this.source(index);
    const key = `${index} ${source}`;
    let found = this.#compiled.get(key);
    if (!found) {
      found = this.#compile(this.data.page.kernels[index], source);
      this.#compiled.set(key, found);
    }
    return found;
  }

  /**
   * @param {Kernel} kernel
   * @param {string} source
   */
  async #compile(kernel, source) {
    const { device } = this.gpu;
    const enabled = kernel.enable.map((feature) => `enable ${feature};`).join(" ");
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: kernel.name, code: enabled + source });
    const entries = kernel.bindings.map((kind, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: BINDING_TYPES[kind] },
    }));
    const layout = device.createBindGroupLayout({ label: kernel.name, entries });
    const pipeline = device.createComputePipelineAsync({
      label: kernel.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main", constants: kernel.constants },
    });
    const scope = device.popErrorScope();
    try {
      const made = { pipeline: await pipeline, layout };
      await scope;
      return made;
    } catch (error) {
      await scope.catch(() => null);
      const { messages } = await module.getCompilationInfo();
      const first = messages.find((message) => message.type === "error");
      const what = first ? `line ${first.lineNum}, column ${first.linePos}: ${first.message}` : messageOf(error);
      throw new Error(`${kernel.name}.wgsl does not compile: ${what}`);
    }
  }
}

/** @type {Record<Kernel["bindings"][number], GPUBufferBindingType>} */
const BINDING_TYPES = { read: "read-only-storage", write: "storage", uniform: "uniform" };

/** A recording with its buffers on a device. */
export class Player {
  /**
   * @param {Kernels} kernels
   * @param {Recording} recording
   */
  constructor(kernels, recording) {
    this.kernels = kernels;
    this.device = kernels.gpu.device;
    this.recording = recording;
    const tensors = GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const params = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    /** @type {(GPUBuffer | null)[]} */
    this.buffers = recording.buffers.map(({ name, bytes, purpose }) => {
      const usage = purpose === "params" ? params : tensors;
      return purpose === "staging" ? null : this.device.createBuffer({ label: name, size: bytes, usage });
    });
    for (const { uniforms, params } of recording.programs) {
      this.write({ buffer: uniforms, offset: 0 }, kernels.data.bytes(params));
    }
    /** @type {{pipeline: GPUComputePipeline, group: GPUBindGroup, grid: number[]}[][]} */
    this.launches = [];
  }

  /**
   * Create the buffers, compile the kernels, bind the buffers.
   * @param {Kernels} kernels
   * @param {Recording} recording
   */
  static async open(kernels, recording) {
    const player = new Player(kernels, recording);
    await player.bind();
    return player;
  }

  /** Bind buffers to kernels as they are now; again after an edit. */
  async bind() {
    this.launches = await Promise.all(
      this.recording.programs.map(({ dispatches }) =>
        Promise.all(
          dispatches.map(async ({ kernel, grid, bindings }) => {
            const { pipeline, layout } = await this.kernels.get(kernel);
            const entries = bindings.map(({ buffer, offset, bytes }, binding) => ({
              binding,
              resource: { buffer: this.buffer(buffer), offset, size: bytes },
            }));
            return { pipeline, group: this.device.createBindGroup({ layout, entries }), grid };
          }),
        ),
      ),
    );
  }

  /** @param {number} index */
  buffer(index) {
    const buffer = this.buffers[index];
    if (!buffer) {
      throw new Error(`the recording has no buffer ${index}`);
    }
    return buffer;
  }

  /** Where the buffer of this name lies, or nothing. @param {string} name */
  find(name) {
    const buffer = this.recording.buffers.findIndex((b) => b.name === name);
    return buffer < 0 ? null : { buffer, offset: 0, bytes: this.recording.buffers[buffer].bytes };
  }

  /**
   * Write to a place, or to the buffer of a name from its start; a name that the recording does not have is passed over.
   * @param {string | {buffer: number, offset: number}} where
   * @param {ArrayBufferView<ArrayBuffer>} values
   */
  write(where, values) {
    const place = typeof where === "string" ? this.find(where) : where;
    if (!place) {
      return;
    }
    let bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (bytes.length % 4 !== 0) {
      const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
      padded.set(bytes);
      bytes = padded;
    }
    this.device.queue.writeBuffer(this.buffer(place.buffer), place.offset, bytes);
  }

  /**
   * Read places back, all in one go.
   * @param {Binding[]} places
   * @returns {Promise<ArrayBuffer[]>}
   */
  async read(...places) {
    const sizes = places.map(({ bytes }) => Math.ceil(bytes / 4) * 4);
    const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const target = this.device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    let end = 0;
    const starts = places.map(({ buffer, offset }, i) => {
      encoder.copyBufferToBuffer(this.buffer(buffer), offset, target, end, sizes[i]);
      end += sizes[i];
      return end - sizes[i];
    });
    this.device.queue.submit([encoder.finish()]);
    try {
      await target.mapAsync(GPUMapMode.READ);
      const all = target.getMappedRange();
      return places.map(({ bytes }, i) => all.slice(starts[i], starts[i] + bytes));
    } catch (error) {
      // The promise of the loss may come a little later than the failure.
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      const { lost } = this.kernels.gpu;
      throw lost === null ? error : new Error(`The GPU was lost (${lost}).`);
    } finally {
      target.destroy();
    }
  }

  /**
   * Run dispatches of a program; does not wait for them.
   * @param {number} program
   * @param {number} from
   * @param {number} to
   * @param {GPUComputePassTimestampWrites} [timestampWrites]
   */
  run(program = 0, from = 0, to = this.launches[program].length, timestampWrites = undefined) {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass({ timestampWrites });
    for (const { pipeline, group, grid } of this.launches[program].slice(from, to)) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /** Give the buffers back. */
  destroy() {
    for (const buffer of this.buffers) {
      buffer?.destroy();
    }
  }
}

/** What an error says. @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

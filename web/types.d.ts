// What a page knows; src/web/data.rs writes it and says the same. Only the type checker reads this file.

export interface Piece {
  offset: number;
  bytes: number;
}

export interface Kernel {
  name: string;
  files: number[];
  constants: Record<string, number>;
  bindings: ("read" | "write" | "uniform")[];
  workgroup_bytes: number;
  enable: string[];
  needs: GPUFeatureName[];
}

export interface Binding {
  buffer: number;
  offset: number;
  bytes: number;
  tensor?: number;
}

export interface Choice {
  ladder: string;
  rung: string;
  problem: string;
}

export interface Dispatch {
  kernel: number;
  label: string;
  grid: [number, number, number];
  bindings: Binding[];
  choice?: Choice;
}

export interface Tensor {
  name: string;
  shape: number[];
  dtype: "f32" | "u32" | "u8";
  scratch: boolean;
}

export interface Memory {
  arenas: { name: string; bytes: number }[];
  buffers: { name: string; arena: number; offset: number; bytes: number; first: number; last: number }[];
  live: number[];
  lower_bound: number;
  dispatches: string[];
}

export interface Program {
  name: string;
  uniforms: number;
  params: Piece;
  dispatches: Dispatch[];
  tensors: Tensor[];
  memory?: Memory;
}

export interface Recording {
  buffers: { name: string; bytes: number; purpose: "lasting" | "scratch" | "params" | "staging" }[];
  programs: Program[];
}

export interface Fresh {
  name: string;
  buffer: "parameters" | "state";
  offset: number;
  elements: number;
  start: { constant: number } | { uniform: { limit: number; key: string } };
}

export interface Recordings {
  gpu: Recording;
  naive: Recording;
}

export interface Classify {
  recordings: Recordings;
  batch: number;
  rows: number;
  frames: number;
  seconds: number;
  mean: number[];
  std: number[];
  weights: Record<string, Piece>;
}

export interface Train {
  recordings: Recordings;
  batch: number;
  rows: number;
  frames: number;
  learning_rate: number;
  beta1: number;
  beta2: number;
  seed: number;
  weights: Fresh[];
  labels: string[];
  x: Piece;
  offset: number[];
  scale: number[];
  y: number[];
  train: number[];
  validation: number[];
  orders: Piece;
  epochs: number;
}

export interface Check {
  op: string;
  case: string;
  rung: string;
  recording: Recording;
  step: Piece;
  inputs: { at: Binding; data: Piece }[];
  outputs: { name: string; at: Binding; dtype: "f32" | "u32" | "u8"; values: Piece; tolerance: number }[];
}

export interface Rung {
  rung: string;
  default: boolean;
  recording: Recording;
  range: [number, number];
}

export interface Ladder {
  ladder: string;
  problem: string;
  flops: number;
  bytes: number;
  rungs: Rung[];
}

export interface Page {
  version: string;
  model: string;
  parameters: number;
  labels: string[];
  files: { name: string; text: string }[];
  kernels: Kernel[];
  classify: Classify | null;
  no_classify: string | null;
  train: Train;
  checks: Check[];
  ladders: Ladder[];
}

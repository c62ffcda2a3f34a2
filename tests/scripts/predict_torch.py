"""Runs a trained `model.safetensors` in PyTorch, to check the engine's predictions against an independent one.

    pip install torch safetensors numpy
    gtzan-gpu features clip.wav --out features.safetensors
    python tests/scripts/predict_torch.py runs/demo/model.safetensors features.safetensors
    python tests/scripts/predict_torch.py MODEL FEATURES --compare predictions.json

FEATURES is a safetensors file whose tensor `x` holds the features before normalisation, (segments, rows, frames) or
(rows, frames). The probabilities of every segment and their mean over the file are printed as JSON. With --compare,
the mean is checked against what `gtzan-gpu predict --json` printed for the same file (an entry of that list, the first
unless --entry says otherwise); the exit status is 1 where a probability differs by more than --tolerance.

The twin below is the architecture of the models `seed` and `small`, for inference: convolution blocks
(conv 3x3 "same" -> ReLU -> max-pool 2 -> batch norm), global average pooling, then dense -> ReLU -> batch norm -> dense
-> softmax. Its sizes come from the tensors, its names are the file's, so `load_state_dict` is strict.
"""

import argparse
import json
import re
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn

BN_EPS = 1e-3  # Keras' default, which the engine follows; PyTorch's own is 1e-5


class Twin(nn.Module):
    """conv1, bn1, conv2, bn2, ..., fc1, bn<last>, fc2."""

    def __init__(self, shapes):
        super().__init__()
        self.blocks = sum(bool(re.fullmatch(r"conv\d+\.weight", name)) for name in shapes)
        for i in range(1, self.blocks + 1):
            filters, channels, height, width = shapes[f"conv{i}.weight"]
            setattr(self, f"conv{i}", nn.Conv2d(channels, filters, (height, width), padding="same"))
            setattr(self, f"bn{i}", nn.BatchNorm2d(filters, eps=BN_EPS))
        dense, channels = shapes["fc1.weight"]
        classes, _ = shapes["fc2.weight"]
        self.fc1 = nn.Linear(channels, dense)
        self.head_norm = f"bn{self.blocks + 1}"
        setattr(self, self.head_norm, nn.BatchNorm1d(dense, eps=BN_EPS))
        self.fc2 = nn.Linear(dense, classes)

    def forward(self, x):
        """(segments, 1, rows, frames) -> logits (segments, classes)."""
        for i in range(1, self.blocks + 1):
            x = F.max_pool2d(F.relu(getattr(self, f"conv{i}")(x)), 2)
            x = getattr(self, f"bn{i}")(x)
        x = F.relu(self.fc1(x.mean(dim=(2, 3))))
        return self.fc2(getattr(self, self.head_norm)(x))


def load(path):
    """The twin with the file's weights, and the file's metadata with its JSON decoded."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if metadata.get("format") != "gtzan-gpu model 1":
        sys.exit(f"{path}: not a gtzan-gpu model (format is {metadata.get('format')!r})")
    for key in ("labels", "features", "normalisation"):
        metadata[key] = json.loads(metadata[key])
    twin = Twin({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    # PyTorch counts batches in its batch norms; a model file need not.
    for name, tensor in twin.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, tensor)
    twin.load_state_dict(tensors)
    return twin.eval(), metadata


def normalised(path, metadata):
    """Features of the file as (segments, 1, rows, frames), (x - mean) / std per row."""
    with safe_open(path, framework="np") as file:
        x = file.get_tensor("x").astype(np.float32)
    rows, frames = metadata["features"]["rows"], metadata["features"]["frames"]
    if x.shape[-2:] != (rows, frames):
        sys.exit(f"{path}: x is {x.shape}, the model wants (segments, {rows}, {frames})")
    x = x.reshape(-1, rows, frames)
    mean, std = (np.asarray(metadata["normalisation"][key], dtype=np.float32) for key in ("mean", "std"))
    # One value for everything or one per feature row.
    x = (x - mean.reshape(-1, 1)) / std.reshape(-1, 1)
    return torch.from_numpy(x[:, None])


def compare(labels, mean, path, entry, tolerance):
    """Checks the mean probabilities against an entry of `predict --json`; returns the largest difference."""
    with open(path, encoding="utf-8") as file:
        predictions = json.load(file)[entry]["predictions"]
    worst = max(abs(p["probability"] - float(mean[labels.index(p["genre"])])) for p in predictions)
    verdict = "equal" if worst <= tolerance else "DIFFERENT"
    print(f"{verdict}: largest difference {worst:.2e} over {len(predictions)} genres, tolerance {tolerance:.0e}", file=sys.stderr)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="model.safetensors of a run")
    parser.add_argument("features", help="safetensors file with the tensor x")
    parser.add_argument("--compare", metavar="JSON", help="what `gtzan-gpu predict --json` printed")
    parser.add_argument("--entry", type=int, default=0, help="which of its files (default 0)")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    twin, metadata = load(arguments.model)
    with torch.inference_mode():
        probabilities = twin(normalised(arguments.features, metadata)).softmax(-1)
    mean = probabilities.mean(0)
    labels = metadata["labels"]
    print(json.dumps({
        "labels": labels,
        "mean": [round(float(p), 7) for p in mean],
        "segments": [[round(float(p), 7) for p in row] for row in probabilities],
    }))
    if arguments.compare:
        worst = compare(labels, mean, arguments.compare, arguments.entry, arguments.tolerance)
        # Not `worst > tolerance`, which a NaN would pass.
        sys.exit(0 if worst <= arguments.tolerance else 1)


if __name__ == "__main__":
    main()

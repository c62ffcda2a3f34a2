"""Runs a trained `model.safetensors` in PyTorch: a second opinion on every probability, and a template for using it there.

    pip install torch safetensors numpy
    gtzan-gpu features genres --segments all --out features.safetensors
    python tests/scripts/predict_torch.py runs/seed-1/model.safetensors features.safetensors

FEATURES is what `gtzan-gpu features` writes: `x` (samples, rows, frames) before normalisation, the `track` of every
sample, the tracks' names. Each track's probabilities (the mean of its segments' logarithms, normalised) are printed as
JSON. With --compare FILE they are checked against what the engine printed, and the exit status is 1 where they differ:

    gtzan-gpu predict  runs/seed-1 genres/*/*.au --json                > predicted.json   each probability, within --tolerance
    gtzan-gpu evaluate runs/seed-1 genres --segments all --json        > evaluated.json   the confusion matrix

The twin below is the architecture of the models `seed` and `small`, for inference: convolution blocks
(conv 3x3 "same" -> ReLU -> max-pool 2 -> batch norm), global average pooling, then dense -> ReLU -> batch norm -> dense
-> softmax. Its sizes come from the tensors, its names are the file's, so `load_state_dict` is strict.
"""

import argparse
import json
import re
import sys
from pathlib import PurePath

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


def read_features(path, metadata):
    """Normalised samples (n, 1, rows, frames), x -> (x - mean) / std per row; each one's track, class and the tracks' names."""
    with safe_open(path, framework="np") as file:
        about = json.loads((file.metadata() or {}).get("gtzan-gpu", "null"))
        if about is None:
            sys.exit(f"{path}: not written by `gtzan-gpu features`")
        x, y, track = (file.get_tensor(name) for name in ("x", "y", "track"))
    expected = (metadata["features"]["rows"], metadata["features"]["frames"])
    if x.shape[1:] != expected:
        sys.exit(f"{path}: samples are {x.shape[1:]}, the model takes {expected}")
    mean, std = (np.asarray(metadata["normalisation"][key], dtype=np.float32) for key in ("mean", "std"))
    x = (x - mean.reshape(-1, 1)) / std.reshape(-1, 1)
    classes = [metadata["labels"].index(about["genres"][k]) for k in y]
    return torch.from_numpy(x[:, None]), track, classes, about["tracks"]


def vote(rows):
    """Probabilities of a track from those of its segments: the mean of their logarithms, normalised."""
    logs = np.log(np.maximum(rows.astype(np.float64), np.finfo(np.float32).tiny)).mean(0)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def compare_predictions(answers, voted, labels, tolerance):
    """`predict --json`: a track's file carries its name. The largest difference decides."""
    by_name = {name.split("/")[-1]: row for name, row in voted.items()}
    differences, unknown = [], 0
    for answer in answers:
        row = by_name.get(PurePath(answer["file"]).stem)
        if row is None:
            unknown += 1
            continue
        differences += [abs(p["probability"] - float(row[labels.index(p["genre"])])) for p in answer["predictions"]]
    worst = max(differences, default=float("nan"))
    # Not `worst > tolerance`, which a NaN would pass.
    equal = worst <= tolerance
    verdict = "equal" if equal else "DIFFERENT"
    missing = f"; {unknown} files not among the features" if unknown else ""
    say(f"{verdict}: largest difference {worst:.1e} over {len(differences)} probabilities, tolerance {tolerance:.0e}{missing}")
    return equal


def compare_confusion(evaluation, voted, truth, labels):
    """`evaluate --json`: the confusion matrix, rows true, columns predicted."""
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    for name, row in voted.items():
        confusion[truth[name], int(row.argmax())] += 1
    equal = confusion.tolist() == evaluation["confusion"]
    say(f"{'equal' if equal else 'DIFFERENT'}: confusion matrix of {len(voted)} tracks, accuracy {confusion.trace() / len(voted):.4f}")
    return equal


def say(text):
    print(text, file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="model.safetensors of a run")
    parser.add_argument("features", help="what `gtzan-gpu features` wrote")
    parser.add_argument("--compare", metavar="JSON", action="append", default=[], help="what `predict --json` or `evaluate --json` printed")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    twin, metadata = load(arguments.model)
    labels = metadata["labels"]
    x, track, classes, names = read_features(arguments.features, metadata)
    with torch.inference_mode():
        rows = torch.cat([twin(part).softmax(-1) for part in x.split(32)]).numpy()
    voted = {name: vote(rows[track == i]) for i, name in enumerate(names) if (track == i).any()}
    truth = {names[t]: k for t, k in zip(track, classes)}
    print(json.dumps([
        {"track": name, "predictions": {label: round(float(p), 7) for label, p in zip(labels, row)}}
        for name, row in voted.items()
    ]))
    equal = True
    for path in arguments.compare:
        with open(path, encoding="utf-8") as file:
            printed = json.load(file)
        if isinstance(printed, list):
            equal &= compare_predictions(printed, voted, labels, arguments.tolerance)
        else:
            equal &= compare_confusion(printed, voted, truth, labels)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()

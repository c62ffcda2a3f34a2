"""Runs an exported model in ONNX Runtime on the features of tracks: a second opinion on every probability, and a template.

    pip install onnxruntime numpy
    gtzan-gpu export runs/seed-1 --onnx seed.onnx
    gtzan-gpu features genres --segments all --out features.npz
    python tests/scripts/predict_onnx.py seed.onnx features.npz

FEATURES is what `gtzan-gpu features` writes as .npz: `x` (samples, rows, frames) and the `names` of their tracks. Each track's
probabilities (the mean of its segments' logarithms, normalised) are printed as JSON. With --compare FILE they are checked against
what `gtzan-gpu predict runs/seed-1 genres/*/* --json` printed, and the exit status is 1 where one differs by more than --tolerance.
"""

import argparse
import json
import sys
from pathlib import PurePath

import numpy as np
import onnxruntime


def predict(path, x, batch=32):
    """Probabilities of samples, and the labels of the classes."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    given = session.get_inputs()[0]
    if list(x.shape[1:]) != given.shape[1:]:
        sys.exit(f"samples are {x.shape[1:]}, {path} takes {tuple(given.shape[1:])}")
    parts = [session.run(None, {given.name: x[i : i + batch]})[0] for i in range(0, len(x), batch)]
    return np.concatenate(parts), labels


def vote(rows):
    """Probabilities of a track from those of its segments: the mean of their logarithms, normalised."""
    logs = np.log(np.maximum(rows.astype(np.float64), np.finfo(np.float32).tiny)).mean(0)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def compare(answers, voted, tolerance):
    """The largest difference decides; a track's file carries its name."""
    by_name = {name.split("/")[-1]: row for name, row in voted.items()}
    differences, tracks, unknown = [], 0, 0
    for answer in answers:
        row = by_name.get(PurePath(answer["file"]).stem)
        unknown += row is None
        if row is not None:
            tracks += 1
            differences += [abs(p["probability"] - row[p["genre"]]) for p in answer["predictions"]]
    worst = max(differences, default=float("nan"))
    equal = worst <= tolerance  # a NaN is not
    missing = f"; {unknown} files not among the features" if unknown else ""
    print(
        f"{'equal' if equal else 'DIFFERENT'}: largest difference {worst:.1e} over {len(differences)} probabilities of {tracks} tracks, "
        f"tolerance {tolerance:.0e}{missing}",
        file=sys.stderr,
    )
    return equal


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="what `gtzan-gpu export --onnx` wrote")
    parser.add_argument("features", help="what `gtzan-gpu features` wrote, as .npz")
    parser.add_argument("--compare", metavar="JSON", help="what `predict --json` printed")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    arguments = parser.parse_args()
    with np.load(arguments.features) as arrays:
        x, names = arrays["x"], arrays["names"]
    rows, labels = predict(arguments.model, x)
    voted = {str(name): dict(zip(labels, map(float, vote(rows[names == name])))) for name in dict.fromkeys(names)}
    print(json.dumps([{"track": name, "predictions": row} for name, row in voted.items()]))
    if arguments.compare:
        with open(arguments.compare, encoding="utf-8") as file:
            printed = json.load(file)
        sys.exit(0 if compare(printed, voted, arguments.tolerance) else 1)


if __name__ == "__main__":
    main()

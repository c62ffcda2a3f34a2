#!/usr/bin/env python3
"""Reads event files as TensorBoard does, with its own package, which is installed into an environment of its own.

    python3 tests/scripts/tensorboard_read.py ENVIRONMENT FOLDER RESULT

Writes what it finds below FOLDER to the JSON file RESULT: {run: {"scalars": {tag: [[step, value], ...]}, "histograms":
{tag: [[step, min, max, count, sum], ...]}, "images": {tag: [[step, width, height, darkest], ...]}}}, the pictures decoded.
Exit status 77: the package can't be installed here.
"""
import io, json, sys

PACKAGES = ["tensorboard>=2.15,<3", "setuptools<81"]


def read(folder, result):
    from PIL import Image
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    everything = {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0, "compressedHistograms": 0}
    reader = EventMultiplexer(size_guidance=everything).AddRunsFromDirectory(folder)
    reader.Reload()
    found = {}
    for run, tags in reader.Runs().items():
        there = found[run] = {kind: {} for kind in ["scalars", "histograms", "images"]}
        for tag in tags["scalars"]:
            there["scalars"][tag] = [[e.step, e.value] for e in reader.Scalars(run, tag)]
        for tag in tags["histograms"]:
            values = [(e.step, e.histogram_value) for e in reader.Histograms(run, tag)]
            there["histograms"][tag] = [[step, h.min, h.max, h.num, h.sum] for step, h in values]
        for tag in tags["images"]:
            rows = there["images"][tag] = []
            for e in reader.Images(run, tag):
                picture = Image.open(io.BytesIO(e.encoded_image_string))
                assert (picture.width, picture.height) == (e.width, e.height) and picture.mode == "RGB"
                rows.append([e.step, e.width, e.height, min(low for low, _ in picture.getextrema())])
    with open(result, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        from environment import run_in

        sys.exit(run_in(sys.argv[1], PACKAGES, __file__, sys.argv[2:]))
    read(*sys.argv[1:])

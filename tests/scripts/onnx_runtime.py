#!/usr/bin/env python3
"""Checks exported models with the onnx package and ONNX Runtime, which it installs into an environment of its own.

    python3 tests/scripts/onnx_runtime.py ENVIRONMENT FOLDER

For every NAME.onnx in FOLDER: onnx.checker must accept it, shape inference included, and ONNX Runtime must give NAME.p
(f32, samples x classes) for NAME.x (f32, samples x rows x frames) within 1e-5, whole and sample by sample.
Exit status 77: the packages can't be installed here.
"""
import os, sys

# One version of onnx: docs/onnx.md lists the conformance cases that it carries (see onnx_nodes.py).
PACKAGES = ["onnx==1.23.2", "onnxruntime>=1.18,<2", "numpy"]


def check(folder):
    import numpy as np
    import onnx
    import onnxruntime

    names = sorted(f[:-5] for f in os.listdir(folder) if f.endswith(".onnx"))
    failed = not names
    for name in names:
        path = os.path.join(folder, name)
        onnx.checker.check_model(path + ".onnx", full_check=True)
        session = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
        (given,), (wanted,) = session.get_inputs(), session.get_outputs()
        x = np.fromfile(path + ".x", "<f4").reshape(-1, *given.shape[1:])
        p = np.fromfile(path + ".p", "<f4").reshape(-1, wanted.shape[1])
        assert len(x) == len(p) and given.shape[0] == "batch", (len(x), len(p), given.shape)
        whole = session.run(None, {given.name: x})[0]
        single = np.concatenate([session.run(None, {given.name: x[i:i + 1]})[0] for i in range(len(x))])
        difference = max(np.abs(whole - p).max(), np.abs(single - p).max())
        failed |= not difference < 1e-5
        print(f"{name}: {len(x)} samples, ONNX Runtime {onnxruntime.__version__} differs by {difference:.1e}; "
              f"onnx {onnx.__version__} accepts it; {len(session.get_modelmeta().custom_metadata_map)} metadata entries")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        from environment import run_in

        sys.exit(run_in(sys.argv[1], PACKAGES, __file__, sys.argv[2:]))
    check(sys.argv[1])

"""Writes tests/fixtures/ops/layers.json: convolutions, dense layers and poolings with their gradients, in f64.

    pip install torch tensorflow
    python tests/scripts/layers_fixture.py tests/fixtures/ops/layers.json

PyTorch computes everything but "same" padding, which is TensorFlow's: PyTorch has none for strides above 1.
"""

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

rng = np.random.default_rng(7)


def array(a):
    a = np.asarray(a, dtype=np.float64)
    return {"shape": list(a.shape), "data": [float(f"{v:.17g}") for v in a.ravel()]}


def random(*shape):
    return np.round(rng.normal(size=shape), 3)


def torch_case(name, op, inputs, f, **attributes):
    """f(inputs) -> y, or (y, argmax)."""
    x = [torch.tensor(a, requires_grad=True) for a in inputs]
    result = f(*x)
    y, argmax = result if isinstance(result, tuple) else (result, None)
    dy = random(*y.shape)
    y.backward(torch.tensor(dy))
    return {
        "name": name,
        "op": op,
        **attributes,
        "inputs": [array(a) for a in inputs],
        "outputs": [array(t.detach()) for t in (y, argmax) if t is not None],
        "dy": array(dy),
        "gradients": [array(t.grad) for t in x],
    }


def same_case(name, stride, relu, x, w, b):
    """TensorFlow on the CPU wants channels last; the fixture has them first."""
    xt = tf.Variable(x.transpose(0, 2, 3, 1))
    wt = tf.Variable(w.transpose(2, 3, 1, 0))
    bt = tf.Variable(b)
    with tf.GradientTape() as tape:
        y = tf.nn.conv2d(xt, wt, stride, "SAME") + bt
        y = tf.nn.relu(y) if relu else y
        dy = random(*y.shape)
        loss = tf.reduce_sum(y * dy)
    dx, dw, db = tape.gradient(loss, [xt, wt, bt])
    first = lambda t: np.asarray(t).transpose(0, 3, 1, 2)
    return {
        "name": name,
        "op": "conv2d",
        "stride": stride,
        "padding": "same",
        "epilogue": "relu" if relu else "none",
        "inputs": [array(x), array(w), array(b)],
        "outputs": [array(first(y))],
        "dy": array(first(dy)),
        "gradients": [array(first(dx)), array(np.asarray(dw).transpose(3, 2, 0, 1)), array(db)],
    }


def window_numbers(indices, width, window, stride):
    """PyTorch's flat index into the plane -> number within the window, row by row."""
    oh, ow = indices.shape[-2:]
    rows = torch.arange(oh)[:, None] * stride[0]
    columns = torch.arange(ow)[None, :] * stride[1]
    return (indices // width - rows) * window[1] + indices % width - columns


def max_pool(x, window, stride):
    y, indices = F.max_pool2d(x, window, stride, return_indices=True)
    return y, window_numbers(indices, x.shape[-1], window, stride)


def conv_relu_pool(x, w, b):
    z = F.relu(F.conv2d(x, w, b, padding=(w.shape[2] // 2, w.shape[3] // 2)))
    y, argmax = max_pool(z, (2, 2), (2, 2))
    return y, torch.where(y > 0, argmax, 255)


def main(path):
    pad = lambda t, top, bottom, left, right: F.pad(t, (left, right, top, bottom))
    cases = [
        torch_case("3x3 valid", "conv2d", [random(2, 3, 5, 6), random(4, 3, 3, 3), random(4)],
                   F.conv2d, stride=[1, 1], padding="valid", epilogue="none"),
        torch_case("stride 3x2, window 2x5", "conv2d", [random(2, 2, 8, 9), random(3, 2, 2, 5), random(3)],
                   lambda x, w, b: F.relu(F.conv2d(x, w, b, stride=(3, 2))),
                   stride=[3, 2], padding="valid", epilogue="relu"),
        torch_case("uneven padding", "conv2d", [random(1, 2, 5, 4), random(3, 2, 3, 3), random(3)],
                   lambda x, w, b: F.conv2d(pad(x, 2, 1, 0, 3), w, b, stride=(2, 1)),
                   stride=[2, 1], padding=[2, 1, 0, 3], epilogue="none"),
        same_case("3x3 same", [1, 1], True, random(2, 3, 5, 7), random(4, 3, 3, 3), random(4)),
        same_case("stride 2 same, even size", [2, 2], False, random(1, 2, 6, 8), random(3, 2, 3, 3), random(3)),
        same_case("stride 2 same, odd size", [2, 2], False, random(1, 2, 7, 5), random(3, 2, 3, 3), random(3)),
        same_case("even window same", [1, 1], False, random(1, 2, 5, 4), random(3, 2, 2, 4), random(3)),
        torch_case("relu, pool", "conv2d", [random(2, 3, 5, 8), random(4, 3, 3, 3), random(4)],
                   conv_relu_pool, stride=[1, 1], padding="same", epilogue="relu_max_pool2"),
        torch_case("dense", "dense", [random(3, 5), random(4, 5), random(4)], F.linear, relu=False),
        torch_case("dense, relu", "dense", [random(4, 6), random(7, 6), random(7)],
                   lambda x, w, b: F.relu(F.linear(x, w, b)), relu=True),
        torch_case("max 2x2", "max_pool2d", [random(2, 2, 5, 6)],
                   lambda x: max_pool(x, (2, 2), (2, 2)), window=[2, 2], stride=[2, 2]),
        torch_case("max 3x2, overlapping", "max_pool2d", [random(1, 2, 7, 6)],
                   lambda x: max_pool(x, (3, 2), (2, 1)), window=[3, 2], stride=[2, 1]),
        torch_case("max, ties", "max_pool2d", [rng.integers(0, 3, (1, 2, 7, 7)).astype(float)],
                   lambda x: max_pool(x, (3, 3), (2, 2)), window=[3, 3], stride=[2, 2]),
        torch_case("average 3x2, overlapping", "avg_pool2d", [random(1, 2, 7, 6)],
                   lambda x: F.avg_pool2d(x, (3, 2), (2, 1)), window=[3, 2], stride=[2, 1]),
        torch_case("global average", "global_avg_pool", [random(2, 3, 4, 5)],
                   lambda x: x.mean(dim=(2, 3))),
    ]
    with open(path, "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])

//! What the operators of the format are in this program, with the layouts that its ops ask for.

use super::case::{Case, Reason};
use super::run::Run;
use gtzan_gpu::gpu::Gpu;
use gtzan_gpu::ops::{
    Add, AvgPool2d, BatchNorm, Conv2d, Dense, Epilogue, GlobalAvgPool, MaxPool2d, Padding, Relu,
    Step, UpdateRunning,
};
use gtzan_gpu::tensor::Tensor;

/// Each output of the node as a GPU gave it.
pub type Got = Result<Vec<Vec<f32>>, Reason>;

/// How an operator is computed here.
pub type Cover = fn(&Case, &Gpu) -> Got;

/// Operators that an op covers, and with what.
pub const OPERATORS: [(&str, &str, Cover); 12] = [
    (
        "Adam",
        "`adam`, the penalty by `l2_penalty`",
        super::learning::adam,
    ),
    ("Add", "`add`", add),
    ("AveragePool", "`avg_pool2d`", average_pool),
    (
        "BatchNormalization",
        "`batch_norm`, in training with `update_running`",
        batch_norm,
    ),
    ("Conv", "`conv2d`", conv),
    ("Gemm", "`dense`, a bias for each row with `add`", gemm),
    (
        "GlobalAveragePool",
        "`global_avg_pool`",
        global_average_pool,
    ),
    ("MatMul", "`dense`", matmul),
    ("MaxPool", "`max_pool2d`", max_pool),
    ("Relu", "`relu`", relu),
    (
        "Softmax",
        "`softmax_cross_entropy`, its probabilities",
        super::learning::softmax,
    ),
    (
        "SoftmaxCrossEntropyLoss",
        "`softmax_cross_entropy`",
        super::learning::cross_entropy,
    ),
];

fn add(case: &Case, gpu: &Gpu) -> Got {
    let (a, b) = (case.floats(0)?, case.floats(1)?);
    if case.dims(0) != case.dims(1) {
        return Err("tensors of two shapes: the op does not broadcast");
    }
    let mut run = Run::new();
    let (a, b) = (run.input(&case.dims(0), &a), run.input(&case.dims(1), &b));
    let y = run.apply(Add, &[&a, &b]);
    Ok(run.read(gpu, Step::full(1), &y))
}

fn relu(case: &Case, gpu: &Gpu) -> Got {
    let mut run = Run::new();
    let x = run.input(&case.dims(0), &case.floats(0)?);
    let y = run.apply(Relu, &[&x]);
    Ok(run.read(gpu, Step::full(1), &y))
}

fn conv(case: &Case, gpu: &Gpu) -> Got {
    let (x, w) = (case.floats(0)?, case.floats(1)?);
    let (&[n, _, h, wide], &[_, _, kh, kw]) = (&case.dims(0)[..], &case.dims(1)[..]) else {
        return Err("not two dimensions");
    };
    if case.int("group").unwrap_or(1) != 1 {
        return Err("groups");
    }
    if case.ints("dilations").is_some_and(|d| d != [1, 1]) {
        return Err("dilations");
    }
    let stride = case.ints("strides").unwrap_or(vec![1, 1]);
    let stride = [stride[0], stride[1]];
    let padding = match case.text("auto_pad").as_deref() {
        Some("SAME_UPPER") => Padding::Same,
        // The odd row above and the odd column on the left.
        Some("SAME_LOWER") => {
            let total = |size: usize, window: usize, stride: usize| {
                ((size.div_ceil(stride) - 1) * stride + window).saturating_sub(size)
            };
            let (rows, columns) = (total(h, kh, stride[0]), total(wide, kw, stride[1]));
            Padding::Explicit {
                top: rows.div_ceil(2),
                bottom: rows / 2,
                left: columns.div_ceil(2),
                right: columns / 2,
            }
        }
        Some("VALID") => Padding::Valid,
        _ => match case.ints("pads").as_deref() {
            None => Padding::Valid,
            Some(&[top, left, bottom, right]) => Padding::Explicit {
                top,
                bottom,
                left,
                right,
            },
            Some(_) => return Err("not two dimensions"),
        },
    };
    let epilogue = Epilogue::None;
    let op = Conv2d {
        stride,
        padding,
        epilogue,
    };
    let mut run = Run::new();
    let mut inputs = vec![run.input(&case.dims(0), &x), run.input(&case.dims(1), &w)];
    if case.has(2) {
        inputs.push(run.input(&case.dims(2), &case.floats(2)?));
    }
    let y = run.apply(op, &inputs.iter().collect::<Vec<_>>());
    Ok(run.read(gpu, Step::full(n), &y))
}

/// Shape of the input, window and stride of a pooling of rows and columns without padding. A row alone is an image of one row.
type Pooling = ([usize; 4], [usize; 2], [usize; 2]);

fn pooling(case: &Case) -> Result<Pooling, Reason> {
    case.floats(0)?;
    let two = |values: Vec<usize>| match values[..] {
        [columns] => [1, columns],
        [rows, columns] => [rows, columns],
        _ => unreachable!("one or two dimensions"),
    };
    let dims = case.dims(0);
    let (shape, padded) = match dims[..] {
        [n, c, columns] => ([n, c, 1, columns], [1, columns]),
        [n, c, rows, columns] => ([n, c, rows, columns], [rows, columns]),
        _ => return Err("three dimensions"),
    };
    if case
        .ints("dilations")
        .is_some_and(|d| d.iter().any(|&d| d != 1))
    {
        return Err("dilations");
    }
    let same = case.text("auto_pad").is_some_and(|p| p.starts_with("SAME"));
    if same || case.ints("pads").is_some_and(|p| p.iter().any(|&p| p != 0)) {
        return Err("padding: pooling here has none");
    }
    let window = two(case.ints("kernel_shape").expect("a window"));
    let stride = case.ints("strides").map_or([1, 1], two);
    let windows = |i: usize| (padded[i] - window[i]) / stride[i] + 1;
    let given = case.output_dims(0);
    if case.int("ceil_mode") == Some(1) && given[2..] != [windows(0), windows(1)] {
        return Err("windows over the edge (`ceil_mode`): here they are left out");
    }
    Ok((shape, window, stride))
}

fn average_pool(case: &Case, gpu: &Gpu) -> Got {
    let (shape, window, stride) = pooling(case)?;
    let mut run = Run::new();
    let x = run.input(&shape, &case.floats(0)?);
    let y = run.apply(AvgPool2d { window, stride }, &[&x]);
    Ok(run.read(gpu, Step::full(shape[0]), &y))
}

fn max_pool(case: &Case, gpu: &Gpu) -> Got {
    let (shape, window, stride) = pooling(case)?;
    let mut run = Run::new();
    let x = run.input(&shape, &case.floats(0)?);
    let y = run.apply(MaxPool2d { window, stride }, &[&x]);
    let mut got = run.read(gpu, Step::full(shape[0]), &y);
    // From the number in the window to that in the whole tensor, which counts columns first when it is asked to.
    let [_, _, h, w] = shape;
    let (oh, ow) = (
        (h - window[0]) / stride[0] + 1,
        (w - window[1]) / stride[1] + 1,
    );
    for (i, place) in got[1].iter_mut().enumerate() {
        let (u, v) = (*place as usize / window[1], *place as usize % window[1]);
        let (row, column) = (i / ow % oh * stride[0] + u, i % ow * stride[1] + v);
        let plane = i / (oh * ow) * h * w;
        let inside = match case.int("storage_order") {
            Some(1) => column * h + row,
            _ => row * w + column,
        };
        *place = (plane + inside) as f32;
    }
    got.truncate(case.outputs());
    Ok(got)
}

fn global_average_pool(case: &Case, gpu: &Gpu) -> Got {
    let mut run = Run::new();
    let x = run.input(&case.dims(0), &case.floats(0)?);
    let y = run.apply(GlobalAvgPool, &[&x]);
    Ok(run.read(gpu, Step::full(case.dims(0)[0]), &y))
}

fn batch_norm(case: &Case, gpu: &Gpu) -> Got {
    let training = case.int("training_mode") == Some(1);
    let op = BatchNorm {
        epsilon: case.float("epsilon", 1e-5),
        training,
        dropout: None,
    };
    let mut run = Run::new();
    let mut inputs = Vec::new();
    for i in 0..5 {
        let values = case.floats(i)?;
        inputs.push(match i {
            3 | 4 if training => run.changed(&values),
            _ => run.input(&case.dims(i), &values),
        });
    }
    let y = run.apply(op, &inputs.iter().collect::<Vec<_>>());
    let mut read = vec![y[0].clone()];
    if training {
        let update = UpdateRunning {
            momentum: case.float("momentum", 0.9),
            warm_up: false,
            spatial: case.dims(0)[2..].iter().product(),
        };
        run.apply(update, &[&inputs[3], &inputs[4], &y[1], &y[2]]);
        read.extend_from_slice(&inputs[3..5]);
    }
    Ok(run.read(gpu, Step::full(case.dims(0)[0]), &read))
}

/// A matrix turned.
fn turned(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    (0..rows * columns)
        .map(|i| values[i % rows * columns + i / rows])
        .collect()
}

/// `a b` with a bias: one number for each column.
fn dense(
    run: &mut Run,
    case: &Case,
    turn: [bool; 2],
    bias: Option<Vec<f32>>,
) -> Result<Tensor, Reason> {
    let (mut a, mut b) = (case.floats(0)?, case.floats(1)?);
    let (&[ah, aw], &[bh, bw]) = (&case.dims(0)[..], &case.dims(1)[..]) else {
        return Err("no matrices: the op takes two");
    };
    let [n, inputs] = if turn[0] { [aw, ah] } else { [ah, aw] };
    let outputs = if turn[1] { bh } else { bw };
    if turn[0] {
        a = turned(&a, [ah, aw]);
    }
    // The op's weight has a row for each output.
    if !turn[1] {
        b = turned(&b, [bh, bw]);
    }
    let bias = bias.unwrap_or(vec![0.0; outputs]);
    let x = run.input(&[n, inputs], &a);
    let w = run.input(&[outputs, inputs], &b);
    let bias = run.input(&[outputs], &bias);
    Ok(run.apply(Dense { relu: false }, &[&x, &w, &bias]).remove(0))
}

fn matmul(case: &Case, gpu: &Gpu) -> Got {
    let mut run = Run::new();
    let y = dense(&mut run, case, [false, false], None)?;
    Ok(run.read(gpu, Step::full(1), &[y]))
}

fn gemm(case: &Case, gpu: &Gpu) -> Got {
    if [case.float("alpha", 1.0), case.float("beta", 1.0)] != [1.0; 2] {
        return Err("factors of the product or the bias: the op has none");
    }
    let turn = ["transA", "transB"].map(|name| case.int(name) == Some(1));
    let outputs = case.output_dims(0);
    let mut run = Run::new();
    let mut rows = None;
    let mut bias = None;
    if case.has(2) {
        let c = case.floats(2)?;
        match c.len() {
            1 => bias = Some(vec![c[0]; outputs[1]]),
            n if n == outputs[1] && case.dims(2).last() == Some(&n) => bias = Some(c),
            _ => rows = Some(c),
        }
    }
    let mut y = dense(&mut run, case, turn, bias)?;
    if let Some(rows) = rows {
        let rows = run.input(&outputs, &rows);
        y = run.apply(Add, &[&y, &rows]).remove(0);
    }
    Ok(run.read(gpu, Step::full(1), &[y]))
}

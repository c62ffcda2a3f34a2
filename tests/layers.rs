//! Convolution, dense layer and poolings: the reference against PyTorch and TensorFlow, bad shapes, and NaN on the GPU.

use gtzan_gpu::gpu::{AdapterChoice, Gpu, Session, StepInputs};
use gtzan_gpu::gradcheck::{from_bytes, to_bytes};
use gtzan_gpu::ops::{
    AnyOp, Array, AvgPool2d, Choices, Conv2d, Dense, Epilogue, GlobalAvgPool, MaxPool2d, Padding,
    Step,
};
use gtzan_gpu::plan::{MemoryPlan, Placement, schedule};
use gtzan_gpu::tape::Tape;
use gtzan_gpu::tensor::{DType, Spec};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Values {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Values {
    fn array(&self) -> Array<f64> {
        Array {
            shape: self.shape.clone().into(),
            data: self.data.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Fixture {
    name: String,
    op: String,
    stride: Option<[usize; 2]>,
    window: Option<[usize; 2]>,
    padding: Option<Value>,
    epilogue: Option<String>,
    relu: Option<bool>,
    inputs: Vec<Values>,
    outputs: Vec<Values>,
    dy: Values,
    gradients: Vec<Values>,
}

impl Fixture {
    fn op(&self) -> Box<dyn AnyOp> {
        let (window, stride) = (self.window.unwrap_or([0; 2]), self.stride.unwrap_or([0; 2]));
        match self.op.as_str() {
            "conv2d" => Box::new(Conv2d {
                stride,
                padding: self.padding(),
                epilogue: match self.epilogue.as_deref() {
                    Some("relu") => Epilogue::Relu,
                    Some("relu_max_pool2") => Epilogue::ReluMaxPool2,
                    _ => Epilogue::None,
                },
            }),
            "dense" => Box::new(Dense {
                relu: self.relu.unwrap(),
            }),
            "max_pool2d" => Box::new(MaxPool2d { window, stride }),
            "avg_pool2d" => Box::new(AvgPool2d { window, stride }),
            "global_avg_pool" => Box::new(GlobalAvgPool),
            other => panic!("{other}: no such op"),
        }
    }

    fn padding(&self) -> Padding {
        match self.padding.as_ref().unwrap() {
            Value::String(s) if s == "same" => Padding::Same,
            Value::String(_) => Padding::Valid,
            sides => {
                let side = |i: usize| sides[i].as_u64().unwrap() as usize;
                Padding::Explicit {
                    top: side(0),
                    bottom: side(1),
                    left: side(2),
                    right: side(3),
                }
            }
        }
    }
}

fn assert_close(case: &str, what: &str, got: &Array<f64>, want: &Values) {
    assert_eq!(
        got.shape.dims(),
        want.shape,
        "{case}: shape of {what} differs"
    );
    for (i, (g, w)) in got.data.iter().zip(&want.data).enumerate() {
        // Both sides are f64 sums of a few dozen terms of order 1.
        assert!(
            (g - w).abs() < 1e-12,
            "{case}: {what}[{i}] is {g}, the framework has {w}"
        );
    }
}

#[test]
fn reference_equals_pytorch_and_tensorflow() {
    let text = include_str!("fixtures/ops/layers.json");
    let cases: Vec<Fixture> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 15);
    for case in &cases {
        let (op, step) = (case.op(), Step::full(case.inputs[0].shape[0]));
        let x: Vec<Array<f64>> = case.inputs.iter().map(Values::array).collect();
        let x: Vec<&Array<f64>> = x.iter().collect();
        let y = op.forward_f64(&x, &step);
        assert_eq!(y.len(), case.outputs.len(), "{}", case.name);
        for (i, (got, want)) in y.iter().zip(&case.outputs).enumerate() {
            assert_close(&case.name, &format!("output {i}"), got, want);
        }
        let y: Vec<&Array<f64>> = y.iter().collect();
        let dx = op.backward_f64(&x, &y, &case.dy.array(), &step);
        assert_eq!(dx.len(), case.gradients.len(), "{}", case.name);
        for (i, (got, want)) in dx.iter().zip(&case.gradients).enumerate() {
            assert_close(&case.name, &format!("gradient {i}"), got, want);
        }
    }
}

/// An op, shapes that it can't take, and what it says.
type BadInput = (Box<dyn AnyOp>, Vec<Vec<usize>>, &'static str);

#[test]
fn wrong_shapes_are_named() {
    let conv = |stride, padding, epilogue| Conv2d {
        stride,
        padding,
        epilogue,
    };
    let plain = conv([1, 1], Padding::Same, Epilogue::None);
    let valid = conv([1, 1], Padding::Valid, Epilogue::None);
    let pooled = conv([1, 1], Padding::Same, Epilogue::ReluMaxPool2);
    let pool = |w: usize, h: usize, stride| MaxPool2d {
        window: [w, h],
        stride: [stride, stride],
    };
    let (x, w) = ([8, 64, 93, 65], [128, 32, 3, 3]);
    let cases: Vec<BadInput> = vec![
        (
            Box::new(plain),
            vec![x.to_vec(), w.to_vec(), vec![128]],
            "conv2d: weight has 32 input channels, x has 64 (x is 8x64x93x65)",
        ),
        (
            Box::new(plain),
            vec![vec![1, 1, 4, 4], vec![3, 1, 3, 3], vec![4]],
            "conv2d: bias is 4, weight has 3 filters",
        ),
        (
            Box::new(plain),
            vec![vec![4, 4], vec![3, 1, 3, 3], vec![3]],
            "conv2d: x must be [N, C, H, W] and weight [K, C, KH, KW]; x is 4x4, weight 3x1x3x3",
        ),
        (
            Box::new(plain),
            vec![vec![0, 1, 4, 4], vec![3, 1, 3, 3], vec![3]],
            "conv2d: x and weight need at least 1 of everything; x is 0x1x4x4, weight 3x1x3x3",
        ),
        (
            Box::new(plain),
            vec![vec![1, 1, 4, 4]],
            "conv2d: takes x, weight and perhaps a bias, got 1 inputs",
        ),
        (
            Box::new(valid),
            vec![vec![1, 1, 2, 4], vec![3, 1, 3, 3], vec![3]],
            "conv2d: x 1x1x2x4 under weight 3x1x3x3 and Valid padding gives 0x2 outputs; make x larger or pad it",
        ),
        (
            Box::new(pooled),
            vec![vec![1, 1, 1, 4], vec![3, 1, 3, 3], vec![3]],
            "conv2d: x 1x1x1x4 under weight 3x1x3x3 and Same padding gives 1x4 outputs, too few to pool 2x2; make x larger or pad it",
        ),
        (
            Box::new(conv([0, 1], Padding::Same, Epilogue::None)),
            vec![vec![1, 1, 4, 4], vec![3, 1, 3, 3], vec![3]],
            "conv2d: the stride is 0x1; it must be at least 1x1",
        ),
        (
            Box::new(Dense { relu: false }),
            vec![vec![8, 256], vec![10, 128], vec![10]],
            "dense: weight has 128 inputs, x has 256 (x is 8x256)",
        ),
        (
            Box::new(Dense { relu: false }),
            vec![vec![8, 256, 1, 1], vec![10, 256], vec![10]],
            "dense: x must be [N, I] and weight [O, I]; x is 8x256x1x1, weight 10x256",
        ),
        (
            Box::new(pool(3, 3, 1)),
            vec![vec![1, 2, 3, 2]],
            "max_pool2d: x is 1x2x3x2, which holds no window of 3x3; use a smaller window or a larger input",
        ),
        (
            Box::new(pool(16, 16, 1)),
            vec![vec![1, 2, 16, 16]],
            "max_pool2d: a window of 16x16 has more than 255 elements, the most that a byte can number",
        ),
        (
            Box::new(pool(2, 2, 0)),
            vec![vec![1, 2, 4, 4]],
            "max_pool2d: window 2x2 and stride 0x0 must be at least 1x1",
        ),
        (
            Box::new(GlobalAvgPool),
            vec![vec![3, 4]],
            "global_avg_pool: x must be [N, C, H, W] with at least 1 of everything, it is 3x4",
        ),
    ];
    for (op, shapes, sentence) in cases {
        let inputs: Vec<Spec> = shapes.into_iter().map(Spec::f32).collect();
        let error = op.output_specs(&inputs).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
}

/// A NaN shows in the pooled output, and the gradient goes back to where it came from, on the CPU and on the GPU.
#[test]
fn max_pooling_does_not_hide_nan() {
    let op = MaxPool2d {
        window: [2, 2],
        stride: [2, 2],
    };
    let nan = f32::NAN;
    let input = [1.0, 2.0, 9.0, 8.0, nan, 3.0, nan, nan];
    let want_argmax = [2.0, 2.0];
    let want_dx = [0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 7.0, 0.0];

    let x = Array::<f64>::from_f32([1, 1, 2, 4], &input);
    let dy = Array::<f64>::from_f32([1, 1, 1, 2], &[5.0, 7.0]);
    let step = Step::full(1);
    let y = op.forward_f64(&[&x], &step);
    assert!(y[0].data.iter().all(|v| v.is_nan()));
    let dx = op.backward_f64(&[&x], &[&y[0], &y[1]], &dy, &step);
    assert_eq!(dx[0].data, want_dx.map(f64::from));

    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let mut tape = Tape::new();
    let x = tape.variable("x", Spec::f32([1, 1, 2, 4]));
    let upstream = tape.input("dy", Spec::f32([1, 1, 1, 2]));
    let y = tape.apply_all(std::sync::Arc::new(op), &[&x]).unwrap();
    y.iter().for_each(|y| tape.keep(y));
    tape.backward_from(&y[0], &upstream).unwrap();
    let dx = tape.gradient(&x).unwrap().clone();
    let s = schedule(&tape, gpu.capabilities(), &Choices::default()).unwrap();
    let plan =
        MemoryPlan::new(&[("nan", &s)], gpu.capabilities(), Placement::Arenas(4), 1).unwrap();
    let mut session = Session::new(&gpu, plan, &[&s]).unwrap();
    for (tensor, values) in [(&x, &input[..]), (&upstream, &[5.0, 7.0])] {
        let place = session.place(0, &s, tensor).unwrap();
        session.write(place, &to_bytes(DType::F32, values)).unwrap();
    }
    let data = Vec::new();
    session.run(0, &[StepInputs { step, data }]).unwrap();
    let mut read = |tensor| {
        let place = session.place(0, &s, tensor).unwrap();
        from_bytes(tensor, &session.read(place).unwrap())
    };
    assert!(read(&y[0]).iter().all(|v| v.is_nan()));
    assert_eq!(read(&y[1]), want_argmax);
    assert_eq!(read(&dx), want_dx);
}

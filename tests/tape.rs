//! Gradients of several outputs on one tape.

use gtzan_gpu::gpu::{AdapterChoice, Gpu, Session, StepInputs};
use gtzan_gpu::gradcheck::{from_bytes, relative_error, to_bytes};
use gtzan_gpu::ops::{Add, Choices, Dense, L2Penalty, Relu, Step};
use gtzan_gpu::plan::{MemoryPlan, Placement, schedule};
use gtzan_gpu::reference::Executor;
use gtzan_gpu::tape::{Init, Tape};
use gtzan_gpu::tensor::{Spec, Tensor};

/// x, w and two losses that share a hidden layer.
struct Net {
    tape: Tape,
    x: Tensor,
    w: Tensor,
    losses: [Tensor; 2],
}

fn net() -> Net {
    let mut tape = Tape::new();
    let x = tape.variable("x", Spec::f32([3, 5]));
    let w = tape.parameter("w", [4, 5], Init::Constant(0.0));
    let b = tape.parameter("b", [4], Init::Constant(0.0));
    let dense = Dense { relu: false };
    let z = tape.apply(dense, &[&x, &w, &b]).expect("dense");
    let y = tape.apply(Relu, &[&z]).expect("relu");
    let penalty = |coefficient| L2Penalty { coefficient };
    let first = tape.apply(penalty(0.5), &[&y]).expect("a loss");
    let second = tape.apply(penalty(3.0), &[&z]).expect("another");
    Net {
        tape,
        x,
        w,
        losses: [first, second],
    }
}

fn values(n: usize, from: f32) -> Vec<f32> {
    (0..n).map(|i| from + 0.37 * (i % 7) as f32).collect()
}

/// Gradients of x and w, on the CPU in f64 and on the device.
fn gradients(net: &Net) -> [(Vec<f64>, Vec<f32>); 2] {
    let given = [(&net.x, values(15, -1.0)), (&net.w, values(20, -0.8))];
    let wanted = [&net.x, &net.w].map(|t| net.tape.gradient(t).expect("a gradient"));
    let mut cpu = Executor::<f64>::new(&net.tape);
    given.iter().for_each(|(t, v)| cpu.set(t, v));
    cpu.run(&Step::full(3));

    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let s = schedule(&net.tape, gpu.capabilities(), &Choices::default()).expect("a schedule");
    let plan = MemoryPlan::new(&[("two", &s)], gpu.capabilities(), Placement::default(), 1);
    let mut session = Session::new(&gpu, plan.expect("a plan"), &[&s]).expect("a session");
    session.poison().expect("NaN everywhere");
    for (t, v) in &given {
        let place = session.place(0, &s, t).expect("it is read");
        let bytes = to_bytes(t.spec().dtype, v);
        session.write(place, &bytes).expect("it fits");
    }
    let step = StepInputs {
        step: Step::full(3),
        data: Vec::new(),
    };
    session.run(0, &[step]).expect("a step");
    wanted.map(|t| {
        let place = session.place(0, &s, t).expect("it is written");
        let bytes = session.read(place).expect("it can be read");
        (cpu.get(t).data.clone(), from_bytes(t, &bytes))
    })
}

/// Backward of one loss after the other is backward of their sum; of the same loss twice, twice its gradient.
#[test]
fn calls_of_backward_add_up() {
    let mut sum = net();
    let [a, b] = sum.losses.clone();
    let total = sum.tape.apply(Add, &[&a, &b]).expect("a sum");
    sum.tape.backward(&total).expect("backward");
    let expected = gradients(&sum);

    let mut apart = net();
    let [a, b] = apart.losses.clone();
    apart.tape.backward(&a).expect("the first");
    apart.tape.backward(&b).expect("the second");
    for ((cpu, gpu), (want, _)) in gradients(&apart).iter().zip(&expected) {
        assert!(relative_error(cpu, want) < 1e-12);
        assert!(relative_error(gpu, want) < 1e-6);
    }

    let mut once = net();
    let [a, _] = once.losses.clone();
    once.tape.backward(&a).expect("backward");
    let expected = gradients(&once).map(|(cpu, _)| cpu.iter().map(|v| 2.0 * v).collect::<Vec<_>>());
    once.tape.backward(&a).expect("backward again");
    for ((cpu, gpu), want) in gradients(&once).iter().zip(&expected) {
        assert!(relative_error(cpu, want) < 1e-12);
        assert!(relative_error(gpu, want) < 1e-6);
    }
}

/// Two results of one name, both kept: each has a buffer of its own, and what is computed from them is computed from both.
#[test]
fn what_is_kept_is_not_overwritten_by_its_namesake() {
    let mut tape = Tape::new();
    let x = tape.input("x", Spec::f32([3, 5]));
    let penalty = |coefficient| L2Penalty { coefficient };
    let [a, b] = [0.5, 3.0].map(|c| tape.apply(penalty(c), &[&x]).expect("a loss"));
    tape.keep(&a);
    tape.keep(&b);
    tape.keep(&b);
    let total = tape.apply(Add, &[&a, &b]).expect("a sum");
    tape.keep(&total);
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let s = schedule(&tape, gpu.capabilities(), &Choices::default()).expect("a schedule");
    let plan = MemoryPlan::new(&[("two", &s)], gpu.capabilities(), Placement::default(), 1);
    let mut session = Session::new(&gpu, plan.expect("a plan"), &[&s]).expect("a session");
    session.poison().expect("NaN everywhere");
    let place = session.place(0, &s, &x).expect("it is read");
    let given = values(15, -1.0);
    let bytes = to_bytes(x.spec().dtype, &given);
    session.write(place, &bytes).expect("it fits");
    let step = StepInputs {
        step: Step::full(3),
        data: Vec::new(),
    };
    session.run(0, &[step]).expect("a step");
    let square: f64 = given.iter().map(|v| f64::from(*v).powi(2)).sum();
    for (tensor, expected) in [(&a, 0.5), (&b, 3.0), (&total, 3.5)] {
        let place = session.place(0, &s, tensor).expect("it is kept");
        let bytes = session.read(place).expect("it can be read");
        let found = f64::from(from_bytes(tensor, &bytes)[0]);
        assert!((found / (expected * square) - 1.0).abs() < 1e-5, "{found}");
    }
}

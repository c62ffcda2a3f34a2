//! Nothing clears workgroup memory, so no kernel may read what it did not write.

use gtzan_gpu::error::Result;
use gtzan_gpu::gpu::{AdapterChoice, Gpu, Session, StepInputs};
use gtzan_gpu::gradcheck::{Scope, from_bytes};
use gtzan_gpu::ops::{Array, Choices, Io, Kernel, Lowering, Op, Real, ShaderFile, Step};
use gtzan_gpu::plan::{MemoryPlan, Placement, schedule};
use gtzan_gpu::tape::Tape;
use gtzan_gpu::tensor::Spec;

fn gpu() -> Gpu {
    Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter")
}

/// No kernel reads workgroup memory that it did not write: it gives the same numbers when that memory starts as NaNs.
#[test]
fn no_kernel_reads_workgroup_memory_that_it_did_not_write() {
    let run = |gpu: &Gpu| {
        let rows = gtzan_gpu::gradcheck::run(None, Some(gpu), Scope::WorkgroupMemory, |_| {});
        rows.expect("all cases run").rows
    };
    let (plain, poisoned) = std::thread::scope(|s| {
        let poisoned = s.spawn(|| run(&gpu().with_poisoned_workgroup_memory()));
        (run(&gpu()), poisoned.join().expect("it ends"))
    });
    assert_eq!(plain.len(), poisoned.len());
    assert!(plain.len() > 200, "only {} tensors", plain.len());
    for (a, b) in plain.iter().zip(&poisoned) {
        assert!(a.ok && b.ok, "{a:?}, poisoned {b:?}");
        assert_eq!(a.gpu_error, b.gpu_error, "{a:?}, poisoned {b:?}");
    }
}

/// Writes the first number of workgroup memory, and gives all 26.
#[derive(Debug)]
struct Careless;

const NUMBERS: usize = 26;

const SOURCE: &str = "
struct Row { quads: array<array<vec4<f32>, 3>, 1>, rest: f32 }
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
var<workgroup> kept: array<Row, 2>;
@compute @workgroup_size(5)
fn main(@builtin(local_invocation_id) lane: vec3<u32>) {
    if lane.x == 0u { kept[0].rest = 7.0; }
    workgroupBarrier();
    if lane.x < 2u {
        y[lane.x * 13u] = kept[lane.x].rest;
        for (var i = 0u; i < 12u; i++) { y[lane.x * 13u + 1u + i] = kept[lane.x].quads[0][i / 4u][i % 4u]; }
    }
}";

impl Op for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }
    fn output_specs(&self, _: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32([NUMBERS])])
    }
    fn differentiable(&self) -> &'static [usize] {
        &[]
    }
    fn forward(&self, io: &Io, l: &mut Lowering) -> Result<()> {
        let kernel = Kernel {
            name: "careless",
            source: SOURCE,
            files: &[ShaderFile {
                name: "careless",
                text: SOURCE,
            }],
            constants: Vec::new(),
        };
        l.dispatch(kernel, &[io.y(0)], (), [1, 1, 1])
    }
    fn forward_reference<T: Real>(&self, _: &[&Array<T>], _: &Step) -> Vec<Array<T>> {
        vec![Array::zeros([NUMBERS])]
    }
}

/// The test above would see a kernel that reads what it did not write.
#[test]
fn a_careless_kernel_shows() {
    let gpu = gpu().with_poisoned_workgroup_memory();
    let mut tape = Tape::new();
    let y = tape.apply(Careless, &[]).expect("a shape");
    tape.keep(&y);
    let s = schedule(&tape, gpu.capabilities(), &Choices::default()).expect("a schedule");
    let programs = [("careless", &s)];
    let plan = MemoryPlan::new(&programs, gpu.capabilities(), Placement::Arenas(4), 1);
    let mut session = Session::new(&gpu, plan.expect("a plan"), &[&s]).expect("a session");
    let step = Step::full(1);
    let data = Vec::new();
    session
        .run(0, &[StepInputs { step, data }])
        .expect("it runs");
    let place = session.place(0, &s, &y).expect("its place");
    let got = from_bytes(&y, &session.read(place).expect("its bytes"));
    assert_eq!(got.len(), NUMBERS);
    assert!(
        got[0] == 7.0 && got[1..].iter().all(|v| v.is_nan()),
        "{got:?}"
    );
}

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

/// Writes the first element of workgroup memory, and gives the first two.
#[derive(Debug)]
struct Careless;

const SOURCE: &str = "
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
var<workgroup> kept: array<f32, 2>;
@compute @workgroup_size(2)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u { kept[0] = 7.0; }
    workgroupBarrier();
    y[lane] = kept[lane];
}";

impl Op for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }
    fn output_specs(&self, _: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::f32([2])])
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
        vec![Array::zeros([2])]
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
    assert!(got[0] == 7.0 && got[1].is_nan(), "{got:?}");
}

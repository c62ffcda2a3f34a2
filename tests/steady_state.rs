//! Thousands of steps: not one new buffer, and process memory that does not grow. A test binary of its own, so that nothing
//! else allocates meanwhile.

use gtzan_gpu::gpu::{AdapterChoice, Gpu, Session, StepInputs};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::{Choices, Step};
use gtzan_gpu::plan::budget::{Request, fit};
use gtzan_gpu::train::{Feed, GraphSettings, Tapes};

const MODEL: &str = r#"
name = "tiny"
[[layer]]
type = "conv2d"
filters = 4
kernel = 3
activation = "relu"
[[layer]]
type = "max_pool2d"
window = 2
[[layer]]
type = "batch_norm"
[[layer]]
type = "global_avg_pool"
[[layer]]
type = "dense"
units = "classes"
"#;

/// Resident bytes of this process, where the system tells.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[test]
fn nothing_is_allocated_after_the_first_steps() {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let model = Model::from_toml(MODEL, "test").expect("parses");
    let tapes = Tapes {
        model: &model,
        base: GraphSettings {
            rows: 8,
            frames: 8,
            classes: 3,
            micro_batch: 4,
            micro_batches: 1,
            feed: Feed::Streamed,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            clip_norm: Some(1.0),
            time_shift: 0,
            augment: Default::default(),
            average: None,
        },
        samples: 4,
        entries: 4,
        eval_entries: 4,
    };
    let choices = Choices::default();
    let request = Request {
        budget: None,
        batch: 4,
        micro_batches: Some(2),
        may_reside: false,
        may_recompute: true,
        capabilities: gpu.capabilities(),
        choices: &choices,
    };
    let fitted = fit(&request, |cut| tapes.record(cut)).expect("fits");
    let schedules: Vec<_> = fitted.programs.iter().map(|p| &p.schedule).collect();
    let mut session = Session::new(&gpu, fitted.plan.clone(), &schedules).expect("opens");
    let created = (session.created_buffers(), session.created_bytes());
    assert_eq!(created.1, fitted.plan.total_bytes());
    let x = vec![0u8; 2 * 8 * 8 * 4];
    let labels = [1u32, 2];
    let mut warm = None;
    for step in 1..=10_000 {
        let micro_batch = |part: u32| StepInputs {
            step: Step {
                step,
                valid: 2,
                batch: 4,
                sample_offset: 2 * part,
                cursor: 2 * part,
                share: 0.5,
                alpha: 1e-3,
                ..Step::full(4)
            },
            data: vec![
                ("batch x", &x[..]),
                ("batch labels", bytemuck::cast_slice(&labels)),
            ],
        };
        let inputs = [micro_batch(0), micro_batch(1)];
        session.run(0, &inputs).expect("runs");
        if step == 500 {
            session.wait().expect("waits");
            warm = resident_bytes();
        }
    }
    session.wait().expect("waits");
    assert_eq!(
        created,
        (session.created_buffers(), session.created_bytes())
    );
    if let (Some(warm), Some(end)) = (warm, resident_bytes()) {
        let grown = end.saturating_sub(warm);
        assert!(grown < 4 << 20, "grew by {grown} bytes in 9,500 steps");
    }
    if let Some((allocated, reserved)) = session.reported_bytes() {
        assert!(allocated >= created.1 && reserved >= allocated);
    }
}

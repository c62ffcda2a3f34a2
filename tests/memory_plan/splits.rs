//! Micro-batches on the GPU: the same gradients as the whole batch.

use gtzan_gpu::gpu::{AdapterChoice, Gpu, Session, StepInputs};
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::{Augment, Choices, Fill, Step, partner};
use gtzan_gpu::plan::budget::{Request, balanced, fit};
use gtzan_gpu::tape::initial_values;
use gtzan_gpu::train::{Feed, GraphSettings, Tapes};
use rand::SeedableRng;

/// Convolution, dropout and L2, no batch norm.
const MODEL: &str = r#"
name = "split"
[[layer]]
type = "conv2d"
filters = 6
kernel = 3
activation = "relu"
[[layer]]
type = "max_pool2d"
window = 2
[[layer]]
type = "dropout"
rate = 0.25
[[layer]]
type = "conv2d"
filters = 5
kernel = 3
activation = "relu"
l2 = 1e-2
[[layer]]
type = "global_avg_pool"
[[layer]]
type = "dense"
units = "classes"
"#;

const ROWS: usize = 11;
const FRAMES: usize = 9;
const CLASSES: usize = 4;

/// Gradients of one step over `samples` real samples of a batch of `batch`, cut into `micro_batches`.
fn gradients(
    gpu: &Gpu,
    batch: usize,
    samples: usize,
    micro_batches: usize,
    augment: Augment,
) -> Vec<f32> {
    let model = Model::from_toml(MODEL, "test").expect("parses");
    let choices = Choices::default();
    let request = Request {
        budget: None,
        batch,
        micro_batches: Some(micro_batches),
        may_reside: false,
        may_recompute: true,
        capabilities: gpu.capabilities(),
        choices: &choices,
    };
    let tapes = Tapes {
        model: &model,
        base: GraphSettings {
            rows: ROWS,
            frames: FRAMES,
            classes: CLASSES,
            micro_batch: batch,
            micro_batches: 1,
            feed: Feed::Streamed,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            clip_norm: None,
            time_shift: 0,
            augment,
            average: None,
        },
        samples: 1,
        entries: 1,
        eval_entries: 1,
    };
    let fitted = fit(&request, |cut| tapes.record(cut)).expect("fits");
    let schedules: Vec<_> = fitted.programs.iter().map(|p| &p.schedule).collect();
    let mut session = Session::new(gpu, fitted.plan.clone(), &schedules).expect("opens");
    assert_eq!(session.created_bytes(), fitted.plan.total_bytes());
    let tape = &fitted.programs[0].tape;
    let (offsets, size) = tape.flat_layout();
    let mut parameters = vec![0f32; size as usize / 4];
    for (id, values) in initial_values(tape, 5) {
        let at = offsets[&id] as usize / 4;
        parameters[at..at + values.len()].copy_from_slice(&values);
    }
    let write = |session: &mut Session, name, values: &[f32]| {
        let bytes = bytemuck::cast_slice(values);
        session.write_buffer(name, bytes).expect("writes");
    };
    write(&mut session, "parameters", &parameters);
    write(&mut session, "input class weights", &[1.0, 0.5, 2.0, 1.0]);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let x = Fill::Normal(1.0).values(samples * ROWS * FRAMES, &mut rng);
    let labels: Vec<u32> = (0..samples as u32).map(|i| i % CLASSES as u32).collect();
    let mut data = Vec::new();
    for part in balanced(samples, fitted.cut.micro_batch) {
        let step = Step {
            seed: 9,
            step: 1,
            valid: part.len() as u32,
            batch: samples as u32,
            sample_offset: part.start as u32,
            cursor: part.start as u32,
            share: part.len() as f32 / samples as f32,
            ..Step::full(samples)
        };
        let size = ROWS * FRAMES;
        let n = fitted.cut.micro_batch;
        let of = |chosen: Vec<usize>| {
            let sample = |&i: &usize| &x[i * size..(i + 1) * size];
            let mut px: Vec<f32> = chosen.iter().flat_map(sample).copied().collect();
            let mut pl: Vec<u32> = chosen.iter().map(|&i| labels[i]).collect();
            px.resize(n * size, 0.5);
            pl.resize(n, 0);
            (px, pl)
        };
        let partners = part.clone().map(|i| partner(i as u32, &step) as usize);
        data.push((step, of(part.clone().collect()), of(partners.collect())));
    }
    let inputs: Vec<StepInputs> = (data.iter())
        .map(|(step, (x, labels), (partners, their_labels))| {
            let mut data: Vec<(&str, &[u8])> = vec![
                ("batch x", bytemuck::cast_slice(x)),
                ("batch labels", bytemuck::cast_slice(labels)),
            ];
            if augment.mixes() {
                data.push(("batch partners", bytemuck::cast_slice(partners)));
                data.push(("batch partners' labels", bytemuck::cast_slice(their_labels)));
            }
            StepInputs { step: *step, data }
        })
        .collect();
    // The second step tells whether the sum starts anew.
    for _ in 0..2 {
        session.run(0, &inputs).expect("runs");
    }
    let name = match fitted.cut.micro_batches {
        1 => "gradients",
        _ => "gradient sum",
    };
    let bytes = session.read_buffer(name).expect("reads");
    bytemuck::pod_collect_to_vec(&bytes)
}

#[test]
fn micro_batches_give_the_gradients_of_the_batch() {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let augmented = Augment {
        gain: 0.3,
        offset: 0.2,
        row_masks: 2,
        row_mask: 3,
        frame_masks: 1,
        frame_mask: 2,
        mixup: 1.0,
    };
    for (samples, augment) in [
        (7, Augment::default()),
        (5, Augment::default()),
        (7, augmented),
        (5, augmented),
    ] {
        let whole = gradients(&gpu, 7, samples, 1, augment);
        let scale = whole.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(scale > 0.01);
        for k in [2, 3, 7] {
            let split = gradients(&gpu, 7, samples, k, augment);
            let worst = (whole.iter().zip(&split)).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(
                worst <= 1e-5 * scale,
                "{k} parts: off by {worst} of {scale}"
            );
        }
    }
}

//! Runs to report on: an ordinary one and awkward ones.

use gtzan_gpu::report::{
    Arena, AugmentedSample, CompiledKernel, CompiledKernels, ConfusionMatrix, EpochRow, FoldRow,
    History, HotLoop, KernelRow, KernelTimes, MemoryTimeline, PlannedBuffer, RunReport, Setting,
};

pub const GTZAN: [&str; 10] = [
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
];

fn genres(n: usize) -> Vec<String> {
    (0..n)
        .map(|i| {
            GTZAN
                .get(i)
                .map_or(format!("genre number {i}"), |g| g.to_string())
        })
        .collect()
}

pub fn fixture_matrix(n: usize) -> ConfusionMatrix {
    let count = |t: usize, p: usize| match (t * 7 + p * 13) % 11 {
        _ if t == p => 12 + (t as u64 * 5) % 9,
        3 => 1 + (p as u64 % 4),
        _ => 0,
    };
    let row = |t: usize| (0..n).map(|p| count(t, p)).collect();
    ConfusionMatrix::from_counts(genres(n), (0..n).map(row).collect()).unwrap()
}

pub fn fixture_history(epochs: u32) -> History {
    let rows = (1..=epochs)
        .map(|epoch| {
            let e = f64::from(epoch);
            let wobble = ((epoch * 37) % 11) as f64 / 11.0 - 0.5;
            EpochRow {
                epoch,
                loss: 0.35 + 2.2 * (-e / 7.0).exp() + 0.03 * wobble,
                accuracy: 1.0 - 0.85 * (-e / 6.0).exp(),
                val_loss: Some(0.9 + 1.7 * (-e / 5.0).exp() + 0.2 * wobble + 0.006 * e),
                val_accuracy: Some(0.8 - 0.65 * (-e / 5.0).exp() + 0.06 * wobble),
                lr: 1e-3 * 0.2f64.powi((epoch > 17) as i32 + (epoch > 26) as i32),
                seconds: 7.9 + wobble,
                ms_per_step: 71.3 + wobble,
                vram_bytes: 201_326_592,
            }
        })
        .collect();
    History { rows }
}

/// A timeline as of a small network: activations live until their backward, gradients follow one another.
fn fixture_memory(layers: usize) -> MemoryTimeline {
    let steps = 2 * layers + 3;
    let mib = 1u64 << 20;
    let mut buffers = Vec::new();
    let mut tops = [0u64; 3];
    for layer in 0..layers {
        let bytes = (48 >> (layer / 3)).max(1) as u64 * mib + 4096 * layer as u64;
        let arena = layer % 2;
        let name = format!("layer{layer}.y");
        buffers.push(PlannedBuffer {
            name,
            arena,
            offset: tops[arena],
            bytes,
            first: layer,
            last: steps - 2 - layer,
        });
        tops[arena] += bytes;
        let (name, first) = (format!("d(layer{layer}.y)"), steps - 3 - layer);
        buffers.push(PlannedBuffer {
            name,
            arena: 2,
            offset: (layer % 2) as u64 * 49 * mib,
            bytes,
            first,
            last: first + 1,
        });
        tops[2] = tops[2].max((layer % 2) as u64 * 49 * mib + bytes);
    }
    let live: Vec<u64> = (0..steps)
        .map(|s| {
            buffers
                .iter()
                .filter(|b| (b.first..=b.last).contains(&s))
                .map(|b| b.bytes)
                .sum()
        })
        .collect();
    let lower_bound = live.iter().copied().max().unwrap_or(0);
    let arena = |(name, bytes): (&str, u64)| Arena {
        name: name.into(),
        bytes,
    };
    let dispatches = (0..steps)
        .map(|s| format!("dispatch_{s}.forward"))
        .collect();
    let arenas = vec![
        arena(("activations a", tops[0])),
        arena(("activations b", tops[1])),
        arena(("gradients", tops[2])),
    ];
    MemoryTimeline {
        arenas,
        buffers,
        live,
        lower_bound,
        dispatches,
    }
}

fn fixture_kernels(n: usize, timing: &str) -> KernelTimes {
    let rows: Vec<KernelRow> = (0..n)
        .map(|i| KernelRow {
            op: ["conv2d", "max_pool2d", "batch_norm", "adam"][i % 4].into(),
            kernel: format!("backward_weight_{i}_tiled"),
            ms: 24.0 * 0.7f64.powi(i as i32),
            share: 0.3 * 0.7f64.powi(i as i32),
        })
        .collect();
    KernelTimes {
        timing: timing.into(),
        step_ms: 71.3,
        rows,
    }
}

pub fn fixture(name: &str) -> RunReport {
    let setting = |name: &str, value: &str| Setting {
        name: name.into(),
        value: value.into(),
    };
    RunReport {
        run: name.into(),
        model: "seed".into(),
        parameters: 439_306,
        data: "genres: 1000 tracks, 10 genres, 7990 training and 2000 validation segments".into(),
        notes: vec!["identical content, kept on one side: pop/a <b> = pop/b".into()],
        synthetic: false,
        device: "llvmpipe (LLVM 15.0.6, 256 bits), Vulkan, Mesa 22.3.6".into(),
        version: "0.1.0".into(),
        ending: Some("early stopping after epoch 31, weights of epoch 22 restored".into()),
        history: fixture_history(31),
        evaluation: Some(fixture_matrix(10)),
        memory: Some(fixture_memory(12)),
        kernels: Some(fixture_kernels(22, "timestamps")),
        peak_vram: Some(201_326_592),
        settings: vec![
            setting(
                "optimizer",
                "Adam, lr 0.001, beta1 0.9, beta2 0.999, eps 1e-7",
            ),
            setting("batch_size", "8"),
            setting("weight_decay", "L2 1e-3 on kernels"),
            setting("early_stopping", "val_accuracy, patience 15"),
            setting("reduce_lr", "val_loss, factor 0.2, patience 5"),
            setting("seed", "42"),
        ],
        ..RunReport::default()
    }
}

/// Two genres, three of four right.
fn fixture_last() -> ConfusionMatrix {
    ConfusionMatrix::from_counts(genres(2), vec![vec![75, 25], vec![25, 75]]).unwrap()
}

/// A cross-validation: no run of its own, only what its folds say.
pub fn fixture_folds() -> RunReport {
    let fold = |fold: usize, accuracy: f64| FoldRow {
        fold,
        tracks: 160,
        epochs: 20 + 5 * fold as u32,
        kept_epoch: 14 + fold as u32,
        accuracy,
        macro_f1: accuracy - 0.01,
        last_accuracy: accuracy - 0.02,
        last_macro_f1: accuracy - 0.03,
    };
    RunReport {
        run: "folds".into(),
        model: "strong".into(),
        evaluation: Some(fixture_matrix(10)),
        last: Some(fixture_last()),
        folds: vec![fold(0, 0.7), fold(1, 0.73), fold(2, 0.76)],
        fold_histories: [20, 25, 30].map(fixture_history).to_vec(),
        ..RunReport::default()
    }
}

/// A run with its kernels through a compiler, one that says little.
pub fn fixture_compiled() -> RunReport {
    let kernel = |i: u64| CompiledKernel {
        kernel: format!("dense/workgroup/product_{i}"),
        op: "dense.backward_weight".into(),
        registers: Some(120 + i),
        spilled: (i != 3).then_some(0),
        hot_loop: Some(HotLoop {
            multiply_adds: 512,
            instructions: 600 + i,
        }),
        ..CompiledKernel::default()
    };
    RunReport {
        compiled: Some(CompiledKernels {
            target: "GPU <3>".into(),
            driver: "driver & version".into(),
            kernels: (0..30).map(kernel).collect(),
        }),
        ..fixture("compiled")
    }
}

/// A run with augmentation, of genres with awkward names.
pub fn fixture_augmented() -> RunReport {
    let sample = |genre: &str, mixed: Option<(String, f32)>| {
        let value = |i: usize| ((i % 130) as f32 / 20.0).sin() * 2.0 - (i / 130) as f32 / 90.0;
        let before: Vec<f32> = (0..187 * 130).map(value).collect();
        let mut after = before.clone();
        after[4000..9000].fill(0.0);
        AugmentedSample {
            genre: genre.into(),
            mixed,
            size: [187, 130],
            before,
            after,
        }
    };
    RunReport {
        augmented: vec![
            sample("blues", Some(("rock \"n\" <b>roll".into(), 0.75))),
            sample("<script>alert(1)</script>", None),
        ],
        ..fixture("augmented")
    }
}

pub fn fixtures() -> Vec<RunReport> {
    let mut hostile = fixture("hostile <b>run</b> & co");
    let mut evil = vec![
        "<script>alert(1)</script>".to_string(),
        "a \"quoted\" & 'single' genre {{ run }}".into(),
        "new\nline \u{1b}[31m".into(),
        "progressive-symphonic-post-black-metal-with-a-very-long-name-without-any-space".into(),
        "日本のフォークと演歌の長い名前".into(),
    ];
    evil.extend(genres(6).into_iter().skip(1));
    let mut counts = fixture_matrix(10).counts().to_vec();
    counts[3] = vec![0; 10];
    hostile.evaluation = Some(ConfusionMatrix::from_counts(evil, counts).unwrap());
    hostile.settings.push(Setting {
        name: "<i>x</i>".into(),
        value: "</table><script>".into(),
    });
    hostile.device = "</dl><script>alert(2)</script>".into();

    let mut one_epoch = fixture("one epoch");
    one_epoch.history = fixture_history(1);
    one_epoch.ending = None;
    one_epoch.evaluation = Some(fixture_matrix(2));
    one_epoch.synthetic = true;
    one_epoch.kernels = Some(fixture_kernels(3, "wall"));

    let mut diverged = fixture("diverged");
    for row in &mut diverged.history.rows[8..] {
        (row.loss, row.val_loss, row.lr) =
            (f64::NAN, Some(f64::INFINITY), 1e-3 / f64::from(row.epoch));
    }
    diverged.history.rows[3].loss = 250.0;
    diverged.kernels.as_mut().unwrap().rows[0].ms = f64::NAN;

    let mut no_numbers = fixture("no finite number");
    for row in &mut no_numbers.history.rows {
        (row.loss, row.accuracy, row.val_loss, row.val_accuracy) = (f64::NAN, f64::NAN, None, None);
    }
    no_numbers.memory = Some(MemoryTimeline::default());
    no_numbers.kernels = Some(KernelTimes::default());

    let mut many = fixture("fifty genres");
    many.evaluation = Some(fixture_matrix(50));
    many.memory = Some(fixture_memory(80));

    let mut bare = RunReport {
        run: "bare".into(),
        ..RunReport::default()
    };
    bare.evaluation = Some(ConfusionMatrix::new(genres(3)));

    vec![
        fixture("full"),
        hostile,
        one_epoch,
        diverged,
        no_numbers,
        many,
        bare,
    ]
}

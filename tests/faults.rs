//! What the driver may do to a run: refuse any one of its objects, or all from some point on; lose the device in mid-step.

mod common;

use common::*;
use gtzan_gpu::dataset::{Dataset, Options};
use gtzan_gpu::gpu::Gpu;
use gtzan_gpu::nn::Model;
use gtzan_gpu::ops::Choices;
use gtzan_gpu::plan::budget::{Fitted, Request};
use gtzan_gpu::train::{
    Checkpoint, Engine, Feed, GraphSettings, Settings, Tapes, Task, Trainer, Weights,
};
use gtzan_gpu::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::atomic::AtomicBool;

const MODEL: &str = "name='toy'\n[[layer]]\ntype='conv2d'\nfilters=4\nkernel=3\nactivation='relu'\n\
    [[layer]]\ntype='max_pool2d'\nwindow=2\n[[layer]]\ntype='batch_norm'\n[[layer]]\ntype='dropout'\nrate=0.2\n\
    [[layer]]\ntype='global_avg_pool'\n[[layer]]\ntype='dense'\nunits='classes'\n";

/// A small run in a folder of its own.
struct Run {
    dir: tempfile::TempDir,
    task: Task,
    settings: Settings,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let set = dir.path().join("set.safetensors");
        write_arrays(&set, 8, 3);
        let data = Dataset::open(&set, &Options::default(), &|_, _| {}).expect("a set");
        let settings = Settings {
            epochs: 3,
            batch_size: 4,
            early_stopping: 0,
            ..Settings::default()
        };
        Self {
            dir,
            task: Task::new(data, &settings).expect("a task"),
            settings,
            model: Model::from_toml(MODEL, "toy").expect("a model"),
        }
    }

    fn open<'g>(&self, gpu: &'g Gpu) -> Result<Engine<'g>> {
        Ok(self.open_fitted(gpu)?.1)
    }

    fn open_fitted<'g>(&self, gpu: &'g Gpu) -> Result<(Fitted, Engine<'g>)> {
        let tapes = Tapes {
            model: &self.model,
            base: GraphSettings {
                rows: self.task.features.rows,
                frames: self.task.features.frames,
                classes: self.task.genres.len(),
                micro_batch: self.settings.batch_size,
                micro_batches: 1,
                feed: Feed::Streamed,
                label_smoothing: 0.0,
                weight_decay: 0.0,
                clip_norm: None,
                time_shift: 0,
                augment: Default::default(),
                average: None,
            },
            samples: self.task.samples.len(),
            entries: self.task.train.len(),
            eval_entries: self.task.validation.len(),
        };
        let choices = Choices::default();
        let request = Request {
            budget: None,
            batch: self.settings.batch_size,
            micro_batches: None,
            may_reside: true,
            may_recompute: true,
            capabilities: gpu.capabilities(),
            choices: &choices,
        };
        tapes.open(gpu, &request, &self.task.samples, self.settings.seed)
    }

    /// Begin in `folder`, or go on where it stands, to the end.
    fn train(&self, engine: Engine, folder: &Path) -> Result<()> {
        let path = folder.join("checkpoint.safetensors");
        let mut trainer = if path.exists() {
            let checkpoint = Checkpoint::load(&path)?;
            Trainer::resume(
                engine,
                &self.task,
                &self.settings,
                &self.model,
                folder,
                checkpoint,
            )?
        } else {
            std::fs::create_dir_all(folder).expect("a folder");
            Trainer::start(
                engine,
                &self.task,
                &self.settings,
                &self.model,
                folder,
                None,
            )?
        };
        trainer.run(&AtomicBool::new(false), &mut |_| {})?;
        Ok(())
    }

    /// Train to the end on a device of its own; what the checkpoint then holds.
    fn finish(&self, name: &str) -> (Weights, [Vec<f32>; 2], Weights) {
        let (gpu, folder) = (gpu(), self.dir.path().join(name));
        let engine = self.open(&gpu).expect("opens");
        self.train(engine, &folder).expect("trains");
        let mut c = Checkpoint::load(&folder.join("checkpoint.safetensors")).expect("a checkpoint");
        c.weights.sort_by(|a, b| a.0.cmp(&b.0));
        c.best.sort_by(|a, b| a.0.cmp(&b.0));
        (c.weights, c.moments, c.best)
    }
}

/// One sentence of use: not empty, one line, no wgpu jargon of ids.
fn is_sentence(error: &Error) {
    let text = error.to_string();
    assert!(text.len() > 20 && !text.contains('\n'), "{text}");
}

#[test]
fn any_refused_object_is_a_sentence_and_leaves_the_device_as_it_was() {
    let (run, gpu) = (Run::new(), gpu());
    gpu.faults().refuse_creation(0, false);
    let (free, engine) = run.open_fitted(&gpu).expect("opens");
    drop(engine);
    let all = gpu.faults().creations();
    assert!(all > 30, "{all} objects");
    for n in 1..=all {
        // Refused once: a smaller plan opens.
        gpu.faults().refuse_creation(n, false);
        let (fitted, engine) = run
            .open_fitted(&gpu)
            .unwrap_or_else(|e| panic!("object {n}: {e}"));
        drop(engine);
        let bytes = fitted.plan.total_bytes();
        assert!(bytes < free.plan.total_bytes(), "object {n}: {bytes} bytes");
        // Refused for good.
        gpu.faults().refuse_creation(n, true);
        let error = run.open(&gpu).expect_err("nothing more can be created");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "object {n}: {error}");
        is_sentence(&error);
        assert!(error.to_string().contains("--batch-size"), "{error}");
    }
    // And the device is as good as before.
    gpu.faults().refuse_creation(0, false);
    let engine = run.open(&gpu).expect("opens again");
    run.train(engine, &run.dir.path().join("after"))
        .expect("trains");
}

#[test]
fn a_device_lost_at_any_submission_is_a_sentence_and_the_run_goes_on_to_the_same_bits() {
    let run = Run::new();
    let whole = run.finish("whole");
    let counted = gpu();
    let engine = run.open(&counted).expect("opens");
    counted.faults().lose_device(0);
    run.train(engine, &run.dir.path().join("counted"))
        .expect("trains");
    let all = counted.faults().submissions();
    assert!(all > 30, "{all} submissions");
    let mut lost = 0;
    // Every submission of the start and the first steps, and some of all the rest.
    for n in (1..all).filter(|n| *n < 24 || n % 5 == 0) {
        let folder = run.dir.path().join(format!("lost {n}"));
        let gpu = gpu();
        let engine = run.open(&gpu).expect("opens");
        gpu.faults().lose_device(n);
        let trained = run.train(engine, &folder);
        let unharmed = |what: &str| {
            let finished = run.finish(&format!("lost {n}"));
            assert!(finished == whole, "{what} submission {n}, other bits");
        };
        let Err(error) = trained else {
            // Runs differ in their number of submissions, since a slow machine reads the loss so far once a second. This one was over
            // before the device was lost, or lost it in its last two submissions, of which nothing is read any more.
            let all = gpu.faults().submissions();
            assert!(n + 1 >= all, "lost at {n} of {all} without a word");
            unharmed("over before");
            continue;
        };
        lost += 1;
        assert_eq!(error.kind(), ErrorKind::Device, "submission {n}: {error}");
        is_sentence(&error);
        let text = error.to_string();
        assert!(
            text.contains("the device was lost") && text.contains("--resume"),
            "{n}: {text}"
        );
        unharmed("lost at");
    }
    assert!(lost > 25, "lost {lost} times");
}

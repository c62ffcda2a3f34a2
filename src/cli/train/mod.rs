//! `gtzan-gpu train`.

mod args;
mod compiled;
mod data;
mod files;
mod folds;
mod interrupts;
mod ranks;
mod show;

pub use args::TrainArgs;
use data::{clamp_batch, load_task};
use interrupts::catch_interrupts;
use ranks::Folder;
pub use show::print_matrix;

use super::{console, rungs};
use crate::dataset::{Options, Segments};
use crate::error::{Error, ErrorKind, Result};
use crate::features::Definition;
use crate::gpu::Gpu;
use crate::nn::{Layer, Model};
use crate::ops::Rungs;
use crate::plan::budget::{Fitted, Request};
use crate::plan::summary::Summary;
use crate::train::{
    Engine, Feed, GraphSettings, ModelFile, Ranks, Settings, Tapes, Task, Trainer, data_facts,
    kernel_facts,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// What all runs of one call have in common.
struct Context<'a> {
    gpu: Gpu,
    args: &'a TrainArgs,
    ranks: &'a Ranks,
}

/// Train.
///
/// # Errors
/// What went wrong, in one sentence; whatever was saved stays.
pub fn run(args: TrainArgs) -> Result<()> {
    console::be_patient();
    let ranks = ranks::join(&args)?;
    train(&args, &ranks).map_err(|e| ranks::end(&ranks, e))
}

fn train(args: &TrainArgs, ranks: &Ranks) -> Result<()> {
    args.shaders.apply()?;
    let resumed = args.resume.is_some();
    let mut settings = args.settings()?;
    if let Some(init) = &mut settings.init {
        *init = super::predict::model_path(init)?;
    }
    ranks::settle(ranks, &mut settings, resumed)?;
    let model = load_model(&settings).map_err(|e| told_of(args, &settings, e))?;
    ranks.compare(&ranks::asked(&settings, &model, args)?)?;
    // Whoever gets the folder reads its checkpoint: the holder before may have just written one.
    let held = match &args.resume {
        Some(run) => Some(Folder::hold(ranks, run)?),
        None => None,
    };
    let context = Context {
        gpu: args.class.open_nth(&args.device, ranks.local_rank())?,
        args,
        ranks,
    };
    show::device(&context.gpu, ranks);
    let folder = match held {
        Some(folder) => folder,
        None => Folder::claim(ranks, args.run.as_deref(), &model.name)?,
    };
    if let (Some(k), None) = (settings.folds, settings.fold) {
        return folds::run(&context, &settings, folder, k);
    }
    let run = folder.path().to_owned();
    single(
        &context,
        &settings,
        folder,
        resumed,
        &run,
        |_| Ok(()),
        |_| Ok(()),
    )
}

/// The error of a run that goes on, with where the path stands that leads nowhere any more.
fn told_of(args: &TrainArgs, s: &Settings, e: Error) -> Error {
    let Some(run) = &args.resume else {
        return e;
    };
    let is_path = |text: &str| Path::new(text).is_absolute();
    let named = [&s.model, &s.split].into_iter().filter(|t| is_path(t));
    let mut paths = named.map(Path::new).chain(s.data.as_deref());
    match paths.find(|p| !p.exists()) {
        Some(path) => e.advise(format!(
            "put {} back, or change its path in {}",
            path.display(),
            run.join("config.toml").display()
        )),
        None => e,
    }
}

/// One run in its folder. `whole` is what `--resume` goes on with if it is stopped; `check` is called with the data before anything
/// is written, `begin` when the run is known to be possible and before anything of it is trained, with whether anything will be.
fn single(
    context: &Context,
    settings: &Settings,
    mut folder: Folder,
    resumed: bool,
    whole: &Path,
    check: impl Fn(&Task) -> Result<()>,
    mut begin: impl FnMut(bool) -> Result<()>,
) -> Result<()> {
    let Context { gpu, args, ranks } = context;
    let model = load_model(settings)?;
    if let Some(warning) = folder.warning() {
        console::note(warning);
    }
    let run = folder.path().to_owned();
    let checkpoint = match resumed {
        true => files::checkpoint(ranks, &run)?,
        false => None,
    };
    let task = ranks::in_turn(ranks, || load_task(settings, args))
        .map_err(|e| told_of(args, settings, e))?;
    ranks.compare(&data_facts(&task))?;
    let mut settings = settings.clone();
    clamp_batch(&mut settings, &task)?;
    let settings = &settings;
    let opened = open_engine(context, &model, &task, settings);
    let (fitted, engine) = ranks.agree(opened)?;
    ranks.compare(&kernel_facts(gpu, engine.programs()))?;
    console::check()?;
    // Read before the run begins, so that a file that won't do leaves no folder behind.
    let init = match (&checkpoint, &settings.init) {
        (None, Some(path)) => Some(crate::train::read_weights(path)?),
        _ => None,
    };
    let steps = (checkpoint.as_ref()).map_or(0, |c| c.progress.optimizer_step);
    let mut board = None;
    ranks.on_first(|| {
        check(&task)?;
        board = files::open_board(settings, &task, whole, &run, resumed.then_some(steps))?;
        if !resumed {
            begin(true)?;
            files::save_settings(&run, settings)?;
            folder.begin();
        }
        Ok(())
    })?;
    let mut trainer = match checkpoint {
        Some(checkpoint) => {
            let epoch = checkpoint.progress.epoch;
            let trainer = Trainer::resume(engine, &task, settings, &model, &run, checkpoint)?;
            console::line(&format!(
                "going on after epoch {epoch} of {}",
                settings.epochs
            ));
            // Of a run that was asked for no more epochs nobody wants to hear that it has them all.
            let early = trainer.ended_early().filter(|_| args.asks_for_epochs());
            for note in [trainer.other_kernels(), trainer.moved_schedule(), early] {
                note.iter().for_each(|note| console::note(note));
            }
            trainer
        }
        None => Trainer::start(engine, &task, settings, &model, &run, init.as_ref())?,
    };
    if resumed {
        // Now that nothing refuses what has changed.
        ranks.on_first(|| {
            begin(trainer.goes_on())?;
            files::save_settings(&run, settings)?;
            match trainer.goes_on() {
                true => files::remove_report(&run),
                false => Ok(()),
            }
        })?;
    }
    if let Some(board) = board {
        trainer.show_on(board);
    }
    let mut display = show::Display::new(&task, settings);
    let go_on = format!("gtzan-gpu train --resume {}", whole.display());
    // Not earlier: until here there is nothing to save, and Ctrl-C simply ends the program.
    let interrupted = catch_interrupts(ranks, &go_on);
    let outcome = trainer.run(&interrupted, &mut |event| {
        display.event(event);
        if console::check().is_err() {
            interrupted.store(true, Ordering::Relaxed);
        }
    });
    display.finish();
    let outcome = outcome.map_err(|e| {
        if e.kind() == ErrorKind::NonFinite {
            return e;
        }
        let saved = match trainer.saved_epochs() {
            0 => "the run's start is saved".to_owned(),
            n => format!("everything up to epoch {n} is saved"),
        };
        e.advise(format!("{saved}; afterwards go on with: {go_on}"))
    })?;
    if outcome.interrupted {
        let ending = format!("{}; all is saved; go on with: {go_on}", outcome.ending);
        console::check().map_err(|e| e.advise(&ending))?;
        ranks.all_know();
        return Err(Error::new(ErrorKind::Interrupted, ending));
    }
    console::line(&outcome.ending);
    let finish = |trainer: &mut Trainer| {
        let finished = show::Finished {
            gpu,
            task: &task,
            settings,
            model: &model,
            run: &run,
            fitted: &fitted,
            ending: &outcome.ending,
        };
        show::finish(trainer, &finished).map_err(|e| {
            e.advise(format!(
                "the trained model is saved; afterwards write the rest with: {go_on}"
            ))
        })?;
        console::check()
            .map_err(|e| e.advise(format!("the run is done and saved in {}", run.display())))
    };
    let finished = match ranks.is_first() {
        true => finish(&mut trainer),
        false => Ok(()),
    };
    ranks.wait_for_first(finished)
}

fn load_model(s: &Settings) -> Result<Model> {
    let mut model = Model::load(&s.model)?;
    // Given weights bring statistics that fit them: nothing to warm up.
    if s.keras_statistics || s.init.is_some() {
        model = model.with_keras_statistics();
    }
    if s.keras_statistics && !model.has(|l| matches!(l, Layer::BatchNorm { .. })) {
        return Err(without(&model, "--keras-statistics", "batch norm"));
    }
    match s.dropout {
        Some(_) if !model.has(|l| matches!(l, Layer::Dropout { .. })) => {
            Err(without(&model, "--dropout", "dropout"))
        }
        Some(rate) => model.with_dropout(rate),
        None => Ok(model),
    }
}

/// An option about layers that the model does not have.
fn without(model: &Model, option: &str, layer: &str) -> Error {
    Error::usage(format!(
        "{option} is without effect on the model {}, which has no {layer} layer; leave it out",
        model.name
    ))
}

/// Fit the run into the budget, create its buffers, say what was chosen.
fn open_engine<'g>(
    context: &'g Context,
    model: &Model,
    task: &Task,
    s: &Settings,
) -> Result<(Fitted, Engine<'g>)> {
    let Context { gpu, args, ranks } = context;
    let tapes = Tapes {
        model,
        base: GraphSettings {
            rows: task.features.rows,
            frames: task.features.frames,
            classes: task.genres.len(),
            micro_batch: s.batch_size,
            micro_batches: 1,
            feed: Feed::Streamed,
            label_smoothing: s.label_smoothing,
            weight_decay: s.weight_decay,
            clip_norm: s.clip_norm,
            time_shift: s.time_shift,
            augment: s.augment(),
            average: s.average,
        },
        samples: task.samples.len(),
        entries: task.train.len(),
        eval_entries: task.evaluated_at_once(),
    };
    let budget = s
        .vram
        .as_deref()
        .map(crate::plan::budget::parse_bytes)
        .transpose()?;
    let asked = s.rungs.as_deref().map(str::parse::<Rungs>).transpose()?;
    let choices = rungs::choices(gpu, &args.cache, asked.as_ref());
    let request = Request {
        budget: budget.or_else(|| gpu.default_budget()),
        batch: s.batch_size,
        micro_batches: s.micro_batches,
        may_reside: true,
        may_recompute: true,
        capabilities: gpu.capabilities(),
        choices: &choices,
    };
    show::model(model, task).map_err(|e| tapes.name_largest(&request, e))?;
    if let Some(why) = tapes.cannot_learn(s.batch_size, s.micro_batches)? {
        return Err(Error::usage(why));
    }
    let (fitted, engine) = tapes.open_shared(gpu, &request, &task.samples, s.seed, ranks)?;
    show::plan(&Summary::new(&model.name, s.batch_size, budget, &fitted));
    rungs::show(
        asked.as_ref(),
        &fitted.programs,
        gpu.capabilities(),
        console::line,
    )?;
    Ok((fitted, engine))
}

/// What a model file needs of a data set.
pub(super) fn feature_options(
    file: &ModelFile,
    path: &Path,
    strict: bool,
    threads: Option<usize>,
    cache: Option<PathBuf>,
) -> Result<Options> {
    let audio = path.is_dir();
    let definition = match file.features.definition {
        Some(definition) => definition,
        None if audio => {
            return Err(Error::file(
                path,
                "the model was trained on arrays of another tool, so it can't read audio; give it a file of arrays",
            ));
        }
        None => Definition::Segment,
    };
    Ok(Options {
        definition,
        segments: if audio {
            file.features.segments
        } else {
            Segments::First
        },
        limit: None,
        strict,
        cache,
        threads,
        group_by: Default::default(),
        one_genre: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fresh_weights_warm_their_statistics_up() {
        let warm = |change: &dyn Fn(&mut Settings)| {
            let mut s = Settings::default();
            change(&mut s);
            let text = load_model(&s).unwrap().to_toml().unwrap();
            assert_ne!(
                text.contains("warm_up = true"),
                text.contains("warm_up = false")
            );
            text.contains("warm_up = true")
        };
        assert!(warm(&|_| ()));
        assert!(!warm(&|s| s.keras_statistics = true));
        assert!(!warm(&|s| s.init = Some("model.safetensors".into())));
    }
}

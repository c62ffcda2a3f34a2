//! Options of `train`: the command line over a `--config` file over a recipe.

use super::files;
use crate::error::{Error, Result};
use crate::train::{DEFAULT_RECIPE, Declared, Given, Kind, Settings};
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Options of `train`.
#[derive(Debug, Args)]
#[command(
    after_help = "A switch has a plain form and a --no- form; the last one given counts, and wins over a --config file.

Examples:
  gtzan-gpu train                                   the synthetic set: a demo and a test
  gtzan-gpu train genres                            the original's recipe on GTZAN
  gtzan-gpu train genres --segments all --split fault-filtered --run runs/filtered
  gtzan-gpu train genres --recipe strong            what reaches further: docs in recipes/strong.toml
  gtzan-gpu train genres --folds 5                  cross-validation: every fold, mean and deviation
  gtzan-gpu train genres --vram 256MiB --batch-size 64
  gtzan-gpu train genres --rungs conv2d:half,dense:half   f16 factors, where the GPU has them
  gtzan-gpu train features.npz --model deep.toml    features and layers of your own
  gtzan-gpu train genres --tensorboard logs         and watch it: tensorboard --logdir logs
  gtzan-gpu train --resume runs/seed-1              go on where a run stopped"
)]
pub struct TrainArgs {
    /// Train on the synthetic set even if there is a folder ./genres
    #[arg(long, conflicts_with = "data")]
    synthetic: bool,
    /// Folder of the run [default: runs/MODEL-N, N counting up]
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["run", "config", "data", "init", "synthetic"],
        help = format!("Go on with the run in this folder; of its settings only {} may change, and stay changed", changeable())
    )]
    pub resume: Option<PathBuf>,
    /// TOML file of the options below, with underscores for dashes; the command line wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Several ranks (mpirun): how long they wait for one that lags, in a step; six times that while it reads data [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = super::super::values::seconds())]
    pub rank_timeout: Option<u64>,
    #[command(flatten)]
    options: OptionArgs,
    #[command(flatten)]
    pub cache: super::super::CacheArgs,
    #[command(flatten)]
    pub shaders: super::super::shaders::ShaderArgs,
    #[command(flatten)]
    pub device: super::super::DeviceArgs,
    #[command(flatten)]
    pub class: super::super::ClassArgs,
}

impl TrainArgs {
    /// The settings of the run that begins or goes on.
    ///
    /// # Errors
    /// When a file of them can't be used, or an option makes no sense, or leaves another without effect.
    pub fn settings(&self) -> Result<Settings> {
        let Some(run) = &self.resume else {
            return self.beginning();
        };
        let config = run.join("config.toml");
        if !config.is_file() {
            return Err(Error::file(
                run,
                "no run to resume (it has no config.toml); start one with `gtzan-gpu train --run`",
            ));
        }
        self.going_on(Given::read(&config)?)
    }

    /// Whether the command line says how many epochs.
    pub fn asks_for_epochs(&self) -> bool {
        self.options
            .given()
            .is_ok_and(|given| given.epochs.is_some())
    }

    /// The settings of a new run.
    fn beginning(&self) -> Result<Settings> {
        let file = match &self.config {
            Some(path) => Given::read(path)?,
            None => Given::default(),
        };
        let command = self.options.given()?;
        let recipe_of = |given: &Given| Settings::of(given.clone()).with_absolute_paths().recipe;
        if let (Some(recipe), Some(config)) = (&command.recipe, &self.config)
            && recipe_of(&file) != recipe_of(&command)
            && file.is_whole()
        {
            return Err(Error::usage(format!(
                "--recipe {recipe} is without effect on --config {}, which gives every option, as the config of a run does; leave out one of the two",
                config.display()
            )));
        }
        let mut given = command.clone().over(file);
        if self.synthetic {
            given.data = None;
        } else if given.data.is_none() && Path::new("genres").is_dir() {
            given.data = Some(PathBuf::from("genres"));
        }
        if given.data.is_none()
            && given.model.is_none()
            && given.recipe.is_none()
            && self.config.is_none()
        {
            given.model = Some("small".into());
        }
        let recipe = Given::recipe(given.recipe.as_deref().unwrap_or(DEFAULT_RECIPE))?;
        let settings = Settings::of(given.over(recipe.clone()));
        settings.check(&command, &recipe)?;
        files::check_paths(&settings)?;
        Ok(settings)
    }

    /// The settings of a run that goes on: those it was begun with, and what may differ.
    fn going_on(&self, begun: Given) -> Result<Settings> {
        let before = Settings::of(begun.clone()).with_absolute_paths();
        let command = self.options.given()?;
        let settings = Settings::of(command.clone().over(begun));
        settings.check_change(&command)?;
        // A relative path may be of the same file.
        let changed = settings.clone().with_absolute_paths().differences(&before);
        let refused = Declared::all()
            .iter()
            .find(|o| !o.may_change && changed.contains(&o.name));
        match refused {
            Some(option) => Err(Error::usage(format!(
                "--resume goes on with the run's own settings, which have another {}: only {} may differ; start a new run for others",
                option.flag(),
                changeable()
            ))),
            None => Ok(settings),
        }
    }
}

/// The options that may differ when a run goes on, as a list for a sentence.
fn changeable() -> String {
    let flags: Vec<String> = Declared::all()
        .iter()
        .filter(|o| o.may_change)
        .map(Declared::flag)
        .collect();
    match flags.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "none".to_owned(),
    }
}

/// The options that training declares, as they stand on the command line.
#[derive(Debug, Clone, Default)]
struct OptionArgs(Vec<(&'static str, OsString)>);

impl OptionArgs {
    fn given(&self) -> Result<Given> {
        let mut given = Given::default();
        for (name, text) in &self.0 {
            if let Some(option) = Declared::all().iter().find(|o| o.name == *name) {
                option.give(&mut given, text)?;
            }
        }
        Ok(given)
    }
}

/// Id of the argument that turns a switch off.
fn off(option: &Declared) -> String {
    format!("no_{}", option.name)
}

/// The arguments of an option: two for a switch, of which help shows the one that changes the default.
fn arguments(option: &'static Declared) -> Vec<Arg> {
    let help = |default: &str| format!("{} [default: {default}]", option.help);
    let value = Arg::new(option.name)
        .value_name(option.placeholder.clone())
        .value_parser(ValueParser::os_string())
        .help(help(&option.default));
    match option.kind {
        Kind::Positional => vec![value],
        Kind::Value => vec![
            value
                .long(option.name.replace('_', "-"))
                .allow_negative_numbers(true),
        ],
        Kind::Switch(default) => {
            let switch = |id: String, other: String| {
                Arg::new(id.clone())
                    .long(id.replace('_', "-"))
                    .action(ArgAction::SetTrue)
                    .overrides_with(other)
            };
            let on = switch(option.name.to_owned(), off(option)).help(help("off"));
            let off = switch(off(option), option.name.to_owned())
                .help(format!("Do not: {} [default: on]", option.help));
            vec![on.hide(default), off.hide(!default)]
        }
    }
}

impl Args for OptionArgs {
    fn augment_args(command: Command) -> Command {
        command.args(Declared::all().iter().flat_map(arguments))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for option in Declared::all() {
            let text = match option.kind {
                Kind::Switch(_) if matches.get_flag(option.name) => Some("true".into()),
                Kind::Switch(_) if matches.get_flag(&off(option)) => Some("false".into()),
                Kind::Switch(_) => None,
                _ => matches.get_one::<OsString>(option.name).cloned(),
            };
            self.0.extend(text.map(|text| (option.name, text)));
        }
        Ok(())
    }
}

//! Training: the graph of a step, the engine that runs it, the loop with its callbacks, and what a run leaves on disk.

mod board;
mod callbacks;
mod checkpoint;
mod classifier;
mod computed_by;
mod divergence;
mod engine;
mod event;
mod examples;
mod graph;
mod limits;
mod model_file;
mod predictor;
mod ranks;
mod resume;
mod run_folder;
mod saves;
mod schedule;
mod score;
mod settings;
mod tapes;
mod task;
mod tensor_file;
mod trainer;
mod votes;

pub use callbacks::{Callbacks, EarlyStopping, Keep, ReduceLrOnPlateau};
pub use checkpoint::{Checkpoint, Progress};
pub use classifier::{Classifier, Learning, Network};
pub use computed_by::ComputedBy;
pub use engine::{
    Compiled, Engine, Evaluation, Samples, Weights, check_ranks, check_weights, compile, means,
};
pub use event::{EpochEvent, Outcome};
pub use graph::{Feed, GraphSettings, evaluation_tape, training_tape};
pub use limits::Sizes;
pub use model_file::{FeatureSettings, ModelFile, read_weights};
pub use predictor::Predictor;
#[cfg(feature = "mpi")]
pub use ranks::Mpi;
pub use ranks::{
    Fact, PATIENCE, Ranks, Team, data_facts, kernel_facts, launched_ranks, program_fact,
};
pub use resume::check_epochs;
pub use run_folder::RunFolder;
pub(crate) use run_folder::{now, utc};
pub use schedule::{LearningRate, Schedule};
pub use score::{Scores, Validation};
#[cfg(test)]
pub(crate) use settings::VALUES;
pub use settings::{DEFAULT_RECIPE, Declared, Given, Kind, Settings};
pub use tapes::Tapes;
pub use task::{Task, split_rule};
pub use trainer::Trainer;
pub use votes::{argmax, per_track, vote};

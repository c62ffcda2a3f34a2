//! The program as a user runs it: train, stop, go on, evaluate, predict; and what goes wrong, with its sentence.

#[path = "../common/mod.rs"]
mod common;
mod folds;
mod known;
mod mistakes;
mod options;
mod place;
mod recipes;
mod rungs;
mod runs;
mod songs;
mod stops;
mod trouble;

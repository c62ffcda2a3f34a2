//! What the loop tells TensorBoard.

use super::engine::{Evaluation, Weights};
use super::event::EpochEvent;
use super::trainer::Trainer;
use crate::error::Result;
use crate::report::EpochRow;
use crate::tensorboard::{Board, Epoch};

/// Tell the board something, where there is one. A run does not end because its pictures can't be written: the board is put away,
/// and the listener hears of it.
pub(super) fn tell(
    board: &mut Option<Board>,
    on: &mut dyn FnMut(EpochEvent),
    what: impl FnOnce(&mut Board) -> Result<()>,
) {
    if let Some(to) = board
        && let Err(e) = what(to)
    {
        *board = None;
        on(EpochEvent::Warning(format!(
            "{e}; the training goes on, and TensorBoard hears no more of it until it is resumed"
        )));
    }
}

impl Trainer<'_, '_> {
    /// Tell `board` of the run from now on.
    pub fn show_on(&mut self, board: Board) {
        self.board = Some(board);
    }

    /// The gradients of the last step, while a board wants them.
    pub(super) fn wanted_gradients(&mut self) -> Result<Weights> {
        match &self.board {
            None => Ok(Weights::new()),
            Some(_) => self.engine.gradients(),
        }
    }

    /// Tell the board of a finished epoch. Before its checkpoint is written: what is told and then lost would be missing, what is
    /// told twice is taken back when the run goes on.
    pub(super) fn show_epoch(
        &mut self,
        row: &EpochRow,
        gradients: &Weights,
        validation: Option<&Evaluation>,
        on: &mut dyn FnMut(EpochEvent),
    ) -> Result<()> {
        if self.board.is_none() {
            return Ok(());
        }
        let weights = self.engine.weights()?;
        let order = &self.task.validation;
        let confusion = validation
            .map(|v| self.task.confusion(order, &v.probabilities))
            .transpose()?;
        let driver_bytes = self.engine.session().reported_bytes().map(|(used, _)| used);
        let step = self.progress.optimizer_step;
        tell(&mut self.board, on, |board| {
            board.epoch(
                step,
                &Epoch {
                    row,
                    weights: &weights,
                    gradients,
                    confusion: confusion.as_ref(),
                    driver_bytes,
                },
            )
        });
        Ok(())
    }
}

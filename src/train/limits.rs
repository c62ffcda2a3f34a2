//! Which sizes a device allows: the sentence about one that is too large names the largest that would do.

use crate::error::{Error, ErrorKind};
use crate::nn::Model;
use crate::plan::budget::largest;

/// The numbers of a user's that decide how large a run is.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Whose layers have sizes too.
    pub model: Model,
    /// Samples per optimizer step.
    pub batch: usize,
    /// Feature rows of a sample.
    pub rows: usize,
    /// Frames of a sample.
    pub frames: usize,
    /// Number of classes.
    pub classes: usize,
    /// Samples of the data set.
    pub samples: usize,
}

impl Sizes {
    /// What each is called, and the number itself.
    fn list(&mut self) -> Vec<(String, &mut usize)> {
        let mut all = vec![
            ("batch size".to_owned(), &mut self.batch),
            ("rows".to_owned(), &mut self.rows),
            ("frames".to_owned(), &mut self.frames),
            ("classes".to_owned(), &mut self.classes),
            ("samples".to_owned(), &mut self.samples),
        ];
        all.extend(self.model.sizes_mut());
        all
    }

    /// `error`, when it is about a size, with the largest possible value of the one at fault: of those that alone would do
    /// if smaller, the one that is largest now. `works`: whether the device allows some sizes.
    pub fn name_largest(&self, error: Error, works: impl Fn(&Self) -> bool) -> Error {
        // A budget of the user's is no limit of the device, and its sentence says what would do.
        if error.kind() != ErrorKind::Budget || works(self) {
            return error;
        }
        let now: Vec<usize> = self.clone().list().iter().map(|(_, n)| **n).collect();
        let mut by_size: Vec<usize> = (0..now.len()).collect();
        by_size.sort_by_key(|&i| std::cmp::Reverse(now[i]));
        for i in by_size {
            let with = |value: usize| {
                let mut sizes = self.clone();
                *sizes.list()[i].1 = value;
                sizes
            };
            if let Some(most) = largest(now[i], |value| works(&with(value))) {
                let name = self.clone().list().swap_remove(i).0;
                return error.advise(format!(
                    "the largest possible value here is {most} for {name}, which is {}",
                    now[i]
                ));
            }
        }
        error.advise("smaller sizes than these are needed, and of more than one")
    }
}

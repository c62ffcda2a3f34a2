//! Where the files lie that settings name.

use super::{Settings, recipes};
use crate::dataset::SplitRule;
use crate::nn::Model;
use std::path::{Path, PathBuf};

impl Settings {
    /// The same with absolute paths, which hold wherever the program is started next. What is built in keeps its name, also
    /// where a file of that name lies in the working folder: the built-in is what it means.
    #[must_use]
    pub fn with_absolute_paths(mut self) -> Self {
        let paths = [&mut self.data, &mut self.init, &mut self.tensorboard];
        for path in paths.into_iter().flatten() {
            *path = absolute(path);
        }
        if !Model::built_in().contains(&&*self.model) {
            self.model = absolute_name(&self.model);
        }
        if !recipes::is_built_in(&self.recipe) {
            self.recipe = absolute_name(&self.recipe);
        }
        if !SplitRule::BUILT_IN.contains(&&*self.split) {
            self.split = absolute_name(&self.split);
        }
        self
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn absolute_name(name: &str) -> String {
    absolute(Path::new(name)).display().to_string()
}

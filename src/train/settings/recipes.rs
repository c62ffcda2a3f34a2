//! Recipes: files of train's options under everything else that is given, two of them built in.

use super::Given;
use crate::error::{Error, Result};
use std::path::Path;

/// The built-in recipes, as files that users can copy and change.
const BUILT_IN: [(&str, &str); 2] = [
    ("original", include_str!("../../../recipes/original.toml")),
    ("strong", include_str!("../../../recipes/strong.toml")),
];

/// What a run follows when nobody names a recipe.
pub const DEFAULT: &str = BUILT_IN[0].0;

/// Whether a recipe of this name is built in.
pub(super) fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(n, _)| *n == name)
}

impl Given {
    /// The options of a built-in recipe by name, or of a file by path. A file of layers that it names may lie beside it.
    ///
    /// # Errors
    /// When it is neither; when it has an option that there is not, a value that an option can't have, or one of those that are
    /// no part of a recipe, with file and line.
    pub fn recipe(name: &str) -> Result<Self> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(n, _)| *n == name) {
            return Self::from_toml(text, name);
        }
        let path = Path::new(name);
        if !path.is_file() {
            let names = BUILT_IN.map(|(name, _)| name).join(", ");
            return Err(Error::usage(format!(
                "there is no recipe '{name}': use {names}, or the path of a TOML file of train's options"
            )));
        }
        let mut given = Self::read(path)?;
        if given.recipe.is_some() {
            return Err(Error::usage(format!(
                "{name}: recipe: a recipe can't stand on another; copy the other's options into the file"
            )));
        }
        if given.data.is_some() {
            return Err(Error::usage(format!(
                "{name}: data: a recipe is for any data; give it on the command line or in a --config file"
            )));
        }
        if let Some(model) = &mut given.model {
            let beside = path.parent().map(|folder| folder.join(&*model));
            if let Some(beside) = beside.filter(|b| !Path::new(&*model).exists() && b.is_file()) {
                *model = beside.display().to_string();
            }
        }
        Ok(given)
    }
}

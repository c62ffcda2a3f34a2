//! The split that a model was trained with, by what the tracks sound like: it still holds when files are renamed, moved or
//! added, or when only some of them are given.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::sides::{Side, Split};
use super::{ContentId, Dataset};
use crate::error::{Error, Result};

/// Which side each track was on, by its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Text", try_from = "Text")]
pub struct KnownSplit {
    sides: HashMap<ContentId, Side>,
    /// The ids are of features, since the file of the data said none: other files and audio have others for the same tracks.
    pub anonymous: bool,
}

impl KnownSplit {
    /// Of `split`, a split of `dataset`. Where tracks that nothing tells apart (silence) are on two sides, they count as
    /// trained on.
    pub fn new(dataset: &Dataset, split: &Split) -> Self {
        let mut sides: HashMap<ContentId, Side> = HashMap::new();
        for (side, tracks) in [
            (Side::Train, &split.train),
            (Side::Validation, &split.validation),
            (Side::Test, &split.test),
        ] {
            for id in tracks.iter().filter_map(|&t| dataset.contents().get(t)) {
                sides.entry(*id).or_insert(side);
            }
        }
        Self {
            sides,
            anonymous: dataset.anonymous,
        }
    }

    /// The side of each track of `dataset`; `None` for one that the split does not know: it was never trained on.
    pub fn sides_of(&self, dataset: &Dataset) -> Vec<Option<Side>> {
        let side = |id| self.sides.get(id).copied();
        dataset.contents().iter().map(side).collect()
    }

    /// Tracks on a side. Copies of one track count once.
    pub fn count(&self, side: Side) -> usize {
        self.sides.values().filter(|s| **s == side).count()
    }
}

/// The ids of each side in ascending order, one after the other without a space: 16 kB for 1000 tracks.
#[derive(Serialize, Deserialize)]
struct Text {
    train: String,
    validation: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    test: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anonymous: bool,
}

impl From<KnownSplit> for Text {
    fn from(split: KnownSplit) -> Self {
        let ids = |side: Side| {
            let on_side = split.sides.iter().filter(|(_, s)| **s == side);
            let mut ids: Vec<ContentId> = on_side.map(|(id, _)| *id).collect();
            ids.sort_unstable();
            ids.iter().map(ContentId::to_string).collect()
        };
        Self {
            train: ids(Side::Train),
            validation: ids(Side::Validation),
            test: ids(Side::Test),
            anonymous: split.anonymous,
        }
    }
}

impl TryFrom<Text> for KnownSplit {
    type Error = Error;

    fn try_from(text: Text) -> Result<Self> {
        let mut sides = HashMap::new();
        let anonymous = text.anonymous;
        for (side, mut ids) in [
            (Side::Train, text.train.as_str()),
            (Side::Validation, &text.validation),
            (Side::Test, &text.test),
        ] {
            while !ids.is_empty() {
                let (id, rest) = ids.split_at_checked(16).unwrap_or((ids, ""));
                sides.entry(id.parse()?).or_insert(side);
                ids = rest;
            }
        }
        Ok(Self { sides, anonymous })
    }
}

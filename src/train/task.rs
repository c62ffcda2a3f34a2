//! What a run learns from: normalised samples, who trains and who validates, and how classes weigh.

use super::engine::Samples;
use super::model_file::FeatureSettings;
use super::settings::Settings;
use crate::dataset::{
    Dataset, Groups, KnownSplit, Normaliser, Sample, Segments, Source, SplitRule,
    class_weights_balanced, split_grouped,
};
use crate::error::{Error, Result};
use std::sync::Arc;

/// A data set made ready for training.
#[derive(Debug, Clone)]
pub struct Task {
    /// Class names.
    pub genres: Vec<String>,
    /// All samples, normalised.
    pub samples: Arc<Samples>,
    /// Samples that train.
    pub train: Vec<u32>,
    /// Samples that validate.
    pub validation: Vec<u32>,
    /// Samples of a third side, scored once when the run is over; usually none.
    pub test: Vec<u32>,
    /// Track of every sample.
    pub track_of: Vec<usize>,
    /// One weight per class.
    pub class_weights: Vec<f32>,
    /// Fitted on the training samples.
    pub normaliser: Normaliser,
    /// How inputs are made.
    pub features: FeatureSettings,
    /// Composed by this program.
    pub synthetic: bool,
    /// One line for people.
    pub description: String,
    /// What else there is to say about the data: what was grouped, what is there twice.
    pub notes: Vec<String>,
    /// Who trains and who validates, by content.
    pub split: KnownSplit,
    /// The same as lines for people, and for `--split`.
    pub split_text: String,
    /// Hash of genres, tracks, segments and labels: equal for the same data. Feature values are left out, since they differ in
    /// their last bits from machine to machine.
    pub data_fingerprint: String,
    /// The same with the split.
    pub fingerprint: String,
    /// The same without the test side, as earlier versions had it.
    earlier_fingerprint: String,
}

/// The rule that `--split`, `--folds` and `--val-fraction` name together.
///
/// # Errors
/// When they contradict each other or make no sense.
pub fn split_rule(s: &Settings) -> Result<SplitRule> {
    if let Some(k) = s.folds {
        let i = s.fold.unwrap_or(0);
        if k < 2 || i >= k {
            return Err(Error::usage(format!(
                "--folds {k} --fold {i}: at least 2 folds, and a fold from 0 to {}",
                k.saturating_sub(1)
            )));
        }
        return Ok(SplitRule::Folds { k, i, seed: s.seed });
    }
    if !(0.0..1.0).contains(&s.val_fraction) {
        return Err(Error::usage(format!(
            "--val-fraction {}: give a number from 0 on and below 1",
            s.val_fraction
        )));
    }
    match s.split.as_str() {
        "stratified" if s.val_fraction == 0.0 => Ok(SplitRule::All),
        "stratified" => Ok(SplitRule::Stratified {
            fraction: s.val_fraction,
            seed: s.seed,
        }),
        other => SplitRule::written(other),
    }
}

impl Task {
    /// Split, normalise and weigh a data set as the settings say.
    ///
    /// # Errors
    /// When too little is left to train or validate on.
    pub fn new(mut dataset: Dataset, s: &Settings) -> Result<Self> {
        let groups = Groups::of(&dataset);
        let parts = split_grouped(&dataset, &groups, &split_rule(s)?)?;
        let mut notes = std::mem::take(&mut dataset.notes);
        notes.extend(groups.notes(&dataset, &parts));
        notes.extend(parts.notes(&dataset));
        let train = dataset.samples_of(&parts.train);
        let validation = dataset.samples_of(&parts.validation);
        let test = dataset.samples_of(&parts.test);
        let normaliser = Normaliser::fit(&dataset, &train)?;
        let labels = dataset.labels();
        let of_train: Vec<u32> = train.iter().map(|&i| labels[i]).collect();
        let class_weights = if s.class_weights {
            class_weights_balanced(&of_train, dataset.genres.len())
        } else {
            vec![1.0; dataset.genres.len()]
        };
        let what = match &dataset.source {
            Source::Folder(path) | Source::File(path) => path.display().to_string(),
            Source::Memory => "a set in memory".to_owned(),
            Source::Synthetic { seed } => {
                format!("the built-in SYNTHETIC set (seed {seed}, not real music)")
            }
        };
        let (segments, said) = match (&dataset.source, s.segments) {
            // Cut already: what it holds is what counts.
            (Source::File(_) | Source::Memory, _) if dataset.has_segments() => (Segments::All, ""),
            (Source::File(_) | Source::Memory, _) => (Segments::First, ""),
            (_, Segments::First) => (Segments::First, ", the first 3 s of each"),
            (_, Segments::All) => (Segments::All, ", all 3 s segments of each"),
        };
        let sides = match (validation.len(), test.len()) {
            (0, _) => format!("all {} samples train, none validates", train.len()),
            (n, 0) => format!("{} samples train, {n} validate", train.len()),
            (n, m) => format!("{} samples train, {n} validate, {m} test", train.len()),
        };
        let description = format!(
            "{what}: {} tracks of {} genres{said}; {sides}",
            dataset.tracks.len(),
            dataset.genres.len(),
        );
        let data_fingerprint = fingerprint(&dataset, &[]);
        let earlier_fingerprint = fingerprint(&dataset, &[&train, &validation]);
        let fingerprint = match test.is_empty() {
            true => earlier_fingerprint.clone(),
            false => fingerprint(&dataset, &[&train, &validation, &test]),
        };
        let (split, split_text) = (KnownSplit::new(&dataset, &parts), parts.to_text(&dataset));
        let neighbours = neighbours(&dataset.samples);
        let frames = dataset.frames;
        let mut x = dataset.take_x();
        normaliser.apply(&mut x, frames)?;
        Ok(Self {
            features: FeatureSettings {
                definition: dataset.definition,
                segments,
                rows: dataset.rows,
                frames,
            },
            track_of: dataset.samples.iter().map(|s| s.track).collect(),
            genres: dataset.genres,
            samples: Arc::new(Samples {
                x,
                labels,
                neighbours,
            }),
            train: train.iter().map(|&i| i as u32).collect(),
            validation: validation.iter().map(|&i| i as u32).collect(),
            test: test.iter().map(|&i| i as u32).collect(),
            class_weights,
            normaliser,
            synthetic: dataset.synthetic,
            description,
            notes,
            split,
            split_text,
            data_fingerprint,
            fingerprint,
            earlier_fingerprint,
        })
    }

    /// Whether a run with this [`fingerprint`](Self::fingerprint), or one of an earlier version, was of the same data and split.
    pub fn is_of(&self, fingerprint: &str) -> bool {
        fingerprint == self.fingerprint || fingerprint == self.earlier_fingerprint
    }

    /// Samples that the engine evaluates in one go: the validation side or, where everything trains, that.
    pub fn evaluated_at_once(&self) -> usize {
        match self.validation.len() {
            0 => self.train.len(),
            n => n,
        }
    }
}

/// For each sample the one that ends where it begins and the one that begins where it ends, or itself where there is none.
fn neighbours(samples: &[Sample]) -> Vec<[u32; 2]> {
    let follows = |a: &Sample, b: &Sample| a.track == b.track && a.segment + 1 == b.segment;
    let own = |(i, sample): (usize, &Sample)| {
        let before = i > 0 && follows(&samples[i - 1], sample);
        let after = samples.get(i + 1).is_some_and(|next| follows(sample, next));
        [i as u32 - u32::from(before), i as u32 + u32::from(after)]
    };
    samples.iter().enumerate().map(own).collect()
}

fn fingerprint(dataset: &Dataset, sides: &[&Vec<usize>]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut line = |text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(b"\n");
    };
    line(&format!("{} x {}", dataset.rows, dataset.frames));
    dataset.genres.iter().for_each(|g| line(g));
    for track in &dataset.tracks {
        line(&format!("{} {}", track.genre, track.name));
    }
    for sample in &dataset.samples {
        line(&format!("{} {}", sample.track, sample.segment));
    }
    for side in sides {
        line(&format!("{side:?}"));
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Track;

    /// Arrays are cut already, whatever `--segments` says: a model of them votes over all segments where they have several.
    #[test]
    fn arrays_say_themselves_which_segments_they_hold() {
        for (per_track, held) in [(1, Segments::First), (3, Segments::All)] {
            let set = set(per_track);
            for segments in [Segments::First, Segments::All] {
                let settings = Settings {
                    segments,
                    ..Settings::default()
                };
                let task = Task::new(set.clone(), &settings).unwrap();
                assert_eq!(task.features.segments, held);
            }
        }
    }

    /// Eight tracks of two genres.
    fn set(per_track: usize) -> Dataset {
        let tracks = (0..8).map(|i| Track {
            name: format!("track{i}"),
            genre: i % 2,
            path: None,
        });
        let samples: Vec<Sample> = (0..8 * per_track)
            .map(|i| Sample {
                track: i / per_track,
                segment: i % per_track,
            })
            .collect();
        let x = (0..samples.len() * 4).map(|i| (i * i % 97) as f32);
        let genres = ["a", "b"].map(String::from).to_vec();
        Dataset::from_parts(genres, tracks.collect(), samples, (2, 2), x.collect()).unwrap()
    }

    /// Another test side is another split; but runs of earlier versions did not note theirs, and go on.
    #[test]
    fn the_test_side_is_part_of_the_split() {
        let dir = tempfile::tempdir().unwrap();
        let task = |tested: &str| {
            let list = dir.path().join("split.txt");
            let sides = "train track0\ntrain track1\ntrain track2\nvalidation track3\n";
            std::fs::write(&list, format!("{sides}{tested}")).unwrap();
            let settings = Settings {
                split: list.display().to_string(),
                ..Settings::default()
            };
            Task::new(set(1), &settings).unwrap()
        };
        let (one, two) = (task("test track4"), task("test track5\ntest track6"));
        assert!(one.is_of(&one.fingerprint) && !one.is_of(&two.fingerprint));
        let earlier = task("").fingerprint;
        assert!(one.is_of(&earlier) && two.is_of(&earlier));
        assert_eq!(one.data_fingerprint, two.data_fingerprint);
        assert_eq!(
            one.notes,
            ["3 of 8 tracks are on no side of the split: they take no part"]
        );
    }

    #[test]
    fn neighbours_are_those_of_the_same_track_without_a_gap() {
        let sample = |(track, segment)| Sample { track, segment };
        let samples = [(0, 0), (0, 1), (0, 3), (1, 4), (2, 0), (2, 1), (2, 2)].map(sample);
        let expected = [[0, 1], [0, 1], [2, 2], [3, 3], [4, 5], [4, 6], [5, 6]];
        assert_eq!(neighbours(&samples), expected);
        assert!(neighbours(&[]).is_empty());
    }
}

//! Splits that are drawn: groups of tracks dealt to sides at random, each genre by itself.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::sides::{Split, finish};
use super::{Dataset, Groups};
use crate::error::{Error, Result};

/// The groups of a data set with what dealing needs of them. Nearly every group is a single track of a single genre.
struct Deck {
    /// Tracks of each group in each of its genres.
    sizes: Vec<BTreeMap<usize, usize>>,
    /// Tracks of each genre.
    in_genre: Vec<usize>,
    /// The groups of each genre in random order; the generator of a genre depends on nothing else.
    shuffled: Vec<Vec<usize>>,
}

impl Deck {
    fn new(dataset: &Dataset, groups: &Groups, seed: u64) -> Self {
        let classes = dataset.genres.len();
        let mut sizes: Vec<BTreeMap<usize, usize>> = Vec::new();
        let mut in_genre = vec![0; classes];
        let mut shuffled = vec![Vec::new(); classes];
        for (track, &group) in dataset.tracks.iter().zip(&groups.of) {
            if group == sizes.len() {
                sizes.push(BTreeMap::new());
            }
            let size = sizes[group].entry(track.genre).or_default();
            if *size == 0 {
                shuffled[track.genre].push(group);
            }
            *size += 1;
            in_genre[track.genre] += 1;
        }
        for (genre, groups) in shuffled.iter_mut().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(genre as u64);
            groups.shuffle(&mut rng);
        }
        Self {
            sizes,
            in_genre,
            shuffled,
        }
    }

    fn size(&self, group: usize, genre: usize) -> usize {
        self.sizes[group].get(&genre).copied().unwrap_or(0)
    }
}

/// The same fraction of each genre validates. Groups are taken in random order as long as they fit.
pub(super) fn stratified(
    dataset: &Dataset,
    groups: &Groups,
    fraction: f64,
    seed: u64,
) -> Result<Split> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::usage(format!(
            "the validation fraction is {fraction}, it must be between 0 and 1 (0.2, say)"
        )));
    }
    let deck = Deck::new(dataset, groups, seed);
    let mut validates: Vec<Option<bool>> = vec![None; deck.sizes.len()];
    let mut held = vec![0; dataset.genres.len()];
    for (genre, all) in deck.shuffled.iter().enumerate() {
        let n = deck.in_genre[genre];
        if n == 0 {
            continue; // a class of an array file that no sample has
        }
        if all.len() < 2 {
            let needs = "two, one to train and one to validate";
            return Err(too_few(dataset, groups, genre, needs));
        }
        let target = ((n as f64 * fraction).round() as usize).clamp(1, n - 1);
        // A group in two genres must leave a training track to both.
        let leaves_some = |group: usize, held: &[usize]| {
            let mut sizes = deck.sizes[group].iter();
            sizes.all(|(&g, size)| held[g] + size < deck.in_genre[g])
        };
        let hold = |group: usize, held: &mut [usize]| {
            for (&g, size) in &deck.sizes[group] {
                held[g] += size;
            }
        };
        for &group in all {
            if validates[group].is_none()
                && held[genre] + deck.size(group, genre) <= target
                && leaves_some(group, &held)
            {
                hold(group, &mut held);
                validates[group] = Some(true);
            }
        }
        // What is left may be too large to fit, and yet nearer to the target with it than without.
        let distance = |group: usize| (held[genre] + deck.size(group, genre)).abs_diff(target);
        let nearest = all
            .iter()
            .filter(|&&group| validates[group].is_none() && leaves_some(group, &held))
            .min_by_key(|&&group| distance(group));
        if let Some(&group) = nearest
            && (held[genre] == 0 || distance(group) < target.abs_diff(held[genre]))
        {
            hold(group, &mut held);
            validates[group] = Some(true);
        }
        for &group in all {
            validates[group].get_or_insert(false);
        }
    }
    by_group(dataset, groups, |group| validates[group] == Some(true))
}

/// Fold `i` of `k` validates. Each group goes to the fold that has the fewest tracks of its genre, the largest first.
pub(super) fn folds(
    dataset: &Dataset,
    groups: &Groups,
    k: usize,
    i: usize,
    seed: u64,
) -> Result<Split> {
    if k < 2 || i >= k {
        return Err(Error::usage(format!(
            "fold {i} of {k}: there must be at least 2 folds, and they count from 0 to folds - 1"
        )));
    }
    let mut deck = Deck::new(dataset, groups, seed);
    // Before anything is made of that size.
    let recordings = deck.shuffled.iter().map(Vec::len).enumerate();
    let least = recordings.filter(|(_, n)| *n > 0).min_by_key(|(_, n)| *n);
    if let Some((genre, most)) = least.filter(|(_, n)| *n < k) {
        let needs = match most {
            1 => format!("{k}, one for each fold"),
            most => format!("{k}, one for each fold ({most} folds are the most here)"),
        };
        return Err(too_few(dataset, groups, genre, &needs));
    }
    let mut fold_of = vec![None; deck.sizes.len()];
    let mut in_fold = vec![0; k];
    let mut of_genre = vec![vec![0; k]; dataset.genres.len()];
    for genre in 0..dataset.genres.len() {
        let mut all = std::mem::take(&mut deck.shuffled[genre]);
        // Stable: groups of one size stay in random order.
        all.sort_by_key(|&group| std::cmp::Reverse(deck.size(group, genre)));
        for group in all {
            if fold_of[group].is_some() {
                continue; // dealt with another genre
            }
            // Single tracks go round in this way, from genre to genre, so that the folds are of equal size.
            let Some(fold) = (0..k).min_by_key(|&f| (of_genre[genre][f], in_fold[f])) else {
                continue;
            };
            fold_of[group] = Some(fold);
            for (&g, size) in &deck.sizes[group] {
                of_genre[g][fold] += size;
                in_fold[fold] += size;
            }
        }
    }
    by_group(dataset, groups, |group| fold_of[group] == Some(i))
}

fn by_group(
    dataset: &Dataset,
    groups: &Groups,
    validates: impl Fn(usize) -> bool,
) -> Result<Split> {
    let (validation, train) = (0..dataset.tracks.len()).partition(|&t| validates(groups.of[t]));
    let split = Split {
        train,
        validation,
        ..Split::default()
    };
    finish(dataset, split, "the split")
}

fn too_few(dataset: &Dataset, groups: &Groups, genre: usize, needs: &str) -> Error {
    let of_genre = |t: &&usize| dataset.tracks[**t].genre == genre;
    let tracks: Vec<usize> = (0..dataset.tracks.len()).collect();
    let tracks: Vec<usize> = tracks.iter().filter(of_genre).copied().collect();
    let mut recordings: Vec<usize> = tracks.iter().map(|&t| groups.of[t]).collect();
    recordings.sort_unstable();
    recordings.dedup();
    let name = &dataset.genres[genre];
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    Error::data(if recordings.len() == tracks.len() {
        format!(
            "genre {name} has {} usable track{}, and the split needs at least {needs}: add tracks or remove the genre{}",
            tracks.len(),
            plural(tracks.len()),
            dataset.left_out(),
        )
    } else {
        format!(
            "genre {name} has {} usable tracks, but they belong to {} recording{} or folder{} ({} and others by name or content), and the split needs at least {needs}: add recordings, or give --group-by file if each file is a recording of its own",
            tracks.len(),
            recordings.len(),
            plural(recordings.len()),
            plural(recordings.len()),
            dataset.tracks[tracks[0]].name,
        )
    })
}

//! Where rungs that were asked for by name run, and that they do.

use super::Schedule;
use crate::error::{Error, Result};
use crate::ops::{AskedRung, Capabilities, Chosen, Rungs};

/// Layers, or reasons, that a sentence names at most.
const NAMED: usize = 4;

/// What runs instead of a rung that was asked for, and why.
struct Instead {
    /// e.g. `conv2 runs registers`.
    layers: Vec<String>,
    why: String,
}

/// For each ladder of which a rung was asked for and could not take every problem: a line about what runs where. `schedules` were lowered with
/// choices that [prefer](Rungs::prefer_in) these rungs.
///
/// # Errors
/// Kind [`ErrorKind::Usage`](crate::ErrorKind::Usage) when no layer computes what a rung is for, kind
/// [`ErrorKind::Device`](crate::ErrorKind::Device) when it can't run in any, with the rung's own reasons.
pub fn where_asked<'s>(
    rungs: &Rungs,
    schedules: impl IntoIterator<Item = &'s Schedule>,
    capabilities: &Capabilities,
) -> Result<Vec<String>> {
    let schedules: Vec<&Schedule> = schedules.into_iter().collect();
    let mut lines = Vec::new();
    for asked in rungs.asked() {
        let AskedRung { text, rung, .. } = asked;
        let (mut any, mut ran, mut reasons) = (false, false, Vec::new());
        for ladder in &asked.ladders {
            let (mut problems, mut taken) = (Vec::new(), 0);
            let mut others: Vec<Instead> = Vec::new();
            for (layer, chosen) in chosen(&schedules, ladder) {
                let new = !problems.contains(&&chosen.problem);
                if new {
                    problems.push(&chosen.problem);
                }
                let Err(why) = chosen.posed.supports(rung, capabilities) else {
                    taken += usize::from(new);
                    continue;
                };
                if !reasons.contains(&why) {
                    reasons.push(why.clone());
                }
                let told = format!("{layer} runs {}", chosen.rung);
                match others.iter_mut().find(|o| o.why == why) {
                    Some(other) if other.layers.contains(&told) => {}
                    Some(other) => other.layers.push(told),
                    None => others.push(Instead {
                        layers: vec![told],
                        why,
                    }),
                }
            }
            any |= !problems.is_empty();
            ran |= taken > 0;
            if others.is_empty() {
                continue;
            }
            let others: Vec<String> = others.iter().map(Instead::told).collect();
            lines.push(format!(
                "rungs: {ladder}:{rung} runs {taken} of {} problems; {}",
                problems.len(),
                others.join("; ")
            ));
        }
        if !any {
            return Err(Error::usage(format!(
                "--rungs {text} is without effect on this model, in which no layer computes that; leave it out"
            )));
        }
        if !ran {
            return Err(Error::device(format!(
                "--rungs {text} can't run in any layer of this model on this device ({}); leave it out, or name another rung",
                list(&reasons, " or ")
            )));
        }
    }
    Ok(lines)
}

/// The choices made on a ladder, each with its layer.
fn chosen<'s>(
    schedules: &[&'s Schedule],
    ladder: &str,
) -> impl Iterator<Item = (&'s str, &'s Chosen)> {
    let all = schedules.iter().flat_map(|&s| {
        s.chosen.iter().map(move |c| {
            let label = s.labels[c.node].as_str();
            (label.rsplit_once('/').map_or(label, |(layer, _)| layer), c)
        })
    });
    all.filter(move |(_, c)| c.family == ladder)
}

impl Instead {
    /// e.g. `conv2 runs registers, conv3 runs workgroup (at most 4 input channels)`.
    fn told(&self) -> String {
        format!("{} ({})", list(&self.layers, ", "), self.why)
    }
}

/// The first few of a list, and how many more there are.
fn list(all: &[impl AsRef<str>], between: &str) -> String {
    let shown = if all.len() > NAMED { NAMED - 1 } else { NAMED };
    let names: Vec<&str> = all.iter().take(shown).map(AsRef::as_ref).collect();
    let names = names.join(between);
    match all.len().saturating_sub(shown) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

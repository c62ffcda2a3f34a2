//! The search for a plan within the budget: one cut after the other, each from its fastest plan down.

use super::{Considered, Cut, Fitted, Program, Request, has_batch_statistics};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Capabilities, Choices, Texels};
use crate::plan::recompute::{Stage, stages};
use crate::plan::{MemoryPlan, Placement, Schedule, cost, schedule};
use crate::report::format;
use crate::tape::{Role, Tape};

/// Workspace caps to try, from the one that lets kernels run freely.
const WORKSPACE_CAPS: [u64; 2] = [Choices::DEFAULT_WORKSPACE_CAP, 4 << 20];

/// The plans tried so far.
pub(super) struct Search<'r, 'a> {
    request: &'r Request<'a>,
    considered: Vec<Considered>,
    /// Predicted time of the first plan that the device allows.
    baseline: Option<f64>,
    too_large: Vec<TooLarge>,
    /// Why the device allows no plan at all.
    refused: Option<Error>,
}

/// How a plan turned out, or a cut of the step.
pub(super) enum Outcome {
    /// It is within the budget.
    Fits(Box<Fitted>),
    /// The device would allow it, the budget does not.
    TooLarge,
    /// It is over a limit of the device.
    NotAllowed,
}

/// That nothing fits.
pub(super) struct Refusal {
    /// Why, and what would.
    pub error: Error,
    /// Bytes of the smallest plan, where the device allows any.
    pub smallest: Option<u64>,
}

/// A plan over the budget.
struct TooLarge {
    /// No packing needs less.
    least: u64,
    /// A rough packing needs this much.
    most: u64,
    cut: Cut,
    what: String,
    programs: Vec<Program>,
}

impl Search<'_, '_> {
    pub(super) fn new<'r, 'a>(request: &'r Request<'a>) -> Search<'r, 'a> {
        Search {
            request,
            considered: Vec::new(),
            baseline: None,
            too_large: Vec::new(),
            refused: None,
        }
    }

    /// All plans of one cut, from the fastest.
    pub(super) fn cut(&mut self, cut: Cut, tapes: &[(String, Tape)]) -> Result<Outcome> {
        for cap in WORKSPACE_CAPS {
            let choices = self.request.choices.clone().with_workspace_cap(cap);
            match self.attempt(cut, &choices, tapes, None)? {
                // Not allowed: one tensor is over a device limit; that only a smaller micro-batch can change.
                Outcome::TooLarge => {}
                decided => return Ok(decided),
            }
            // Room for the data set is not worth recomputing for.
            if cut.resident {
                return Ok(Outcome::TooLarge);
            }
            let Some((_, training)) = tapes.first() else {
                return Ok(Outcome::TooLarge);
            };
            if self.request.may_recompute {
                let all = stages(training, self.request.capabilities, &choices)?;
                for stage in &all[1..] {
                    if let Outcome::Fits(found) = self.attempt(cut, &choices, tapes, Some(stage))? {
                        return Ok(Outcome::Fits(found));
                    }
                }
            }
        }
        Ok(Outcome::TooLarge)
    }

    /// Note that the device allows no plan of this cut.
    pub(super) fn refuse(&mut self, cut: Cut, why: Error) {
        let cap = Choices::DEFAULT_WORKSPACE_CAP;
        self.not_allowed(describe(cut, cap, None), why);
    }

    fn not_allowed(&mut self, what: String, why: Error) {
        self.considered.push(Considered {
            what,
            bytes: None,
            time: None,
        });
        self.refused = Some(why);
    }

    /// Whether the device allows no plan of this cut, by its first plan; nothing is noted.
    pub(super) fn is_refused(&self, cut: Cut, tapes: &[(String, Tape)]) -> bool {
        let (capabilities, choices) = (self.request.capabilities, self.request.choices);
        let programs: Result<Vec<Program>> = (tapes.iter())
            .map(|(name, tape)| program(name, tape, capabilities, choices))
            .collect();
        let packed = programs.and_then(|p| pack(&p, cut, capabilities, Placement::QUICK));
        packed.is_err_and(|e| e.kind() == ErrorKind::Budget)
    }

    /// Plan one cut, perhaps with recomputation.
    fn attempt(
        &mut self,
        cut: Cut,
        choices: &Choices,
        tapes: &[(String, Tape)],
        stage: Option<&Stage>,
    ) -> Result<Outcome> {
        let capabilities = self.request.capabilities;
        let workspace_cap = choices.workspace_cap();
        let mut programs = Vec::new();
        for (i, (name, tape)) in tapes.iter().enumerate() {
            let tape = match stage {
                Some(stage) if i == 0 => &stage.tape,
                _ => tape,
            };
            match program(name, tape, capabilities, choices) {
                Err(e) if e.kind() == ErrorKind::Budget => {
                    self.not_allowed(describe(cut, workspace_cap, stage), e);
                    return Ok(Outcome::NotAllowed);
                }
                program => programs.push(program?),
            }
        }
        let what = describe(cut, workspace_cap, stage);
        let quick = match pack(&programs, cut, capabilities, Placement::QUICK) {
            Ok(plan) => plan,
            Err(e) if e.kind() == ErrorKind::Budget => {
                self.not_allowed(what, e);
                return Ok(Outcome::NotAllowed);
            }
            Err(e) => return Err(e),
        };
        let seconds = programs.first().map_or(0.0, |p| {
            cost::step_seconds(&p.tape, &p.schedule, capabilities, cut.micro_batches)
        });
        let baseline = *self.baseline.get_or_insert(seconds);
        let mut consider = |bytes: u64| {
            self.considered.push(Considered {
                what: what.clone(),
                bytes: Some(bytes),
                time: Some(seconds / baseline),
            });
        };
        let fits = |bytes: u64| self.request.budget.is_none_or(|b| bytes <= b);
        if fits(quick.lower_bound()) {
            let plan = pack(&programs, cut, capabilities, Placement::default())?;
            let bytes = plan.total_bytes();
            consider(bytes);
            if fits(bytes) {
                return Ok(Outcome::Fits(Box::new(Fitted {
                    cut,
                    workspace_cap,
                    split_statistics: cut.micro_batches > 1 && has_batch_statistics(tapes),
                    programs,
                    plan,
                    recomputed: stage.map_or(Vec::new(), |s| s.dropped.clone()),
                    seconds,
                    considered: std::mem::take(&mut self.considered),
                })));
            }
        } else {
            consider(quick.total_bytes());
        }
        self.remember(TooLarge {
            least: quick.lower_bound(),
            most: quick.total_bytes(),
            cut,
            what,
            programs,
        });
        Ok(Outcome::TooLarge)
    }

    /// Keep a plan that does not fit, as long as it may be the smallest of all.
    fn remember(&mut self, plan: TooLarge) {
        self.too_large.push(plan);
        let most = self.too_large.iter().map(|p| p.most).min();
        self.too_large.retain(|p| Some(p.least) <= most);
    }

    /// Why nothing fits, and what would.
    pub(super) fn refusal(mut self) -> Refusal {
        self.too_large.sort_by_key(|p| p.least);
        let capabilities = self.request.capabilities;
        let mut smallest: Option<(u64, &TooLarge, MemoryPlan)> = None;
        for candidate in &self.too_large {
            if smallest.as_ref().is_some_and(|s| s.0 <= candidate.least) {
                break;
            }
            let placement = Placement::default();
            match pack(&candidate.programs, candidate.cut, capabilities, placement) {
                Ok(plan) => {
                    let bytes = plan.total_bytes();
                    if smallest.as_ref().is_none_or(|s| bytes < s.0) {
                        smallest = Some((bytes, candidate, plan));
                    }
                }
                Err(error) => {
                    return Refusal {
                        error,
                        smallest: None,
                    };
                }
            }
        }
        let Some((bytes, s, plan)) = smallest else {
            let none = || Error::usage("there is no way to cut this batch");
            return Refusal {
                error: self.refused.unwrap_or_else(none),
                smallest: None,
            };
        };
        let error = Error::new(
            ErrorKind::Budget,
            format!(
                "batch size {} does not fit {}: the smallest plan ({}) takes {}, which {} decides; set --vram {}MiB or more, or take a smaller model",
                self.request.batch,
                format::bytes(self.request.budget.unwrap_or(u64::MAX)),
                s.what,
                format::bytes(bytes),
                decides(&s.programs, &plan),
                bytes.div_ceil(1 << 20),
            ),
        );
        Refusal {
            error,
            smallest: Some(bytes),
        }
    }
}

fn program(
    name: &str,
    tape: &Tape,
    capabilities: &Capabilities,
    choices: &Choices,
) -> Result<Program> {
    Ok(Program {
        name: name.to_owned(),
        tape: tape.clone(),
        schedule: schedule(tape, capabilities, choices)?,
    })
}

fn pack(
    programs: &[Program],
    cut: Cut,
    capabilities: &Capabilities,
    placement: Placement,
) -> Result<MemoryPlan> {
    let list: Vec<(&str, &Schedule)> = (programs.iter())
        .map(|p| (p.name.as_str(), &p.schedule))
        .collect();
    MemoryPlan::new(&list, capabilities, placement, cut.micro_batches)
}

fn describe(cut: Cut, workspace_cap: u64, stage: Option<&Stage>) -> String {
    let mut parts = vec![match cut.micro_batches {
        1 => format!("the whole batch of {}", cut.micro_batch),
        k => format!("{k} micro-batches of {}", cut.micro_batch),
    }];
    if cut.resident {
        parts.push("data set on the GPU".to_owned());
    }
    if workspace_cap != Choices::DEFAULT_WORKSPACE_CAP {
        parts.push(format!(
            "kernel workspaces of {} at most",
            format::bytes(workspace_cap)
        ));
    }
    if let Some(stage) = stage {
        let plural = if stage.dropped.len() == 1 { "" } else { "s" };
        parts.push(format!("{} tensor{plural} recomputed", stage.dropped.len()));
    }
    parts.join(", ")
}

/// The largest tensor that lives at the peak of the arenas, or a larger persistent buffer or texture.
fn decides(programs: &[Program], plan: &MemoryPlan) -> String {
    let persistent = (plan.buffers.iter())
        .filter(|b| b.category != crate::plan::Category::Arenas)
        .map(|b| (b.bytes, format!("the buffer '{}'", b.name)));
    let textures = Texels::ALL.map(|t| {
        let bytes = Texels::bytes_of_rows(plan.texel_rows[t as usize]);
        (bytes, format!("the kernels' texture '{}'", t.name()))
    });
    let mut candidates: Vec<(u64, String)> = persistent.chain(textures).collect();
    if let (Some(program), Some(p)) = (programs.first(), plan.programs.first()) {
        let peak = p.peak();
        let items = program.schedule.items.iter().zip(&p.lives);
        let alive = items.filter(|(item, life)| {
            item.role == Role::Activation
                && life.is_some_and(|(first, last)| (first..=last).contains(&peak))
        });
        candidates.extend(alive.map(|(item, _)| {
            let name = format!("{} ({})", item.name, item.spec.shape);
            (item.spec.bytes(), name)
        }));
    }
    let largest = candidates.into_iter().max_by_key(|c| c.0);
    largest.map_or_else(String::new, |(bytes, name)| {
        format!("{name} of {}", format::bytes(bytes))
    })
}

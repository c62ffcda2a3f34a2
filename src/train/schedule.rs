//! Learning rates: pure functions of the step, so that a run which stopped goes on where it was.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the learning rate goes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It stays until validation stops getting better, then falls by a factor: see [`super::ReduceLrOnPlateau`].
    #[default]
    Plateau,
    /// It falls along half a cosine to its floor at the last step (SGDR without restarts, Loshchilov & Hutter 2017).
    Cosine,
}

impl Schedule {
    const NAMES: [(Self, &'static str); 3] = [
        (Self::Constant, "constant"),
        (Self::Plateau, "plateau"),
        (Self::Cosine, "cosine"),
    ];
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(schedule, _)| schedule == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

impl FromStr for Schedule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(schedule, _)| *schedule).ok_or(())
    }
}

/// The learning rate of every step of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    /// What follows the warm-up.
    pub schedule: Schedule,
    /// Steps over which the rate rises in a straight line.
    pub warm_up: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Where [`Schedule::Cosine`] ends.
    pub floor: f64,
}

impl LearningRate {
    /// The rate of a step, counted from 1; `peak` is what the warm-up rises to (and what a plateau has left of it).
    pub fn at(&self, step: u64, peak: f64) -> f64 {
        if step < self.warm_up {
            return peak * step as f64 / self.warm_up as f64;
        }
        match self.schedule {
            Schedule::Constant | Schedule::Plateau => peak,
            Schedule::Cosine => {
                let falling = self.steps.saturating_sub(self.warm_up).max(1);
                let done = (step - self.warm_up) as f64 / falling as f64;
                let left = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
                let floor = self.floor.min(peak);
                floor + (peak - floor) * left
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) -> bool {
        (got - expected).abs() <= 1e-12 * expected.abs().max(1e-3)
    }

    #[test]
    fn without_a_warm_up_the_rate_is_the_given_one_to_the_bit() {
        for schedule in [Schedule::Constant, Schedule::Plateau] {
            let rates = LearningRate {
                schedule,
                warm_up: 0,
                steps: 100,
                floor: 1e-5,
            };
            for step in [1, 2, 50, 100, 1000] {
                assert_eq!(rates.at(step, 1e-3), 1e-3);
            }
        }
    }

    /// cos 60° = 1/2, cos 90° = 0, cos 120° = -1/2: a third, half and two thirds of the way down.
    #[test]
    fn the_cosine_goes_through_its_known_values() {
        let rates = LearningRate {
            schedule: Schedule::Cosine,
            warm_up: 6,
            steps: 18,
            floor: 1e-4,
        };
        let expected = [
            (1, 1.1e-3 / 6.0),
            (3, 0.55e-3),
            (6, 1.1e-3),
            (10, 1e-4 + 0.75e-3),
            (12, 1e-4 + 0.5e-3),
            (14, 1e-4 + 0.25e-3),
            (18, 1e-4),
            (19, 1e-4),
        ];
        for (step, rate) in expected {
            let got = rates.at(step, 1.1e-3);
            assert!(close(got, rate), "step {step}: {got}, not {rate}");
        }
    }

    #[test]
    fn a_run_of_nothing_but_warm_up_ends_at_the_peak() {
        let rates = LearningRate {
            schedule: Schedule::Cosine,
            warm_up: 4,
            steps: 4,
            floor: 0.0,
        };
        let got: Vec<f64> = (1..=4).map(|step| rates.at(step, 8.0)).collect();
        assert_eq!(got, [2.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn a_floor_above_the_peak_holds_nothing_up() {
        let rates = LearningRate {
            schedule: Schedule::Cosine,
            warm_up: 0,
            steps: 10,
            floor: 1.0,
        };
        assert_eq!(rates.at(5, 0.5), 0.5);
    }

    #[test]
    fn names_go_there_and_back() {
        for (schedule, name) in Schedule::NAMES {
            assert_eq!(
                (name.parse(), schedule.to_string().as_str()),
                (Ok(schedule), name)
            );
        }
        assert_eq!("cosinus".parse::<Schedule>(), Err(()));
    }
}

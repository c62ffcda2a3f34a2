//! What can be the value of an option, as a user writes it on the command line and in a file, and the rules for it.

use crate::dataset::{GroupBy, Segments};
use crate::features::Definition;
use crate::ops::Rungs;
use crate::train::{Keep, Schedule};
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fmt::Display;
use std::path::PathBuf;

/// A value that an option can have.
pub trait Value: DeserializeOwned + Clone {
    /// What to give, for the end of an error sentence.
    const WANTED: &'static str;

    /// From the command line.
    fn from_text(text: &OsStr) -> Option<Self>;

    /// From a file.
    fn from_toml(value: toml::Value) -> Option<Self> {
        value.try_into().ok()
    }

    /// As help shows a default.
    fn shown(&self) -> String;
}

macro_rules! values {
    ($($type:ty: $wanted:literal, $fits:expr;)*) => {$(
        impl Value for $type {
            const WANTED: &'static str = $wanted;

            fn from_text(text: &OsStr) -> Option<Self> {
                text.to_str()?.parse().ok().filter($fits)
            }

            fn from_toml(value: toml::Value) -> Option<Self> {
                value.try_into().ok().filter($fits)
            }

            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

/// The largest whole number that TOML can hold: a run's settings must fit into its config.toml.
const LARGEST: u64 = i64::MAX as u64;

values! {
    u32: "give a whole number from 0 to 4294967295", |_| true;
    u64: "give a whole number from 0 to 9223372036854775807", |&n| n <= LARGEST;
    usize: "give a whole number from 0 to 9223372036854775807", |&n| n as u64 <= LARGEST;
    f32: "give a number, of 3.4e38 at most", |x: &f32| x.is_finite();
    f64: "give a number", |x: &f64| x.is_finite();
    bool: "give true or false", |_| true;
    String: "give a word", |_| true;
    Segments: "give first or all", |_| true;
    GroupBy: "give recording, folder or file", |_| true;
    Definition: "give segment or notebook", |_| true;
    Keep: "give best or last", |_| true;
    Schedule: "give constant, plateau or cosine", |_| true;
}

impl Value for PathBuf {
    const WANTED: &'static str = "give a path";

    fn from_text(text: &OsStr) -> Option<Self> {
        Some(Self::from(text))
    }

    fn shown(&self) -> String {
        self.display().to_string()
    }
}

/// Whether a value makes sense, and else what would.
pub type Rule<T> = Box<dyn Fn(&T) -> Result<(), String> + Send + Sync>;

/// Every value of the type.
pub fn anything<T>() -> Rule<T> {
    Box::new(|_| Ok(()))
}

fn rule<T>(wanted: String, fits: impl Fn(&T) -> bool + Send + Sync + 'static) -> Rule<T> {
    Box::new(move |value| {
        if fits(value) {
            Ok(())
        } else {
            Err(wanted.clone())
        }
    })
}

/// `low` or more.
pub fn at_least<T: PartialOrd + Display + Send + Sync + 'static>(low: T) -> Rule<T> {
    rule(format!("it must be at least {low}"), move |value| {
        *value >= low
    })
}

/// `high` or less.
pub fn at_most<T: PartialOrd + Display + Send + Sync + 'static>(high: T) -> Rule<T> {
    rule(format!("it must be at most {high}"), move |value| {
        *value <= high
    })
}

/// From `low` to `high`.
pub fn within<T: PartialOrd + Display + Send + Sync + 'static>(low: T, high: T) -> Rule<T> {
    rule(format!("it must be from {low} to {high}"), move |value| {
        *value >= low && *value <= high
    })
}

/// A learning rate: the device computes with 32 bits, in which it must be neither 0 nor infinite.
pub fn learning_rate() -> Rule<f64> {
    rule(
        "it must be above 1.2e-38, and 3.4e38 at most".to_owned(),
        |&rate: &f64| (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&rate),
    )
}

/// More than `low`.
pub fn above<T: PartialOrd + Display + Send + Sync + 'static>(low: T) -> Rule<T> {
    rule(format!("it must be above {low}"), move |value| *value > low)
}

/// More than `low`, less than `high`.
pub fn between<T: PartialOrd + Display + Send + Sync + 'static>(low: T, high: T) -> Rule<T> {
    rule(
        format!("it must be above {low} and below {high}"),
        move |value| *value > low && *value < high,
    )
}

/// From 0, less than 1.
pub fn share<T: PartialOrd + From<u8> + Send + Sync + 'static>() -> Rule<T> {
    rule("it must be at least 0 and below 1".to_owned(), |value| {
        (T::from(0)..T::from(1)).contains(value)
    })
}

/// Rungs by name.
pub fn rungs() -> Rule<String> {
    Box::new(|text| match text.parse::<Rungs>() {
        Ok(_) => Ok(()),
        Err(e) => Err(e.to_string()),
    })
}

/// An amount of memory.
pub fn bytes() -> Rule<String> {
    Box::new(|text| match crate::plan::budget::parse_bytes(text) {
        Ok(_) => Ok(()),
        Err(e) => Err(e.to_string()),
    })
}

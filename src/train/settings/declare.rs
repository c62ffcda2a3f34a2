//! What the declaration of an option turns into.

use super::Given;
use super::value::{Rule, Value};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::LazyLock;

/// How an option is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The value alone.
    Positional,
    /// `--name VALUE`.
    Value,
    /// `--name` and `--no-name`; what it is when nobody says.
    Switch(bool),
}

/// What a declaration says besides name, type and default.
pub(super) struct Facts<T> {
    pub rule: Rule<T>,
    /// Stands for the value in help; empty: the name.
    pub placeholder: &'static str,
    /// What holds while an option without a default is not given.
    pub unset: &'static str,
    /// It may differ from the run's own when a run goes on.
    pub may_change: bool,
}

impl<T> Facts<T> {
    pub fn new(rule: Rule<T>) -> Self {
        Self {
            rule,
            placeholder: "",
            unset: "",
            may_change: false,
        }
    }
}

/// A value as somebody wrote it.
enum Written<'a> {
    Text(&'a OsStr),
    Toml(toml::Value),
}

/// Puts a value into its field, or says what to give instead.
type Set = Box<dyn Fn(&mut Given, Written) -> Result<(), String> + Send + Sync>;

/// An option as those see it who list options.
pub struct Declared {
    /// Its name in files; see [`flag`](Self::flag) for the command line.
    pub name: &'static str,
    /// How it is written on the command line.
    pub kind: Kind,
    /// What it does, in a line.
    pub help: &'static str,
    /// Its default in words.
    pub default: String,
    /// Stands for the value in help.
    pub placeholder: String,
    /// It may differ from the run's own when a run goes on.
    pub may_change: bool,
    set: Set,
}

impl Declared {
    /// Every option, in the order of help.
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Declared>> = LazyLock::new(super::declared);
        &ALL
    }

    /// `--batch-size` for `batch_size`, and `DATA` for what stands alone.
    pub fn flag(&self) -> String {
        match self.kind {
            Kind::Positional => self.placeholder.clone(),
            _ => format!("--{}", self.name.replace('_', "-")),
        }
    }

    /// Note the value that the command line gives.
    ///
    /// # Errors
    /// When it is none that the option can have.
    pub fn give(&self, given: &mut Given, text: &OsStr) -> Result<()> {
        (self.set)(given, Written::Text(text)).map_err(|wanted| {
            let written = text.to_string_lossy();
            Error::usage(format!("{} {written}: {wanted}", self.flag()))
        })
    }

    pub(super) fn new<T: Value + 'static>(
        name: &'static str,
        kind: Kind,
        help: &'static str,
        default: Option<T>,
        facts: Facts<T>,
        put: fn(&mut Given, T),
    ) -> Self {
        let rule = facts.rule;
        let set = move |given: &mut Given, written: Written| {
            let value = match written {
                Written::Text(text) => T::from_text(text),
                Written::Toml(value) => T::from_toml(value),
            };
            let value = value.ok_or(T::WANTED)?;
            rule(&value)?;
            put(given, value);
            Ok(())
        };
        Self {
            name,
            kind,
            help: help.trim(),
            default: default.map_or_else(|| facts.unset.to_owned(), |value| value.shown()),
            placeholder: match facts.placeholder {
                "" => name.to_uppercase(),
                placeholder => placeholder.to_owned(),
            },
            may_change: facts.may_change,
            set: Box::new(set),
        }
    }
}

impl Given {
    /// Read a file of options.
    ///
    /// # Errors
    /// When it is missing, or has an option that there is not or a value that the option can't have, with the line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::file(path, format!("can't be read as settings: {e}")))?;
        crate::lfs::refuse(path, text.as_bytes(), "the settings")?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Options from the text of a file; `origin` is named in errors.
    ///
    /// # Errors
    /// As [`Given::read`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        let wrong = |at: usize, what: String| {
            let line = text[..at].matches('\n').count() + 1;
            Error::usage(format!("{origin}, line {line}: {what}"))
        };
        let entries: BTreeMap<String, toml::Spanned<toml::Value>> =
            toml::from_str(text).map_err(|e| {
                wrong(
                    e.span().map_or(0, |s| s.start),
                    e.message().replace('\n', " "),
                )
            })?;
        let mut given = Self::default();
        for (name, value) in entries {
            let at = value.span().start;
            let Some(option) = Declared::all().iter().find(|o| o.name == name) else {
                let names: Vec<&str> = Declared::all().iter().map(|o| o.name).collect();
                let names = names.join(", ");
                return Err(wrong(
                    at,
                    format!("there is no option {name}, only {names}"),
                ));
            };
            let value = value.into_inner();
            let written = value.to_string();
            (option.set)(&mut given, Written::Toml(value))
                .map_err(|wanted| wrong(at, format!("{name} = {written}: {wanted}")))?;
        }
        Ok(given)
    }
}

/// The list of options as `Settings`, `Given` and `declared()`.
macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $kind:ident $name:ident: $type:ty $(= $default:expr)?, $rule:expr $(, $fact:ident: $value:expr)*;
    )*) => {
        /// Every option of a run, with the original's recipe as defaults.
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $name: declare::kinds!(stored $kind $type),)*
        }

        /// The options that somebody gave: on the command line, or in a file.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Given {
            $($(#[doc = $doc])+ pub $name: Option<$type>,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: declare::kinds!(default $kind $($default)?),)* }
            }
        }

        impl Settings {
            /// What was given, over the defaults.
            pub fn of(given: Given) -> Self {
                let default = Self::default();
                Self { $($name: declare::kinds!(settle $kind given.$name, default.$name),)* }
            }

            /// Names of the options in which two runs differ.
            pub fn differences(&self, other: &Self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$name != other.$name {
                    names.push(stringify!($name));
                })*
                names
            }
        }

        impl Given {
            /// Names of the options that were given.
            pub fn names(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$name.is_some() {
                    names.push(stringify!($name));
                })*
                names
            }

            /// Whether it leaves nothing to what lies below: every option that has a default is given, as in the config that a
            /// run saves.
            pub fn is_whole(&self) -> bool {
                let names = self.names();
                toml::Table::try_from(Settings::default())
                    .is_ok_and(|all| all.keys().all(|name| names.contains(&name.as_str())))
            }

            /// These options, and those of `below` that are not among them.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)* }
            }
        }

        fn declared() -> Vec<Declared> {
            vec![$(Declared::new::<$type>(
                stringify!($name),
                declare::kinds!(written $kind $($default)?),
                concat!($($doc),+),
                declare::kinds!(shown $kind $($default)?),
                declare::Facts { $($fact: $value,)* ..declare::Facts::new($rule) },
                |given, value| given.$name = Some(value),
            ),)*]
        }
    };
}

/// In what the kinds of options differ: with or without a default, and how they are written.
macro_rules! kinds {
    (stored value $type:ty) => { $type };
    (stored switch $type:ty) => { $type };
    (stored $kind:ident $type:ty) => { Option<$type> };
    (default $kind:ident $default:expr) => { $default };
    (default $kind:ident) => { None };
    (shown $kind:ident $default:expr) => { Some($default) };
    (shown $kind:ident) => { None };
    (settle value $given:expr, $default:expr) => { $given.unwrap_or($default) };
    (settle switch $given:expr, $default:expr) => { $given.unwrap_or($default) };
    (settle $kind:ident $given:expr, $default:expr) => { $given.or($default) };
    (written positional) => { Kind::Positional };
    (written switch $default:expr) => { Kind::Switch($default) };
    (written $kind:ident $($default:expr)?) => { Kind::Value };
}

pub(super) use {kinds, options};

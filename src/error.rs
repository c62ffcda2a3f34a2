//! The one error type: what failed, where (op, file, shape, limit), and what to do about it.

use crate::text::printable;
use std::fmt;
use std::path::Path;

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong; decides the exit status and lets a caller react (retry smaller, skip a file).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line, a setting or an API call makes no sense (exit status 2).
    Usage,
    /// Shapes or attributes of an op do not fit together.
    Shape,
    /// A file can't be read, written or understood.
    File,
    /// The data set as a whole can't be used (too few tracks, a NaN, a label out of range).
    Data,
    /// A model description or a model file does not fit.
    Model,
    /// No adapter, a lost device, a kernel that the driver rejects.
    Device,
    /// The driver refused an allocation.
    OutOfMemory,
    /// The memory plan does not fit the budget, or a size is beyond what the device holds or launches: smaller ones would do.
    Budget,
    /// A loss or a weight became NaN or infinite: going on would lead to the same.
    NonFinite,
    /// The user pressed Ctrl-C.
    Interrupted,
}

impl ErrorKind {
    const ALL: [Self; 10] = [
        Self::Usage,
        Self::Shape,
        Self::File,
        Self::Data,
        Self::Model,
        Self::Device,
        Self::OutOfMemory,
        Self::Budget,
        Self::NonFinite,
        Self::Interrupted,
    ];

    /// As a number, for another process of the same program.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// The kind of a number; [`ErrorKind::Device`] for one that is none.
    pub(crate) fn numbered(number: u8) -> Self {
        let found = Self::ALL.into_iter().find(|k| k.number() == number);
        found.unwrap_or(Self::Device)
    }
}

/// One sentence that says what failed, where, and what to do. [`fmt::Display`] prints just that sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// An error of any kind; `message` is the whole sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A wrong setting or argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// A shape error of `op`, e.g. `conv2d: weight has 32 input channels, x has 64 (x is 8x64x93x65)`.
    pub fn shape(op: &str, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Shape, format!("{op}: {message}"))
    }

    /// A size of `op` that is beyond what can be held or launched.
    pub fn too_large(op: &str, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Budget, format!("{op}: {message}"))
    }

    /// A problem with the file or folder at `path`, e.g. `a/b.wav: not a WAV file (first bytes 00 00 00 00)`.
    pub fn file(path: impl AsRef<Path>, message: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::File,
            format!("{}: {message}", printable(&path.as_ref().to_string_lossy())),
        )
    }

    /// A problem with a data set as a whole. One line, whatever labels from elsewhere are in it.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, printable(&message.into()))
    }

    /// A problem with a model description or file.
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Model, message)
    }

    /// A problem with the adapter, device or a kernel on it.
    pub fn device(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Device, message)
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The same error with `context: ` in front, e.g. the file or the layer it happened in.
    pub fn context(self, context: impl fmt::Display) -> Self {
        Self {
            kind: self.kind,
            message: format!("{}: {}", printable(&context.to_string()), self.message),
        }
    }

    /// The same error with what to do next behind it.
    pub fn advise(self, advice: impl fmt::Display) -> Self {
        Self {
            kind: self.kind,
            message: format!("{}; {advice}", self.message),
        }
    }

    /// Exit status of the program: 2 for a usage error, 130 after Ctrl-C, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Usage => 2,
            ErrorKind::Interrupted => 130,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

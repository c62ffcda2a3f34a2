//! A WGSL kernel: its file and the shared pieces that it stands on.

mod compatible;
mod diagnostics;
mod reflection;
mod substitutes;
mod uniformity;

pub use reflection::{Access, Reflection, TexelAccess};
pub use substitutes::{built_in_files, kernel_texts, substitute};
pub use uniformity::barrier_of_some;

/// A kernel: a WGSL file, the pieces of `shaders/lib/` that it uses, and the values of its `override` constants. The entry point is
/// `main`.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Path under `shaders/` without the ending, e.g. `conv2d/naive/forward`.
    pub name: &'static str,
    /// The whole WGSL text: the file, then its pieces. (WGSL lets a module use what is declared further down; so the file's own lines
    /// keep their numbers, and `enable` stays on top.)
    pub source: &'static str,
    /// The files that `source` is made of, in that order.
    pub files: &'static [ShaderFile],
    /// Values for `override` constants; those not named keep the file's defaults.
    pub constants: Vec<(&'static str, f64)>,
}

/// A file under `shaders/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShaderFile {
    /// Path under `shaders/`, without the ending; of another crate's, from the Rust file that includes it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl ShaderFile {
    /// Where the text was read, for messages.
    pub fn path(&self) -> String {
        substitutes::path(self)
    }
}

impl Kernel {
    /// What tells this kernel from others: its files and its constants.
    pub fn key(&self) -> String {
        let files: Vec<&str> = self.files.iter().map(|f| f.name).collect();
        format!("{} {:?}", files.join(" "), self.constants)
    }

    /// A kernel of this program, or what a folder has in its place (see [`substitute`]). `files[0]` is the kernel's own.
    #[doc(hidden)]
    pub fn built_in(source: &'static str, files: &'static [ShaderFile]) -> Self {
        let (source, files) = substitutes::resolve(source, files);
        Self {
            name: files[0].name,
            source,
            files,
            constants: Vec::new(),
        }
    }

    /// A kernel of another crate, which is one file whole; [`wgsl!`](crate::wgsl) makes one.
    pub fn of(file: &'static ShaderFile) -> Self {
        Self {
            name: file.name,
            source: file.text,
            files: std::slice::from_ref(file),
            constants: Vec::new(),
        }
    }

    /// Whether this crate has a file of the kernel's name.
    pub(crate) fn is_built_in(&self) -> bool {
        substitutes::is_built_in(self.name)
    }

    /// Where the kernel's own file was read, for messages.
    pub fn path(&self) -> String {
        match self.files.first() {
            Some(file) => file.path(),
            None => format!("shaders/{}.wgsl", self.name),
        }
    }

    /// The kernel with one more `override` constant set.
    pub fn with(mut self, constant: &'static str, value: impl Into<f64>) -> Self {
        self.constants.push((constant, value.into()));
        self
    }
}

/// `kernel!("adam/update", "step")`: the kernel in the file `shaders/adam/update.wgsl`, followed by `shaders/lib/step.wgsl`.
#[macro_export]
macro_rules! kernel {
    ($name:literal $(, $piece:literal)* $(,)?) => {
        $crate::ops::Kernel::built_in(
            concat!(
                $crate::shader_text!($name),
                $("\n", $crate::shader_text!(concat!("lib/", $piece)),)*
            ),
            &[
                $crate::ops::ShaderFile { name: $name, text: $crate::shader_text!($name) },
                $($crate::ops::ShaderFile {
                    name: concat!("lib/", $piece),
                    text: $crate::shader_text!(concat!("lib/", $piece)),
                },)*
            ],
        )
    };
}

/// `wgsl!("square/forward")`: a kernel of your own crate, in the file `square/forward.wgsl` beside the Rust file that says so. Its
/// entry point is `main`; the op's tensors are its storage buffers, in the order in which they are dispatched, then comes the uniform
/// with the parameters. Its loops get a counter, without which an endless one would be undefined behaviour; this crate's own kernels do without.
#[macro_export]
macro_rules! wgsl {
    ($name:literal) => {{
        static FILE: $crate::ops::ShaderFile = $crate::ops::ShaderFile {
            name: $name,
            text: include_str!(concat!($name, ".wgsl")),
        };
        $crate::ops::Kernel::of(&FILE)
    }};
}

/// The text of a file under `shaders/`.
#[doc(hidden)]
#[macro_export]
macro_rules! shader_text {
    ($name:expr) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/shaders/",
            $name,
            ".wgsl"
        ))
    };
}

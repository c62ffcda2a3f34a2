//! What a kernel's source says of itself: bindings and workgroup memory.

use super::{Kernel, diagnostics, substitutes};
use crate::error::{Error, Result};
use crate::ops::Texels;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

/// How a kernel uses a storage buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`: written, and read too if the pass runs in place.
    ReadWrite,
}

/// How a kernel uses a texture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TexelAccess {
    /// `texture_storage_2d<rgba32float, read>`.
    Read,
    /// `texture_storage_2d<rgba32float, write>`.
    Write,
}

/// What the WGSL source itself declares, so that no Rust code has to repeat it.
#[derive(Debug)]
pub struct Reflection {
    /// Storage buffers, by binding number 0, 1, ….
    pub storage: Vec<Access>,
    /// Uniform windows behind `params`: `var<uniform> name: array<vec4<..>, 4096>`, see [`crate::ops::Window`].
    pub windows: usize,
    /// Whether a uniform `params` follows.
    pub has_params: bool,
    /// Textures behind all else, see [`Texels`]: `var planes: texture_storage_2d<rgba32float, read>`, or `factors`, or `write`.
    pub texels: Vec<(Texels, TexelAccess)>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Name of each storage variable, for messages.
    pub names: Vec<String>,
}

impl Kernel {
    /// Parse the source (once per kernel and process) and read its declarations.
    ///
    /// # Errors
    /// When naga rejects the source, with file, line and message; when bindings have gaps.
    pub fn reflect(&self) -> Result<Arc<Reflection>> {
        static CACHE: OnceLock<Mutex<HashMap<usize, Arc<Reflection>>>> = OnceLock::new();
        let cache = CACHE.get_or_init(Mutex::default);
        // By address: the text is static, and hashing whole sources would cost more than the rest of a lowering.
        let address = self.source.as_ptr() as usize;
        if let Some(found) = lock(cache).get(&address) {
            return Ok(found.clone());
        }
        let reflection = Arc::new(reflect(self)?);
        lock(cache).insert(address, reflection.clone());
        Ok(reflection)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn reflect(kernel: &Kernel) -> Result<Reflection> {
    let module = naga::front::wgsl::parse_str(kernel.source)
        .map_err(|e| diagnostics::unparsable(kernel, &e))?;
    let found = declarations(kernel, &module)?;
    substitutes::check(kernel, &module, &found)?;
    Ok(found)
}

/// What a parsed kernel declares.
pub(super) fn declarations(kernel: &Kernel, module: &naga::Module) -> Result<Reflection> {
    let file = kernel.path();
    let mut storage = Vec::new();
    let mut uniform = None;
    let mut windows = Vec::new();
    let mut texels = Vec::new();
    let mut workgroup_bytes = 0;
    for (_, var) in module.global_variables.iter() {
        if var.space == naga::AddressSpace::WorkGroup {
            workgroup_bytes += module.types[var.ty].inner.size(module.to_ctx());
        }
        let Some(binding) = &var.binding else {
            continue;
        };
        match var.space {
            naga::AddressSpace::Storage { access } => {
                let access = if access.contains(naga::StorageAccess::STORE) {
                    Access::ReadWrite
                } else {
                    Access::Read
                };
                storage.push((
                    binding.binding,
                    access,
                    var.name.clone().unwrap_or_default(),
                ));
            }
            naga::AddressSpace::Uniform
                if matches!(module.types[var.ty].inner, naga::TypeInner::Array { .. }) =>
            {
                windows.push(binding.binding);
            }
            naga::AddressSpace::Uniform => uniform = Some(binding.binding),
            naga::AddressSpace::Handle => {
                let pool = Texels::ALL
                    .into_iter()
                    .find(|t| Some(t.name()) == var.name.as_deref());
                let (Some(pool), Some(access)) = (pool, texel_access(module, var.ty)) else {
                    return Err(Error::device(format!(
                        "{file}: a texture must be called planes or factors, and be a texture_storage_2d<rgba32float, read> or one to write"
                    )));
                };
                texels.push((binding.binding, pool, access));
            }
            _ => {}
        }
    }
    storage.sort_by_key(|s| s.0);
    windows.sort_unstable();
    texels.sort_by_key(|t| t.0);
    let used = storage.iter().map(|s| s.0).chain(uniform);
    let used = used.chain(windows.iter().copied());
    let used: Vec<u32> = used.chain(texels.iter().map(|t| t.0)).collect();
    if used.iter().enumerate().any(|(i, &b)| b as usize != i) {
        return Err(Error::device(format!(
            "{file}: storage buffers must be bindings 0, 1, …, then params, then uniform windows, then textures"
        )));
    }
    Ok(Reflection {
        storage: storage.iter().map(|s| s.1).collect(),
        windows: windows.len(),
        names: storage.into_iter().map(|s| s.2).collect(),
        has_params: uniform.is_some(),
        texels: texels
            .into_iter()
            .map(|(_, pool, access)| (pool, access))
            .collect(),
        workgroup_bytes,
    })
}

/// How a texture of this type is used; none if it can't hold texels.
fn texel_access(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Option<TexelAccess> {
    let naga::TypeInner::Image {
        dim: naga::ImageDimension::D2,
        arrayed: false,
        class: naga::ImageClass::Storage { format, access },
    } = module.types[ty].inner
    else {
        return None;
    };
    match (format, access) {
        (naga::StorageFormat::Rgba32Float, naga::StorageAccess::LOAD) => Some(TexelAccess::Read),
        (naga::StorageFormat::Rgba32Float, naga::StorageAccess::STORE) => Some(TexelAccess::Write),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(source: String) -> Kernel {
        Kernel {
            name: "test",
            source: source.leak(),
            files: &[],
            constants: Vec::new(),
        }
    }

    const MAIN: &str = "@compute @workgroup_size(1) fn main() {}";

    #[test]
    fn textures_are_known_by_name_and_come_last() {
        let storage = "@group(0) @binding(0) var<storage, read> x: array<f32>;";
        let planes = "var planes: texture_storage_2d<rgba32float, read>;";
        let factors = "var factors: texture_storage_2d<rgba32float, write>;";
        let source = format!(
            "{storage} @group(0) @binding(1) {factors} @group(0) @binding(2) {planes} {MAIN}"
        );
        let found = reflect(&kernel(source)).expect("reflects");
        let expected = [
            (Texels::Factors, TexelAccess::Write),
            (Texels::Planes, TexelAccess::Read),
        ];
        assert_eq!(found.texels, expected);
    }

    #[test]
    fn other_textures_are_refused() {
        for texture in [
            "var other: texture_storage_2d<rgba32float, read>;",
            "var planes: texture_storage_2d<r32float, read>;",
            "var planes: texture_storage_2d<rgba32float, read_write>;",
            "var planes: texture_2d<f32>;",
        ] {
            let error = reflect(&kernel(format!("@group(0) @binding(0) {texture} {MAIN}")));
            let message = error.expect_err(texture).to_string();
            assert!(
                message.contains("must be called planes or factors"),
                "{message}"
            );
        }
    }
}

//! Mesa's driver for AMD's GPUs as a compiler for a chip that is not there.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Chips to name where one is unknown; Mesa has more.
pub const CHIPS: &str =
    "gfx1100 (RDNA 3), navi21 (RDNA 2), navi10 (RDNA), vega10 (GCN 5), raven (an APU of GCN 5)";

/// How to come by the driver.
pub const INSTALL: &str = "install Mesa's RADV: `sudo apt install mesa-vulkan-drivers` (Debian, Ubuntu), \
    `sudo dnf install mesa-vulkan-drivers vulkan-loader` (Fedora), `sudo pacman -S vulkan-radeon vulkan-icd-loader` (Arch)";

/// Where Vulkan's loader looks for drivers, in its order.
fn folders() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let home = variable("HOME").map(PathBuf::from);
    let list = |name: &str, default: &str| -> Vec<PathBuf> {
        let value = variable(name).unwrap_or_else(|| default.into());
        std::env::split_paths(&value).collect()
    };
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let data = variable("XDG_DATA_HOME").map(PathBuf::from);
    let mut all = Vec::new();
    all.extend(config.or_else(|| home.as_ref().map(|h| h.join(".config"))));
    all.extend(list("XDG_CONFIG_DIRS", "/etc/xdg"));
    all.push("/etc".into());
    all.extend(data.or_else(|| home.as_ref().map(|h| h.join(".local/share"))));
    all.extend(list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    all.into_iter().map(|f| f.join("vulkan/icd.d")).collect()
}

/// The file that tells the loader of RADV, for this machine's architecture where there are several.
fn driver_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|e| e.path())
        .filter(|p| {
            let name = p.file_name().map(|n| n.to_string_lossy().into_owned());
            name.is_some_and(|n| n.starts_with("radeon_icd") && n.ends_with(".json"))
        })
        .collect();
    found.sort();
    let own = |p: &&PathBuf| p.to_string_lossy().contains(std::env::consts::ARCH);
    found.iter().find(own).or(found.first()).cloned()
}

/// The file that tells Vulkan's loader of RADV, where it is installed.
pub fn find() -> Option<PathBuf> {
    folders().iter().find_map(|f| driver_in(f))
}

/// Variables to set, before anything loads Vulkan, for RADV to compile for `chip`.
///
/// # Errors
/// When RADV is not installed, with what to install; when `chip` can't be a name.
pub fn environment(chip: &str) -> Result<Vec<(&'static str, OsString)>> {
    if chip.is_empty() || !chip.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(unknown(chip));
    }
    let file = find().ok_or_else(|| {
        Error::device(format!(
            "--target {chip} needs a driver that is not here; {INSTALL}"
        ))
    })?;
    Ok(vec![
        // The second name is what loaders before 1.3.207 know.
        ("VK_DRIVER_FILES", file.clone().into()),
        ("VK_ICD_FILENAMES", file.into()),
        ("RADV_FORCE_FAMILY", chip.to_uppercase().into()),
    ])
}

/// What to say of a chip that RADV opens no device for.
pub fn unknown(chip: &str) -> Error {
    Error::usage(format!(
        "--target '{chip}': the RADV installed here knows no such chip; try {CHIPS}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_this_architecture_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(driver_in(&folder.path().join("none")), None);
        assert_eq!(driver_in(folder.path()), None);
        let own = format!("radeon_icd.{}.json", std::env::consts::ARCH);
        for name in ["intel_icd.json", "radeon_icd.aaa.json", "radeon_icd.txt"] {
            std::fs::write(folder.path().join(name), "{}").expect("written");
        }
        let name = |p: Option<PathBuf>| {
            p.and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()))
        };
        assert_eq!(
            name(driver_in(folder.path())).as_deref(),
            Some("radeon_icd.aaa.json")
        );
        std::fs::write(folder.path().join(&own), "{}").expect("written");
        assert_eq!(name(driver_in(folder.path())), Some(own));
    }

    #[test]
    fn a_chip_is_one_word() {
        for chip in ["", "gfx 1100", "../x", "navi21\n"] {
            let error = environment(chip).expect_err(chip).to_string();
            assert!(error.contains("gfx1100"), "{error}");
        }
    }
}

//! Several processes on one machine: a GPU for each, as far as there are GPUs.

use super::choice::AdapterChoice;
use super::device::{Gpu, adapters};
use crate::error::Result;

/// What tells whether two adapters compute the same bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterKind {
    /// Name of the adapter.
    pub name: String,
    /// Vulkan, Metal or DX12.
    pub backend: wgpu::Backend,
    /// Driver and its version.
    pub driver: String,
}

/// Of the adapters like the one at `chosen`, the number of the `nth`, counting round and round.
pub fn nth_like(kinds: &[AdapterKind], chosen: usize, nth: usize) -> Option<usize> {
    let wanted = kinds.get(chosen)?;
    let alike: Vec<usize> = (0..kinds.len()).filter(|&i| kinds[i] == *wanted).collect();
    alike.get(nth % alike.len().max(1)).copied()
}

impl Gpu {
    /// The adapter of choice for the `nth` process on this machine: of the adapters of one kind the `nth`, modulo their number. An
    /// adapter chosen by number is that one for all.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub fn open_nth(choice: &AdapterChoice, nth: usize) -> Result<Self> {
        if nth == 0 {
            return Self::open(choice);
        }
        let kinds: Vec<AdapterKind> = (adapters().iter())
            .map(|adapter| {
                let info = adapter.get_info();
                AdapterKind {
                    name: info.name,
                    backend: info.backend,
                    driver: format!("{} {}", info.driver, info.driver_info),
                }
            })
            .collect();
        let names: Vec<String> = kinds.iter().map(|k| k.name.clone()).collect();
        if matches!(choice, AdapterChoice::Index(i) if *i < names.len()) {
            return Self::open(choice);
        }
        let chosen = choice.among(&names);
        match chosen.and_then(|chosen| nth_like(&kinds, chosen, nth)) {
            Some(index) => Self::open(&AdapterChoice::Index(index)),
            // With the sentence for that.
            None => Self::open(choice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, driver: &str) -> AdapterKind {
        AdapterKind {
            name: name.to_owned(),
            backend: wgpu::Backend::Vulkan,
            driver: driver.to_owned(),
        }
    }

    #[test]
    fn ranks_go_round_the_adapters_of_one_kind() {
        let kinds = [
            kind("A", "1"),
            kind("A", "1"),
            kind("B", "1"),
            kind("A", "2"),
            kind("llvmpipe", "1"),
        ];
        let of = |chosen| {
            (0..5)
                .map(|n| nth_like(&kinds, chosen, n))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(0), [0, 1, 0, 1, 0].map(Some));
        assert_eq!(of(2), [2; 5].map(Some));
        assert_eq!(nth_like(&kinds, 3, 7), Some(3));
        assert_eq!(nth_like(&kinds, 5, 0), None);
        assert_eq!(nth_like(&[], 0, 3), None);
    }
}

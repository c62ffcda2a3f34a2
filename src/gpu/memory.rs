//! How much memory an adapter has. wgpu does not tell, so the native API is asked.

use crate::ops::DeviceClass;

/// Bytes of the adapter's largest device-local heap: VRAM of a discrete GPU, the part of RAM that an integrated or software
/// one may use. Known under Vulkan only.
pub fn device_memory(adapter: &wgpu::Adapter) -> Option<u64> {
    #[cfg(any(target_os = "linux", target_os = "android", windows))]
    {
        /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`
        const DEVICE_LOCAL: u32 = 1;
        // SAFETY: the handles live as long as the adapter, which is borrowed; the call reads a property and changes nothing.
        let memory = unsafe {
            let hal = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
            let instance = hal.shared_instance().raw_instance();
            instance.get_physical_device_memory_properties(hal.raw_physical_device())
        };
        let heaps = &memory.memory_heaps[..memory.memory_heap_count as usize];
        let local = heaps
            .iter()
            .filter(|h| h.flags.as_raw() & DEVICE_LOCAL != 0);
        local.map(|h| h.size).max()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
    {
        let _ = adapter;
        None
    }
}

/// The budget when the user sets none: 80 % of a GPU's memory, since its driver and the desktop need some; half on a software
/// adapter, whose memory is everybody's.
pub fn default_budget(device_memory: Option<u64>, class: DeviceClass) -> Option<u64> {
    device_memory.map(|bytes| match class {
        DeviceClass::Hardware => bytes / 5 * 4,
        DeviceClass::Software => bytes / 2,
    })
}

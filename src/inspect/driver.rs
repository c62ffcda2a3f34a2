//! A Vulkan device that compiles kernels and says what became of them. It executes nothing: no queue is ever used.

use super::spirv::{self, Features};
use crate::error::{Error, Result};
use crate::ops::{Access, Capabilities, DeviceClass, Kernel, TexelAccess};
use ash::{khr, vk};
use std::ffi::CStr;

/// What a driver says of one compiled kernel.
#[derive(Debug, Clone, Default)]
pub(super) struct Compiled {
    /// Its statistics, in its order, under its names.
    pub statistics: Vec<(String, f64)>,
    /// The machine code as text, where it gives that.
    pub assembly: Option<String>,
}

/// An opened device.
pub(super) struct Device {
    pub name: String,
    pub driver: String,
    pub capabilities: Capabilities,
    features: Features,
    subgroups_vary: bool,
    executables: khr::pipeline_executable_properties::Device,
    device: ash::Device,
    instance: ash::Instance,
    // Last, so that the library is unloaded last.
    _entry: ash::Entry,
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: everything made from them is destroyed where it was made.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

fn failed(what: &str) -> impl Fn(vk::Result) -> Error {
    move |e| Error::device(format!("the Vulkan driver can't {what}: {e}"))
}

/// Destroys an instance unless it was taken over by a [`Device`].
struct Instance(Option<ash::Instance>);

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(instance) = self.0.take() {
            // SAFETY: nothing was made from it that still lives.
            unsafe { instance.destroy_instance(None) };
        }
    }
}

impl Device {
    /// The best device that can say what it compiled (whose name contains `name`, where there is one); none if there is no Vulkan
    /// or no such device.
    ///
    /// # Errors
    /// When a driver fails.
    pub(super) fn open(name: Option<&str>) -> Result<Option<Self>> {
        // SAFETY: the loader is the system's own, as wgpu loads it.
        let Ok(entry) = (unsafe { ash::Entry::load() }) else {
            return Ok(None);
        };
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: no layers, no extensions; `create` lives through the call.
        let Ok(instance) = (unsafe { entry.create_instance(&create, None) }) else {
            return Ok(None);
        };
        let mut guard = Instance(Some(instance.clone()));
        // SAFETY: the instance is alive, here and below.
        let all =
            unsafe { instance.enumerate_physical_devices() }.map_err(failed("list devices"))?;
        let mut found = Vec::new();
        for physical in all {
            let p = unsafe { instance.get_physical_device_properties(physical) };
            let label = text(&p.device_name);
            let wanted = name.is_none_or(|n| label.to_lowercase().contains(&n.to_lowercase()));
            if wanted && p.api_version >= vk::API_VERSION_1_3 && tells(&instance, physical)? {
                found.push((rank(p.device_type), physical));
            }
        }
        let Some((_, physical)) = found.into_iter().min_by_key(|(rank, _)| *rank) else {
            return Ok(None);
        };
        let device = Self::create(entry, &instance, physical)?;
        guard.0 = None;
        Ok(Some(device))
    }

    fn create(
        entry: ash::Entry,
        instance: &ash::Instance,
        physical: vk::PhysicalDevice,
    ) -> Result<Self> {
        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut f11 = vk::PhysicalDeviceVulkan11Features::default();
        let mut f12 = vk::PhysicalDeviceVulkan12Features::default();
        let mut f13 = vk::PhysicalDeviceVulkan13Features::default();
        let mut all = vk::PhysicalDeviceFeatures2::default()
            .push_next(&mut robust)
            .push_next(&mut f11)
            .push_next(&mut f12)
            .push_next(&mut f13);
        // SAFETY: the chain holds structures of Vulkan 1.3, which the device has, and of one extension, which drivers that lack
        // it pass over.
        unsafe { instance.get_physical_device_features2(physical, &mut all) };
        let core = all.features;
        let on = |b: vk::Bool32| b == vk::TRUE;
        let f16 = on(f12.shader_float16)
            && on(f11.storage_buffer16_bit_access)
            && on(f11.uniform_and_storage_buffer16_bit_access);
        let features = Features {
            robust_buffers: on(robust.robust_buffer_access2),
            robust_images: on(robust.robust_image_access2) || on(f13.robust_image_access),
            zero_workgroup_memory: on(f13.shader_zero_initialize_workgroup_memory),
        };
        let subgroups_vary = on(f13.subgroup_size_control);
        // Only what wgpu enables: some features change the code of kernels that don't use them.
        let enabled = vk::PhysicalDeviceFeatures::default()
            .robust_buffer_access(on(core.robust_buffer_access));
        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default()
            .robust_buffer_access2(on(robust.robust_buffer_access2))
            .robust_image_access2(on(robust.robust_image_access2));
        let mut f11 = vk::PhysicalDeviceVulkan11Features::default()
            .storage_buffer16_bit_access(f16)
            .uniform_and_storage_buffer16_bit_access(f16);
        let mut f12 = vk::PhysicalDeviceVulkan12Features::default()
            .shader_float16(f16)
            .vulkan_memory_model(on(f12.vulkan_memory_model));
        let mut f13 = vk::PhysicalDeviceVulkan13Features::default()
            .robust_image_access(on(f13.robust_image_access))
            .subgroup_size_control(subgroups_vary)
            .shader_zero_initialize_workgroup_memory(features.zero_workgroup_memory);
        let mut info = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut extensions = vec![khr::pipeline_executable_properties::NAME.as_ptr()];
        let queues = [vk::DeviceQueueCreateInfo::default()
            .queue_family_index(0)
            .queue_priorities(&[1.0])];
        let mut create = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_features(&enabled)
            .push_next(&mut f11)
            .push_next(&mut f12)
            .push_next(&mut f13)
            .push_next(&mut info);
        if features.robust_buffers || robust.robust_image_access2 == vk::TRUE {
            extensions.push(ash::ext::robustness2::NAME.as_ptr());
            create = create.push_next(&mut robust);
        }
        let create = create.enabled_extension_names(&extensions);
        let (name, driver, capabilities) = describe(instance, physical, f16);
        // SAFETY: all that `create` points at lives through the call, and all of it was offered by the device.
        let device = unsafe { instance.create_device(physical, &create, None) }
            .map_err(failed("open the device"))?;
        Ok(Self {
            name,
            driver,
            capabilities,
            features,
            subgroups_vary,
            executables: khr::pipeline_executable_properties::Device::new(instance, &device),
            device,
            instance: instance.clone(),
            _entry: entry,
        })
    }

    /// Compile a kernel and ask what became of it.
    ///
    /// # Errors
    /// When naga or the driver rejects it.
    pub(super) fn compile(&self, kernel: &Kernel) -> Result<Compiled> {
        let reflection = kernel.reflect()?;
        let words = spirv::compile(kernel, self.features)?;
        let buffer = |_: &Access| vk::DescriptorType::STORAGE_BUFFER;
        let uniforms = reflection.windows + usize::from(reflection.has_params);
        let texel = |_: &(_, TexelAccess)| vk::DescriptorType::STORAGE_IMAGE;
        let bindings: Vec<_> = (reflection.storage.iter().map(buffer))
            .chain(vec![vk::DescriptorType::UNIFORM_BUFFER; uniforms])
            .chain(reflection.texels.iter().map(texel))
            .zip(0..)
            .map(|(ty, binding)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(ty)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let d = &self.device;
        let fail = |e: vk::Result| {
            Error::device(format!(
                "{}: {} can't compile it: {e}",
                kernel.path(),
                self.name
            ))
        };
        // SAFETY: every object is used only while it lives, and destroyed once, whatever fails in between.
        unsafe {
            let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let set = d
                .create_descriptor_set_layout(&create, None)
                .map_err(fail)?;
            let sets = [set];
            let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = d.create_pipeline_layout(&create, None).map_err(fail);
            let create = vk::ShaderModuleCreateInfo::default().code(&words);
            let module = d.create_shader_module(&create, None).map_err(fail);
            let compiled = match (&layout, &module) {
                (Ok(layout), Ok(module)) => self.pipeline(*layout, *module).map_err(fail),
                (Err(e), _) | (_, Err(e)) => Err(e.clone()),
            };
            let result = compiled.and_then(|p| {
                let told = self.ask(p).map_err(fail);
                d.destroy_pipeline(p, None);
                told
            });
            if let Ok(module) = module {
                d.destroy_shader_module(module, None);
            }
            if let Ok(layout) = layout {
                d.destroy_pipeline_layout(layout, None);
            }
            d.destroy_descriptor_set_layout(set, None);
            result
        }
    }

    /// # Safety
    /// `layout` and `module` are alive and of this device.
    unsafe fn pipeline(
        &self,
        layout: vk::PipelineLayout,
        module: vk::ShaderModule,
    ) -> Result<vk::Pipeline, vk::Result> {
        let flags = match self.subgroups_vary {
            true => vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE,
            false => vk::PipelineShaderStageCreateFlags::empty(),
        };
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .flags(flags)
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main");
        let create = vk::ComputePipelineCreateInfo::default()
            .flags(
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                    | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
            )
            .stage(stage)
            .layout(layout);
        let cache = vk::PipelineCache::null();
        let made = unsafe { self.device.create_compute_pipelines(cache, &[create], None) };
        match made {
            Ok(all) => all.first().copied().ok_or(vk::Result::ERROR_UNKNOWN),
            Err((_, e)) => Err(e),
        }
    }

    /// # Safety
    /// `pipeline` is alive, of this device, and was made to capture both.
    unsafe fn ask(&self, pipeline: vk::Pipeline) -> Result<Compiled, vk::Result> {
        let which = vk::PipelineExecutableInfoKHR::default()
            .pipeline(pipeline)
            .executable_index(0);
        let raw = unsafe { self.executables.get_pipeline_executable_statistics(&which) }?;
        // Hashes are no statistics.
        let named = raw.iter().map(|s| (text(&s.name), value(s)));
        let statistics = named
            .filter(|(name, _)| !name.to_lowercase().contains("hash"))
            .collect();
        let ask = |count: &mut u32, into| {
            let call = self
                .executables
                .fp()
                .get_pipeline_executable_internal_representations_khr;
            // SAFETY: `into` is null or has room for `count`, each with room for its data.
            unsafe { call(self.device.handle(), &which, count, into) }.result()
        };
        let mut count = 0;
        ask(&mut count, std::ptr::null_mut())?;
        let mut forms =
            vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        // Sizes first, then the texts.
        ask(&mut count, forms.as_mut_ptr())?;
        let mut data: Vec<Vec<u8>> = forms.iter().map(|f| vec![0; f.data_size]).collect();
        for (form, bytes) in forms.iter_mut().zip(&mut data) {
            form.p_data = bytes.as_mut_ptr().cast();
        }
        ask(&mut count, forms.as_mut_ptr())?;
        let is_code = |f: &vk::PipelineExecutableInternalRepresentationKHR| {
            f.is_text == vk::TRUE && text(&f.name).to_lowercase().contains("assembly")
        };
        let code = forms.iter().position(is_code).map(|i| {
            let end = data[i]
                .iter()
                .position(|&b| b == 0)
                .unwrap_or(data[i].len());
            String::from_utf8_lossy(&data[i][..end]).into_owned()
        });
        Ok(Compiled {
            statistics,
            assembly: code,
        })
    }
}

/// Whether a device offers statistics of what it compiles.
fn tells(instance: &ash::Instance, physical: vk::PhysicalDevice) -> Result<bool> {
    // SAFETY: the instance is alive.
    let all = unsafe { instance.enumerate_device_extension_properties(physical) }
        .map_err(failed("list its extensions"))?;
    let name = khr::pipeline_executable_properties::NAME;
    Ok(all.iter().any(|e| e.extension_name_as_c_str() == Ok(name)))
}

/// As [`crate::gpu::adapters`] ranks them.
fn rank(kind: vk::PhysicalDeviceType) -> u8 {
    match kind {
        vk::PhysicalDeviceType::DISCRETE_GPU => 0,
        vk::PhysicalDeviceType::INTEGRATED_GPU => 1,
        vk::PhysicalDeviceType::VIRTUAL_GPU => 2,
        vk::PhysicalDeviceType::CPU => 4,
        _ => 3,
    }
}

/// Name, driver, and what wgpu would say that kernels may use.
fn describe(
    instance: &ash::Instance,
    physical: vk::PhysicalDevice,
    f16: bool,
) -> (String, String, Capabilities) {
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut size = vk::PhysicalDeviceSubgroupSizeControlProperties::default();
    let mut memory = vk::PhysicalDeviceMaintenance3Properties::default();
    let mut all = vk::PhysicalDeviceProperties2::default()
        .push_next(&mut driver)
        .push_next(&mut size)
        .push_next(&mut memory);
    // SAFETY: the chain holds structures of Vulkan 1.3, which the device has.
    unsafe { instance.get_physical_device_properties2(physical, &mut all) };
    let (p, limits) = (all.properties, all.properties.limits);
    let capabilities = Capabilities {
        class: match p.device_type {
            vk::PhysicalDeviceType::CPU => DeviceClass::Software,
            _ => DeviceClass::Hardware,
        },
        // Part of every Vulkan 1.3 driver's compute, as wgpu asks for them.
        subgroups: true,
        subgroup_size: (size.min_subgroup_size == size.max_subgroup_size)
            .then_some(size.max_subgroup_size),
        max_workgroup_memory: limits.max_compute_shared_memory_size,
        max_invocations: limits.max_compute_work_group_invocations,
        max_storage_buffers: limits.max_per_stage_descriptor_storage_buffers,
        max_binding_bytes: u64::from(limits.max_storage_buffer_range),
        max_buffer_bytes: memory.max_memory_allocation_size,
        max_texture_rows: limits.max_image_dimension2_d,
        offset_alignment: limits
            .min_storage_buffer_offset_alignment
            .max(crate::tape::ALIGNMENT),
        f16,
        // Not opened for: see `cooperative` in the capabilities of an adapter.
        cooperative: false,
    };
    let driver = format!(
        "{} {}",
        text(&driver.driver_name),
        text(&driver.driver_info)
    );
    (text(&p.device_name), driver.trim().to_owned(), capabilities)
}

fn value(s: &vk::PipelineExecutableStatisticKHR) -> f64 {
    use vk::PipelineExecutableStatisticFormatKHR as Format;
    // SAFETY: the format names the field that the driver wrote; all of them are plain numbers.
    unsafe {
        match s.format {
            Format::BOOL32 => f64::from(s.value.b32),
            Format::INT64 => s.value.i64 as f64,
            Format::FLOAT64 => s.value.f64,
            _ => s.value.u64 as f64,
        }
    }
}

/// A string of a fixed array that Vulkan filled.
fn text(chars: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|&c| c as u8).collect();
    CStr::from_bytes_until_nul(&bytes)
        .map_or_else(|_| String::new(), |s| s.to_string_lossy().into_owned())
}

//! The rungs for matrix units on a device that has none: the product itself by a plain kernel with the same bindings, tiles and layouts, all that
//! they are besides as it is.

use super::choice::Judged;
use super::on_gpu;
use super::record::record;
use crate::gpu::{AdapterChoice, Gpu};
use crate::ops::{Array, Capabilities, Choices, DeviceClass, Kernel, ShaderFile, registry};
use crate::plan::schedule;
use crate::reference::Executor;

/// What `dense/cooperative/product` computes, four rows of its tiles of 64x64 at a time. (lavapipe ends an invocation's loops after 65,535 turns in
/// all, so none takes a whole column, and four steps, of which there are whole sixteens, are one turn.)
static PLAIN: ShaderFile = ShaderFile {
    name: "a plain product",
    text: "enable f16;
        struct Params { k: u32, a_row: u32, b_row: u32, reserved: u32 }
        @group(0) @binding(0) var<storage, read> a: array<f16>;
        @group(0) @binding(1) var<storage, read> b: array<f16>;
        @group(0) @binding(2) var<storage, read_write> c: array<f32>;
        @group(0) @binding(3) var<uniform> params: Params;
        fn term(k: u32, m: u32, n: u32) -> f32 {
            return f32(a[k * params.a_row + m]) * f32(b[k * params.b_row + n]);
        }
        @compute @workgroup_size(256)
        fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
            let n = group.x * 64u + lane % 64u;
            for (var row = lane / 64u; row < 64u; row += 4u) {
                let m = group.y * 64u + row;
                var sum = 0.0;
                for (var k = 0u; k < params.k; k += 4u) {
                    sum += term(k, m, n) + term(k + 1u, m, n) + term(k + 2u, m, n) + term(k + 3u, m, n);
                }
                c[m * params.b_row + n] = sum;
            }
        }",
};

#[test]
fn outputs_hold_with_a_plain_product_in_place_of_matrix_units() {
    if let Some((ran, pooled)) = check_every_case(|family| family.ends_with(".forward")) {
        assert!(ran > 50 && pooled > 10, "{ran} products, {pooled} pooled");
    }
}

#[test]
fn gradients_hold_with_a_plain_product_in_place_of_matrix_units() {
    if let Some((ran, _)) = check_every_case(|family| !family.ends_with(".forward")) {
        assert!(ran > 50, "{ran} products");
    }
}

/// Check the rungs of some ladders on every case. How many products ran, and how many poolings behind one; nothing without f16.
fn check_every_case(wanted: fn(&str) -> bool) -> Option<(usize, usize)> {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    if let Err(why) = gpu.capabilities().half_precision() {
        eprintln!("NOT RUN: {why}");
        return None;
    }
    // A GPU's defaults beside them: none is written for subgroups of one size.
    let capabilities = Capabilities {
        class: DeviceClass::Hardware,
        cooperative: true,
        subgroup_size: Some(Capabilities::MATRIX_LANES),
        ..gpu.capabilities().clone()
    };
    let (mut ran, mut pooled, mut bad) = (0, 0, Vec::new());
    for entry in registry() {
        let ladders = entry
            .ladders
            .iter()
            .map(|l| (l.name(), l.rung("cooperative")));
        let families = ladders.filter_map(|(name, rung)| rung.map(|_| name));
        for family in families.filter(|family| wanted(family)) {
            for case in (entry.cases)() {
                let setup = record(&case).expect("it fits");
                let mut choices = Choices::default();
                choices.force(family, "cooperative");
                let s = schedule(&setup.tape, &capabilities, &choices);
                let mut s = s.unwrap_or_else(|e| panic!("{family}, case '{}': {e}", case.name));
                for dispatch in &mut s.dispatches {
                    if dispatch.kernel.name == "dense/cooperative/product" {
                        dispatch.kernel = Kernel::of(&PLAIN);
                        ran += 1;
                    }
                    let name = dispatch.kernel.name;
                    pooled += usize::from(name == "conv2d/cooperative/finish_pooled");
                }
                let mut reference = Executor::<f64>::new(&setup.tape);
                for (tensor, values) in &setup.inputs {
                    reference.set(tensor, values);
                }
                reference.run(&setup.step);
                let values = setup.checked.iter().map(|(_, t)| reference.get(t).clone());
                let expected: Vec<Array<f64>> = values.collect();
                let got = on_gpu(&gpu, &setup, &s).expect("it runs");
                let run = Judged {
                    case: &case,
                    setup: &setup,
                    expected: &expected,
                    only: Some(family),
                };
                let compared = run.compare(&s, &got, &mut reference);
                for (i, error, rounding) in compared.expect("kernels that were reflected") {
                    // Written so that a NaN error is a failure.
                    let ok = error <= case.op.tolerance() * rounding;
                    if !ok {
                        let tensor = &setup.checked[i].0;
                        bad.push(format!("{family}, case '{}', {tensor}: {error}", case.name));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    Some((ran, pooled))
}

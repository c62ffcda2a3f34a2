//! Batch norm where `E[x^2] - E[x]^2` would lose every digit of the variance: a mean of 1e4, a standard deviation of 1.

use gtzan_gpu::gpu::{AdapterChoice, Gpu, Session, StepInputs};
use gtzan_gpu::ops::batch_norm::STATISTICS;
use gtzan_gpu::ops::{BatchNorm, Choices, Fill, Step};
use gtzan_gpu::plan::{MemoryPlan, Placement, schedule};
use gtzan_gpu::tape::Tape;
use gtzan_gpu::tensor::Spec;
use rand::SeedableRng;
use std::sync::Arc;

#[test]
fn the_variance_survives_a_large_mean_on_every_rung() {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let [n, c, h, w] = [4, 3, 31, 37];
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let x: Vec<f32> = Fill::Normal(1.0)
        .values(n * c * h * w, &mut rng)
        .into_iter()
        .map(|v| v + 1e4)
        .collect();

    let mut tape = Tape::new();
    let input = tape.input("x", Spec::f32([n, c, h, w]));
    let names = ["gamma", "beta", "running mean", "running variance"];
    let channels = names.map(|name| tape.input(name, Spec::f32([c])));
    let [gamma, beta, mean, variance] = &channels;
    let op = Arc::new(BatchNorm::default());
    let outputs = tape
        .apply_all(op, &[&input, gamma, beta, mean, variance])
        .expect("the shapes fit");
    outputs.iter().for_each(|y| tape.keep(y));

    for rung in STATISTICS.rungs {
        let mut choices = Choices::default();
        choices.force(STATISTICS.name, rung.name);
        let got = run(
            &gpu,
            &tape,
            &choices,
            (&input, &x),
            (gamma, 1.0),
            &outputs[1..],
        );
        for (channel, (&got_mean, &got_variance)) in got[0].iter().zip(&got[1]).take(c).enumerate()
        {
            let values: Vec<f64> = (0..n * c)
                .filter(|row| row % c == channel)
                .flat_map(|row| &x[row * h * w..(row + 1) * h * w])
                .map(|&v| f64::from(v))
                .collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
            // An f32 near 1e4 has a spacing of 9.8e-4, a sum of thousands of them one of 4. No more than one spacing is lost,
            // because the sums carry their rounding errors along; where a compiler optimises that away, this fails.
            let (mean_error, variance_error) = (
                (f64::from(got_mean) - mean).abs(),
                (f64::from(got_variance) - variance).abs(),
            );
            assert!(
                mean_error < 9.8e-4,
                "{}: mean off by {mean_error}",
                rung.name
            );
            assert!(
                variance_error < 1e-3,
                "{}: variance off by {variance_error}",
                rung.name
            );
        }
    }
}

/// One long sum: of equal values, whose rounding errors all have one sign, and of values that cancel. As long as loops may be here: a CPU
/// driver ends them early.
#[test]
fn long_sums_keep_their_digits_on_every_rung() {
    let gpu = Gpu::open(&AdapterChoice::Best).expect("a Vulkan, Metal or DX12 adapter");
    let [h, w] = match gpu.capabilities().max_loop_iterations() {
        None => [1200, 1300],
        Some(_) => [150, 200],
    };
    let n = h * w;
    let mut tape = Tape::new();
    let input = tape.input("x", Spec::f32([1, 1, h, w]));
    let names = ["gamma", "beta", "running mean", "running variance"];
    let channels = names.map(|name| tape.input(name, Spec::f32([1])));
    let [gamma, beta, mean, variance] = &channels;
    let op = Arc::new(BatchNorm::default());
    let outputs = tape
        .apply_all(op, &[&input, gamma, beta, mean, variance])
        .expect("the shapes fit");
    outputs.iter().for_each(|y| tape.keep(y));
    let equal = vec![0.3f32; n];
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(6);
    let half = Fill::Normal(1.0).values(n / 2, &mut rng);
    // Each value's opposite stands somewhere in the other half, in another order; the sum is 0.
    let opposite = (0..n / 2).map(|i| -half[(i * 7919 + 13) % (n / 2)]);
    let cancelling: Vec<f32> = half.iter().copied().chain(opposite).collect();
    assert_eq!(cancelling.iter().map(|&v| f64::from(v)).sum::<f64>(), 0.0);
    for rung in STATISTICS.rungs {
        let mut choices = Choices::default();
        choices.force(STATISTICS.name, rung.name);
        let of = |x: &[f32]| {
            let got = run(
                &gpu,
                &tape,
                &choices,
                (&input, x),
                (gamma, 1.0),
                &outputs[1..],
            );
            [got[0][0], got[1][0]]
        };
        let [mean, variance] = of(&equal);
        let error = f64::from(mean) / f64::from(0.3f32) - 1.0;
        // WGSL divides within 2.5 units in the last place.
        assert!(error.abs() < 4e-7, "{}: off by {error}", rung.name);
        assert!(variance < 1e-12, "{}: {variance}", rung.name);
        let [mean, _] = of(&cancelling);
        // Rungs that sum a block's values as they are lose what f32 loses in so few; one after the other in f32 would lose 1e-7.
        let tolerance = if rung.name == "naive" { 1e-12 } else { 2e-8 };
        assert!(mean.abs() < tolerance, "{}: {mean}, not 0", rung.name);
    }
}

/// Values of `wanted` after one step over a full batch.
fn run(
    gpu: &Gpu,
    tape: &Tape,
    choices: &Choices,
    (x, values): (&gtzan_gpu::tensor::Tensor, &[f32]),
    (gamma, scale): (&gtzan_gpu::tensor::Tensor, f32),
    wanted: &[gtzan_gpu::tensor::Tensor],
) -> Vec<Vec<f32>> {
    let s = schedule(tape, gpu.capabilities(), choices).expect("the rung fits");
    let plan = MemoryPlan::new(
        &[("check", &s)],
        gpu.capabilities(),
        Placement::Arenas(4),
        1,
    );
    let plan = plan.expect("a few megabytes fit");
    let mut session = Session::new(gpu, plan, &[&s]).expect("the kernels compile");
    let scales = vec![scale; gamma.numel()];
    for (tensor, data) in [(x, values), (gamma, scales.as_slice())] {
        let place = session.place(0, &s, tensor).expect("a kernel reads it");
        session
            .write(place, bytemuck::cast_slice(data))
            .expect("the data fits");
    }
    let inputs = StepInputs {
        step: Step::full(x.dims()[0]),
        data: Vec::new(),
    };
    session.run(0, &[inputs]).expect("the step runs");
    wanted
        .iter()
        .map(|t| {
            let place = session.place(0, &s, t).expect("a kernel writes it");
            let bytes = session.read(place).expect("it can be read");
            bytemuck::pod_collect_to_vec::<u8, f32>(&bytes)
        })
        .collect()
}

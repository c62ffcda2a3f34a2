//! `model.safetensors` is PyTorch's: the names and shapes that `state_dict()` of the same network has there
//! (`tests/scripts/predict_torch.py` holds that network), so that `load_state_dict` takes the file as it is.

use gtzan_gpu::nn::Model;
use gtzan_gpu::tensor::Shape;
use gtzan_gpu::train::{Feed, GraphSettings, Weights, check_weights, evaluation_tape};

/// `{name: tuple(tensor.shape)}` of the PyTorch network with these filters, but for `num_batches_tracked`.
fn state_dict(filters: &[usize]) -> Weights {
    let mut all: Vec<(String, Vec<usize>)> = Vec::new();
    let norm = |i: usize, n: usize| -> Vec<(String, Vec<usize>)> {
        ["weight", "bias", "running_mean", "running_var"]
            .map(|part| (format!("bn{i}.{part}"), vec![n]))
            .into()
    };
    let mut channels = 1;
    for (i, &n) in (1..).zip(filters) {
        all.push((format!("conv{i}.weight"), vec![n, channels, 3, 3]));
        all.push((format!("conv{i}.bias"), vec![n]));
        all.extend(norm(i, n));
        channels = n;
    }
    all.push(("fc1.weight".into(), vec![256, channels]));
    all.push(("fc1.bias".into(), vec![256]));
    all.extend(norm(filters.len() + 1, 256));
    all.push(("fc2.weight".into(), vec![10, 256]));
    all.push(("fc2.bias".into(), vec![10]));
    all.into_iter()
        .map(|(name, dims)| {
            let shape = Shape::new(dims);
            let zeros = vec![0.0; shape.numel()];
            (name, shape, zeros)
        })
        .collect()
}

#[test]
fn the_built_in_models_have_pytorchs_names_and_shapes() {
    let g = GraphSettings {
        rows: 187,
        frames: 130,
        classes: 10,
        micro_batch: 1,
        micro_batches: 1,
        feed: Feed::Streamed,
        label_smoothing: 0.0,
        weight_decay: 0.0,
        clip_norm: None,
        time_shift: 0,
        augment: Default::default(),
        average: None,
    };
    for (name, filters) in [
        ("seed", vec![64, 128, 256]),
        ("small", vec![32, 64, 128]),
        ("demo", vec![16, 32, 64, 128]),
    ] {
        let model = Model::load(name).expect("built in");
        let tape = evaluation_tape(&model, &g, 1).expect("a tape");
        let whole = state_dict(&filters);
        check_weights(&tape, &whole).expect(name);
        let total: usize = whole.iter().map(|(_, s, _)| s.numel()).sum();
        let summary = model.summary(187, 130, 10).expect("a summary");
        assert_eq!(total, summary.total(), "{name}");
        for i in 0..whole.len() {
            let mut less = whole.clone();
            let (gone, ..) = less.remove(i);
            let error = check_weights(&tape, &less)
                .expect_err("one is missing")
                .to_string();
            assert!(error.contains(&gone), "{error}");
            let mut more = whole.clone();
            more[i].0.push('x');
            assert!(check_weights(&tape, &more).is_err());
            let mut turned = whole.clone();
            turned[i].1 = Shape::new([turned[i].1.dims(), &[1]].concat());
            assert!(check_weights(&tape, &turned).is_err());
        }
    }
}

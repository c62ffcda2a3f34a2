//! Declarations, files and layers of options.

use super::*;
use std::ffi::OsStr;
use std::path::Path;

fn option(name: &str) -> &'static Declared {
    Declared::all()
        .iter()
        .find(|o| o.name == name)
        .expect("an option")
}

#[test]
fn a_saved_run_reads_back_whole() {
    let mut given = Given::default();
    // Another value than the default for every option there is.
    for o in Declared::all() {
        let text = match (o.name, o.kind) {
            (_, Kind::Switch(on)) => (!on).to_string(),
            ("segments", _) => "all".into(),
            ("group_by", _) => "folder".into(),
            ("features", _) => "notebook".into(),
            ("vram", _) => "3MiB".into(),
            ("rungs", _) => "conv2d.forward:half, dense:naive".into(),
            ("schedule", _) => "cosine".into(),
            ("keep", _) => "last".into(),
            ("model" | "split" | "data" | "init" | "recipe" | "tensorboard", _) => {
                format!("some \"{}\"", o.name)
            }
            (
                "epochs" | "folds" | "batch_size" | "micro_batches" | "limit" | "threads"
                | "synthetic_tracks",
                _,
            ) => "7".into(),
            ("seed", _) => i64::MAX.to_string(),
            (
                "fold" | "early_stopping" | "plateau_patience" | "time_shift" | "frequency_masks"
                | "frequency_mask" | "time_masks" | "time_mask",
                _,
            ) => "3".into(),
            _ => "0.125".into(),
        };
        o.give(&mut given, OsStr::new(&text)).expect("a value");
    }
    let settings = Settings::of(given.clone());
    assert_eq!(
        settings.differences(&Settings::default()).len(),
        Declared::all().len()
    );
    let saved = toml::to_string(&settings).expect("a file");
    assert_eq!(Given::from_toml(&saved, "saved").expect("read"), given);
}

#[test]
fn the_upper_layer_wins_and_a_switch_goes_both_ways() {
    let below =
        Given::from_toml("epochs = 3\nshuffle = false\nseed = 5", "recipe").expect("a recipe");
    let mut above = Given::default();
    option("epochs")
        .give(&mut above, OsStr::new("9"))
        .expect("a value");
    option("shuffle")
        .give(&mut above, OsStr::new("true"))
        .expect("a value");
    let settings = Settings::of(above.over(below));
    assert_eq!(
        (settings.epochs, settings.shuffle, settings.seed),
        (9, true, 5)
    );
    assert_eq!(
        settings.differences(&Settings::default()),
        ["epochs", "seed"]
    );
}

#[test]
fn wrong_values_are_told_with_their_place() {
    for (line, part) in [
        ("epochs = \"x\"", "epochs = \"x\": give a whole number"),
        ("epochs = 0", "epochs = 0: it must be at least 1"),
        ("epochs = -3", "epochs = -3: give a whole number"),
        ("learning_rate = inf", "learning_rate = inf: give a number"),
        ("weight_decay = 1e300", "weight_decay"),
        ("min_lr = -1e-3", "min_lr = -0.001: it must be at least 0"),
        ("strict = 1", "give true or false"),
        ("time_masks = 5", "it must be at most 4"),
        ("schedule = \"cosinus\"", "give constant, plateau or cosine"),
        ("segments = \"some\"", "give first or all"),
        ("vram = \"lots\"", "256MiB"),
        ("rungs = \"dense.forward:hlf\"", "it has naive, "),
        ("rungs = \"dense\"", "LADDER:RUNG"),
        ("model = 5", "give a word"),
        ("epoch = 5", "there is no option epoch"),
        ("model", "line 2"),
    ] {
        let text = format!("seed = 1\n{line}\nsplit = \"stratified\"\n");
        let error = Given::from_toml(&text, "some.toml")
            .expect_err(line)
            .to_string();
        assert!(
            error.starts_with("some.toml, line 2: ") && error.contains(part),
            "{error}"
        );
    }
    for (name, text, part) in [
        (
            "label_smoothing",
            "1",
            "--label-smoothing 1: it must be at least 0 and below 1",
        ),
        ("clip_norm", "0", "--clip-norm 0: it must be above 0"),
        ("learning_rate", "nan", "--learning-rate nan: give a number"),
        (
            "seed",
            "9223372036854775808",
            "--seed 9223372036854775808: give a whole number",
        ),
        ("threads", "", "--threads : give a whole number"),
        (
            "rungs",
            "conv3d:half",
            "--rungs conv3d:half: there is no ladder 'conv3d'",
        ),
    ] {
        let error = option(name)
            .give(&mut Given::default(), OsStr::new(text))
            .expect_err(name);
        assert!(error.to_string().starts_with(part), "{error}");
    }
}

#[test]
fn whole_numbers_are_numbers_too() {
    let given = Given::from_toml("learning_rate = 1\ndropout = 0", "some.toml").expect("read");
    assert_eq!((given.learning_rate, given.dropout), (Some(1.0), Some(0.0)));
}

#[test]
fn no_option_is_dropped_without_a_word() {
    let check = |file: &str, command: &[(&str, &str)]| {
        let mut given = Given::default();
        for (name, text) in command {
            option(name)
                .give(&mut given, OsStr::new(text))
                .expect("a value");
        }
        let file = Given::from_toml(file, "file").expect("a file");
        Settings::of(given.clone().over(file)).check(&given, &Given::default())
    };
    let saved = |change: &dyn Fn(&mut Settings)| {
        let mut s = Settings::default();
        change(&mut s);
        toml::to_string(&s).expect("a file")
    };
    let folds = saved(&|s| s.folds = Some(5));
    let lists = saved(&|s| s.split = "fault-filtered".into());
    // What a run saved goes through, though it names every option.
    for file in [&folds, &lists, ""] {
        check(file, &[]).expect(file);
    }
    check(&folds, &[("split", "stratified"), ("fold", "2")]).expect("together");
    for (file, command, flag) in [
        (
            folds.as_str(),
            &[("val_fraction", "0.2")][..],
            "--val-fraction",
        ),
        ("folds = 5\nval_fraction = 0.5", &[], "--val-fraction"),
        (
            "",
            &[("folds", "5"), ("split", "fault-filtered")],
            "--split",
        ),
        (&lists, &[("folds", "5")], "--split"),
        (&lists, &[("val_fraction", "0.3")], "--val-fraction"),
        ("", &[("fold", "0")], "--fold "),
        ("fold = 2", &[], "--fold "),
        ("plateau_patience = 0", &[("min_lr", "1e-5")], "--min-lr"),
        ("schedule = \"constant\"", &[("min_lr", "1e-5")], "--min-lr"),
        (
            "schedule = \"cosine\"",
            &[("plateau_patience", "5")],
            "--plateau-patience",
        ),
        (
            "schedule = \"cosine\"",
            &[("plateau_factor", "0.5")],
            "--plateau-factor",
        ),
        ("", &[("time_mask", "9")], "--time-mask "),
        (
            "time_masks = 2",
            &[("frequency_mask", "9")],
            "--frequency-mask ",
        ),
        (
            "plateau_patience = 0\nplateau_factor = 0.5",
            &[],
            "--plateau-factor",
        ),
        (
            "",
            &[("data", "genres"), ("synthetic_tracks", "60")],
            "--synthetic-tracks",
        ),
    ] {
        let error = check(file, command).expect_err(flag).to_string();
        assert!(
            error.starts_with(flag) && error.contains("leave out"),
            "{error}"
        );
    }
}

#[test]
fn the_original_is_the_default() {
    let original = Given::recipe("original").expect("built in");
    assert_eq!(
        Settings::of(original).differences(&Settings::default()),
        [""; 0]
    );
}

#[test]
fn what_a_recipe_says_of_the_split_is_not_passed_over() {
    let recipe = Given::from_toml("split = \"fault-filtered\"", "recipe").expect("a recipe");
    let check = |command: &[(&str, &str)]| {
        let mut given = Given::default();
        for (name, text) in command {
            let text = OsStr::new(text);
            option(name).give(&mut given, text).expect("a value");
        }
        Settings::of(given.clone().over(recipe.clone())).check(&given, &recipe)
    };
    check(&[]).expect("the recipe's own");
    check(&[("folds", "5"), ("split", "stratified")]).expect("another split");
    let error = check(&[("folds", "5")]).expect_err("both").to_string();
    assert!(
        error.starts_with("--split is without effect on --folds"),
        "{error}"
    );
}

#[test]
fn paths_are_saved_whole_and_what_is_built_in_by_name() {
    let saved = Settings {
        data: Some("genres".into()),
        split: "lists".into(),
        recipe: "mine.toml".into(),
        ..Settings::default()
    }
    .with_absolute_paths();
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(saved.data, Some(here.join("genres")));
    assert_eq!(Path::new(&saved.split), here.join("lists"));
    assert_eq!(Path::new(&saved.recipe), here.join("mine.toml"));
    assert_eq!(saved.model, "seed");
    assert_eq!(saved.clone().with_absolute_paths(), saved);
    let split = "fault-filtered".to_owned();
    let built_in = Settings {
        split,
        ..Settings::default()
    };
    assert_eq!(built_in.clone().with_absolute_paths(), built_in);
}

#[test]
fn a_recipe_is_no_reason_to_complain() {
    let strong = Given::recipe("strong").expect("built in");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let command = Given {
        // A file of arrays has no segments to choose, and a constant rate no warm-up to speak of.
        data: Some(file.path().to_owned()),
        schedule: Some(crate::train::Schedule::Constant),
        frequency_masks: Some(0),
        ..Given::default()
    };
    let settings = Settings::of(command.clone().over(strong.clone()));
    settings.check(&command, &strong).expect("all together");
    assert_eq!((settings.batch_size, settings.frequency_masks), (32, 0));
}

#[test]
fn mistakes_in_a_recipe_are_told_with_their_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("mine.toml");
    let name = path.to_str().expect("UTF-8");
    for (text, part) in [
        (
            "epochs = 3\nmixup = -1\n",
            "mine.toml, line 2: mixup = -1: it must be at least 0",
        ),
        ("epoch = 3\n", "mine.toml, line 1: there is no option epoch"),
        (
            "recipe = \"strong\"\n",
            "mine.toml: recipe: a recipe can't stand on another",
        ),
        (
            "data = \"genres\"\n",
            "mine.toml: data: a recipe is for any data",
        ),
        ("[model]\nname = 1\n", "mine.toml, line 1: model = "),
        ("gain = \n", "mine.toml, line 1: "),
    ] {
        std::fs::write(&path, text).expect("written");
        let error = Given::recipe(name).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let error = Given::recipe("stong").expect_err("no recipe").to_string();
    assert!(
        error.contains("'stong': use original, strong, or"),
        "{error}"
    );
}

#[test]
fn a_recipe_finds_the_model_beside_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, model) = (dir.path().join("mine.toml"), dir.path().join("net.toml"));
    std::fs::write(&path, "model = \"net.toml\"").expect("written");
    std::fs::write(&model, "").expect("written");
    let given = Given::recipe(path.to_str().expect("UTF-8")).expect("read");
    assert_eq!(given.model, model.to_str().map(str::to_owned));
    std::fs::write(&path, "model = \"seed\"").expect("written");
    let given = Given::recipe(path.to_str().expect("UTF-8")).expect("read");
    assert_eq!(given.model.as_deref(), Some("seed"));
}

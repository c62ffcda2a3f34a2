//! Which rung is chosen, and what every ladder promises.

use super::*;
use crate::ops::{DeviceClass, nested, registry};

#[derive(Debug, Clone, Copy)]
struct Size(usize);

impl Geometry for Size {
    fn problem(&self) -> Problem {
        Problem(vec![("size", self.0)])
    }
}

fn nothing(_: &Size, _: &Io, _: &mut Lowering) -> Result<()> {
    Ok(())
}

fn large(size: &Size, _: &Capabilities) -> Result<(), String> {
    if size.0 < 8 {
        return Err("fewer than 8".to_owned());
    }
    Ok(())
}

const NAIVE: Rung<Size> = Rung::naive(nothing);
const LARGE: Rung<Size> = Rung::gpu("large", large, nothing);
const HALF: Rung<Size> = Rung::gpu("half", anything, nothing).rounding(HALF_ROUNDING);

static LADDER: Ladder<Size> = Ladder {
    name: "test.forward",
    rungs: &[NAIVE, LARGE, HALF],
    order: |g, c| match c.class {
        DeviceClass::Hardware => vec![HALF, LARGE],
        DeviceClass::Software if g.0 > 100 => vec![LARGE],
        DeviceClass::Software => vec![],
    },
    work: |_| Work::default(),
};

fn chosen(size: usize, class: DeviceClass, choices: &Choices) -> Result<&'static str> {
    let capabilities = Capabilities::portable(class);
    LADDER
        .choose(&Size(size), choices, &capabilities)
        .map(|r| r.name)
}

#[test]
fn the_first_of_the_order_that_can_run_is_used() {
    use DeviceClass::{Hardware, Software};
    let free = Choices::default();
    for (size, class, expected) in [
        (4, Hardware, "naive"),
        (8, Hardware, "large"),
        (8, Software, "naive"),
        (101, Software, "large"),
    ] {
        assert_eq!(chosen(size, class, &free).expect("one"), expected, "{size}");
    }
}

#[test]
fn stale_choices_of_the_tuner_are_passed_over_and_forced_ones_refused() {
    let mut choices = Choices::default();
    choices.tune("test.forward", "size=9", "3_large");
    assert_eq!(
        chosen(9, DeviceClass::Hardware, &choices).expect("one"),
        "large"
    );
    choices.tune("test.forward", "size=9", "naive");
    assert_eq!(
        chosen(9, DeviceClass::Hardware, &choices).expect("one"),
        "naive"
    );
    choices.force("test.forward", "large");
    let error = chosen(4, DeviceClass::Hardware, &choices).expect_err("too small");
    assert!(
        error
            .to_string()
            .contains("large can't run size=4: fewer than 8"),
        "{error}"
    );
    choices.force("test.forward", "1_naive");
    let error = chosen(4, DeviceClass::Hardware, &choices).expect_err("no such rung");
    assert!(
        error.to_string().contains("there are naive, large, half"),
        "{error}"
    );
}

/// Where it can't run, what was tuned or the default does.
#[test]
fn a_preferred_rung_runs_what_it_can() {
    let gpu = DeviceClass::Hardware;
    let mut choices = Choices::default();
    choices.tune("test.forward", "size=9", "naive");
    choices.prefer("test.forward", "large");
    for (size, expected) in [(4, "naive"), (9, "large"), (64, "large")] {
        assert_eq!(chosen(size, gpu, &choices).expect("one"), expected);
    }
    choices.prefer("test.forward", "half");
    assert_eq!(chosen(9, gpu, &choices).expect("one"), "half");
    choices.prefer("other.forward", "naive");
    choices.force("test.forward", "naive");
    assert_eq!(chosen(9, gpu, &choices).expect("one"), "naive");

    let mut choices = Choices::default();
    choices.tune("test.forward", "size=4", "naive");
    choices.prefer("test.forward", "small");
    let error = chosen(4, gpu, &choices).expect_err("no such rung");
    assert_eq!(
        error.to_string(),
        "test.forward: there is no rung small; there are naive, large, half"
    );
}

#[test]
fn reduced_precision_is_used_when_asked_for_only() {
    let mut choices = Choices::default();
    choices.tune("test.forward", "size=64", "half");
    assert_eq!(
        chosen(64, DeviceClass::Hardware, &choices).expect("one"),
        "large"
    );
    choices.force("test.forward", "half");
    assert_eq!(
        chosen(64, DeviceClass::Hardware, &choices).expect("one"),
        "half"
    );
}

/// A rung whose loops a driver would end is passed over; where every one's are, the reason is said.
#[test]
fn no_sum_is_cut_short() {
    const NAIVE: Rung<Size> = Rung::naive(nothing).iterations(|size| nested([size.0]));
    const SHARED: Rung<Size> =
        Rung::gpu("shared", anything, nothing).iterations(|size| nested([size.0 / 8]));
    static LONG: Ladder<Size> = Ladder {
        name: "test.sum",
        rungs: &[NAIVE, SHARED],
        order: |_, _| vec![],
        work: |_| Work::default(),
    };
    let choose = |size, class| {
        let capabilities = Capabilities::portable(class);
        let rung = LONG.choose(&Size(size), &Choices::default(), &capabilities);
        rung.map(|r| r.name).map_err(|e| e.to_string())
    };
    let cpu = DeviceClass::Software;
    assert_eq!(choose(65_534, cpu), Ok("naive"));
    assert_eq!(choose(65_535, cpu), Ok("shared"));
    assert_eq!(choose(600_000, DeviceClass::Hardware), Ok("naive"));
    assert_eq!(
        choose(600_000, cpu),
        Err("test.sum: no rung can run size=600000 on this device: an invocation's loops take 600001 iterations, and this device's driver ends them after 65535".to_owned())
    );
    let mut choices = Choices::default();
    choices.force("test.sum", "naive");
    let error = LONG.choose(&Size(65_535), &choices, &Capabilities::portable(cpu));
    assert!(
        error
            .expect_err("too long")
            .to_string()
            .contains("65536 iterations")
    );
}

/// What a ladder promises to those who go through it: it begins with a rung for everything, GPUs' rungs come before those of CPU
/// drivers, and no name is taken twice or bears a number.
#[test]
fn every_ladder_begins_naive_and_reads_gpus_first() {
    let ladders: Vec<_> = registry().iter().flat_map(|e| e.ladders).copied().collect();
    assert!(ladders.len() >= 15);
    for ladder in ladders {
        let rungs = ladder.rungs();
        assert!(
            rungs[0].class == MadeFor::Any && !rungs[0].reduced(),
            "{ladder:?}"
        );
        assert!(rungs.is_sorted_by_key(|r| r.class), "{ladder:?}");
        for (i, rung) in rungs.iter().enumerate() {
            let letters = |c: char| c.is_ascii_lowercase() || c == '_';
            // im2col is what the literature calls it.
            let name = rung.name.replace("im2col", "");
            assert!(name.chars().all(letters), "{ladder:?} {}", rung.name);
            assert!(
                rungs[..i].iter().all(|r| r.name != rung.name),
                "{ladder:?} {}",
                rung.name
            );
        }
    }
}

//! What a bench found, kept in a file: read back, and as tables.

use super::{PEAKS, gpu, measured};
use gtzan_gpu::bench::{self, Measured, Row};
use serde_json::Value;
use std::fs;

fn kept(rows: &[Row]) -> Measured {
    Measured {
        adapter: "adapter".to_owned(),
        driver: "driver".to_owned(),
        date: "2026-01-31".to_owned(),
        command: "gtzan-gpu bench".to_owned(),
        peak_gflops: PEAKS.gflops,
        copy_gbs: PEAKS.copy_gbs,
        results: rows.to_vec(),
    }
}

#[test]
fn what_was_measured_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("measured.json");
    let rows = measured(&gpu(), "conv2d", "n=1,c=3,k=2,h=5,w=4");
    let timed = |r: &&Row| r.ms.is_some();
    assert!(rows.iter().any(|r| !timed(&r)) && rows.iter().any(|r| timed(&r)));
    let kept = kept(&rows);
    let text = serde_json::to_string_pretty(&kept).unwrap();
    fs::write(&path, &text).unwrap();
    assert_eq!(Measured::read(&path).unwrap(), kept);
    // From before the day and the command were written down.
    let mut older: Value = serde_json::from_str(&text).unwrap();
    for key in ["date", "command"] {
        older.as_object_mut().unwrap().remove(key);
    }
    fs::write(&path, older.to_string()).unwrap();
    assert_eq!(Measured::read(&path).unwrap().results, rows);
    for damaged in ["", "[]", &text[..text.len() / 2], "{\"results\": []}"] {
        fs::write(&path, damaged).unwrap();
        let error = Measured::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("measured.json") && error.contains("bench --json"),
            "{error}"
        );
    }
}

#[test]
fn the_readme_s_table_is_replaced_between_its_markers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("README.md");
    let gpu = gpu();
    let mut rows = measured(&gpu, "global_avg_pool", "n=1,c=2,h=3,w=3");
    let one = rows.len();
    // One ladder at one problem, then two of them.
    for (bars, name) in [(7, "| naive"), (9, "| global_avg_pool.forward | naive")] {
        let table = bench::table(&kept(&rows));
        let lines: Vec<&str> = table.lines().filter(|l| l.starts_with('|')).collect();
        assert_eq!(lines.len(), rows.len() + 2, "{table}");
        assert!(
            lines.iter().all(|l| l.matches('|').count() == bars),
            "{table}"
        );
        assert!(lines.iter().any(|l| l.starts_with(name)), "{table}");
        assert!(table.contains(&rows[0].shape), "{table}");
        if rows.len() == one {
            let mut fewer = rows.clone();
            fewer[0].skipped = Some("too small".to_owned());
            let table = bench::table(&kept(&fewer));
            assert!(!table.contains("| naive"), "{table}");
            assert!(
                table.ends_with("\nSkipped: naive (too small).\n"),
                "{table}"
            );
            rows.extend(measured(&gpu, "global_avg_pool", "n=1,c=3,h=3,w=3"));
        }
    }
    let table = bench::table(&kept(&rows));
    assert!(
        table.contains("; 2026-01-31, by `gtzan-gpu bench`."),
        "{table}"
    );

    fs::write(
        &path,
        "a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nz\n",
    )
    .unwrap();
    for _ in 0..2 {
        bench::rewrite(&path, &table).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            format!("a\n<!-- bench:begin -->\n{table}<!-- bench:end -->\nz\n")
        );
    }
    for (text, part) in [
        ("no markers", "has no place"),
        ("<!-- bench:begin -->", "has no place"),
        ("<!-- bench:end --><!-- bench:begin -->", "swap"),
    ] {
        fs::write(&path, text).unwrap();
        let error = bench::rewrite(&path, &table).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

//! `redial storm` as a process.

use serde_json::{Value, json};

use crate::support::{Tool, scratch};

#[test]
fn policies_are_compared_in_a_table_in_lines_and_in_a_picture() {
    let file = scratch("mine.toml");
    std::fs::write(&file, "[backoff]\ngrowth = { fixed = 2000 }\njitter = \"none\"\n").unwrap();
    let file = file.to_str().unwrap();
    let small = ["storm", "--clients", "400", "--outage", "20", "--capacity", "100"];
    let chosen = ["--policy", "naive", "--policy", "liveperson", "--policy", file];
    let picture = scratch("storm.svg");
    let tool = || Tool::new(small).args(chosen);
    let (code, table, stderr) = tool().arg("--out").arg(&picture).finish();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let names: Vec<&str> =
        table.lines().skip(2).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["naive", "liveperson", "mine"]);
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for text in ["400 clients lose their server", "naive", "liveperson", "mine"] {
        assert!(svg.contains(text), "{text}");
    }

    let (code, lines, _) = tool().arg("--json").finish();
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    // Everybody dials at 20, 22, 24 and 26 s; 100 of them are taken each time.
    let mine = &lines[2];
    assert_eq!((&mine["kind"], &mine["policy"]), (&json!("aftermath"), &json!("mine")));
    assert_eq!((&mine["half_ms"], &mine["all_ms"]), (&json!(22_000), &json!(26_000)));
    assert_eq!((&mine["back"], &mine["peak_per_s"]), (&json!(400), &json!(400)));
    assert_eq!(mine["wasted"], 9 * 400 + 300 + 200 + 100);
}

#[test]
fn without_a_name_all_policies_are_compared_and_a_seed_repeats_it() {
    let run = |seed: &str| {
        let tool = Tool::new(["storm", "--clients", "200", "--outage", "5", "--capacity", "50"]);
        let (code, table, _) = tool.args(["--seed", seed]).finish();
        assert_eq!(code, Some(0));
        table
    };
    let table = run("3");
    for name in ["naive", "liveperson", "genesys", "ringcentral", "vonage", "evolution", "default"]
    {
        assert!(table.lines().any(|line| line.split(' ').next() == Some(name)), "{name}: {table}");
    }
    assert_eq!(run("3"), table);
    assert_ne!(run("4"), table);
}

#[test]
fn a_policy_that_is_none_is_named_with_those_that_are() {
    let (code, _, stderr) = Tool::new(["storm", "--policy", "sunshine"]).finish();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("sunshine: neither a file nor one of naive, liveperson"), "{stderr}");
    assert_eq!(Tool::new(["storm", "--clients", "0"]).finish().0, Some(2));
    let (code, _, stderr) =
        Tool::new(["storm", "--clients", "1", "--policy", "naive", "--out", "/nowhere/at.svg"])
            .finish();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/nowhere/at.svg"), "{stderr}");
}

//! `--policy FILE`: what the file says is changed, the rest stays the vendor's.

use serde_json::{Value, json};

use crate::support::{Sim, Tool, connect_with, scratch};

#[test]
fn what_the_file_does_not_say_stays_the_vendors() {
    let sim = Sim::plain();
    let mut client =
        connect_with(&sim, "floor = 50\n[backoff]\ngrowth = { fixed = 200 }\n").start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 4401 }));
    let retry = client.expect("retry_scheduled");
    assert_eq!((&retry["delay_ms"], &retry["token"]), (&json!(200), &json!("regenerate")));
    client.expect("online");
    client.shut_down();
}

#[test]
fn rules_are_replaced_as_a_whole() {
    let sim = Sim::plain();
    let policy = "otherwise = { retry = { token = \"regenerate\", intent = \"restart\", \
                  delay = \"now\" } }\nfloor = 50\nrules = []\n";
    let mut client = connect_with(&sim, policy).start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 1000 }));
    client.expect("offline");
    assert_eq!(client.expect("connecting")["intent"], "restart");
    client.expect("online");
    assert_eq!(sim.state()["logins"], 2);
    client.shut_down();
}

#[test]
fn a_growing_wait_ends_with_its_budget() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "csds", "status": 503, "times": 9 }));
    let policy = "floor = 50\n[backoff]\nattempts = 3\n\
                  growth = { exponential = { first = 100, percent = 200, cap = 1000 } }\n";
    let mut client = connect_with(&sim, policy).start();
    for delay in [100, 200, 400] {
        assert_eq!(client.expect("retry_scheduled")["delay_ms"], delay);
    }
    let suspended = client.expect("suspended");
    assert_eq!(suspended["reason"], "attempts_exhausted");
    assert_eq!(suspended["cause"], json!({ "http": { "step": "csds", "status": 503 } }));
    client.shut_down();
}

#[test]
fn check_shows_what_a_file_comes_to() {
    let file = scratch("policy.toml");
    std::fs::write(&file, "[backoff]\njitter = \"equal\"\nattempts = 3\n").unwrap();
    let (code, stdout, stderr) = Tool::new(["check"]).arg(&file).finish();
    assert_eq!(code, Some(0), "{stderr}");
    for part in ["close 4401", "new token", "anything else", "5 s to 10 s", "after 3 attempts"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let (code, stdout, _) = Tool::new(["check", "--json"]).arg(&file).finish();
    assert_eq!(code, Some(0));
    let lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["t_ms"].is_u64()));
    assert_eq!(lines.iter().filter(|line| line["kind"] == "wait").count(), 3);
    let wait = lines.iter().find(|line| line["kind"] == "wait").unwrap();
    assert_eq!((&wait["least_ms"], &wait["most_ms"]), (&json!(5000), &json!(10_000)));
}

#[test]
fn check_says_what_is_wrong() {
    for (text, reason) in [
        ("floor = 0\n", "zero"),
        ("no_such = 1\n", "no_such"),
        ("[backoff]\ngrowth = { fixed = \"x\" }\n", ""),
        ("this is no TOML", ""),
    ] {
        let file = scratch("policy.toml");
        std::fs::write(&file, text).unwrap();
        let (code, stdout, stderr) = Tool::new(["check"]).arg(&file).finish();
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{text}");
        assert!(stderr.contains("policy.toml") && stderr.contains(reason), "{stderr}");
    }
}

/// The field, and the reason; where there are several rules, which of them.
#[test]
fn check_names_the_field_and_the_reason() {
    for (text, complaint) in [
        ("floor = 0", "floor: a span that must not be zero is zero"),
        (
            "floor = -5",
            "floor: invalid value: integer `-5`, expected a whole number from 0 to 4294967295 \
             (spans are milliseconds)",
        ),
        ("[backoff]\ngrowht = 1", "backoff.growht: unknown field `growht`, expected one of "),
        (
            "floor = 50\n[backoff]\nattempts = 3\ngrowth = { fixed = 0 }",
            "backoff.growth: a span that must not be zero is zero",
        ),
        (
            "[backoff]\nattempts = 70000",
            "backoff.attempts: invalid value: integer `70000`, expected a whole number from 0 to 65535",
        ),
        ("[timeouts]\nconnect = 0", "timeouts.connect: a span that must not be zero is zero"),
        ("[token]\nrejections = 0", "token.rejections: a budget of no rejections"),
        (
            "keepalive = { probe = { interval = 1000, timeout = 900, misses = 2, pace = \"steady\" } }",
            "keepalive: a steady probe is judged only after the next one is due",
        ),
        (
            "[[rules]]\nwhen = \"network\"\nverdict = \"stop\"\n\
             [[rules]]\nwhen = { close = [4403, 4400] }\nverdict = \"stop\"",
            "rule 2: a rule's range ends before it begins",
        ),
        (
            "[[rules]]\nwhen = { close = [4400, 4499] }\nverdict = \"stop\"\n\
             [[rules]]\nwhen = \"network\"\nverdict = \"stop\"\n\
             [[rules]]\nwhen = { close = [4401, 4401] }\nverdict = \"suspend\"",
            "rules 1 and 3: two rules decide about the same cause",
        ),
        (
            "[[rules]]\nwhen = \"network\"\nverdict = \"retry\"",
            "rule 1: invalid type: a name alone, expected { name = .. }",
        ),
        (
            "[[rules]]\nwhen = { close = 4403 }\nverdict = \"stop\"",
            "rule 1: invalid type: integer `4403`, expected two numbers, such as [4400, 4499]",
        ),
        ("floor = 1\nfloor = 2", "line 2, column 1: duplicate key"),
    ] {
        let file = scratch("policy.toml");
        std::fs::write(&file, text).unwrap();
        let (code, stdout, stderr) = Tool::new(["check"]).arg(&file).finish();
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{text}");
        let wanted = format!("redial: {}: {complaint}", file.display());
        assert!(stderr.starts_with(&wanted), "{text}: {stderr}");
    }
}

/// What was meant may be another file: none of it is repeated, and none is read without end.
#[test]
fn a_file_that_is_no_policy_is_not_repeated_nor_read_without_end() {
    let file = scratch("secrets.env");
    std::fs::write(&file, "PASSWORD=sparrow please\n").unwrap();
    let config = scratch("config.toml");
    std::fs::write(&config, "token = \"a \\\", expected sparrow\"\n").unwrap();
    for path in [&file, &config, std::path::Path::new("/dev/zero")] {
        for command in [&["check"][..], &["storm", "--clients", "5", "--policy"]] {
            let (code, stdout, stderr) = Tool::new(command).arg(path).finish();
            assert_eq!((code, stdout.as_str()), (Some(1), ""), "{command:?} {path:?}");
            assert!(!stderr.is_empty() && !stderr.contains("sparrow"), "{stderr}");
        }
    }
}

#[test]
fn a_bound_of_the_vendors_can_be_taken_away() {
    let file = scratch("policy.toml");
    let text = "[backoff]\nattempts = \"none\"\n[timeouts]\ntoken = \"none\"\n\
                [token]\nrejections = \"none\"\n";
    std::fs::write(&file, text).unwrap();
    let tool = Tool::new(["check", "--json", "--vendor", "vonage"]).arg(&file);
    let (code, stdout, stderr) = tool.finish();
    assert_eq!(code, Some(0), "{stderr}");
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    let policy = &last["policy"];
    let bounds = [&policy["backoff"]["attempts"], &policy["token"]["rejections"]];
    assert_eq!(bounds, [&Value::Null, &Value::Null]);
    assert_eq!(policy["timeouts"]["token"], Value::Null);
}

#[test]
fn the_diagram_is_drawn_from_the_policy() {
    let (code, stdout, stderr) = Tool::new(["diagram", "--vendor", "liveperson"]).finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with("stateDiagram-v2\n"), "{stdout}");
    assert!(stdout.contains("Starting --> Online: Ready"), "{stdout}");
}

/// The page that promises.
const PAGE: &str = include_str!("../../../TOOL.md");

#[test]
fn the_policy_of_the_page_is_one() {
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    let (policy, _) = rest.split_once("```").unwrap();
    let file = scratch("policy.toml");
    std::fs::write(&file, policy).unwrap();
    let (code, stdout, stderr) = Tool::new(["check"]).arg(&file).finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("after 20 attempts"), "{stdout}");
}

#[test]
fn the_page_has_every_flag_and_every_variable() {
    let alone = ["tour", "proxy", "replay", "storm", "check", "diagram", "completions"];
    let vendors = ["liveperson", "genesys", "evolution", "ringcentral", "vonage"];
    let commands = alone
        .map(|name| vec![name])
        .into_iter()
        .chain(vendors.into_iter().flat_map(|name| [vec!["connect", name], vec!["serve", name]]));
    for command in commands {
        let (_, help, _) = Tool::new(&command).arg("--help").finish();
        let words = help.split(|c: char| c.is_whitespace() || "[]=<>,()`".contains(c));
        let named = |word: &&str| word.starts_with("--") || word.starts_with("REDIAL_");
        for word in words.filter(named).filter(|word| *word != "--help") {
            assert!(PAGE.contains(word), "{word} of {command:?}");
        }
    }
}

#[test]
fn the_policies_of_all_vendors_are_known() {
    let path = scratch("policy.toml");
    std::fs::write(&path, "").unwrap();
    for (vendor, line) in [
        (&["vonage"][..], "attempt 5                16 s"),
        (&["evolution"], "attempt 1                5 s"),
        (&["evolution", "--profile", "codechat"], "attempt 1                5 s"),
        (&["evolution", "--profile", "v2"], "attempt 1                1 s to 1499 ms"),
    ] {
        let tool = Tool::new(["check", "--vendor"]).args(vendor).arg(&path);
        let (code, stdout, stderr) = tool.finish();
        assert_eq!(code, Some(0), "{vendor:?}: {stderr}");
        assert!(stdout.contains(line), "{vendor:?}: {stdout}");
    }
    let other = Tool::new(["check", "--vendor", "vonage", "--profile", "v2"]).arg(&path);
    assert_eq!(other.finish().0, Some(2));
    let (code, stdout, stderr) = Tool::new(["diagram", "--vendor", "evolution"]).finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with("stateDiagram"), "{stdout}");
}

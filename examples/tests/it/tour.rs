//! `redial tour`: it ends well, and it notices what is broken.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::support::Tool;

/// Short enough for a test, and not so short that a busy machine is taken for a dead peer.
const SPEED: &str = "20";

/// Tours are busy: one test at a time.
static BUSY: Mutex<()> = Mutex::new(());

fn run(args: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let (code, stdout, stderr) =
        Tool::new(["tour", "--json", "--speed", SPEED]).args(args).finish();
    let lines = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (code, lines, stderr)
}

fn of<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}

#[test]
fn the_tour_ends_well() {
    let _busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let (code, lines, stderr) = run(&["--vendor", "liveperson"]);
    assert!(lines.iter().all(|line| line["t_ms"].is_u64() && line["kind"].is_string()));
    let verdict = lines.last().unwrap();
    assert_eq!(verdict["kind"], "verdict");
    assert_eq!((code, &verdict["ok"]), (Some(0), &json!(true)), "{verdict} {stderr}");
    assert_eq!(verdict["promises"], verdict["kept"]);
    assert_eq!(verdict["problems"], json!([]));
    assert!(of(&lines, "promise").all(|line| line["kept"] == true));
    assert!(of(&lines, "promise").count() >= 20);
    for fault in ["cuts TCP", "4401", "revokes", "silent", "20 s", "429"] {
        let found = of(&lines, "moment")
            .any(|line| line["fault"] == true && line["text"].as_str().unwrap().contains(fault));
        assert!(found, "{fault}");
    }
    let scenes: Vec<&Value> =
        of(&lines, "figures").filter(|line| !line["scene"].is_null()).collect();
    assert_eq!(scenes.len(), 7);
    let all = of(&lines, "figures").find(|line| line["scene"].is_null()).unwrap();
    for side in ["application", "simulator"] {
        for figure in [
            "connects",
            "token_fetches",
            "recoveries",
            "offline_longest_ms",
            "offline_median_ms",
            "requests_sent",
            "requests_answered",
            "requests_failed",
        ] {
            assert!(all[side][figure].is_u64(), "{figure}");
        }
        let sum: u64 = scenes.iter().map(|line| line[side]["connects"].as_u64().unwrap()).sum();
        assert_eq!(all[side]["connects"], sum);
    }
}

#[test]
fn the_tour_of_genesys_ends_well() {
    let _busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let (code, lines, stderr) = run(&["--vendor", "genesys"]);
    let verdict = lines.last().unwrap();
    assert_eq!((code, &verdict["ok"]), (Some(0), &json!(true)), "{verdict} {stderr}");
    assert_eq!(verdict["promises"], verdict["kept"]);
    assert!(of(&lines, "promise").count() >= 50);
    let scenes: Vec<&str> =
        of(&lines, "figures").filter_map(|line| line["scene"].as_str()).collect();
    assert_eq!(
        scenes,
        [
            "guest cut",
            "lost acks",
            "REST 429 twice",
            "REST 500",
            "guest revoked",
            "guest silent",
            "five attempts",
            "guest expires",
            "web cut",
            "web rate",
            "web expiry",
        ]
    );
    let all = of(&lines, "figures").find(|line| line["scene"].is_null()).unwrap();
    for side in ["application", "simulator"] {
        // The one that Web Messaging cuts off is unknown; nothing else is.
        assert_eq!(all[side]["requests_sent"], 70);
        assert_eq!(all[side]["requests_failed"], 1);
    }
}

#[test]
fn the_tour_of_ringcentral_ends_well() {
    let scenes = [
        "rc 130 missed",
        "rc full buffer",
        "rc refused",
        "rc outage",
        "rc wstoken 429",
        "rc dead tokens",
        "rc silent",
        "rc WSG-903",
    ];
    let all = ends_well("ringcentral", 35, &scenes);
    for side in ["application", "simulator"] {
        // The one in flight at a cut is unknown; nothing else is.
        assert_eq!(all[side]["requests_failed"], 1);
        assert_eq!((&all[side]["connects"], &all[side]["recoveries"]), (&json!(18), &json!(10)));
    }
}

#[test]
fn the_tour_of_vonage_ends_well() {
    let all = ends_well(
        "vonage",
        50,
        &[
            "v1 cut",
            "v2 cut",
            "v2 gives up",
            "v2 lost acks",
            "v1 silent",
            "v2 other id",
            "v1 expired",
            "v2 expired",
            "v1 new token",
            "v2 new token",
            "v2 renewal",
        ],
    );
    for side in ["application", "simulator"] {
        // Two were in flight when TCP ended, two had no reply.
        assert_eq!(all[side]["requests_sent"], 50);
        assert_eq!(all[side]["requests_failed"], 4);
        assert_eq!(all[side]["recoveries"], 9);
    }
}

#[test]
fn the_tour_of_evolution_ends_well() {
    let scenes = ["event cut", "restart", "event refused", "event silent", "namespace"];
    let all = ends_well("evolution", 25, &scenes);
    for side in ["application", "simulator"] {
        assert_eq!((&all[side]["connects"], &all[side]["recoveries"]), (&json!(20), &json!(9)));
    }
}

/// Runs the tour of a vendor; returns its figures.
fn ends_well(vendor: &str, promises: usize, names: &[&str]) -> Value {
    let _busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let (code, lines, stderr) = run(&["--vendor", vendor]);
    let verdict = lines.last().unwrap();
    assert_eq!((code, &verdict["ok"]), (Some(0), &json!(true)), "{verdict} {stderr}");
    assert_eq!(verdict["promises"], verdict["kept"]);
    assert!(of(&lines, "promise").count() >= promises);
    let scenes: Vec<&str> =
        of(&lines, "figures").filter_map(|line| line["scene"].as_str()).collect();
    assert_eq!(scenes, names);
    of(&lines, "figures").find(|line| line["scene"].is_null()).unwrap().clone()
}

#[test]
fn every_sabotage_is_noticed() {
    let _busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    for vendor in ["liveperson", "genesys", "vonage", "evolution", "ringcentral"] {
        sabotage(vendor);
    }
}

fn sabotage(vendor: &'static str) {
    let names = ["no-regenerate", "no-delay", "no-ping", "no-resend", "early-resume"];
    let tours = names.map(|name| {
        let args = ["--vendor", vendor, "--sabotage", name];
        std::thread::spawn(move || (name, run(&args)))
    });
    for tour in tours {
        let (name, (code, lines, stderr)) = tour.join().unwrap();
        assert_eq!(code, Some(1), "{name}: {stderr}");
        let verdict = lines.last().unwrap();
        assert_eq!(verdict["kind"], "verdict", "{name}");
        assert_eq!(verdict["ok"], false, "{name}");
        assert!(!verdict["problems"].as_array().unwrap().is_empty(), "{name}: it says why");
        assert!(!stderr.is_empty(), "{name}: the reason is on stderr");
    }
}

#[test]
fn people_get_a_table_without_colours_in_a_pipe() {
    let _busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let (code, stdout, _) = Tool::new(["tour", "--speed", SPEED, "--seed", "7"]).finish();
    assert_eq!(code, Some(0), "{stdout}");
    assert!(!stdout.contains('\u{1b}'));
    for part in
        ["connects", "tokens", "recovered", "longest", "median", "sent", "answered", "failed"]
    {
        assert!(stdout.contains(part), "{part}");
    }
}

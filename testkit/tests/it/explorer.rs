//! The machine keeps every invariant in every state, under policies that differ in everything.

use std::fs;
use std::path::Path;

use redial_core::{Actions, Machine, Phase, Policy};
use redial_testkit::explorer::{Explorer, Extent, Report, diagram, scaled_to_small};

use crate::policies::{EXPIRING, LIVEPERSON, RESUMING, SHORT};

#[test]
fn liveperson_is_sound_in_every_state() {
    let report = explore("LivePerson", &scaled_to_small(&LIVEPERSON), Extent::Plain);
    // Its seed never gives up; a snapshot that another policy left suspended is explored as well.
    assert_eq!(report.matrix.unreachable(), Vec::<&str>::new());
    assert!(report.states > 5_000, "{}", report.states);
}

#[test]
fn a_short_policy_is_sound_in_every_state_and_leads_to_each_phase() {
    let report = explore("short", &SHORT, Extent::Full);
    assert_eq!(report.matrix.unreachable(), Vec::<&str>::new());
    for event in 0..redial_core::Event::NAMES.len() {
        for phase in 0..redial_core::Phase::NAMES.len() {
            assert!(report.matrix.delivered(event, phase) > 0);
        }
    }
}

#[test]
fn a_session_that_is_resumed_with_tokens_that_serve_once_is_sound_in_every_state() {
    explore("resuming", &RESUMING, Extent::Plain);
}

#[test]
fn a_session_whose_tokens_expire_is_sound_in_every_state() {
    explore("expiring", &EXPIRING, Extent::Plain);
}

#[test]
fn the_capacity_of_actions_is_needed_and_is_enough() {
    let report = Explorer::new(SHORT).extent(Extent::Plain).run();
    assert_eq!(report.most_actions, Actions::CAPACITY);
}

#[test]
fn an_exploration_without_end_is_cut_and_says_so() {
    let report = Explorer::new(LIVEPERSON).limit(2_000).run();
    assert!(!report.closed);
    assert!(!report.is_sound());
    assert!(report.to_string().contains("NOT closed"));
}

#[test]
fn the_diagram_is_the_same_each_time_and_a_page_is_compared_with_it() {
    let explore = || Explorer::new(SHORT).extent(Extent::Plain).run();
    let (report, again) = (explore(), explore());
    let drawn = diagram::mermaid(&report);
    assert_eq!(drawn, diagram::mermaid(&again));
    for line in ["[*] --> Idle", "Starting --> Online: Ready", "Suspended --> Connecting: Connect"]
    {
        assert!(drawn.contains(line), "{drawn}");
    }
    let page = format!("# Title\n\n{}\n\nMore.\n", diagram::block(&report));
    assert_eq!(diagram::compare(&page, &report), Ok(()));
    let outdated = page.replace("Starting --> Online", "Starting --> Idle");
    assert!(diagram::compare(&outdated, &report).is_err());
    assert!(diagram::compare("# Title\n", &report).is_err());
}

#[test]
fn the_diagram_of_the_readme_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    // The crate alone, outside its repository, has no such page.
    let Ok(page) = fs::read_to_string(path) else { return };
    let report = Explorer::new(SHORT).extent(Extent::Plain).run();
    diagram::compare(&page, &report).unwrap_or_else(|what| panic!("{what}"));
}

#[test]
fn a_state_that_has_not_begun_is_canonical() {
    let machine = Machine::new().canonical(&LIVEPERSON);
    assert_eq!(machine, machine.canonical(&LIVEPERSON));
}

#[expect(clippy::print_stdout, reason = "the report is worth reading with --nocapture")]
fn explore(name: &str, policy: &Policy, extent: Extent) -> Report {
    let report = Explorer::new(*policy).extent(extent).run();
    println!("== {name}, {extent:?}\n{report}");
    assert!(report.is_sound(), "{report}");
    report
}

#[test]
fn every_state_has_a_shortest_story() {
    let explorer = Explorer::new(SHORT).extent(Extent::Plain);
    for phase in Phase::NAMES {
        let story = explorer.story_to(|machine| machine.phase().name() == phase).expect(phase);
        let last = story.lines().last().map_or("Idle", |line| line.phase);
        // A machine that a snapshot left suspended is a start.
        assert!(last == phase || phase == "Suspended" && story.lines().is_empty(), "{story}");
    }
    let story = explorer.story_to(|machine| machine.rejections() == 1).expect("a rejected token");
    let names: Vec<&str> = story.lines().iter().map(|line| line.event.name()).collect();
    assert_eq!(names, ["TokenOffered", "Closed"], "{story}");
    assert_eq!(explorer.story_to(|machine| machine.attempts() > 2), None);
}

#[test]
fn the_other_diagrams_show_what_the_first_one_does() {
    let report = Explorer::new(SHORT).extent(Extent::Plain).run();
    let (dot, svg) = (diagram::dot(&report), diagram::svg(&report));
    assert!(dot.starts_with("digraph session {\n") && dot.ends_with("}\n"));
    assert!(dot.contains("    Starting -> Online [label=\"Ready\"];\n"), "{dot}");
    let drawn = diagram::mermaid(&report);
    for line in drawn.lines().filter(|line| line.contains("-->") && !line.contains("[*]")) {
        let (edge, events) = line.trim().split_once(": ").expect("an edge with events");
        let (from, to) = edge.split_once(" --> ").expect("two phases");
        let edge = dot.lines().find(|line| line.contains(&format!("{from} -> {to} "))).expect(edge);
        for event in events.split([',', '<']).map(|event| event.trim_start_matches("br/>").trim()) {
            assert!(edge.contains(event), "{event} in {edge}");
        }
    }
    assert_eq!(svg.matches("<circle").count(), dot.matches(" -> ").count(), "an arrow for each");
}

/// In the picture no text meets another, and everything is inside.
#[test]
fn nothing_overlaps_in_the_picture() {
    let svg = diagram::svg(&Explorer::new(SHORT).extent(Extent::Plain).run());
    let number = |text: &str, key: &str| -> f64 {
        let (_, rest) = text.split_once(&format!(" {key}=\"")).expect(key);
        rest.split('"').next().expect("a value").parse().expect("a number")
    };
    let width = number(&svg, "width");
    let mut boxes: Vec<(f64, f64, f64, f64)> = Vec::new();
    for part in svg.split("<text").skip(1) {
        let (attributes, rest) = part.split_once('>').expect("a text");
        let words = rest.split('<').next().expect("words");
        // No letter of 11 pixels is wider than 7.
        let wide = words.len() as f64 * 7.0;
        let (mut x, y) = (number(attributes, "x"), number(attributes, "y"));
        if attributes.contains("middle") {
            x -= wide / 2.0;
        }
        assert!(x >= 0.0 && x + wide <= width, "{words} is outside");
        boxes.push((x, y - 10.0, x + wide, y + 3.0));
    }
    for (place, a) in boxes.iter().enumerate() {
        for b in &boxes[..place] {
            let apart = a.0 >= b.2 || b.0 >= a.2 || a.1 >= b.3 || b.1 >= a.3;
            assert!(apart, "{a:?} meets {b:?}");
        }
    }
}

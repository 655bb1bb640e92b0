//! The diagram of the states, drawn from what was explored.

use std::collections::BTreeSet;

use redial_core::{Event, Phase};

use super::Report;

/// Where the diagram of a page begins.
pub const BEGIN: &str = "<!-- diagram:begin -->";
/// Where it ends.
pub const END: &str = "<!-- diagram:end -->";

/// Draws the phases that were reached and the events that lead from one to another.
///
/// What the application may ask for nearly everywhere stands in a note, or nobody would see the
/// rest. The same policy always gives the same text, so a page that shows it can be compared.
#[must_use]
pub fn mermaid(report: &Report) -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Idle\n");
    for (&(from, to), &events) in &report.edges {
        let names: Vec<&str> = (0..Event::NAMES.len())
            .filter(|event| events & (1 << event) != 0)
            .map(|event| Event::NAMES[event])
            .filter(|name| !ANYWHERE.contains(name))
            .collect();
        if names.is_empty() {
            continue;
        }
        let lines: Vec<String> = names.chunks(3).map(|line| line.join(", ")).collect();
        let (from, to) = (Phase::NAMES[from], Phase::NAMES[to]);
        text.push_str(&format!("    {from} --> {to}: {}\n", lines.join("<br/>")));
    }
    text.push_str("    Stopped --> [*]\n    note left of Idle\n");
    for name in ANYWHERE {
        text.push_str(&format!("        {name}: {}\n", anywhere(report, name)));
    }
    text.push_str("    end note\n");
    text
}

/// Says where an event leads from where.
fn anywhere(report: &Report, name: &str) -> String {
    let event = Event::NAMES.iter().position(|known| *known == name).unwrap_or_default();
    let edges = || report.edges.iter().filter(move |(_, events)| **events & (1 << event) != 0);
    let list = |phases: BTreeSet<usize>| -> String {
        let names: Vec<&str> = phases.into_iter().map(|phase| Phase::NAMES[phase]).collect();
        names.join(", ")
    };
    let from = list(edges().map(|((from, _), _)| *from).collect());
    let to = list(edges().map(|((_, to), _)| *to).collect());
    format!("from {from}<br/>to {to}")
}

/// Returns the block that a page holds between [`BEGIN`] and [`END`].
#[must_use]
pub fn block(report: &Report) -> String {
    format!("{BEGIN}\n```mermaid\n{}```\n{END}", mermaid(report))
}

/// Compares the block of a page with what was explored.
///
/// # Errors
///
/// Says what to do where the page has no block or an outdated one.
pub fn compare(page: &str, report: &Report) -> Result<(), String> {
    let found = page
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .ok_or_else(|| format!("the page has no block between {BEGIN} and {END}"))?;
    let block = block(report);
    if format!("{BEGIN}{}{END}", found.0) == block {
        Ok(())
    } else {
        Err(format!("the diagram is outdated; put this in its place:\n{block}"))
    }
}

/// What the application may ask for nearly everywhere.
const ANYWHERE: [&str; 2] = ["Reconnect", "Shutdown"];

//! The diagram of the states, drawn from what was explored.

use core::fmt::Write as _;

use redial_core::{Event, Phase};

use super::Report;

/// Where the diagram of a page begins.
pub const BEGIN: &str = "<!-- diagram:begin -->";
/// Where it ends.
pub const END: &str = "<!-- diagram:end -->";

/// Draws the phases that were reached and the events that lead from one to another.
///
/// The same policy always gives the same text, so a page that shows it can be compared.
#[must_use]
pub fn mermaid(report: &Report) -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Idle\n");
    for (&(from, to), &events) in &report.edges {
        let names: Vec<&str> = (0..Event::NAMES.len())
            .filter(|event| events & (1 << event) != 0)
            .map(|event| Event::NAMES[event])
            .collect();
        let lines: Vec<String> = names.chunks(3).map(|line| line.join(", ")).collect();
        let (from, to) = (Phase::NAMES[from], Phase::NAMES[to]);
        writeln!(text, "    {from} --> {to}: {}", lines.join("<br/>")).expect("a string grows");
    }
    text.push_str("    Stopped --> [*]\n");
    text
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

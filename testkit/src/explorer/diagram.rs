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

/// Draws the same for Graphviz, with an edge for each pair of phases and all its events.
#[must_use]
pub fn dot(report: &Report) -> String {
    let mut text = String::from(
        "digraph session {\n    rankdir=TB;\n    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n    edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    for (phase, _) in reached(report) {
        text.push_str(&format!("    {};\n", Phase::NAMES[phase]));
    }
    for (from, to, names) in edges(report) {
        let lines: Vec<String> = names.chunks(3).map(|line| line.join(", ")).collect();
        let (from, to) = (Phase::NAMES[from], Phase::NAMES[to]);
        text.push_str(&format!("    {from} -> {to} [label=\"{}\"];\n", lines.join("\\n")));
    }
    text.push_str("}\n");
    text
}

/// Draws the same as a picture: a column for each phase, a row for each pair of phases, and in it
/// an arrow with its events. So no two arrows and no two texts ever meet.
#[must_use]
pub fn svg(report: &Report) -> String {
    let columns: Vec<usize> = reached(report).map(|(phase, _)| phase).collect();
    let rows = edges(report);
    let at = |phase: usize| {
        let column = columns.iter().position(|known| *known == phase).unwrap_or_default();
        MARGIN + COLUMN / 2 + column * COLUMN
    };
    let height = HEAD + rows.len() * ROW + MARGIN;
    let longest = rows.iter().map(|(from, to, names)| {
        at(*from).min(at(*to)) + GAP + names.join(", ").len() * LETTER + MARGIN
    });
    let width = longest.fold(2 * MARGIN + columns.len() * COLUMN, usize::max);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>The states of a session, and what leads from one to another</title>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (phase, states) in reached(report) {
        let (x, name) = (at(phase), Phase::NAMES[phase]);
        let (left, box_width) = (x - BOX / 2, BOX);
        let bottom = height - MARGIN / 2;
        text.push_str(&format!(
            "<line x1=\"{x}\" y1=\"48\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#c8c8c8\"/>\n\
             <rect x=\"{left}\" y=\"8\" width=\"{box_width}\" height=\"40\" rx=\"8\" fill=\"#eef3fa\" \
             stroke=\"#34507a\"/>\n\
             <text x=\"{x}\" y=\"25\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text>\n\
             <text x=\"{x}\" y=\"41\" text-anchor=\"middle\" fill=\"#555555\">{states}</text>\n"
        ));
    }
    for (row, (from, to, names)) in rows.iter().enumerate() {
        let (x1, x2, y) = (at(*from), at(*to), HEAD + row * ROW + ROW - 8);
        let (left, above) = (x1.min(x2) + GAP, y - 5);
        text.push_str(&format!(
            "<circle cx=\"{x1}\" cy=\"{y}\" r=\"3\"/>\
             <line x1=\"{x1}\" y1=\"{y}\" x2=\"{x2}\" y2=\"{y}\" stroke=\"#000000\" \
             marker-end=\"url(#tip)\"/>\
             <text x=\"{left}\" y=\"{above}\" stroke=\"#ffffff\" stroke-width=\"3\" \
             paint-order=\"stroke\">{}</text>\n",
            names.join(", ")
        ));
    }
    text.push_str("</svg>\n");
    text
}

/// Returns the phases that were reached, and how many states each has.
fn reached(report: &Report) -> impl Iterator<Item = (usize, u64)> + use<'_> {
    let states = report.matrix.states().iter().copied().enumerate();
    states.filter(|(_, states)| *states > 0)
}

/// Returns the pairs of phases and the events that lead from one to the other.
fn edges(report: &Report) -> Vec<(usize, usize, Vec<&'static str>)> {
    let edges = report.edges.iter().map(|(&(from, to), &events)| {
        let named = (0..Event::NAMES.len()).filter(|event| events & (1 << event) != 0);
        (from, to, named.map(|event| Event::NAMES[event]).collect())
    });
    edges.collect()
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

const MARGIN: usize = 20;
/// The width of a column, and of the box at its head.
const COLUMN: usize = 116;
const BOX: usize = 100;
/// The height of the heads, and of a row.
const HEAD: usize = 56;
const ROW: usize = 26;
/// How far a text stands from the left end of its arrow.
const GAP: usize = 8;
/// More than the width of a letter.
const LETTER: usize = 7;

//! The timeline and the table.

use std::io::IsTerminal as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::figures::{Figures, Report};
use crate::output::{self, Lines};

/// Shows what happens, to a person or to a machine.
#[derive(Clone)]
pub(crate) struct Screen {
    lines: Arc<Lines>,
    json: bool,
    colour: bool,
}

/// What a line of the timeline is about.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Bad,
    Calm,
    Fault,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let colour =
            !json && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { lines: Arc::new(Lines::new(json)), json, colour }
    }

    pub(crate) fn t_ms(&self) -> u64 {
        self.lines.t_ms()
    }

    pub(crate) fn title(&self, speed: u32) {
        if self.json {
            return;
        }
        output::say(self.paint("1", "redial tour: real sockets and TLS on loopback"));
        output::say(self.paint(
            "2",
            &format!(
                "Spans of the policy are divided by {speed}: 10 s are {} ms here. What a server asks \
                 for is not.",
                10_000 / speed
            ),
        ));
        let (online, offline) = (self.paint("32", "● online"), self.paint("31", "○ offline"));
        let fault = self.paint("33;1", "⚡ a fault is injected");
        output::say(format!("{online}  {offline}  {fault}\n"));
    }

    /// Shows one moment of a scene.
    pub(crate) fn moment(&self, scene: &str, tone: Tone, text: &str, fields: Value) {
        if self.json {
            let mut line = json!({ "scene": scene, "text": text });
            if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
                line.extend(fields);
            }
            self.lines.line("moment", line);
            return;
        }
        let seconds = self.lines.t_ms() as f64 / 1000.0;
        let (mark, colour) = match tone {
            Tone::Good => ("●", "32"),
            Tone::Bad => ("○", "31"),
            Tone::Calm => ("·", "2"),
            Tone::Fault => ("⚡", "33;1"),
        };
        let text = self.paint(colour, &format!("{mark} {text}"));
        output::say(format!("{seconds:7.2}s  {scene:<14} {text}"));
    }

    /// Shows how all scenes went; returns what is not as it should be.
    pub(crate) fn verdict(&self, reports: &[Report], slack: u64) -> Vec<String> {
        let problems: Vec<String> =
            reports.iter().flat_map(|report| report.problems(slack)).collect();
        let promises = reports.iter().flat_map(|report| &report.promises);
        let (kept, all) = promises
            .fold((0, 0), |(kept, all), promise| (kept + usize::from(promise.kept), all + 1));
        if self.json {
            self.promise_lines(reports);
            self.figure_lines(reports, slack);
            let fields = json!({
                "ok": problems.is_empty(), "promises": all, "kept": kept, "problems": problems,
            });
            self.lines.line("verdict", fields);
        } else {
            self.promises(reports);
            self.table(reports);
            self.last_words(&problems, kept, all);
        }
        problems
    }

    fn promise_lines(&self, reports: &[Report]) {
        for report in reports {
            for promise in &report.promises {
                let fields = json!({
                    "scene": report.scene, "text": promise.text, "kept": promise.kept,
                    "seen": promise.seen,
                });
                self.lines.line("promise", fields);
            }
        }
    }

    fn figure_lines(&self, reports: &[Report], slack: u64) {
        for report in reports {
            let fields = json!({
                "scene": report.scene, "application": report.app.to_json(),
                "simulator": report.server.to_json(),
                "disagreements": report.app.disagreements(&report.server, slack),
                "stuck": report.stuck,
            });
            self.lines.line("figures", fields);
        }
        let (app, server) = sums(reports);
        let fields = json!({
            "scene": null, "application": app.to_json(), "simulator": server.to_json(),
        });
        self.lines.line("figures", fields);
    }

    fn last_words(&self, problems: &[String], kept: usize, all: usize) {
        if problems.is_empty() {
            let text = format!("All {all} promises kept; both sides counted the same.");
            output::say(format!("\n{}", self.paint("32;1", &text)));
            return;
        }
        let broken = all - kept;
        let text = format!(
            "FAILED: {} problem(s). Of {all} promises that were looked at, {broken} are broken.",
            problems.len()
        );
        output::say(format!("\n{}", self.paint("31;1", &text)));
        for problem in problems {
            output::say(self.paint("31", &format!("  ✗ {problem}")));
        }
    }

    fn promises(&self, reports: &[Report]) {
        output::say(format!("\n{}", self.paint("1", "What the seed promises")));
        for report in reports {
            for promise in &report.promises {
                let (mark, colour) = if promise.kept { ("✓", "32") } else { ("✗", "31;1") };
                let (scene, text, seen) = (report.scene, &promise.text, &promise.seen);
                let (mark, seen) = (self.paint(colour, mark), self.paint("2", seen));
                output::say(format!("  {mark} {scene:<14} {text:<44} {seen}"));
            }
        }
    }

    fn table(&self, reports: &[Report]) {
        let title = "What was counted: by the application / by the simulator";
        output::say(format!("\n{}", self.paint("1", title)));
        let head = format!(
            "  {:<14} {:>8} {:>7} {:>9} {:>11} {:>11} {:>7} {:>8} {:>6}",
            "scene",
            "connects",
            "tokens",
            "recovered",
            "longest s",
            "median s",
            "sent",
            "answered",
            "failed"
        );
        output::say(self.paint("2", &head));
        for report in reports {
            output::say(row(report.scene, &report.app, &report.server));
        }
        let (app, server) = sums(reports);
        output::say(self.paint("1", &row("all", &app, &server)));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.into() }
    }
}

/// Adds up what both sides have counted.
fn sums(reports: &[Report]) -> (Figures, Figures) {
    let (mut app, mut server) = (Figures::default(), Figures::default());
    for report in reports {
        app.add(&report.app);
        server.add(&report.server);
    }
    (app, server)
}

fn row(scene: &str, app: &Figures, server: &Figures) -> String {
    let both = |a: usize, b: usize| format!("{a}/{b}");
    let times = |a: u64, b: u64| format!("{:.2}/{:.2}", a as f64 / 1000.0, b as f64 / 1000.0);
    format!(
        "  {scene:<14} {:>8} {:>7} {:>9} {:>11} {:>11} {:>7} {:>8} {:>6}",
        both(app.connects, server.connects),
        both(app.token_fetches, server.token_fetches),
        both(app.recoveries, server.recoveries),
        times(app.longest(), server.longest()),
        times(app.median(), server.median()),
        both(app.sent, server.sent),
        both(app.answered, server.answered),
        both(app.failed, server.failed),
    )
}

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

    pub(crate) fn title(&self, text: &str) {
        if !self.json {
            output::say(self.paint("1", text));
        }
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

    /// Shows how all scenes went; returns whether everything is as promised.
    pub(crate) fn verdict(&self, reports: &[Report], slack: u64) -> bool {
        let mut good = true;
        for report in reports {
            for promise in &report.promises {
                good &= promise.kept;
                if self.json {
                    let fields = json!({
                        "scene": report.scene, "text": promise.text, "kept": promise.kept,
                        "seen": promise.seen,
                    });
                    self.lines.line("promise", fields);
                }
            }
        }
        if !self.json {
            self.promises(reports);
            self.table(reports);
        }
        for report in reports {
            let disagreements = report.app.disagreements(&report.server, slack);
            good &= disagreements.is_empty() && report.stuck.is_none();
            if self.json {
                let fields = json!({
                    "scene": report.scene, "application": report.app.to_json(),
                    "simulator": report.server.to_json(), "disagreements": disagreements,
                    "stuck": report.stuck,
                });
                self.lines.line("figures", fields);
            } else {
                for text in disagreements.iter().chain(&report.stuck) {
                    let text = format!("  ✗ {}: {text}", report.scene);
                    output::say(self.paint("31;1", &text));
                }
            }
        }
        let (kept, all) = reports
            .iter()
            .flat_map(|report| &report.promises)
            .fold((0, 0), |(kept, all), promise| (kept + usize::from(promise.kept), all + 1));
        if self.json {
            let fields = json!({ "ok": good, "promises": all, "kept": kept });
            self.lines.line("verdict", fields);
        } else {
            let text = if good {
                self.paint(
                    "32;1",
                    &format!("All {all} promises kept; both sides counted the same."),
                )
            } else {
                self.paint("31;1", &format!("FAILED: {kept} of {all} promises kept."))
            };
            output::say(format!("\n{text}"));
        }
        good
    }

    fn promises(&self, reports: &[Report]) {
        output::say(format!("\n{}", self.paint("1", "What the seed promises")));
        for report in reports {
            for promise in &report.promises {
                let (mark, colour) = if promise.kept { ("✓", "32") } else { ("✗", "31;1") };
                let (scene, text, seen) = (report.scene, &promise.text, &promise.seen);
                let mark = self.paint(colour, mark);
                output::say(format!("  {mark} {scene:<14} {text} ({seen})"));
            }
        }
    }

    fn table(&self, reports: &[Report]) {
        let title = "What was counted, by the application / by the simulator";
        output::say(format!("\n{}", self.paint("1", title)));
        let head = format!(
            "  {:<14} {:>9} {:>9} {:>10} {:>13} {:>13} {:>9} {:>9} {:>9}",
            "scene",
            "connects",
            "tokens",
            "recovered",
            "longest (s)",
            "median (s)",
            "sent",
            "answered",
            "failed"
        );
        output::say(self.paint("2", &head));
        for report in reports {
            output::say(row(report.scene, &report.app, &report.server));
        }
        let (mut app, mut server) = (Figures::default(), Figures::default());
        for report in reports {
            add(&mut app, &report.app);
            add(&mut server, &report.server);
        }
        output::say(self.paint("1", &row("all", &app, &server)));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.into() }
    }
}

fn add(sum: &mut Figures, figures: &Figures) {
    sum.connects += figures.connects;
    sum.token_fetches += figures.token_fetches;
    sum.recoveries += figures.recoveries;
    sum.offline.extend(&figures.offline);
    sum.sent += figures.sent;
    sum.answered += figures.answered;
    sum.failed += figures.failed;
}

fn row(scene: &str, app: &Figures, server: &Figures) -> String {
    let both = |a: usize, b: usize| format!("{a}/{b}");
    let times = |a: u64, b: u64| format!("{:.2}/{:.2}", a as f64 / 1000.0, b as f64 / 1000.0);
    format!(
        "  {scene:<14} {:>9} {:>9} {:>10} {:>13} {:>13} {:>9} {:>9} {:>9}",
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

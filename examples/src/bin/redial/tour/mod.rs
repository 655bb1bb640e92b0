//! `redial tour`: the main job on embedded simulators with injected faults.

mod app;
mod clients;
mod evolution;
mod figures;
mod genesys;
mod liveperson;
mod measure;
mod ringcentral;
mod screen;
mod vonage;

use std::process::ExitCode;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::cli::{Sabotage, TourArgs, TourVendor};
use crate::output::{self, Failure};
use figures::Report;
use screen::Screen;

/// Runs every scene side by side and shows what came of it.
pub(crate) async fn run(args: TourArgs) -> Result<ExitCode, Failure> {
    let stage = Stage {
        speed: args.speed.unwrap_or(SPEED),
        seed: args.seed,
        screen: Screen::new(args.json),
        sabotage: args.sabotage,
    };
    stage.screen.title(stage.speed);
    let mut scenes = JoinSet::new();
    if matches!(args.vendor, None | Some(TourVendor::Liveperson)) {
        liveperson::scenes(&stage, &mut scenes);
    }
    if matches!(args.vendor, None | Some(TourVendor::Genesys)) {
        genesys::scenes(&stage, &mut scenes);
    }
    if matches!(args.vendor, None | Some(TourVendor::Vonage)) {
        vonage::scenes(&stage, &mut scenes);
    }
    if matches!(args.vendor, None | Some(TourVendor::Evolution)) {
        evolution::scenes(&stage, &mut scenes);
    }
    if matches!(args.vendor, None | Some(TourVendor::Ringcentral)) {
        ringcentral::scenes(&stage, &mut scenes);
    }
    let mut reports = Vec::new();
    while let Some(report) = scenes.join_next().await {
        let report = report.map_err(|error| Failure::new(format!("a scene broke: {error}")))?;
        reports.push(report?);
    }
    reports.sort_by_key(|(order, _)| *order);
    let reports: Vec<Report> = reports.into_iter().map(|(_, report)| report).collect();
    let problems = stage.screen.verdict(&reports, SLACK_MS);
    let Some(first) = problems.first() else { return Ok(ExitCode::SUCCESS) };
    output::complain(&format!("the tour found {} problem(s), first: {first}", problems.len()));
    Ok(ExitCode::FAILURE)
}

/// What all scenes share.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) speed: u32,
    pub(crate) seed: u64,
    pub(crate) screen: Screen,
    pub(crate) sabotage: Option<Sabotage>,
}

impl Stage {
    /// Returns how long a span of the policy is at this speed.
    pub(crate) fn span(&self, millis: u64) -> Duration {
        Duration::from_millis(millis / u64::from(self.speed))
    }

    /// Returns how long to wait at most for something that takes a span of the policy: machines
    /// are slow at times.
    pub(crate) fn patience(&self, millis: u64) -> Duration {
        self.span(millis) + PATIENCE
    }
}

/// A scene's place in the table and how it went.
pub(crate) type Outcome = Result<(usize, Report), Failure>;

/// A tour at this speed takes about ten seconds.
const SPEED: u32 = 10;
/// What a busy machine may add to any span.
const PATIENCE: Duration = Duration::from_secs(8);
/// How far the two sides' times of one outage may be apart.
const SLACK_MS: u64 = 400;

//! `redial storm`: a fleet loses its server, and policies bring it back.

mod picture;

use std::path::Path;
use std::process::ExitCode;

use redial_core::{Backoff, Policy, PolicySpec, Span};
use redial_testkit::storm::{Aftermath, Storm};
use serde_json::json;

use crate::cli::StormArgs;
use crate::output::{self, Failure, Lines};
use crate::policy_file;

/// Lets a fleet go through an outage under each policy.
pub(crate) async fn run(args: StormArgs) -> Result<ExitCode, Failure> {
    let storm = Storm {
        clients: args.clients,
        outage_s: args.outage,
        capacity: args.capacity,
        seed: args.seed,
    };
    let lines = Lines::new(args.json);
    let chosen = chosen(&args.policy)?;
    let width = chosen.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(18);
    if !args.json {
        output::say(format!(
            "{} clients, {} s of outage, then {} connections a second; times since the loss",
            storm.clients, storm.outage_s, storm.capacity
        ));
        output::say(format!("{:<width$}{HEAD}", "policy"));
    }
    let mut went = Vec::new();
    for (name, policy) in chosen {
        let aftermath = storm.run(&policy);
        output::room().await;
        if args.json {
            lines.line("aftermath", fields(&name, &aftermath));
        } else {
            output::say(row(&name, width, &aftermath));
        }
        went.push((name, aftermath));
    }
    if let Some(path) = &args.out {
        let drawn = picture::draw(&storm, &went);
        let written = drawn.and_then(|svg| std::fs::write(path, svg).map_err(|e| e.to_string()));
        written.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The policies that have a name.
const NAMED: &[(&str, &Policy)] = &[
    ("naive", &NAIVE),
    ("liveperson", &redial_liveperson::POLICY),
    ("liveperson-vendor", &redial_liveperson::POLICY_BACKOFF),
    ("genesys", &redial_genesys::guest::POLICY),
    ("genesys-web", &redial_genesys::web::POLICY),
    ("ringcentral", &redial_ringcentral::POLICY),
    ("vonage", &redial_vonage::POLICY),
    ("vonage-sdk", &redial_vonage::POLICY_SDK),
    ("evolution", &redial_evolution::codechat::POLICY),
    ("evolution-v2", &redial_evolution::v2::POLICY),
    ("default", &DEFAULT),
];

/// What many clients do: the same wait each time, without chance.
const NAIVE: Policy =
    Policy::new(PolicySpec { backoff: Backoff::fixed(Span::from_secs(5)), ..PolicySpec::DEFAULT });

const DEFAULT: Policy = Policy::new(PolicySpec::DEFAULT);

fn chosen(wanted: &[String]) -> Result<Vec<(String, Policy)>, Failure> {
    if wanted.is_empty() {
        return Ok(NAMED.iter().map(|(name, policy)| ((*name).to_owned(), **policy)).collect());
    }
    if wanted.len() > MOST {
        return Err(Failure::new(format!("at most {MOST} policies are compared")));
    }
    let find = |wanted: &String| {
        if let Some((name, policy)) = NAMED.iter().find(|(name, _)| name == wanted) {
            return Ok(((*name).to_owned(), **policy));
        }
        let path = Path::new(wanted);
        if !path.exists() {
            let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            return Err(Failure::new(format!("{wanted}: neither a file nor one of {names}")));
        }
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        Ok((stem.to_string_lossy().into_owned(), policy_file::read(path, &DEFAULT)?))
    };
    wanted.iter().map(find).collect()
}

fn fields(name: &str, it: &Aftermath) -> serde_json::Value {
    json!({
        "policy": name, "back": it.back, "gave_up": it.gave_up, "half_ms": it.half,
        "most_ms": it.most, "nearly_ms": it.nearly, "all_ms": it.all,
        "peak_per_s": it.peak, "peak_after_per_s": it.peak_after, "connects": it.connects,
        "wasted": it.wasted, "tokens": it.tokens,
    })
}

fn row(name: &str, width: usize, it: &Aftermath) -> String {
    let time = |millis: Option<u64>| match millis {
        Some(millis) => format!("{:.1} s", millis as f64 / 1000.0),
        None => "-".to_owned(),
    };
    format!(
        "{name:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10} {:>8}",
        time(it.half),
        time(it.most),
        time(it.nearly),
        time(it.all),
        it.peak,
        it.peak_after,
        it.wasted,
        it.gave_up
    )
}

const HEAD: &str =
    "      50 %      90 %      99 %     100 %    peak/s   after/s     wasted  gave up";
const MOST: usize = 12;

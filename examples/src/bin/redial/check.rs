//! `redial check`: what a policy file comes to.

use std::process::ExitCode;

use redial_core::{
    Delay, Intent, Keepalive, Pace, Policy, Recovery, Renew, Reset, Resume, Span, TokenUse,
    Verdict, Wait, When,
};
use serde_json::json;

use crate::cli::CheckArgs;
use crate::output::{self, Failure, Lines};
use crate::policy_file;

/// Shows what a policy file comes to, or what is wrong with it.
pub(crate) fn run(args: CheckArgs) -> Result<ExitCode, Failure> {
    let policy = policy_file::read(&args.file, args.vendor.policy(args.profile))?;
    if args.json {
        lines(&policy)
    } else {
        table(&policy)
    }
    Ok(ExitCode::SUCCESS)
}

fn table(policy: &Policy) {
    let spec = policy.spec();
    output::say("What is done about the end of a connection or of a step".into());
    for rule in spec.rules.as_slice() {
        output::say(format!("  {:<24} {}", when(rule.when), verdict(rule.verdict)));
    }
    output::say(format!("  {:<24} {}", "anything else", verdict(spec.otherwise)));
    output::say("\nHow long it waits before an attempt".into());
    for wait in waits(policy) {
        let Waited { attempt, least, most } = wait;
        let range = if least == most { span(least) } else { between(least, most) };
        output::say(format!("  attempt {attempt:<16} {range}"));
    }
    let (label, text) = match spec.backoff.attempts {
        Some(attempts) => ("after that", format!("suspends, after {attempts} attempts")),
        None => ("and so on", "for ever".into()),
    };
    output::say(format!("  {label:<24} {text}"));
    let reset = match spec.backoff.reset {
        Reset::Online => "as soon as it is online".into(),
        Reset::Stable(stable) => format!("once it has been online for {}", span(stable)),
    };
    output::say(format!("  {:<24} {reset}", "counts from 1 again"));
    output::say(format!("  {:<24} {}", "never less than", span(spec.floor)));
    output::say(format!(
        "  {:<24} {}, where a server asks for more",
        "never more than",
        span(spec.retry_after_max)
    ));
    output::say("\nHow it stays alive".into());
    output::say(format!("  {:<24} {}", "a dead peer", keepalive(spec.keepalive)));
    let renew = match spec.token.renew {
        Renew::Never => "never".into(),
        Renew::BeforeDial(margin) => {
            format!("before a dial, where it has no more than {} left", span(margin))
        }
        Renew::Before(margin) => format!("{} before it expires", span(margin)),
        Renew::Every(every) => format!("every {}", span(every)),
    };
    output::say(format!("  {:<24} {renew}", "the token is renewed"));
    let rejections = match spec.token.rejections {
        Some(most) => format!("{most} in a row, then it stops"),
        None => "any number".into(),
    };
    output::say(format!("  {:<24} {rejections}", "rejected tokens"));
    let serves = if spec.token.single_use { "one connection" } else { "any number of connections" };
    output::say(format!("  {:<24} {serves}", "a token serves"));
    let resume = match spec.resume {
        Resume::Never => "is never resumed".into(),
        Resume::Within(window) => {
            format!("can be resumed for {}, where the server says nothing else", span(window))
        }
        Resume::Always => "can be resumed as long as the server agrees".into(),
    };
    output::say(format!("  {:<24} {resume}", "a lost session"));
    let timeouts = spec.timeouts;
    let token = timeouts.token.map_or("as long as it takes".into(), span);
    output::say("\nHow long each step may take".into());
    for (name, text) in [
        ("token", token),
        ("HTTP exchange", span(timeouts.http)),
        ("connect", span(timeouts.connect)),
        ("ready", span(timeouts.ready)),
        ("request", span(timeouts.request)),
        ("close", span(timeouts.close)),
    ] {
        output::say(format!("  {name:<24} {text}"));
    }
}

fn lines(policy: &Policy) {
    let (lines, spec) = (Lines::new(true), policy.spec());
    for rule in spec.rules.as_slice() {
        lines.line("rule", json!({ "when": rule.when, "verdict": rule.verdict }));
    }
    lines.line("rule", json!({ "when": null, "verdict": spec.otherwise }));
    for Waited { attempt, least, most } in waits(policy) {
        let (least, most) = (least.as_millis(), most.as_millis());
        lines.line("wait", json!({ "attempt": attempt, "least_ms": least, "most_ms": most }));
    }
    lines.line("policy", json!({ "policy": policy }));
}

/// The wait before an attempt.
struct Waited {
    attempt: u16,
    least: Span,
    most: Span,
}

/// Returns the first waits, up to where they stay the same or end.
fn waits(policy: &Policy) -> Vec<Waited> {
    let spec = policy.spec();
    let last = spec.backoff.attempts.unwrap_or(SHOWN).min(SHOWN);
    let wait = |attempt, entropy| spec.backoff.wait(attempt, entropy, spec.floor);
    (1..=last)
        .map(|attempt| Waited { attempt, least: wait(attempt, 0), most: wait(attempt, u64::MAX) })
        .collect()
}

fn when(when: When) -> String {
    let codes = |name: &str, from: u16, to: u16| {
        if from == to { format!("{name} {from}") } else { format!("{name} {from} to {to}") }
    };
    match when {
        When::Close(from, to) => codes("close", from, to),
        When::Handshake(from, to) => codes("handshake", from, to),
        When::Http(from, to) => codes("HTTP", from, to),
        When::Refused(from, to) => codes("refused", from, to),
        When::Timeout(wait) => format!(
            "timeout {}",
            match wait {
                Wait::Token => "token",
                Wait::Connect => "connect",
                Wait::Ready => "ready",
                Wait::Pong => "pong",
                Wait::Health => "health",
            }
        ),
        When::Network => "network".into(),
        When::Replaced => "replaced".into(),
        When::Overflow => "overflow".into(),
    }
}

fn verdict(verdict: Verdict) -> String {
    let Recovery { token, intent, delay } = match verdict {
        Verdict::Retry(recovery) => recovery,
        Verdict::Suspend => return "suspends until the application acts".into(),
        Verdict::Stop => return "stops".into(),
    };
    let token = match token {
        TokenUse::Keep => "same token",
        TokenUse::Regenerate => "new token",
    };
    let intent = match intent {
        Intent::Resume => "",
        Intent::Restart => ", a new session",
    };
    let delay = match delay {
        Delay::Backoff => String::new(),
        Delay::AtLeast(least) => {
            format!(", after at least {} where the server names no time", span(least))
        }
        Delay::Now => ", at once".into(),
    };
    format!("retries, {token}{intent}{delay}")
}

fn keepalive(keepalive: Keepalive) -> String {
    match keepalive {
        Keepalive::Off => "is not looked for".into(),
        Keepalive::Probe { interval, timeout, misses, pace } => {
            let pace = match pace {
                Pace::Steady => "whatever else comes",
                Pace::Quiet => "of silence",
            };
            format!(
                "is probed every {} {pace}, and given up after {misses} x {}",
                span(interval),
                span(timeout)
            )
        }
        Keepalive::Listen { within } => format!("is given up after {} of silence", span(within)),
    }
}

fn between(least: Span, most: Span) -> String {
    format!("{} to {}", span(least), span(most))
}

fn span(span: Span) -> String {
    let millis = span.as_millis();
    if millis.is_multiple_of(1000) {
        format!("{} s", millis / 1000)
    } else {
        format!("{millis} ms")
    }
}

/// How many waits are shown.
const SHOWN: u16 = 8;

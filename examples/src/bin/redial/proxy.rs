//! `redial proxy`: a TCP proxy that breaks connections on purpose.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::process::ExitCode;

use redial_testkit::proxy::{self, FaultProxy, Rule};
use serde_json::Value;

use crate::cli::ProxyArgs;
use crate::output::{Failure, Lines};
use crate::policy_file;
use crate::serve::{Shutdown, print};

/// Runs a proxy until it is asked to end.
pub(crate) async fn run(args: ProxyArgs) -> Result<ExitCode, Failure> {
    let ProxyArgs { listen, target, control, rules, buffers, json } = args;
    let mut builder = FaultProxy::builder().listen(listen).targets(resolve(&target)?);
    if let Some(control) = control {
        builder = builder.control(control);
    }
    if let Some(bytes) = buffers {
        builder = builder.buffers(bytes);
    }
    if let Some(path) = rules {
        for rule in read_rules(&path)? {
            builder = builder.rule(rule);
        }
    }
    let lines = Lines::new(json);
    let proxy = |records, shutdown: Shutdown| proxy::serve(builder, records, shutdown);
    print(proxy, move |record| lines.record(record)).await
}

/// Looks up all addresses of a host: which of them is served is known only when it is dialled.
fn resolve(target: &str) -> Result<Vec<SocketAddr>, Failure> {
    let fail = |text: String| Failure::new(format!("--target: {text}"));
    let found = target.to_socket_addrs().map_err(|error| fail(error.to_string()))?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() { Err(fail("no such host".into())) } else { Ok(found) }
}

/// Reads a JSON array of rules.
fn read_rules(path: &Path) -> Result<Vec<Rule>, Failure> {
    let named = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let text = policy_file::content(path).map_err(named)?;
    let rules: Vec<Value> =
        serde_json::from_str(&text).map_err(|error| named(error.to_string()))?;
    if rules.len() > MAX_RULES {
        return Err(named(format!("there are more than {MAX_RULES} rules")));
    }
    let rules = rules.into_iter().enumerate();
    rules
        .map(|(index, rule)| {
            Rule::parse(rule).map_err(|error| named(format!("rule {}: {error}", index + 1)))
        })
        .collect()
}

const MAX_RULES: usize = 256;

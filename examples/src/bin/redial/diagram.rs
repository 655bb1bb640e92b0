//! `redial diagram`: the states of a session, drawn from what the explorer finds.

use std::process::ExitCode;

use redial_testkit::explorer::{Explorer, Extent, diagram, scaled_to_small};

use crate::cli::{DiagramArgs, DiagramFormat, TourVendor};
use crate::output::{self, Failure};

/// Explores a vendor's policy and prints the diagram.
pub(crate) fn run(args: DiagramArgs) -> Result<ExitCode, Failure> {
    let policy = args.vendor.unwrap_or(TourVendor::Liveperson).policy(args.profile);
    let report = Explorer::new(scaled_to_small(policy)).extent(Extent::Plain).run();
    if !report.closed {
        return Err(Failure::new("there are more states than the explorer has room for"));
    }
    let text = match args.format {
        DiagramFormat::Mermaid => diagram::mermaid(&report),
        DiagramFormat::Dot => diagram::dot(&report),
        DiagramFormat::Svg => diagram::svg(&report),
    };
    output::say(text.trim_end().to_owned());
    Ok(ExitCode::SUCCESS)
}

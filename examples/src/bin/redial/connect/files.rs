//! The flight recorder's log.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use redial_tungstenite::Client;
use serde_json::json;

use super::Vendor;
use crate::cli::CommonArgs;
use crate::output::Failure;

/// The log of one session.
pub(crate) struct Files {
    record: Option<BufWriter<File>>,
}

impl Files {
    pub(crate) fn open(common: &CommonArgs) -> Result<Self, Failure> {
        let record = match &common.record {
            Some(path) => {
                let file = File::create(path).map_err(|error| named(path, &error))?;
                let mut file = BufWriter::new(file);
                writeln!(file, "{}", json!({ "redial_trace": 1 }))
                    .map_err(|error| named(path, &error))?;
                Some(file)
            }
            None => None,
        };
        Ok(Self { record })
    }

    /// Writes down what the flight recorder has: numbers only.
    pub(crate) fn record<A: Vendor>(&mut self, client: &mut Client<A>) -> Result<(), Failure> {
        let Some(file) = &mut self.record else { return Ok(()) };
        let mut written = false;
        while let Some((cx, event)) = client.poll_record() {
            written = true;
            writeln!(file, "{}", json!({ "cx": cx, "event": event })).map_err(failed)?;
        }
        if written { file.flush().map_err(failed) } else { Ok(()) }
    }
}

/// Names the file that an error is about.
pub(super) fn named(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

fn failed(error: std::io::Error) -> Failure {
    Failure::new(format!("the record cannot be written: {error}"))
}

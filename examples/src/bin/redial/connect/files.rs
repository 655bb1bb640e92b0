//! The flight recorder's log.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use redial_testkit::replay::Writer;
use redial_tungstenite::Client;

use super::Vendor;
use crate::output::Failure;

/// The log of one session.
pub(crate) struct Files {
    record: Option<Writer<BufWriter<File>>>,
}

impl Files {
    pub(crate) fn open<A: Vendor>(
        path: Option<&Path>,
        client: &Client<A>,
    ) -> Result<Self, Failure> {
        let record = match (path, client.recorded_from()) {
            (Some(path), Some(machine)) => {
                let file = File::create(path).map_err(|error| named(path, &error))?;
                let writer = Writer::new(BufWriter::new(file), client.adapter().policy(), machine);
                Some(writer.map_err(|error| named(path, &error))?)
            }
            _ => None,
        };
        Ok(Self { record })
    }

    /// Writes down what the flight recorder has: numbers only.
    pub(crate) fn record<A: Vendor>(&mut self, client: &mut Client<A>) -> Result<(), Failure> {
        let Some(trace) = &mut self.record else { return Ok(()) };
        let mut written = false;
        while let Some(recorded) = client.poll_record() {
            written = true;
            trace.write(&recorded).map_err(failed)?;
        }
        if written { trace.flush().map_err(failed) } else { Ok(()) }
    }
}

/// Names the file that an error is about.
pub(super) fn named(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

fn failed(error: std::io::Error) -> Failure {
    Failure::new(format!("the record cannot be written: {error}"))
}

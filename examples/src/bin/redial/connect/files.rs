//! Files that a session writes: the flight recorder's log and the snapshot.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use redial_core::{Ledger, Machine, Snapshot};
use redial_tungstenite::Client;
use serde_json::{Value, json};

use super::Vendor;
use crate::cli::CommonArgs;
use crate::output::Failure;

/// The files of one session.
pub(crate) struct Files {
    record: Option<BufWriter<File>>,
    state: Option<PathBuf>,
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
        Ok(Self { record, state: common.state.clone() })
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

    /// Saves a snapshot; returns false where no file was named.
    pub(crate) fn save<A: Vendor>(&self, client: &Client<A>) -> Result<bool, Failure> {
        let Some(path) = &self.state else { return Ok(false) };
        let snapshot = client.snapshot();
        let text = json!({
            "redial_snapshot": 1,
            "machine": snapshot.machine,
            "cursor": A::cursor_json(&snapshot.cursor),
            "nonce": snapshot.nonce.to_string(),
        });
        write_private(path, text.to_string().as_bytes()).map_err(|error| named(path, &error))?;
        Ok(true)
    }

    /// Reads a snapshot that an earlier process saved, if there is one.
    pub(crate) fn load<A: Vendor>(path: &Path) -> Result<Option<Snapshot<A>>, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(path, &error)),
        };
        read_snapshot(&text).map(Some).ok_or_else(|| {
            Failure::new(format!("{}: not a snapshot that this version can read", path.display()))
        })
    }
}

fn read_snapshot<A: Vendor>(text: &str) -> Option<Snapshot<A>> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    if value.get("redial_snapshot")? != 1 {
        return None;
    }
    let machine: Machine = serde_json::from_value(value.get_mut("machine")?.take()).ok()?;
    let cursor = A::cursor_from_json(value.get("cursor")?)?;
    let nonce = value.get("nonce")?.as_str()?.parse().ok()?;
    Some(Snapshot { machine, ledger: Ledger::default(), cursor, nonce })
}

/// Replaces a file in one step with one that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // What an earlier process left half-written may have other rights.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

fn named(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

fn failed(error: std::io::Error) -> Failure {
    Failure::new(format!("the record cannot be written: {error}"))
}

//! Files that a session writes: the flight recorder's log and the snapshot.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use redial_core::{MessageId, Snapshot};
use redial_tungstenite::Client;
use serde_json::{Value, json};

use super::Vendor;
use super::control::Names;
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
    pub(crate) fn save<A: Vendor>(
        &self,
        client: &Client<A>,
        names: &Names,
    ) -> Result<bool, Failure> {
        let Some(path) = &self.state else { return Ok(false) };
        let names: Vec<_> =
            names.iter().map(|(id, (name, wants))| (id.get(), name, wants)).collect();
        let text = json!({
            "redial_snapshot": FORMAT,
            "names": names,
            "snapshot": client.snapshot(),
        });
        write_private(path, text.to_string().as_bytes()).map_err(|error| named(path, &error))?;
        Ok(true)
    }

    /// Reads a snapshot that an earlier process saved, if there is one.
    pub(crate) fn load<A: Vendor>(path: &Path) -> Result<Option<(Snapshot<A>, Names)>, Failure> {
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

fn read_snapshot<A: Vendor>(text: &str) -> Option<(Snapshot<A>, Names)> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    if value.get("redial_snapshot")? != FORMAT {
        return None;
    }
    let snapshot = serde_json::from_value(value.get_mut("snapshot")?.take()).ok()?;
    let names: Vec<(u64, Value, bool)> =
        serde_json::from_value(value.get_mut("names")?.take()).ok()?;
    let names = names.into_iter().map(|(id, name, wants)| (MessageId::new(id), (name, wants)));
    Some((snapshot, names.collect()))
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

/// The form of what is saved; the snapshot in it has a version of its own.
const FORMAT: u32 = 2;

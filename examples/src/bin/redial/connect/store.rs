//! `--state`: what a later process goes on from, however this one ends.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redial_core::{MessageId, Snapshot};
use serde_json::{Value, json};

use super::Vendor;
use super::files::named;
use crate::output::Failure;

/// What the user calls messages, and whether their answers are wanted.
pub(crate) type Names = BTreeMap<MessageId, (Value, bool)>;

/// Keeps a session's snapshot in a file, with the names of its messages.
#[derive(Clone)]
pub(crate) struct Store(Arc<Shared>);

struct Shared {
    path: Option<PathBuf>,
    names: Mutex<Names>,
    failure: Mutex<Option<Failure>>,
}

impl Store {
    pub(crate) fn new(path: Option<PathBuf>, names: Names) -> Self {
        Self(Arc::new(Shared { path, names: Mutex::new(names), failure: Mutex::new(None) }))
    }

    /// Returns the names of the messages that have no fate yet.
    pub(crate) fn names(&self) -> MutexGuard<'_, Names> {
        self.0.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves a snapshot that outlives the process and the machine; returns false where no file
    /// was named.
    pub(crate) fn save<A: Vendor>(&self, snapshot: &Snapshot<A>) -> Result<bool, Failure> {
        self.write(snapshot, true)
    }

    /// Saves a snapshot that outlives the process. Why it cannot is kept for
    /// [`Store::take_failure`].
    pub(crate) fn keep<A: Vendor>(&self, snapshot: &Snapshot<A>) {
        if let Err(failure) = self.write(snapshot, false) {
            let mut kept = self.0.failure.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get_or_insert(failure);
        }
    }

    /// Returns why a snapshot could not be saved.
    pub(crate) fn take_failure(&self) -> Option<Failure> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn write<A: Vendor>(&self, snapshot: &Snapshot<A>, sync: bool) -> Result<bool, Failure> {
        let Some(path) = &self.0.path else { return Ok(false) };
        let names = self.names();
        let names: Vec<_> =
            names.iter().map(|(id, (name, wants))| (id.get(), name, wants)).collect();
        let text = json!({ "redial_snapshot": FORMAT, "names": names, "snapshot": snapshot });
        write_private(path, text.to_string().as_bytes(), sync)
            .map_err(|error| named(path, &error))?;
        Ok(true)
    }

    /// Reads a snapshot that an earlier process saved, if there is one.
    pub(crate) fn load<A: Vendor>(path: &Path) -> Result<Option<(Snapshot<A>, Names)>, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(path, &error)),
        };
        // A file is replaced in one step: one that is empty was made empty, by `mktemp` for one.
        if text.is_empty() {
            return Ok(None);
        }
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
pub(super) fn write_private(path: &Path, bytes: &[u8], sync: bool) -> std::io::Result<()> {
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
    if sync {
        file.sync_all()?;
    }
    std::fs::rename(&new, path)
}

/// The form of what is saved; the snapshot in it has a version of its own.
const FORMAT: u32 = 2;

//! What comes.

use alloc::string::String;
use core::fmt;

use redial_socketio::{Json, Text};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An event.
///
/// The server wraps every payload: `{"event","instance","data","server_url","date_time","sender",
/// "apikey"}`. `date_time` is the server's local time, labelled as UTC. Where the server exposes
/// keys, `apikey` is a credential: do not log the envelope as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The name, in dotted lower case.
    pub name: Text,
    /// The envelope, as the slice of the frame in which it stood.
    pub envelope: Json,
}

impl Event {
    /// Returns the payload, as the slice of the frame in which it stood; none where the argument
    /// is no envelope.
    #[must_use]
    pub fn data(&self) -> Option<Json> {
        let bytes = self.envelope.as_bytes();
        let Envelope { data, .. } = serde_json::from_slice(bytes).ok()?;
        Json::check(&bytes.slice_ref(data?.get().as_bytes())).ok()
    }

    /// Returns the instance that the event is about.
    #[must_use]
    pub fn instance(&self) -> Option<String> {
        let Envelope { instance, .. } = serde_json::from_slice(self.envelope.as_bytes()).ok()?;
        serde_json::from_str(instance?.get()).ok()
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    instance: Option<&'a RawValue>,
}

/// Nothing: the server reads nothing that this crate would write.
///
/// Evolution API 2.3.6 has one handler, `sendNode`, which takes the stanzas of the network behind
/// it as they are. The `send_message` of the documents of version 1 is not read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {}

impl fmt::Display for Nothing {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

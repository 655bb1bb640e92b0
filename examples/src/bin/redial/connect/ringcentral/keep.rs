//! What a later process needs, each in a file of its own, as pages keep it over a refresh.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redial_ringcentral::{Message, Operation, SubscriptionInfo};

use crate::cli::RingCentralArgs;
use crate::connect::files::named;
use crate::connect::store::write_private;
use crate::output::Failure;

/// The files.
pub(super) struct Keep {
    wsc: Option<PathBuf>,
    subscription: Option<PathBuf>,
    refresh_token: Option<PathBuf>,
}

impl Keep {
    pub(super) fn new(args: &RingCentralArgs) -> Self {
        Self {
            wsc: args.wsc_out.clone(),
            subscription: args.subscription_info.clone(),
            refresh_token: args.refresh_token_out.clone(),
        }
    }

    /// Reads the subscription that an earlier process has kept, if it did.
    pub(super) fn subscription(&self) -> Result<Option<SubscriptionInfo>, Failure> {
        let Some(path) = &self.subscription else { return Ok(None) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(path, &error)),
        };
        let info = serde_json::from_str(&text).ok().and_then(SubscriptionInfo::new);
        match info {
            Some(info) => Ok(Some(info)),
            None => Err(Failure::new(format!("{}: no subscription", path.display()))),
        }
    }

    /// Keeps what a message brings.
    pub(super) fn message(&self, message: &Message) -> Result<(), Failure> {
        match message {
            Message::NewWsc { wsc, .. } => write(self.wsc.as_deref(), &wsc.token),
            Message::RefreshToken(token) => write(self.refresh_token.as_deref(), token.expose()),
            Message::Subscribed { info, .. } => {
                write(self.subscription.as_deref(), &info.value().to_string())
            }
            Message::Revoked { .. } => self.forget_subscription(),
            Message::SubscriptionFailed {
                operation: Operation::Create | Operation::Restore,
                retry: false,
                ..
            } => self.forget_subscription(),
            _ => Ok(()),
        }
    }

    fn forget_subscription(&self) -> Result<(), Failure> {
        let Some(path) = &self.subscription else { return Ok(()) };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(named(path, &error)),
            _ => Ok(()),
        }
    }
}

fn write(path: Option<&Path>, text: &str) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    write_private(path, text.as_bytes(), false).map_err(|error| named(path, &error))
}

//! The vendors whose policies are shipped.

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use redial_core::Policy;

use super::Cli;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TourVendor {
    /// LivePerson agent messaging.
    Liveperson,
    /// Genesys guest chat and Web Messaging.
    Genesys,
    /// Vonage's client sessions.
    Vonage,
    /// Evolution's event sockets, and Evolution API 2.
    Evolution,
    /// RingCentral's WebSocket gateway.
    Ringcentral,
}

/// One of several services of a vendor.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Service {
    /// Genesys guest chat.
    Guest,
    /// Genesys Web Messaging.
    WebMessaging,
    /// Evolution's event sockets.
    Codechat,
    /// Evolution API 2.
    V2,
}

impl TourVendor {
    /// Returns the vendor's policy, that of its first service where none is named. A service of
    /// another vendor ends the process with status 2.
    pub(crate) fn policy(self, service: Option<Service>) -> &'static Policy {
        match (self, service) {
            (Self::Liveperson, None) => &redial_liveperson::POLICY,
            (Self::Vonage, None) => &redial_vonage::POLICY,
            (Self::Ringcentral, None) => &redial_ringcentral::POLICY,
            (Self::Genesys, None | Some(Service::Guest)) => &redial_genesys::guest::POLICY,
            (Self::Genesys, Some(Service::WebMessaging)) => &redial_genesys::web::POLICY,
            (Self::Evolution, None | Some(Service::Codechat)) => {
                &redial_evolution::codechat::POLICY
            }
            (Self::Evolution, Some(Service::V2)) => &redial_evolution::v2::POLICY,
            (_, Some(_)) => {
                let text = "this vendor has no such --profile";
                Cli::command().error(ErrorKind::ArgumentConflict, text).exit()
            }
        }
    }
}

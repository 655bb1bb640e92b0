//! The vendors whose policies are shipped.

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use redial_core::Policy;
use redial_testkit::replay::Names;

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

    /// Returns what the vendor calls its steps and refusals. A service of another vendor ends the
    /// process with status 2, as with [`Self::policy`].
    pub(crate) fn names(self, service: Option<Service>) -> Names {
        let _ = self.policy(service);
        match (self, service) {
            (Self::Liveperson, _) => Names::of::<redial_liveperson::LivePerson>(),
            (Self::Vonage, _) => Names::of::<redial_vonage::Vonage>(),
            (Self::Ringcentral, _) => Names::of::<redial_ringcentral::RingCentral>(),
            (Self::Genesys, Some(Service::WebMessaging)) => {
                Names::of::<redial_genesys::WebMessaging>()
            }
            (Self::Genesys, _) => Names::of::<redial_genesys::GuestChat>(),
            (Self::Evolution, Some(Service::V2)) => Names::of::<redial_evolution::EvolutionApi>(),
            (Self::Evolution, _) => Names::of::<redial_evolution::CodeChat>(),
        }
    }
}

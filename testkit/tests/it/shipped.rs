//! The policies of the vendors' crates.

use redial_core::Policy;

/// Returns each policy that a vendor's crate ships, with its name.
pub(crate) fn policies() -> Vec<(&'static str, Policy)> {
    vec![
        ("LivePerson", redial_liveperson::POLICY),
        ("LivePerson, growing waits", redial_liveperson::POLICY_BACKOFF),
        ("Genesys guest chat", redial_genesys::guest::POLICY),
        ("Genesys web messaging", redial_genesys::web::POLICY),
        ("RingCentral", redial_ringcentral::POLICY),
        ("Vonage", redial_vonage::POLICY),
        ("Vonage, as its SDK", redial_vonage::POLICY_SDK),
        ("Evolution, event sockets", redial_evolution::codechat::POLICY),
        ("Evolution, Socket.IO", redial_evolution::v2::POLICY),
    ]
}

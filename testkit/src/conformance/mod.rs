//! One call that tells whether an adapter does what every adapter must.
//!
//! The caller describes the vendor ([`Vendor`]): how the adapter is made, what the vendor's side
//! answers, some frames, the secrets, the documented codes. [`check`] then tries the adapter
//! through a real [`Session`](redial_core::Session) in virtual time, without IO and without real
//! chance, so that a run repeats itself:
//!
//! | check | what it shows |
//! | --- | --- |
//! | `every_cause_has_a_verdict` | after each loss, each refusal and each failed exchange the adapter does what the verdict says: gets online again, waits for the application, or ends |
//! | `documented_codes_are_in_the_table` | the policy decides about documented causes as documented, and gives up after no other |
//! | `half_open_is_detectable` | a peer that is silent is found dead in the time that the keepalive says, an hour at most |
//! | `decode_never_panics` | no frame, answer or token makes it panic, or work for seconds: random bytes, and broken variants of the samples |
//! | `control_frames_deliver_nothing` | pings and pongs lead to nothing, whatever they carry |
//! | `secrets_never_show` | no `Debug`, problem, notice or record shows a secret or a body; each secret was really used |
//! | `encode_decode_round_trip` | texts arrive as they were sent, both ways, and what was sent is acknowledged; what is said early is not lost |
//! | `snapshots_keep_everything` | stored and restored at any moment it knows what it knew, and says after a loss what it would have said; every message has one fate |
//! | `twins_do_the_same` | the same inputs lead to the same outputs, byte for byte |
//! | `queues_are_bounded` | however much arrives while the socket takes nothing, little waits to be written, is stored or shown |
//! | `retry_after_is_heeded` | an exchange before the first dial that is answered with `Retry-After` is followed by nothing for so long |
//! | `new_tokens_are_used` | after a loss that wants a new token the secrets that the vendor gives then are the ones in use |
//! | `continuity_is_told_truly` | a session that can be resumed is resumed, and one that is to be forgotten is not |
//!
//! A [`Failure`] says what was broken, with which bytes, and after which inputs. Samples and
//! secrets are made up by the caller, so nothing in it is confidential.
//!
//! # What only the caller can assert
//!
//! The suite knows frames by their bytes and not by what they mean. What follows must be said by
//! whoever knows the protocol:
//!
//! - **What the vendor would not accept**: a frame too early or in a wrong form. [`Vendor::answer`]
//!   and [`Vendor::exchange`] may `panic!` about it; that is reported like everything else, with
//!   the inputs before it. What needs a memory (a hello twice, an acknowledgment twice or never,
//!   a number used again) is for a [`Peer`](crate::peer::Peer) in a
//!   [`Fleet`](crate::world::Fleet), where a panic has a seed.
//! - **What the vendor means**: that "busy" is no acknowledgment, that a range acknowledges all of
//!   it, that a message was delivered before, when a token expires and that a renewal brings another,
//!   how long a message has to wait. A [`rig`](crate::rig), one frame, and an assertion.
//! - **What may be sent again**: [`Class::portable`](redial_core::Class) and the other promises of
//!   a class are the vendor's to make.
//! - **How long it keeps what it answers**: a frame that must be answered each time fills the queue
//!   of a socket that takes nothing, until the session gives the connection up. Whether an answer
//!   may be left out is the protocol's matter; [`Io::backlog`](redial_core::Io) tells when.
//! - **What is not `Debug`**: a secret in a line that the adapter logs or prints by itself, and
//!   memory that neither the cursor nor `Debug` shows.

mod act;
mod lifecycle;
mod mutate;
mod report;
mod rig;
mod state;
mod tokens;
mod vendor;
mod wire;

pub use report::{Broken, Failure, Proof};
pub use rig::START;
pub use vendor::{Sent, Vendor};

/// Tries an adapter in every way that the suite knows.
///
/// # Errors
///
/// Lists every check that does not hold.
pub fn check<V: Vendor>(vendor: &V) -> Result<Proof, Failure> {
    let checks: [Check<V>; CHECKS.len()] = [
        lifecycle::every_cause_has_a_verdict,
        lifecycle::documented_codes_are_in_the_table,
        lifecycle::half_open_is_detectable,
        wire::decode_never_panics,
        lifecycle::control_frames_deliver_nothing,
        wire::secrets_never_show,
        wire::encode_decode_round_trip,
        state::snapshots_keep_everything,
        state::twins_do_the_same,
        wire::queues_are_bounded,
        tokens::retry_after_is_heeded,
        tokens::new_tokens_are_used,
        state::continuity_is_told_truly,
    ];
    let (mut holds, mut broken) = (Vec::new(), Vec::new());
    for (name, check) in CHECKS.into_iter().zip(checks) {
        match check(vendor) {
            Ok(what) => holds.push((name, what)),
            Err(found) => broken.push(Broken { check: name, ..found }),
        }
    }
    let name = vendor.name().to_owned();
    if broken.is_empty() { Ok(Proof { name, holds }) } else { Err(Failure { name, broken }) }
}

/// The names of all checks, in their order.
pub const CHECKS: [&str; 13] = [
    "every_cause_has_a_verdict",
    "documented_codes_are_in_the_table",
    "half_open_is_detectable",
    "decode_never_panics",
    "control_frames_deliver_nothing",
    "secrets_never_show",
    "encode_decode_round_trip",
    "snapshots_keep_everything",
    "twins_do_the_same",
    "queues_are_bounded",
    "retry_after_is_heeded",
    "new_tokens_are_used",
    "continuity_is_told_truly",
];

type Check<V> = fn(&V) -> Result<String, Broken>;

//! Processes that die at every boundary, and go on from bytes.
//!
//! A [`Vendor`], made for the [conformance suite](crate::conformance), is enough to try a whole
//! adapter: a script of bytes is lived through once in peace, and then once for each boundary
//! between two actions, where the process dies. What the next process has is the
//! [`Snapshot`](redial_core::Snapshot), written to bytes and read again. In each life every message
//! that was accepted must end exactly once, truly, in its order and with the id that it had, by the
//! account of an [onlooker](crate::Accounts), and nothing may panic.
//!
//! ```
//! use redial_testkit::{conformance::Vendor, crash};
//!
//! fn stands_every_death(vendor: &impl Vendor) {
//!     let proof = crash::check(vendor, 0..4).unwrap_or_else(|failure| panic!("{failure}"));
//!     println!("{proof}");
//! }
//! ```

mod life;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use redial_core::{Frame, WireIds};

use crate::conformance::{Sent, Vendor};
use crate::scenario::bytes_of;
use crate::watch::Breach;

pub use life::{Lived, live};

/// What was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The name of the adapter.
    pub vendor: String,
    /// How many scripts were lived through.
    pub scripts: usize,
    /// How often a process died.
    pub deaths: usize,
    /// How many messages were accepted, in all lives.
    pub messages: u64,
    /// How many of them ended acknowledged, rejected, expired, not sent, unknown.
    pub fates: [u64; 5],
    /// How often messages were written again.
    pub resent: u64,
    /// How often that was after a death, with the id that the message had before.
    pub ids_kept: u64,
}

/// A life in which something that must hold did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the adapter.
    pub vendor: String,
    /// The seed of the script.
    pub seed: u64,
    /// The boundaries at which processes died.
    pub deaths: BTreeSet<usize>,
    /// What did not hold.
    pub breach: Breach,
}

/// How many bytes a script has.
pub const SCRIPT: usize = 48;

/// Lives through the scripts of these seeds, with a death at every boundary, and with several.
///
/// # Errors
///
/// Names the first life in which something that must hold did not; [`live`] repeats it from
/// [`bytes_of`] its seed, [`SCRIPT`] bytes of them.
pub fn check<V: Vendor>(vendor: &V, seeds: Range<u64>) -> Result<Proof, Box<Failure>> {
    let mut proof = Proof { vendor: vendor.name().to_owned(), ..Proof::default() };
    for seed in seeds {
        proof.scripts += 1;
        let script = bytes_of(seed, SCRIPT);
        let calm = attempt(vendor, seed, &script, BTreeSet::new(), &mut proof)?;
        for boundary in 0..calm.boundaries {
            attempt(vendor, seed, &script, BTreeSet::from([boundary]), &mut proof)?;
        }
        // The later processes die, too.
        for every in [3, 7, 19] {
            let deaths = (0..calm.boundaries).filter(|boundary| boundary % every == 0).collect();
            attempt(vendor, seed, &script, deaths, &mut proof)?;
        }
    }
    Ok(proof)
}

fn attempt<V: Vendor>(
    vendor: &V,
    seed: u64,
    script: &[u8],
    deaths: BTreeSet<usize>,
    proof: &mut Proof,
) -> Result<Lived, Box<Failure>> {
    let lived = live(vendor, script, &deaths).map_err(|breach| {
        let vendor = vendor.name().to_owned();
        Box::new(Failure { vendor, seed, deaths, breach })
    })?;
    proof.deaths += lived.deaths;
    proof.messages += lived.accounts.accepted();
    proof.resent += lived.accounts.resent();
    proof.ids_kept += lived.ids_kept;
    for (sum, more) in proof.fates.iter_mut().zip(lived.accounts.fates()) {
        *sum += more;
    }
    Ok(lived)
}

/// Finds the id of this session that something carries, whatever the vendor's format.
fn wire_id(sent: Sent<'_>, nonce: u128) -> Option<String> {
    let ids = WireIds::new(nonce);
    let find = |bytes: &[u8]| {
        let texts = bytes.windows(36).filter_map(|window| str::from_utf8(window).ok());
        texts.filter(|text| ids.decode(text).is_some()).map(str::to_owned).next()
    };
    match sent {
        Sent::Frame(Frame::Text(bytes) | Frame::Binary(bytes)) => find(bytes),
        Sent::Frame(_) => None,
        Sent::Http(request) => find(&request.body).or_else(|| find(request.url.as_bytes())),
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [acked, rejected, expired, not_sent, unknown] = self.fates;
        write!(
            f,
            "{}: {} scripts, {} deaths, {} messages: {acked} acknowledged, {rejected} rejected, \
             {expired} expired, {not_sent} not sent, {unknown} unknown; {} written again, {} of \
             them by a later process with the same id",
            self.vendor, self.scripts, self.deaths, self.messages, self.resent, self.ids_kept
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vendor, seed, deaths, breach } = self;
        write!(f, "{vendor}, seed {seed}, deaths at {deaths:?}: {breach}")
    }
}

impl std::error::Error for Failure {}

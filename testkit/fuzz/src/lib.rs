//! What the fuzz targets check. Each target is a function of bytes that panics where something
//! does not hold; the binaries hand it what libFuzzer makes up, the tests what is in `corpus/`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod codec;
mod script;
mod vendors;

pub use codec::{history, retry_after, socketio, trace};
pub use script::{Reached, play};
pub use vendors::{
    codechat, evolution, genesys_guest, genesys_web, liveperson, ringcentral, vonage_v1, vonage_v2,
};

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]) -> Reached);

/// All targets.
pub const TARGETS: &[Target] = &[
    ("codechat", codechat),
    ("evolution", evolution),
    ("genesys_guest", genesys_guest),
    ("genesys_web", genesys_web),
    ("history", history),
    ("liveperson", liveperson),
    ("retry_after", retry_after),
    ("ringcentral", ringcentral),
    ("socketio", socketio),
    ("trace", trace),
    ("vonage_v1", vonage_v1),
    ("vonage_v2", vonage_v2),
];

/// Stands in every secret, and may stand nowhere else.
pub const CANARY: &str = "canary-that-nobody-prints";

//! Strategies for property tests.
//!
//! Each is the generator over bytes of its own, so a failure shrinks by shorter and smaller bytes,
//! and what proptest finds a fuzzer can repeat. [`judge`] leaves a trace of what fails.
//!
//! ```
//! use proptest::prelude::*;
//! use redial_testkit::scenario::{History, strategy};
//!
//! proptest!(|(history in strategy::histories())| {
//!     strategy::judge(history.play(), "target/world")?;
//! });
//! # const POLICY: redial_core::Policy = redial_core::Policy::new(redial_core::PolicySpec::DEFAULT);
//! // The same with a policy of one's own.
//! proptest!(|(bytes in strategy::bytes())| {
//!     strategy::judge(History::under(&POLICY, &bytes).play(), "target/world")?;
//! });
//! ```

use std::path::Path;

use proptest::prelude::{Strategy, any};
use proptest::test_runner::TestCaseError;
use redial_core::{Event, Policy, Span};

use super::{Failed, History, Played, Schedule, Source, event, policy};

/// Judges a history that was played in a property test. What fails is written into `folder`, and
/// the failure says where: the trace that is left after shrinking is that of the shortest history.
/// `redial replay` takes it, and so does [`History::load`](super::History::load).
///
/// # Errors
///
/// Names the first thing that did not hold, the bytes that the history was read from, and the file.
pub fn judge(
    played: Result<Played, Box<Failed>>,
    folder: impl AsRef<Path>,
) -> Result<Played, TestCaseError> {
    played.map_err(|failed| {
        let saved = failed.save(folder.as_ref());
        let path = saved.map_or_else(|error| error.to_string(), |path| path.display().to_string());
        TestCaseError::fail(format!("{failed}trace: {path}"))
    })
}

/// Bytes for a history of usual length.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let usual = History::USUAL_BYTES;
    proptest::collection::vec(any::<u8>(), usual / 2..usual * 2)
}

/// Any event. Connections and token requests have the names 0 to 3.
pub fn events() -> impl Strategy<Value = Event> {
    few_bytes().prop_map(|bytes| event(&mut Source::new(&bytes)))
}

/// Policies without contradictions.
pub fn policies() -> impl Strategy<Value = Policy> {
    proptest::collection::vec(any::<u8>(), 0..120)
        .prop_map(|bytes| policy(&mut Source::new(&bytes)))
}

/// Fault schedules: faults that follow each other within twice `mean` and last up to `longest`.
pub fn schedules(mean: Span, longest: Span) -> impl Strategy<Value = Schedule> {
    proptest::collection::vec(any::<u8>(), 0..200)
        .prop_map(move |bytes| Schedule::decode(&bytes, mean, longest))
}

/// Whole histories, each with a policy of its own.
pub fn histories() -> impl Strategy<Value = History> {
    bytes().prop_map(|bytes| History::decode(&bytes))
}

fn few_bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..24)
}

//! Processes die at every boundary; what a bad adapter does then is found.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use redial_core::http::{HttpRequest, HttpResponse, HttpResult, Method};
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Frame, Handshake, Intent, Io, MessageId,
    Outcome, Path, Policy, PolicySpec, Proof, Secret, Span, Verdict,
};
use redial_testkit::conformance::{Sent, Vendor};
use redial_testkit::crash::{self, Failure, live};
use redial_testkit::scenario::bytes_of;
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

use crate::toy::{Flaw as ToyFlaw, ToyVendor};

#[test]
fn good_adapters_stand_every_death() {
    let clerk = crash::check(&Clerk(Flaw::None), 0..6);
    for proof in [clerk, crash::check(&ToyVendor::<false>(ToyFlaw::None), 0..6)] {
        let proof = proof.unwrap_or_else(|failure| panic!("{failure}"));
        println!("{proof}");
        assert!(proof.deaths > 300 && proof.messages > 1_000, "{proof}");
        assert!(proof.fates[0] > 300 && proof.ids_kept > 10, "{proof}");
    }
}

#[test]
fn each_flaw_is_found_and_its_life_can_be_lived_again() {
    for (flaw, law) in [
        (Flaw::NewIdsInEachProcess, "ids_kept"),
        (Flaw::AcknowledgesAtHello, "ack_settles_once"),
        (Flaw::StoresNoNumbers, "ack_settles_once"),
        (Flaw::WritesAgainBackwards, "order_kept"),
        (Flaw::SaysItIsWritten, "ack_settles_once"),
        (Flaw::Panics, "never_panics"),
    ] {
        let Failure { seed, deaths, breach, .. } = *find(flaw, law);
        let script = bytes_of(seed, crash::SCRIPT);
        let again = live(&Clerk(flaw), &script, &deaths).expect_err("the same life");
        assert_eq!(again, breach);
        assert!(live(&Clerk(Flaw::None), &script, &deaths).is_ok());
    }
}

#[test]
fn a_life_is_the_same_each_time() {
    let (script, deaths) = (bytes_of(9, 200), BTreeSet::from([7, 30, 31]));
    let life = || live(&Clerk(Flaw::None), &script, &deaths).expect("a good life");
    let (first, again) = (life(), life());
    assert_eq!(first.boundaries, again.boundaries);
    assert_eq!(first.accounts.fates(), again.accounts.fates());
    assert_eq!(first.deaths, 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn processes_may_die_again_and_again(
        script in prop::collection::vec(any::<u8>(), 0..160),
        deaths in prop::collection::btree_set(0..400_usize, 0..12),
    ) {
        for lived in [
            live(&Clerk(Flaw::None), &script, &deaths),
            live(&ToyVendor::<false>(ToyFlaw::None), &script, &deaths),
        ] {
            if let Err(breach) = lived {
                return Err(TestCaseError::fail(breach.to_string()));
            }
        }
    }
}

/// A flaw may break more than one law; finds the life in which it breaks this one first.
fn find(flaw: Flaw, law: &str) -> Box<Failure> {
    let mut found = (0..40).filter_map(|seed| crash::check(&Clerk(flaw), seed..seed + 1).err());
    let found = found.find(|failure| failure.breach.invariant == law);
    found.unwrap_or_else(|| panic!("{flaw:?} is not found by {law}"))
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Makes ids on the wire of something that no snapshot has.
    NewIdsInEachProcess,
    /// Takes a greeting for the acknowledgment of everything.
    AcknowledgesAtHello,
    /// Stores messages without what they say.
    StoresNoNumbers,
    /// Writes the last one first, when they are written again.
    WritesAgainBackwards,
    /// Calls a message written and keeps it for later.
    SaysItIsWritten,
    /// Panics when a message is written again.
    Panics,
}

/// A vendor, and its adapter.
struct Clerk(Flaw);

struct Desk {
    flaw: Flaw,
    policy: Policy,
    process: u64,
    open: Vec<String>,
}

/// A message.
#[derive(Clone, Debug, Deserialize)]
struct Note {
    text: String,
    is_stored: bool,
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Note", 2)?;
        // What is not stored comes back as the number of a message that nobody sent.
        fields
            .serialize_field("text", if self.is_stored { self.text.as_str() } else { "999999" })?;
        fields.serialize_field("is_stored", &self.is_stored)?;
        fields.end()
    }
}

impl Adapter for Desk {
    type Outgoing = Note;
    type Message = ();
    type Reply = ();
    type Command = ();
    type Step = MessageId;
    type Cursor = ();

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        "desk"
    }

    fn step_name(_step: u8) -> &'static str {
        "step"
    }

    fn authorize(&mut self, _kind: Authorize, io: &mut Io<'_, Self>) {
        io.token_ready(None, true);
    }

    fn offer_token(&mut self, _token: Secret, _io: &mut Io<'_, Self>) -> bool {
        true
    }

    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        out.url = "ws://desk".into();
    }

    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        io.ready(Continuity::Resumed);
        if self.flaw == Flaw::AcknowledgesAtHello {
            (1..20).for_each(|number| io.settle(MessageId::new(number), Outcome::Acked));
        }
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let Frame::Text(bytes) = frame else { return };
        let id = str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix("ack "));
        self.open.retain(|text| id.is_none_or(|id| !text.contains(id)));
        if let Some((_, number)) = id.and_then(|id| io.wire_ids().decode(id)) {
            io.settle(MessageId::new(number % 1_000), Outcome::Acked);
        }
    }

    fn handle_http(&mut self, id: MessageId, answer: HttpResult, io: &mut Io<'_, Self>) {
        let outcome = match answer.map(|answer| answer.status) {
            Ok(200) => Outcome::Acked,
            Ok(_) => Outcome::Retry { after: None },
            Err(_) => Outcome::Lost { after: None },
        };
        io.settle(id, outcome);
    }

    fn transmit(&mut self, id: MessageId, note: &Note, tries: u8, io: &mut Io<'_, Self>) -> Path {
        let process = if self.flaw == Flaw::NewIdsInEachProcess { self.process } else { 0 };
        let wire = io.wire_ids().encode(1, id.get() + process * 1_000);
        let mut text = format!("note {} {}", wire.as_str(), note.text);
        // Some go by HTTP.
        if note.text.ends_with('3') {
            let (url, body) = ("http://desk".to_owned(), text.into_bytes().into());
            let request = HttpRequest { method: Method::Post, url, headers: Vec::new(), body };
            io.http(id, Span::from_secs(5), request);
            return Path::Http;
        }
        match self.flaw {
            Flaw::Panics => assert_eq!(tries, 0, "once is enough"),
            Flaw::SaysItIsWritten => return Path::Socket,
            Flaw::WritesAgainBackwards if tries > 0 => text = self.open.pop().unwrap_or(text),
            _ => self.open.push(text.clone()),
        }
        io.text(|out| out.extend_from_slice(text.as_bytes()));
        Path::Socket
    }

    fn class(&self, _note: &Note) -> Class {
        Class {
            proof: match self.flaw {
                Flaw::SaysItIsWritten => Proof::Written,
                _ => Proof::Answer,
            },
            cut: Cut::Resend,
            portable: true,
            within: Span::from_secs(5),
            ttl: Span::from_secs(600),
            tries: 9,
        }
    }

    fn weight(&self, _note: &Note) -> u32 {
        10
    }

    fn cursor(&self) {}

    fn restore(&mut self, (): ()) {}

    fn handle_command(&mut self, (): (), _io: &mut Io<'_, Self>) {}
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

impl Vendor for Clerk {
    type Adapter = Desk;

    fn name(&self) -> &str {
        "clerk"
    }

    fn adapter(&self) -> Desk {
        let policy = Policy::new(PolicySpec::DEFAULT);
        let process = PROCESSES.fetch_add(1, Ordering::Relaxed) % 1_000_000;
        Desk { flaw: self.0, policy, process, open: Vec::new() }
    }

    fn exchange(&self, _request: &HttpRequest) -> HttpResult {
        let (headers, body) = (Vec::new(), Default::default());
        Ok(HttpResponse { status: 200, headers, body, retry_after: None })
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let id = words(frame).and_then(|text| Some(text.split(' ').nth(1)?.to_owned()));
        id.map(|id| Frame::Text(format!("ack {id}").into_bytes().into())).into_iter().collect()
    }

    fn outgoing(&self, text: &str) -> Option<Note> {
        Some(Note { text: text.to_owned(), is_stored: self.0 != Flaw::StoresNoNumbers })
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let text = match sent {
            Sent::Frame(frame) => words(frame)?,
            Sent::Http(request) => str::from_utf8(&request.body).ok()?,
        };
        text.split(' ').nth(2).map(str::to_owned)
    }

    fn samples(&self) -> Vec<Frame> {
        Vec::new()
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        Vec::new()
    }
}

fn words(frame: &Frame) -> Option<&str> {
    let Frame::Text(bytes) = frame else { return None };
    str::from_utf8(bytes).ok()?.starts_with("note ").then(|| str::from_utf8(bytes).ok())?
}

/// How many processes there have been.
static PROCESSES: AtomicU64 = AtomicU64::new(1);

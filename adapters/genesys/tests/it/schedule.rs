//! A thousand messages through everything that can go wrong, against a server in memory.

use std::collections::{BTreeMap, BTreeSet};

use redial_core::http::NoAnswer;
use redial_core::{Bounds, Cause, Fate, Session};
use redial_genesys::GuestChat;
use redial_genesys::guest::{Builder, Text};
use serde_json::{Value, json};

use crate::support::{NONCE, Wire, World, chat, parsed};

const MESSAGES: usize = 1_000;

#[test]
fn a_server_that_dedupes_has_each_message_once_and_in_order() {
    let run = Run::new(true).finish();
    let expected: Vec<_> = (0..MESSAGES).map(|n| n.to_string()).collect();
    assert_eq!(run.server.conversation, expected);
    run.check();
}

#[test]
fn a_server_that_does_not_has_each_at_least_once_and_every_duplicate_is_told() {
    let run = Run::new(false).finish();
    // The first of each is in order, too.
    let mut seen = BTreeSet::new();
    let first: Vec<_> = run.server.conversation.iter().filter(|text| seen.insert(*text)).collect();
    let expected: Vec<_> = (0..MESSAGES).map(|n| n.to_string()).collect();
    assert!(first.into_iter().eq(expected.iter()));
    assert!(run.server.conversation.len() > MESSAGES);
    run.check();
}

/// The process dies again and again, also between write and acknowledgment; all that the next one
/// has is bytes.
#[test]
fn processes_that_die_lose_and_repeat_nothing() {
    for every in [1, 2, 3, 5, 8, 13] {
        let run = Run::dying(every).finish();
        let expected: Vec<_> = (0..MESSAGES).map(|n| n.to_string()).collect();
        assert_eq!(run.server.conversation, expected, "every {every}");
        assert!(run.deaths > 10, "{}", run.deaths);
        run.check_fates();
    }
}

/// What the server has and does.
#[derive(Default)]
struct Server {
    dedupes: bool,
    /// What the other side reads.
    conversation: Vec<String>,
    /// How often each message arrived.
    arrived: BTreeMap<String, usize>,
    /// Messages for which an acknowledgment or a 2xx was handed to the client.
    proved: BTreeSet<String>,
    /// Faults that have happened.
    done: BTreeSet<(&'static str, usize)>,
    guests: u32,
    counts: BTreeMap<&'static str, usize>,
}

impl Server {
    fn take(&mut self, id: &str, content: &str) {
        let count = self.arrived.entry(id.to_owned()).or_default();
        *count += 1;
        if *count == 1 || !self.dedupes {
            self.conversation.push(content.to_owned());
        }
    }

    /// Whether a fault befalls a message now; each does once.
    fn befalls(&mut self, fault: &'static str, n: usize, due: bool) -> bool {
        let befalls = due && self.done.insert((fault, n));
        *self.counts.entry(fault).or_default() += usize::from(befalls);
        befalls
    }
}

struct Run {
    world: World<GuestChat>,
    server: Server,
    sent: usize,
    /// How often each message was written to the wire, and how often that was refused.
    writes: BTreeMap<String, usize>,
    refusals: BTreeMap<String, usize>,
    /// The process dies whenever it has done this much.
    dies_every: Option<usize>,
    deaths: usize,
}

impl Run {
    fn dying(every: usize) -> Self {
        Self { dies_every: Some(every), ..Self::of(chat().retries(200), true) }
    }

    fn new(dedupes: bool) -> Self {
        Self::of(chat(), dedupes)
    }

    fn of(builder: Builder, dedupes: bool) -> Self {
        let adapter = builder.build().expect("a good configuration");
        let bounds = Bounds { messages: 12, bytes: 1 << 20 };
        let world = World::with(Session::new(adapter, NONCE).with_bounds(bounds));
        Self {
            world,
            server: Server { dedupes, ..Server::default() },
            sent: 0,
            writes: BTreeMap::new(),
            refusals: BTreeMap::new(),
            dies_every: None,
            deaths: 0,
        }
    }

    /// What was on its way is lost; what the next process has is bytes.
    fn die(&mut self) {
        self.deaths += 1;
        let bytes = serde_json::to_vec(&self.world.session.snapshot()).expect("bytes");
        let saved = serde_json::from_slice(&bytes).expect("a snapshot");
        let written = self.world.take_wire();
        for (_, wire) in written {
            if let Wire::Text(frame) = wire {
                *self.writes.entry(id_of(&parsed(&frame))).or_default() += 1;
            }
        }
        for (_, request) in std::mem::take(&mut self.world.http) {
            if let Ok(body) = serde_json::from_slice::<Value>(&request.body)
                && request.url.ends_with("/messages")
            {
                *self.writes.entry(id_of(&body)).or_default() += 1;
            }
        }
        self.world.dial = None;
        let adapter = chat().retries(200).build().expect("a good configuration");
        self.world.session = Session::restore(adapter, self.world.cx().now, saved);
        self.world.pump();
    }

    fn finish(mut self) -> Self {
        self.world.input(redial_core::Input::Connect);
        let mut rounds = 0;
        while self.world.fates().len() < MESSAGES {
            rounds += 1;
            assert!(rounds < 100_000, "{:?}", self.world.session);
            // Every now and then something has to come through.
            if self.dies_every.is_some_and(|every| rounds % (every + 5) == 0) {
                self.die();
            }
            let wire = self.world.take_wire();
            let frames = wire.into_iter().filter_map(|(_, wire)| match wire {
                Wire::Text(text) => Some(parsed(&text)),
                _ => None,
            });
            let frames: Vec<_> = frames.collect();
            if !frames.is_empty() {
                self.handle_frames(&frames);
            } else if let Some((_, request)) = self.world.http.front() {
                let (url, body) = (request.url.clone(), request.body.clone());
                if url.ends_with("/guests") {
                    self.server.guests += 1;
                    self.world.answer_guest(3_600);
                } else {
                    self.handle_send(&serde_json::from_slice(&body).expect("JSON"));
                }
            } else if self.world.dial.is_some() {
                self.world.open();
            } else if !self.send_some() {
                self.world.step();
            }
        }
        self
    }

    /// The application sends a handful.
    fn send_some(&mut self) -> bool {
        let before = self.sent;
        while self.sent < MESSAGES && self.sent < before + 7 {
            let cx = self.world.cx();
            if self.world.session.send(cx, Text::new(self.sent.to_string())).is_err() {
                break;
            }
            self.sent += 1;
        }
        self.world.pump();
        self.sent > before
    }

    fn handle_frames(&mut self, frames: &[Value]) {
        for frame in frames {
            *self.writes.entry(id_of(frame)).or_default() += 1;
        }
        for frame in frames {
            let (id, n) = (id_of(frame), number(frame));
            if self.server.befalls("cut before it arrives", n, n % 50 == 7) {
                return self.world.lose(Cause::Network);
            }
            self.server.take(&id, &n.to_string());
            if self.server.befalls("cut before the acknowledgment", n, n % 50 == 23) {
                return self.world.lose(Cause::Close(1006));
            }
            if self.server.befalls("lost acknowledgment", n, n % 40 == 11) {
                continue;
            }
            self.server.proved.insert(id);
            self.world.receive(&json!({ "type": "messageReceived",
                                        "messageId": frame["messageId"] }));
        }
    }

    fn handle_send(&mut self, body: &Value) {
        let (id, n) = (id_of(body), number(body));
        *self.writes.entry(id.clone()).or_default() += 1;
        let limited = n % 100 == 7;
        let refusal = if self.server.befalls("429", n, limited)
            || self.server.befalls("second 429", n, limited)
        {
            Some(429)
        } else if self.server.befalls("500", n, n % 100 == 57) {
            Some(500)
        } else if self.server.befalls("expired token", n, n == 357) {
            Some(401)
        } else {
            None
        };
        if let Some(status) = refusal {
            *self.refusals.entry(id).or_default() += 1;
            return self.world.answer(status, &Value::Null);
        }
        self.server.take(&id, &n.to_string());
        if self.server.befalls("lost answer", n, n % 100 == 23) {
            return self.world.no_answer(NoAnswer::Network);
        }
        self.server.proved.insert(id);
        self.world.answer(200, &json!({ "messageId": body["messageId"] }));
    }

    fn check(&self) {
        // Everything that the schedule has did happen.
        for (fault, least) in [
            ("cut before it arrives", 20),
            ("cut before the acknowledgment", 15),
            ("lost acknowledgment", 15),
            ("429", 10),
            ("second 429", 10),
            ("500", 10),
            ("expired token", 1),
            ("lost answer", 5),
        ] {
            let count = self.server.counts.get(fault).copied().unwrap_or_default();
            assert!(count >= least, "{fault}: {count}");
        }
        assert_eq!(self.server.guests, 2);
        self.check_fates();
    }

    fn check_fates(&self) {
        // Nothing is lost, nothing goes unreported, and no `acked` is without its proof.
        let ids = self.world.session.snapshot().nonce;
        let wire_ids = redial_core::WireIds::new(ids);
        let settled = self.world.settled();
        assert_eq!(settled.len(), MESSAGES);
        let (mut resends, mut told, mut on_wire, mut doubled) = (0, 0, 0, 0);
        for end in &settled {
            let id = wire_ids.encode(1, end.id.get()).as_str().to_owned();
            assert_eq!(end.fate, Fate::Acked);
            assert!(self.server.proved.contains(&id));
            let writes = self.writes[&id];
            assert_eq!(usize::from(end.tries), writes);
            let refused = self.refusals.get(&id).copied().unwrap_or_default();
            assert_eq!(usize::from(end.arrivals), writes - refused);
            assert!(self.server.arrived[&id] <= usize::from(end.arrivals));
            resends += usize::from(writes > 1);
            told += usize::from(end.may_be_duplicate());
            on_wire += usize::from(writes - refused > 1);
            let double = self.server.arrived[&id] > 1;
            doubled += usize::from(double);
            assert!(!double || end.may_be_duplicate());
        }
        assert!(resends > 0 && doubled > 0);
        assert_eq!(told, on_wire);
    }
}

fn id_of(value: &Value) -> String {
    value["messageId"].as_str().expect("an id").to_owned()
}

fn number(value: &Value) -> usize {
    value["content"].as_str().and_then(|text| text.parse().ok()).expect("a number")
}

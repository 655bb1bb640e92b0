//! A process dies at any boundary, and another goes on from bytes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{any, prop, prop_assert, proptest};
use redial_core::http::NoAnswer;
use redial_core::{
    Cause, Class, ConnId, Cut, Cx, Effect, Fate, Frame, HttpId, Input, Item, Ledger, MessageId,
    Path, Proof, Session, Settled, Snapshot, Span, Timestamp, Transmit,
};

use crate::post::{Letter, Post, answer, number_of};

#[test]
fn a_process_may_die_at_every_boundary() {
    let mut deaths = 0;
    for seed in 0..40_u64 {
        let script: Vec<u8> = (0..60).map(|at| (mix(seed * 1000 + at) >> 24) as u8).collect();
        let calm = World::run(&script, &BTreeSet::new());
        for boundary in 0..calm.boundaries {
            let world = World::run(&script, &BTreeSet::from([boundary]));
            assert_eq!(world.deaths, 1, "seed {seed}, boundary {boundary}");
            deaths += 1;
        }
    }
    println!("{deaths} deaths");
    assert!(deaths > 5_000);
}

#[test]
fn what_the_deaths_are_about_happens() {
    let mut seen = BTreeSet::new();
    for seed in 0..200_u64 {
        let script: Vec<u8> = (0..60).map(|at| (mix(seed * 1000 + at) >> 24) as u8).collect();
        let deaths = (0..3).map(|nth| (mix(seed + nth) % 150) as usize).collect();
        let world = World::run(&script, &deaths);
        for settled in world.fates.values() {
            seen.insert(format!("{:?}", settled.fate));
            if settled.may_be_duplicate() {
                seen.insert("duplicate".into());
            }
        }
        seen.extend(world.arrived.values().filter(|times| **times > 1).map(|_| "twice".into()));
    }
    let expected =
        ["Acked", "Expired", "NotSent", "Rejected(403)", "Unknown", "duplicate", "twice"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

proptest! {
    #[test]
    fn processes_may_die_again_and_again(
        script in prop::collection::vec(any::<u8>(), 0..80),
        deaths in prop::collection::btree_set(0..250_usize, 0..12),
    ) {
        World::run(&script, &deaths);
    }

    #[test]
    fn damaged_bytes_never_make_it_panic(
        script in prop::collection::vec(any::<u8>(), 0..30),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        digits in prop::bool::ANY,
    ) {
        let mut world = World::begin(&script, &BTreeSet::new());
        world.live();
        let mut bytes = world.bytes();
        for (at, byte) in damage {
            let at = at % bytes.len();
            if !digits {
                bytes[at] = byte;
            } else if bytes[at].is_ascii_digit() {
                bytes[at] = b'0' + byte % 10;
            }
        }
        if let Ok(saved) = serde_json::from_slice::<Snapshot<Post>>(&bytes) {
            let now = Timestamp::from_millis(world.now);
            let mut session = Session::restore(Post::new(), now, saved);
            for step in 0..20 {
                let cx = Cx::new(Timestamp::from_millis(world.now + step * 1000), 0);
                session.handle(cx, Input::Tick);
                while session.poll_effect().is_some() {}
                while session.poll_item().is_some() {}
                prop_assert!(session.load().queued < 1_000_000);
            }
        }
    }
}

#[test]
fn a_later_version_is_refused_by_name() {
    let world = World::run(&[], &BTreeSet::new());
    let text = String::from_utf8(world.bytes()).expect("text");
    assert!(text.starts_with(r#"{"version":1,"#), "{text}");
    for (from, to) in [
        (r#"{"version":1,"machine""#, r#"{"version":2,"engine""#),
        (r#"{"version":1,"next""#, r#"{"version":2,"future""#),
    ] {
        assert!(text.contains(from));
        let error = serde_json::from_str::<Snapshot<Post>>(&text.replace(from, to));
        let error = error.expect_err("a later version").to_string();
        assert!(error.starts_with("stored in version 2, and this release reads"), "{error}");
    }
}

#[test]
fn a_ledger_that_contradicts_itself_is_refused() {
    let mut ledger = Ledger::<u32>::default();
    for number in 0..2 {
        let id = ledger.accept(Timestamp::ZERO, CLASS, 5, number).expect("room");
        ledger.sent(Timestamp::ZERO, id, Path::Socket);
    }
    let text = serde_json::to_string(&ledger).expect("text");
    let same: Ledger<u32> = serde_json::from_str(&text).expect("a ledger");
    assert!(same == ledger);
    for (from, to, why) in [
        (r#""messages":1024"#, r#""messages":1"#, "more messages than the ledger's bound"),
        (r#""bytes":16777216"#, r#""bytes":9"#, "more bytes than the ledger's bound"),
        (r#""next":3"#, r#""next":2"#, "messages out of order"),
        (r#"[2,{"#, r#"[1,{"#, "messages out of order"),
        (r#""tries":1,"doubts""#, r#""tries":0,"doubts""#, "a message that contradicts itself"),
        (r#""stopped":false"#, r#""stopped":true"#, "a message without fate in a session that has"),
        (
            r#""settled":[]"#,
            r#""settled":[{"id":1,"fate":"acked","tries":1,"path":null,"arrivals":1}]"#,
            "a fate of a message that has none",
        ),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        let error = serde_json::from_str::<Ledger<u32>>(&text.replacen(from, to, 1));
        let error = error.expect_err(why).to_string();
        assert!(error.starts_with(why), "{error}");
    }
    for end in 0..text.len() {
        assert!(serde_json::from_str::<Ledger<u32>>(&text[..end]).is_err());
    }
}

/// A session, the server that it talks to, and the application, all driven by a script.
struct World {
    session: Session<Post>,
    now: u64,
    script: Vec<u8>,
    at: usize,
    conn: ConnId,
    open: bool,
    exchanges: Vec<(HttpId, MessageId)>,
    /// What the server says next.
    said: Vec<String>,
    server_session: u64,
    /// The server's log: first arrivals in order, and how often each message arrived.
    log: Vec<u64>,
    arrived: BTreeMap<u64, u8>,
    acked: BTreeSet<u64>,
    /// What was refused while later messages were under way already.
    put_off: BTreeSet<u64>,
    accepted: Vec<MessageId>,
    fates: BTreeMap<MessageId, Settled>,
    stopped: bool,
    boundaries: usize,
    deaths_due: BTreeSet<usize>,
    deaths: usize,
}

impl World {
    /// Lives through a script, then through calm weather, and checks the accounts.
    fn run(script: &[u8], deaths: &BTreeSet<usize>) -> Self {
        let mut world = Self::begin(script, deaths);
        world.live();
        world.end();
        world.check();
        world
    }

    fn begin(script: &[u8], deaths: &BTreeSet<usize>) -> Self {
        Self {
            session: Session::new(Post::new(), NONCE),
            now: 1_000,
            script: script.to_vec(),
            at: 0,
            conn: ConnId::new(0),
            open: false,
            exchanges: Vec::new(),
            said: Vec::new(),
            server_session: 1,
            log: Vec::new(),
            arrived: BTreeMap::new(),
            acked: BTreeSet::new(),
            put_off: BTreeSet::new(),
            accepted: Vec::new(),
            fates: BTreeMap::new(),
            stopped: false,
            boundaries: 0,
            deaths_due: deaths.clone(),
            deaths: 0,
        }
    }

    fn live(&mut self) {
        self.input(Input::Connect);
        while self.at < self.script.len() {
            match self.chance() % 8 {
                0..=2 => self.send(),
                3 => self.lose(),
                4 => {
                    let millis = u64::from(self.chance()) * 40;
                    self.pass(millis);
                }
                5 => self.answer_http(),
                6 => self.wait(),
                _ => self.speak(),
            }
        }
    }

    /// No more faults: everything that can arrive does. Then the session ends.
    fn end(&mut self) {
        for _ in 0..60 {
            self.speak();
            while !self.exchanges.is_empty() {
                self.answer_http();
            }
            self.wait();
        }
        self.lose();
        self.send();
        self.input(Input::Shutdown);
        for _ in 0..10 {
            self.lose();
            self.wait();
        }
    }

    fn check(&self) {
        assert!(self.stopped, "the end is told");
        let ends: Vec<_> = self.fates.keys().copied().collect();
        assert_eq!(self.accepted, ends, "what was accepted has its fate");
        for (id, settled) in &self.fates {
            let times = self.arrived.get(&id.get()).copied().unwrap_or(0);
            assert!(settled.arrivals >= times, "{settled:?} arrived {times} times");
            match settled.fate {
                Fate::Acked => assert!(self.acked.contains(&id.get()), "{settled:?}"),
                Fate::Expired | Fate::NotSent => assert_eq!(times, 0, "{settled:?}"),
                Fate::Rejected(_) | Fate::Unknown => {}
            }
        }
        let mut log = self.log.clone();
        log.retain(|number| !self.put_off.contains(number));
        assert!(log.is_sorted(), "first arrivals keep the order: {log:?}");
    }

    /// The next byte of the script; calm weather when there is none.
    fn chance(&mut self) -> u8 {
        let byte = self.script.get(self.at).copied().unwrap_or(u8::MAX);
        self.at += 1;
        byte
    }

    fn send(&mut self) {
        let cx = self.cx();
        let kind = self.chance() % 5;
        if let Ok(id) = self.session.send(cx, Letter { kind }) {
            self.accepted.push(id);
        }
        self.boundary();
        self.pump();
    }

    fn lose(&mut self) {
        let conn = self.conn;
        self.open = false;
        self.said.clear();
        if self.chance().is_multiple_of(4) {
            self.server_session += 1;
        }
        self.input(Input::Closed { conn, cause: Cause::Network, retry_after: None });
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.input(Input::Tick);
    }

    fn wait(&mut self) {
        let due = self.session.poll_timeout().map_or(self.now, Timestamp::as_millis);
        self.pass(due.saturating_sub(self.now));
    }

    /// The server answers the oldest exchange.
    fn answer_http(&mut self) {
        if self.exchanges.is_empty() {
            return;
        }
        let (id, message) = self.exchanges.remove(0);
        let answer = match self.chance() % 8 {
            0 => answer(429, Some(Span::from_secs(2))),
            1 => answer(500, None),
            2 => answer(403, None),
            3 => Err(NoAnswer::Network),
            4 => {
                self.arrive(message);
                Err(NoAnswer::Timeout)
            }
            _ => {
                self.arrive(message);
                self.acked.insert(message.get());
                answer(200, None)
            }
        };
        self.input(Input::Http { id, answer });
    }

    /// What the server has to say reaches the session.
    fn speak(&mut self) {
        for said in std::mem::take(&mut self.said) {
            if self.open {
                let frame = Frame::Text(said.into_bytes().into());
                self.input(Input::Frame { conn: self.conn, frame });
            }
        }
    }

    /// A frame reaches the server, unless the script wants otherwise.
    fn hear(&mut self, text: &str) {
        if let Some(session) = text.strip_prefix("hello ") {
            let same = session == self.server_session.to_string();
            let how = if same { "resumed" } else { "fresh" };
            self.said.push(format!("welcome {} {how}", self.server_session));
            return;
        }
        let wire = text.strip_prefix("letter ").expect("a letter");
        let number = number_of(wire, NONCE).expect("an id of this session");
        match self.chance() % 8 {
            // Lost with its connection, or its ack is.
            0 => self.open = false,
            1 => self.arrive(number),
            2 => {
                self.put_off.insert(number.get());
                self.said.push(format!("later {wire}"));
            }
            3 if self.chance().is_multiple_of(3) => {
                self.put_off.insert(number.get());
                self.said.push(format!("no {wire}"));
            }
            _ => {
                self.arrive(number);
                self.acked.insert(number.get());
                self.said.push(format!("ack {wire}"));
            }
        }
    }

    fn arrive(&mut self, id: MessageId) {
        let times = self.arrived.entry(id.get()).or_default();
        *times += 1;
        if *times == 1 {
            self.log.push(id.get());
        }
    }

    fn input(&mut self, input: Input<Post>) {
        let cx = self.cx();
        self.session.handle(cx, input);
        self.boundary();
        self.pump();
    }

    fn pump(&mut self) {
        let cx = self.cx();
        loop {
            if let Some(effect) = self.session.poll_effect() {
                if !self.boundary() {
                    self.perform(effect);
                }
            } else if let Some(transmit) = self.session.poll_transmit(cx) {
                // Between being given out and being written, and after.
                if !self.boundary() {
                    self.write(transmit);
                    self.boundary();
                }
            } else if let Some(item) = self.session.poll_item() {
                match item {
                    Item::Fate(settled) => {
                        let before = self.fates.insert(settled.id, settled);
                        assert!(before.is_none(), "{settled:?} after {before:?}");
                    }
                    Item::Notice(redial_core::Notice::Stopped { .. }) => self.stopped = true,
                    _ => {}
                }
                self.boundary();
            } else if !self.session.has_effects() {
                return;
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial { conn, .. } => {
                self.conn = conn;
                self.said.clear();
                let cx = self.cx();
                self.session.handle(cx, Input::Dialing { conn });
                if !self.boundary() {
                    self.open = true;
                    self.session.handle(cx, Input::Opened { conn });
                    self.boundary();
                }
            }
            Effect::Drop { .. } => self.open = false,
            Effect::Http { id, request } => {
                let wire = request.url.rsplit('/').next().unwrap_or_default();
                let number = number_of(wire, NONCE).expect("an id of this session");
                self.exchanges.push((id, number));
            }
            Effect::Abort { id } => self.exchanges.retain(|(known, _)| *known != id),
        }
    }

    fn write(&mut self, transmit: Transmit) {
        if let (Transmit::Frame(Frame::Text(bytes)), true) = (transmit, self.open) {
            let text = String::from_utf8(bytes.to_vec()).expect("text");
            self.hear(&text);
        }
    }

    /// A place where a process may die; returns whether it did.
    fn boundary(&mut self) -> bool {
        let here = self.boundaries;
        self.boundaries += 1;
        if !self.deaths_due.contains(&here) {
            return false;
        }
        let bytes = self.bytes();
        // The server may still perform what it was asked for, but nobody hears the answer.
        for (_, message) in std::mem::take(&mut self.exchanges) {
            if self.chance().is_multiple_of(2) {
                self.arrive(message);
            }
        }
        self.open = false;
        self.said.clear();
        self.deaths += 1;
        self.now += 10;
        let saved: Snapshot<Post> = serde_json::from_slice(&bytes).expect("a snapshot");
        let now = Timestamp::from_millis(self.now);
        self.session = Session::restore(Post::new(), now, saved);
        let cx = self.cx();
        self.session.handle(cx, Input::Connect);
        true
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.session.snapshot()).expect("bytes")
    }

    fn cx(&self) -> Cx {
        Cx::new(Timestamp::from_millis(self.now), 0)
    }
}

/// Spreads a number over all bits.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    number ^ (number >> 32)
}

const NONCE: u128 = 0xFEDC_BA98_7654_3210_0123_4567_89AB_CDEF;
const CLASS: Class = Class {
    proof: Proof::Answer,
    cut: Cut::Resend,
    portable: true,
    within: Span::from_secs(3),
    ttl: Span::from_secs(20),
    tries: 3,
};

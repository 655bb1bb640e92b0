//! A scripted platform in virtual time.

use std::ops::{Deref, DerefMut};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redial_core::{Frame, Item, Session};
use redial_testkit::rig::Rig;
pub(crate) use redial_testkit::rig::{NONCE, START, Wire};
use redial_vonage::{Builder, Callback, Callbacks, Generation, Message, Vonage};
use serde_json::{Value, json};

pub(crate) use Generation::{V1, V2};

pub(crate) const BASE: &str = "http://127.0.0.1:4433";
pub(crate) const BOTH: [Generation; 2] = [V1, V2];

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World {
    rig: Rig<Vonage>,
    pub(crate) generation: Generation,
    /// Whether a token source keeps its questions from the application.
    pub(crate) sourced: bool,
    callbacks: Vec<(u64, Callback)>,
    seer: Callbacks,
    /// How many items it has seen.
    seen: usize,
}

/// What a test begins with.
pub(crate) fn builder(generation: Generation) -> Builder {
    Vonage::builder(generation).url(BASE)
}

/// A token that lives from `from` for `life` seconds, counted from the start of the test.
pub(crate) fn jwt(name: &str, from: i64, life: u64) -> String {
    let iat = (START / 1000).saturating_add_signed(from);
    claims(&json!({ "sub": "alice", "jti": name, "iat": iat, "exp": iat + life }))
}

pub(crate) fn claims(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&json!({ "alg": "RS256" })), part(claims), "c2ln")
}

impl World {
    pub(crate) fn new(generation: Generation, builder: Builder) -> Self {
        let adapter = builder.build().expect("a good configuration");
        Self::with(generation, Session::new(adapter, NONCE))
    }

    pub(crate) fn with(generation: Generation, session: Session<Vonage>) -> Self {
        let rig = Rig::with(session).answering(|frame| match frame {
            Frame::Text(_) | Frame::Binary(_) => Vec::new(),
            Frame::Ping(_) | Frame::Pong(_) => panic!("nobody sends {frame:?}"),
        });
        let (callbacks, seer) = (Vec::new(), Callbacks::new());
        Self { rig, generation, sourced: false, callbacks, seer, seen: 0 }
    }

    /// A session that is online with the token "T1", as session "S1".
    pub(crate) fn online(generation: Generation) -> Self {
        Self::online_with(generation, builder(generation).token("T1".into()))
    }

    pub(crate) fn online_with(generation: Generation, builder: Builder) -> Self {
        let mut world = Self::new(generation, builder);
        world.connect();
        world.log_in("S1");
        world.forget();
        world
    }

    /// Forgets what has been done so far.
    pub(crate) fn forget(&mut self) {
        self.callbacks().clear();
        self.wire.clear();
        self.items.clear();
        self.seen = 0;
    }

    /// The dial that there is becomes a session.
    pub(crate) fn log_in(&mut self, id: &str) {
        self.join();
        self.log_in_answer(id);
    }

    /// The platform confirms the session.
    pub(crate) fn log_in_answer(&mut self, id: &str) {
        self.succeed(&json!({ "id": id, "user_id": "USR-1", "name": "alice", "api_key": "k" }));
        assert!(self.session.is_online());
    }

    /// The dial that there is becomes a connection whose namespace is confirmed.
    pub(crate) fn join(&mut self) {
        self.join_with(25_000, 20_000);
    }

    pub(crate) fn join_with(&mut self, interval: u32, timeout: u32) {
        self.open();
        self.text(&format!(
            r#"0{{"sid":"e","upgrades":[],"pingInterval":{interval},"pingTimeout":{timeout}}}"#
        ));
        match self.generation {
            V1 => self.text("40"),
            V2 => {
                assert_eq!(self.last_text().as_deref(), Some("40"));
                self.text(r#"40{"sid":"s"}"#);
            }
        }
    }

    pub(crate) fn succeed(&mut self, body: &Value) {
        let mut payload = json!({ "body": body });
        if let Some(tid) = self.tid_of("session:login") {
            payload["rid"] = tid.into();
        }
        self.event("session:success", &payload);
    }

    /// Returns the `tid` of the last frame, if that was this event.
    pub(crate) fn tid_of(&self, name: &str) -> Option<String> {
        let (event, payload) = parse(&self.last_text()?)?;
        (event == name).then(|| payload["tid"].as_str().expect("a tid").to_owned())
    }

    pub(crate) fn last_text(&self) -> Option<String> {
        self.texts().pop()
    }

    pub(crate) fn event(&mut self, name: &str, payload: &Value) {
        self.text(&format!("42{}", json!([name, payload])));
    }

    pub(crate) fn error(&mut self, name: &str) {
        self.event(name, &json!({ "description": "no", "body": {} }));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.receive(text);
    }

    /// Answers the exchange that waits longest, which shows a credential.
    pub(crate) fn answer(&mut self, status: u16, body: &Value) {
        let headers = &self.request().headers;
        assert!(headers.iter().any(|(name, _)| *name == "authorization"), "a credential");
        self.rig.answer(status, body);
    }

    pub(crate) fn offer(&mut self, token: &str) {
        self.rig.offer(token);
        // A driver lets what is due at once happen at once.
        self.run(0);
    }

    /// Lets time pass on a connection whose heartbeat goes on.
    pub(crate) fn stay(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            let at = end.min(self.now + 10_000);
            self.run_until(at);
            self.answer_heartbeats();
        }
    }

    /// The platform shows that it lives, in the way of the generation.
    pub(crate) fn answer_heartbeats(&mut self) {
        self.text(match self.generation {
            V1 => "3",
            V2 => "2",
        });
    }

    /// The platform takes the token that it was told of last.
    pub(crate) fn accept_update(&mut self) {
        match self.generation {
            V1 => {
                let rid = self.tid_of("session:update-token").expect("an update");
                self.event("session:update-token:success", &json!({ "rid": rid, "body": {} }));
            }
            V2 => self.answer(200, &json!({ "session_id": "S1" })),
        }
    }

    /// Takes the addresses that were dialled since the last call, without the base.
    pub(crate) fn take_dials(&mut self) -> Vec<(u64, String)> {
        let dials = self.wire.extract_if(.., |(_, wire)| matches!(wire, Wire::Dial(_)));
        dials
            .map(|(at, wire)| match wire {
                Wire::Dial(url) => {
                    (at, url.strip_prefix("ws://127.0.0.1:4433").expect("the base").to_owned())
                }
                _ => unreachable!("only dials were taken"),
            })
            .collect()
    }

    pub(crate) fn dialled(&mut self) -> Option<String> {
        self.take_dials().pop().map(|(_, url)| url)
    }

    /// Returns what the application's callbacks were told.
    pub(crate) fn callbacks(&mut self) -> &mut Vec<(u64, Callback)> {
        for (at, item) in &self.rig.items[self.seen..] {
            let hidden = self.sourced && matches!(item, Item::TokenNeeded { .. });
            if !hidden && let Some(callback) = self.seer.see(item) {
                self.callbacks.push((*at, callback));
            }
        }
        self.seen = self.rig.items.len();
        &mut self.callbacks
    }

    pub(crate) fn take_callbacks(&mut self) -> Vec<(u64, Callback)> {
        std::mem::take(self.callbacks())
    }

    /// Returns when the application was asked for a token, and which one is to be replaced.
    pub(crate) fn asked(&self) -> Vec<(u64, Option<String>)> {
        self.pick(|item| match item {
            Item::TokenNeeded { rejected, .. } => {
                Some(rejected.as_ref().map(|token| token.expose().to_owned()))
            }
            _ => None,
        })
    }

    /// Returns the ids of the sessions that were confirmed, and those before them.
    pub(crate) fn sessions(&self) -> Vec<(String, Option<String>)> {
        let sessions = self.messages().into_iter().filter_map(|message| match message {
            Message::Session(info) => Some((info.id.clone(), info.previous.clone())),
            _ => None,
        });
        sessions.collect()
    }
}

impl Deref for World {
    type Target = Rig<Vonage>;

    fn deref(&self) -> &Rig<Vonage> {
        &self.rig
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Rig<Vonage> {
        &mut self.rig
    }
}

/// Reads the name and the one argument of an event.
pub(crate) fn parse(text: &str) -> Option<(String, Value)> {
    let json = text.strip_prefix("42")?;
    let json = json.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let (name, payload) = serde_json::from_str(json).ok()?;
    Some((name, payload))
}

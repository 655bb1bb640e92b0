//! What stdin says, and what items say to stdout.

use std::time::Duration;

use redial_core::{Fate, Item, Load, MessageId, Path, Refusal, Secret, Settled, TokenUse};
use redial_tungstenite::Client;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::store::Store;
use super::{Answer, Kinds, Told, Vendor, Words};
use crate::output::Failure;

/// A session's console.
pub(crate) struct Console<A: Vendor> {
    kinds: Kinds,
    words: Words<A>,
    store: Store,
    /// What was printed last.
    load: Load,
    printed: Option<Instant>,
    /// When to look whether it has changed.
    look_at: Option<Instant>,
}

impl<A: Vendor> Console<A> {
    /// Makes a console that knows the names of messages of an earlier process.
    pub(crate) fn new(kinds: Kinds, store: Store) -> Self {
        Self {
            kinds,
            words: A::words(),
            store,
            load: Load::default(),
            printed: None,
            look_at: None,
        }
    }

    /// Prints an item.
    pub(crate) fn item(&mut self, item: Item<A>) {
        let words = (self.words)(&item);
        self.say(item);
        for fields in words {
            self.kinds.lines.line("vendor", fields);
        }
    }

    fn say(&mut self, item: Item<A>) {
        match item {
            Item::Notice(notice) => self.kinds.notice::<A>(&notice),
            Item::Message(message) => {
                self.tell(A::told(&message));
                if A::opens_gap(&message) {
                    self.kinds.gap::<A>(false);
                }
            }
            Item::Reply { id, reply } => self.reply(id, &reply),
            Item::Fate(settled) => self.fate(settled),
            Item::TokenNeeded { .. } => {
                let text = "a token is needed: give one with update_token";
                self.error("caller", text);
            }
            // The message says more.
            Item::Gap { closed: false } if A::NAMES_GAPS => {}
            Item::Gap { closed } => self.kinds.gap::<A>(closed),
            Item::Problem(problem) => self.error(problem.fault.as_str(), problem.text),
            Item::PeerReason { conn, text } => self.kinds.peer_reason(conn, text),
        }
    }

    fn tell(&mut self, told: Told) {
        match told {
            Told::Message(fields) => self.kinds.lines.line("message", fields),
            Told::Vendor(fields) => self.kinds.lines.line("vendor", fields),
            Told::Missing(fields) => self.kinds.missing::<A>(&fields),
            Told::Gap { certainty, span, cause } => {
                self.kinds.gap_until_now::<A>(certainty, span, cause);
            }
            Told::Nothing => {}
        }
    }

    /// Obeys a line of stdin. One that is not understood gives an `error` and nothing else.
    pub(crate) fn line(&mut self, client: &mut Client<A>, line: &str) -> Result<(), Failure> {
        if line.trim().is_empty() {
            return Ok(());
        }
        match order(line) {
            Ok(order) => self.order(client, order),
            Err(text) => {
                self.misunderstood(text);
                Ok(())
            }
        }
    }

    /// Obeys what a line of stdin says.
    pub(crate) fn order(
        &mut self,
        client: &mut Client<A>,
        order: Map<String, Value>,
    ) -> Result<(), Failure> {
        let id = order.get("id").cloned();
        match self.obey(client, order) {
            Ok(result) => result,
            Err(text) => {
                let mut fields = json!({ "fault": "caller", "text": text });
                if let Some(id) = id {
                    fields["id"] = id;
                }
                self.kinds.lines.line("error", fields);
                Ok(())
            }
        }
    }

    /// Says that a line is not understood.
    pub(crate) fn misunderstood(&self, text: &str) {
        self.error("caller", text);
    }

    /// Returns when it is time to look at the load.
    pub(crate) const fn outbox_due(&self) -> Option<Instant> {
        self.look_at
    }

    /// Prints how much waits, when that has changed, at most once a second. `busy`: something has
    /// happened, so that it may soon change again, without a word.
    pub(crate) fn outbox(&mut self, load: Load, busy: bool) {
        let now = Instant::now();
        let free = self.printed.map_or(now, |printed| printed + OUTBOX_EVERY);
        let changed = load != self.load;
        if changed && free <= now {
            self.load = load;
            self.printed = Some(now);
            let (queued, in_flight, bytes) = (load.queued, load.in_flight, load.bytes);
            let fields = json!({ "queued": queued, "in_flight": in_flight, "bytes": bytes });
            self.kinds.lines.line("outbox", fields);
            self.look_at = Some(now + OUTBOX_EVERY);
        } else if changed || busy {
            self.look_at = Some(free.max(now + SOON));
        } else {
            self.look_at = None;
        }
    }

    fn obey(
        &mut self,
        client: &mut Client<A>,
        mut order: Map<String, Value>,
    ) -> Result<Result<(), Failure>, String> {
        for (key, wants_answer) in [("send", false), ("request", true)] {
            if let Some(payload) = order.remove(key) {
                return self.send(client, payload, order.remove("id"), wants_answer).map(Ok);
            }
        }
        let Some(Value::String(name)) = order.get("cmd") else {
            return Err("a line has \"send\", \"request\" or \"cmd\"".into());
        };
        match name.as_str() {
            "shutdown" => client.shutdown(),
            "recover" => client.recover(),
            "connect" => client.connect(),
            "network_changed" => client.network_changed(),
            "reconnect" => client.reconnect(token_use(order.get("token"))?),
            "update_token" => match order.get("token") {
                Some(Value::String(token)) if !token.is_empty() => {
                    client.update_token(Secret::new(token.as_str()));
                }
                _ => return Err("\"token\" is a string, and not empty".into()),
            },
            "snapshot" => return self.snapshot(client).map(Ok),
            "subscribe" => subscribe(client, order.remove("filters"))?,
            name => match A::command(name, &order) {
                Some(command) => client.command(command),
                None if name == "revoke" => return Err("revoke: not with this vendor".into()),
                None => return Err("unknown command".into()),
            },
        }
        Ok(Ok(()))
    }

    fn snapshot(&mut self, client: &Client<A>) -> Result<(), String> {
        match self.store.save(&client.snapshot()) {
            Ok(true) => {
                self.kinds.lines.line("snapshot", json!({ "saved": true }));
                Ok(())
            }
            Ok(false) => Err("snapshot: there is no --state FILE".into()),
            Err(error) => Err(format!("snapshot: {error}")),
        }
    }

    fn send(
        &mut self,
        client: &mut Client<A>,
        payload: Value,
        name: Option<Value>,
        wants_answer: bool,
    ) -> Result<(), String> {
        let message = if wants_answer { A::request(payload)? } else { A::payload(payload)? };
        match client.send(message) {
            Ok(id) => {
                let name = name.unwrap_or_else(|| id.get().to_string().into());
                self.store.names().insert(id, (name, wants_answer));
                Ok(())
            }
            Err(refused) => Err(match refused.why {
                Refusal::Full => "not accepted: too much is waiting".into(),
                Refusal::Stopped => "not accepted: the session has ended".into(),
            }),
        }
    }

    fn reply(&mut self, id: MessageId, reply: &A::Reply) {
        if let Some((name, true)) = self.store.names().get(&id) {
            let Answer { status, body, via } = A::reply(reply);
            let mut fields = json!({ "id": name, "status": status, "body": body, "via": via });
            if let Some(event) = A::reply_event(reply) {
                fields["event"] = event.into();
            }
            self.kinds.lines.line("response", fields);
        }
    }

    fn fate(&mut self, settled: Settled) {
        let name = self.store.names().remove(&settled.id);
        let name = name.map_or_else(|| settled.id.get().into(), |(name, _)| name);
        let via = settled.path.map(|path| match path {
            Path::Socket => "socket",
            Path::Http => "rest",
        });
        let (fate, code) = match settled.fate {
            Fate::Acked => ("acked", None),
            Fate::Rejected(code) => ("rejected", Some(code)),
            Fate::Expired => ("expired", None),
            Fate::NotSent => ("not_sent", None),
            Fate::Unknown => ("unknown", None),
        };
        let mut fields = json!({ "id": name, "fate": fate, "via": via, "tries": settled.tries });
        if let Some(code) = code {
            fields["code"] = code.into();
        }
        if settled.may_be_duplicate() {
            fields["duplicate"] = true.into();
        }
        self.kinds.lines.line("fate", fields);
    }

    fn error(&self, fault: &str, text: &str) {
        self.kinds.lines.line("error", json!({ "fault": fault, "text": text }));
    }
}

/// Reads a line of stdin.
pub(crate) fn order(line: &str) -> Result<Map<String, Value>, &'static str> {
    match serde_json::from_str(line) {
        Ok(Value::Object(order)) => Ok(order),
        Ok(_) => Err("a line is a JSON object"),
        Err(_) => Err("a line is a JSON object: this is no JSON"),
    }
}

/// Subscribes to all filters, or to none where one of them is not understood.
fn subscribe<A: Vendor>(client: &mut Client<A>, filters: Option<Value>) -> Result<(), String> {
    let Some(Value::Array(filters)) = filters else {
        return Err("\"filters\" is an array".into());
    };
    if filters.is_empty() {
        return Err("\"filters\" holds one filter at least".into());
    }
    for command in A::filters(filters)? {
        client.command(command);
    }
    Ok(())
}

fn token_use(value: Option<&Value>) -> Result<TokenUse, String> {
    match value.map(Value::as_str) {
        None | Some(Some("regenerate")) => Ok(TokenUse::Regenerate),
        Some(Some("keep")) => Ok(TokenUse::Keep),
        Some(_) => Err("\"token\" is \"keep\" or \"regenerate\"".into()),
    }
}

/// The time between two lines about the load.
const OUTBOX_EVERY: Duration = Duration::from_secs(1);
/// How soon what was accepted is written to a socket that takes it.
const SOON: Duration = Duration::from_millis(50);

//! The wire log: what went over the loopback, with every secret shown as a label.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Keeps the newest wire records and replaces secrets by labels before they are kept.
///
/// Redaction is central: whoever logs hands over the plain text, and nothing unredacted is ever
/// stored. Values of well-known secret fields are labelled wherever they stand, and a value that
/// has a label is replaced wherever it shows up again.
#[derive(Debug)]
pub struct WireLog {
    started: Instant,
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl WireLog {
    /// Creates a log that keeps at most `capacity` records, and at most 256 MiB of them.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let inner = Inner { capacity: capacity.max(1), ..Inner::default() };
        Self { started: Instant::now(), inner: Mutex::new(inner), changed: watch::Sender::new(0) }
    }

    /// Tells the milliseconds since the simulator started.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Gives `secret` exactly this label.
    pub fn label_as(&self, secret: &str, label: &str) {
        self.lock().insert(secret, label.to_owned());
    }

    /// Gives the label of `secret`, making up `kind-1`, `kind-2`, … for a new one.
    pub fn name(&self, kind: &str, secret: &str) -> String {
        self.lock().name(kind, secret)
    }

    /// Replaces every known secret in `text`.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.lock().redact(text)
    }

    /// Replaces every secret in a JSON value: known ones, and values of secret fields.
    #[must_use]
    pub fn redact_json(&self, value: &Value) -> Value {
        self.lock().redact_json(value)
    }

    /// Replaces every secret in a request target.
    #[must_use]
    pub fn redact_target(&self, target: &str) -> String {
        let mut inner = self.lock();
        match target.split_once('?') {
            None => inner.redact(target),
            Some((path, query)) => {
                let path = inner.redact(path);
                format!("{path}?{}", inner.redact_pairs(query))
            }
        }
    }

    /// Replaces every secret in one header's value.
    #[must_use]
    pub fn redact_header(&self, name: &str, value: &str) -> String {
        let mut inner = self.lock();
        match name {
            "authorization" | "proxy-authorization" => match value.split_once(' ') {
                Some((scheme, token)) => {
                    format!("{scheme} {}", inner.name("authorization", token))
                }
                None => inner.name("authorization", value),
            },
            "cookie" => {
                let pairs: Vec<_> = value.split(';').map(|one| inner.redact_cookie(one)).collect();
                pairs.join(";")
            }
            "set-cookie" => match value.split_once(';') {
                Some((pair, rest)) => format!("{};{rest}", inner.redact_cookie(pair)),
                None => inner.redact_cookie(value),
            },
            _ if secret_kind(name).is_some() => {
                inner.name(secret_kind(name).unwrap_or("header"), value)
            }
            _ => inner.redact(value),
        }
    }

    /// Shows a body as a record shows it: JSON and forms redacted, anything else by its size.
    #[must_use]
    pub fn show_body(&self, body: &[u8], form: bool) -> Value {
        if body.len() > SHOWN_BYTES {
            return json!({ "bytes": body.len() });
        }
        if form {
            let text = String::from_utf8_lossy(body);
            return Value::String(self.lock().redact_pairs(&text));
        }
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => self.redact_json(&value),
            Err(_) => json!({ "bytes": body.len() }),
        }
    }

    /// Shows the text of a frame: under `json` when it is JSON, else under `text`.
    pub fn show_text(&self, record: &mut Map<String, Value>, text: &str) {
        if text.len() > SHOWN_BYTES {
            record.insert("bytes".into(), json!(text.len()));
        } else if let Ok(value) = serde_json::from_str::<Value>(text) {
            record.insert("json".into(), self.redact_json(&value));
        } else {
            record.insert("text".into(), Value::String(self.redact(text)));
        }
    }

    /// Appends a record whose fields are redacted already; adds `t_ms` and `kind`.
    pub fn push(&self, mut record: Map<String, Value>) {
        record.insert("t_ms".into(), json!(self.now_ms()));
        record.insert("kind".into(), json!("wire"));
        self.lock().push(Value::Object(record));
        self.touch();
    }

    /// Returns the records that are kept, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.lock().ring.iter().map(|(_, record)| record.clone()).collect()
    }

    /// Subscribes to the records from now on; a reader that lags by `capacity` misses some.
    #[must_use]
    pub fn subscribe(&self, capacity: usize) -> mpsc::Receiver<Value> {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        self.lock().subscribers.push(sender);
        receiver
    }

    /// Counts the records that lagging subscribers have missed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Watches for changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Inner {
    // Each record with its size as a line.
    ring: VecDeque<(usize, Value)>,
    bytes: usize,
    capacity: usize,
    labels: HashMap<String, String>,
    // In the order of their arrival: the oldest secret is the one to forget.
    known: VecDeque<String>,
    // Longest first, so that a secret which begins like another one is replaced whole.
    order: Vec<String>,
    counters: HashMap<String, u32>,
    subscribers: Vec<mpsc::Sender<Value>>,
    dropped: u64,
}

impl Inner {
    fn insert(&mut self, secret: &str, label: String) {
        if secret.is_empty() {
            return;
        }
        while self.known.len() >= MAX_LABELS {
            if let Some(oldest) = self.known.pop_front() {
                self.labels.remove(&oldest);
                self.order.retain(|secret| *secret != oldest);
            }
        }
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        for form in [secret.to_owned(), encoded] {
            if self.labels.insert(form.clone(), label.clone()).is_some() {
                continue;
            }
            self.known.push_back(form.clone());
            if form.len() >= SUBSTRING_MIN {
                let at = self.order.partition_point(|known| known.len() >= form.len());
                self.order.insert(at, form);
            }
        }
    }

    fn name(&mut self, kind: &str, secret: &str) -> String {
        if let Some(label) = self.labels.get(secret) {
            return label.clone();
        }
        let decoded = percent_decode_str(secret).decode_utf8_lossy().into_owned();
        if let Some(label) = self.labels.get(&decoded).cloned() {
            self.insert(secret, label.clone());
            return label;
        }
        let count = self.counters.entry(kind.to_owned()).or_default();
        *count = count.saturating_add(1);
        let label = format!("{kind}-{count}");
        self.insert(secret, label.clone());
        label
    }

    fn redact(&self, text: &str) -> String {
        if let Some(label) = self.labels.get(text) {
            return label.clone();
        }
        let mut shown = text.to_owned();
        for secret in &self.order {
            if shown.contains(secret.as_str()) {
                shown = shown.replace(secret.as_str(), &self.labels[secret]);
            }
        }
        shown
    }

    fn redact_json(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(text)),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.redact_json(item)).collect())
            }
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, value)| (self.redact(key), self.redact_field(key, value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    fn redact_field(&mut self, key: &str, value: &Value) -> Value {
        match (secret_kind(key), value) {
            (Some(kind), Value::String(text)) => Value::String(self.name(kind, text)),
            (Some(_), Value::Number(_)) => json!("redacted"),
            _ => self.redact_json(value),
        }
    }

    fn redact_pairs(&mut self, pairs: &str) -> String {
        let shown: Vec<String> = pairs
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) => match secret_kind(key) {
                    Some(kind) if !value.is_empty() => format!("{key}={}", self.name(kind, value)),
                    _ => format!("{key}={}", self.redact(value)),
                },
                None => self.redact(pair),
            })
            .collect();
        shown.join("&")
    }

    fn redact_cookie(&mut self, pair: &str) -> String {
        match pair.split_once('=') {
            Some((key, value)) => format!("{key}={}", self.name("cookie", value.trim())),
            None => self.redact(pair),
        }
    }

    fn push(&mut self, record: Value) {
        let mut missed = 0;
        self.subscribers.retain(|subscriber| match subscriber.try_send(record.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                missed += 1;
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
        self.dropped += missed;
        let size = record.to_string().len();
        self.bytes += size;
        self.ring.push_back((size, record));
        while self.ring.len() > self.capacity || self.bytes > MAX_BYTES {
            let Some((size, _)) = self.ring.pop_front() else { break };
            self.bytes -= size;
        }
    }
}

/// Shows the beginning of a binary payload.
pub(crate) fn show_binary(record: &mut Map<String, Value>, data: &[u8]) {
    record.insert("bytes".into(), json!(data.len()));
    let head = &data[..data.len().min(SHOWN_BINARY)];
    record.insert("base64".into(), json!(STANDARD.encode(head)));
}

/// Names the label family of a field that carries a secret.
fn secret_kind(field: &str) -> Option<&'static str> {
    Some(match field.to_ascii_lowercase().as_str() {
        "password" => "password",
        "secret" | "client_secret" | "clientsecret" => "secret",
        "appkey" => "app-key",
        "apikey" | "api_key" | "x-api-key" => "api-key",
        "accesstoken" | "access_token" => "access-token",
        "accesstokensecret" => "access-token-secret",
        "refresh_token" | "refreshtoken" => "refresh-token",
        "assertion" => "assertion",
        "jwt" => "jwt",
        "bearer" => "foreign-bearer",
        "csrf" => "foreign-csrf",
        "token" | "authorization" => "token",
        _ => return None,
    })
}

// A secret shorter than this is replaced only where it is a whole value: a password of one letter
// must not blank that letter everywhere.
const SUBSTRING_MIN: usize = 6;
const SHOWN_BYTES: usize = 64 * 1024;
const SHOWN_BINARY: usize = 1024;
const MAX_LABELS: usize = 50_000;
const MAX_BYTES: usize = 256 * 1024 * 1024;

//! Socket.IO packets inside an Engine.IO message: `<type>[<n>-][<namespace>,][<id>][<JSON>]`.
//!
//! Written from the protocol document alone. Binary arguments stay placeholders in the JSON; their
//! bytes are attachments beside it.

use bytes::Bytes;
use serde_json::{Value, json};

/// One packet, whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    /// Name of the namespace, `/` for the default one.
    pub(crate) nsp: String,
    /// What an older client has put behind the name of the namespace.
    pub(crate) query: Option<String>,
    /// Number of the acknowledgment.
    pub(crate) id: Option<u64>,
    pub(crate) data: Option<Value>,
    /// Bytes of the placeholders, in their order.
    pub(crate) attachments: Vec<Bytes>,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    Error,
}

impl Packet {
    /// Makes a packet without number, data or attachments.
    pub(crate) fn new(kind: Kind, nsp: &str) -> Self {
        let nsp = nsp.to_owned();
        Self { kind, nsp, query: None, id: None, data: None, attachments: Vec::new() }
    }

    /// Makes an event.
    pub(crate) fn event(nsp: &str, name: &str, args: Vec<Value>) -> Self {
        let mut data = vec![json!(name)];
        data.extend(args);
        Self { data: Some(Value::Array(data)), ..Self::new(Kind::Event, nsp) }
    }

    /// Writes the text with its Engine.IO `4`; the attachments follow as messages of their own.
    pub(crate) fn encode(&self) -> String {
        let binary = !self.attachments.is_empty();
        let digit = match (self.kind, binary) {
            (Kind::Connect, _) => '0',
            (Kind::Disconnect, _) => '1',
            (Kind::Event, false) => '2',
            (Kind::Ack, false) => '3',
            (Kind::Error, _) => '4',
            (Kind::Event, true) => '5',
            (Kind::Ack, true) => '6',
        };
        let mut text = format!("4{digit}");
        if binary {
            text.push_str(&format!("{}-", self.attachments.len()));
        }
        if self.nsp != "/" {
            text.push_str(&self.nsp);
            text.push(',');
        }
        if let Some(id) = self.id {
            text.push_str(&id.to_string());
        }
        if let Some(data) = &self.data {
            text.push_str(&data.to_string());
        }
        text
    }

    /// Reads the text behind the Engine.IO `4`; tells how many attachments are still to come.
    pub(crate) fn decode(text: &str) -> Result<(Self, usize), Malformed> {
        let mut rest = text;
        let digit = rest.chars().next().ok_or(Malformed)?;
        rest = &rest[digit.len_utf8()..];
        let (kind, binary) = match digit {
            '0' => (Kind::Connect, false),
            '1' => (Kind::Disconnect, false),
            '2' => (Kind::Event, false),
            '3' => (Kind::Ack, false),
            '4' => (Kind::Error, false),
            '5' => (Kind::Event, true),
            '6' => (Kind::Ack, true),
            _ => return Err(Malformed),
        };
        let mut awaited = 0;
        if binary {
            let (count, after) = rest.split_once('-').ok_or(Malformed)?;
            awaited = count.parse::<usize>().map_err(|_| Malformed)?;
            if awaited > MAX_ATTACHMENTS || !count.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Malformed);
            }
            rest = after;
        }
        let mut packet = Self::new(kind, "/");
        if rest.starts_with('/') {
            // An older client writes no comma behind a namespace that nothing follows.
            let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
            let (name, query) = match name.split_once('?') {
                Some((name, query)) => (name, Some(query.to_owned())),
                None => (name, None),
            };
            if name.len() > MAX_NAMESPACE {
                return Err(Malformed);
            }
            (packet.nsp, packet.query, rest) = (name.to_owned(), query, after);
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && matches!(kind, Kind::Event | Kind::Ack) {
            packet.id = Some(rest[..digits].parse().map_err(|_| Malformed)?);
            rest = &rest[digits..];
        }
        if !rest.is_empty() {
            packet.data = Some(serde_json::from_str(rest).map_err(|_| Malformed)?);
        }
        packet.has_right_shape(awaited).then_some((packet, awaited)).ok_or(Malformed)
    }

    fn has_right_shape(&self, awaited: usize) -> bool {
        let array = self.data.as_ref().and_then(Value::as_array);
        let shape = match self.kind {
            Kind::Connect => self.data.as_ref().is_none_or(Value::is_object),
            Kind::Disconnect => self.data.is_none(),
            Kind::Event => array.and_then(|array| array.first()).is_some_and(Value::is_string),
            Kind::Ack => array.is_some() && self.id.is_some(),
            Kind::Error => true,
        };
        let placed = self.data.as_ref().map_or(0, |data| placeholders(data, awaited));
        shape && placed != usize::MAX
    }
}

/// Counts the placeholders below `value`; the largest number when one names no attachment.
fn placeholders(value: &Value, awaited: usize) -> usize {
    let sum = |found: &mut dyn Iterator<Item = usize>| found.fold(0, usize::saturating_add);
    match value {
        Value::Array(items) => sum(&mut items.iter().map(|item| placeholders(item, awaited))),
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            let num = fields.get("num").and_then(Value::as_u64);
            if num.is_some_and(|num| num < awaited as u64) { 1 } else { usize::MAX }
        }
        Value::Object(fields) => {
            sum(&mut fields.values().map(|field| placeholders(field, awaited)))
        }
        _ => 0,
    }
}

/// A text that is no packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

const MAX_ATTACHMENTS: usize = 256;
const MAX_NAMESPACE: usize = 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::{Kind, Malformed, Packet};

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "40",
            "40{\"token\":\"T\"}",
            "40/chat,",
            "41/chat,",
            "42[\"hello\",{\"a\":1}]",
            "42/chat,7[\"x\"]",
            "430[]",
            "44/nope,{\"message\":\"Invalid namespace\"}",
            "44/nope,\"Invalid namespace\"",
        ] {
            let (packet, awaited) = Packet::decode(&text[1..]).expect(text);
            assert_eq!((packet.encode().as_str(), awaited), (text, 0));
        }
    }

    #[test]
    fn attachments_are_counted_and_written() {
        let text = "451-/chat,1[\"up\",{\"_placeholder\":true,\"num\":0}]";
        let (mut packet, awaited) = Packet::decode(&text[1..]).expect("a packet");
        assert_eq!((packet.kind, packet.id, awaited), (Kind::Event, Some(1), 1));
        packet.attachments.push(Bytes::from_static(b"x"));
        assert_eq!(packet.encode(), text);
    }

    #[test]
    fn an_older_client_puts_a_query_behind_the_namespace() {
        let (packet, _) = Packet::decode("0/chat?token=T2,").expect("a packet");
        assert_eq!((packet.nsp.as_str(), packet.query.as_deref()), ("/chat", Some("token=T2")));
        let (packet, _) = Packet::decode("0/chat").expect("a packet");
        assert_eq!((packet.nsp.as_str(), packet.data), ("/chat", None));
    }

    #[test]
    fn nonsense_is_malformed() {
        for text in [
            "",
            "x",
            "9",
            "2",
            "2[]",
            "2[1]",
            "2{}",
            "3[]",
            "30{}",
            "1{}",
            "0[]",
            "2[\"a\"",
            "5[\"a\"]",
            "5x-[\"a\"]",
            "5+1-[\"a\"]",
            "599999-[\"a\"]",
            "51-[\"a\",{\"_placeholder\":true,\"num\":1}]",
            "2[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "299999999999999999999[\"a\"]",
            "é",
        ] {
            assert_eq!(Packet::decode(text), Err(Malformed), "{text}");
        }
        let deep = format!("2[\"a\",{}{}]", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(Packet::decode(&deep), Err(Malformed));
        assert_eq!(Packet::event("/", "a", vec![json!(1)]).encode(), "42[\"a\",1]");
    }
}

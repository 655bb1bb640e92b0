//! A vendor whose whole state can be stored: letters, and the server's session.

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, HttpResult, Method};
use redial_core::{
    Adapter, Authorize, Class, Continuity, Cut, Frame, Handshake, Intent, Io, MessageId, Outcome,
    Path, Policy, Proof, Secret, Span, WireIds,
};

use crate::fake::POLICY;

pub(crate) struct Post {
    policy: Policy,
    session: u64,
}

/// Something to send; its kind says how.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Letter {
    pub(crate) kind: u8,
}

impl Post {
    pub(crate) fn new() -> Self {
        Self { policy: POLICY, session: 0 }
    }
}

impl Adapter for Post {
    type Outgoing = Letter;
    type Message = ();
    type Reply = ();
    type Command = ();
    type Step = MessageId;
    type Cursor = u64;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        "post"
    }

    fn step_name(_step: u8) -> &'static str {
        "letter"
    }

    fn authorize(&mut self, _kind: Authorize, io: &mut Io<'_, Self>) {
        io.token_ready(None, true);
    }

    fn offer_token(&mut self, _token: Secret, _io: &mut Io<'_, Self>) -> bool {
        true
    }

    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        out.url = "ws://post".into();
    }

    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        let hello = format!("hello {}", self.session);
        io.text(|out| out.extend_from_slice(hello.as_bytes()));
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let Frame::Text(bytes) = frame else { return };
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let mut words = text.split(' ');
        let (word, name) = (words.next().expect("a word"), words.next().expect("a name"));
        if word == "welcome" {
            self.session = name.parse().expect("a number");
            let same = words.next() == Some("resumed");
            io.ready(if same { Continuity::Resumed } else { Continuity::Fresh });
            return;
        }
        let Some((_, number)) = io.wire_ids().decode(name) else { return };
        let after = Some(Span::from_secs(1));
        let outcome = match word {
            "ack" => Outcome::Acked,
            "later" => Outcome::Retry { after },
            _ => Outcome::Rejected(403),
        };
        io.settle(MessageId::new(number), outcome);
    }

    fn handle_http(&mut self, id: MessageId, answer: HttpResult, io: &mut Io<'_, Self>) {
        let outcome = match answer {
            Err(_) => Outcome::Lost { after: None },
            Ok(answer) => match answer.status {
                200 => Outcome::Acked,
                429 | 500 => Outcome::Retry { after: answer.retry_after },
                status => Outcome::Rejected(status),
            },
        };
        io.settle(id, outcome);
    }

    fn transmit(
        &mut self,
        id: MessageId,
        letter: &Letter,
        tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        let wire = io.wire_ids().encode(LANE, id.get());
        let path = match letter.kind {
            1 => Path::Http,
            // First by socket, then by HTTP.
            2 if tries > 0 => Path::Http,
            _ => Path::Socket,
        };
        match path {
            Path::Socket => {
                let text = format!("letter {}", wire.as_str());
                io.text(|out| out.extend_from_slice(text.as_bytes()));
            }
            Path::Http => {
                let url = format!("http://post/{}", wire.as_str());
                let (headers, body) = (Vec::new(), Bytes::new());
                let request = HttpRequest { method: Method::Post, url, headers, body };
                io.http(id, Span::from_secs(2), request);
            }
        }
        path
    }

    fn class(&self, letter: &Letter) -> Class {
        Class {
            proof: Proof::Answer,
            cut: if letter.kind == 3 { Cut::Report } else { Cut::Resend },
            portable: letter.kind != 4,
            within: Span::from_secs(3),
            ttl: Span::from_secs(20),
            tries: 3,
        }
    }

    fn weight(&self, _letter: &Letter) -> u32 {
        10
    }

    fn cursor(&self) -> u64 {
        self.session
    }

    fn restore(&mut self, cursor: u64) {
        self.session = cursor;
    }

    fn handle_command(&mut self, _command: (), _io: &mut Io<'_, Self>) {}
}

/// An answer to an exchange.
pub(crate) fn answer(status: u16, retry_after: Option<Span>) -> HttpResult {
    Ok(HttpResponse { status, headers: Vec::new(), body: Bytes::new(), retry_after })
}

/// Reads an id off the wire.
pub(crate) fn number_of(wire: &str, nonce: u128) -> Option<MessageId> {
    let (lane, number) = WireIds::new(nonce).decode(wire)?;
    (lane == LANE).then_some(MessageId::new(number))
}

const LANE: u8 = 7;

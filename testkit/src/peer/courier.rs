//! An adapter for no vendor: letters over a socket and over HTTP, tokens, and sessions that resume.

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResult, Method, NoAnswer};
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Fault, Frame, Handshake, Intent, Io,
    MessageId, Outcome, Path, Policy, Proof, Secret, Span, Wait,
};
use serde::{Deserialize, Serialize};

/// An adapter for no vendor, whose policy is given. Its server is [`Office`](super::Office).
///
/// It uses most of what a vendor may: tokens from an exchange, a session that the server resumes
/// or not, messages by socket and by HTTP, refusals of each kind, and a hold on the account.
#[derive(Clone, Debug)]
pub struct Courier {
    policy: Policy,
    account: String,
    token: u64,
    session: u64,
}

/// A message: a number, which says how it goes and what is done when its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter(pub u64);

/// A step of the adapter's exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The token.
    Token,
    /// A letter by HTTP.
    Letter(MessageId),
}

impl Courier {
    /// Makes an adapter with this policy for an account.
    #[must_use]
    pub fn new(policy: &Policy, account: impl Into<String>) -> Self {
        Self { policy: *policy, account: account.into(), token: 0, session: 0 }
    }

    fn handle_letter(&mut self, id: MessageId, answer: HttpResult, io: &mut Io<'_, Self>) {
        let outcome = match answer {
            Err(_) => Outcome::Lost { after: None },
            Ok(answer) => match answer.status {
                200 => Outcome::Acked,
                401 => {
                    io.token_rejected();
                    Outcome::AfterToken
                }
                429 => {
                    io.throttled(answer.retry_after.unwrap_or_default());
                    Outcome::Retry { after: answer.retry_after }
                }
                500.. => Outcome::Retry { after: answer.retry_after },
                status => Outcome::Rejected(status),
            },
        };
        io.settle(id, outcome);
    }
}

impl Adapter for Courier {
    type Outgoing = Letter;
    type Message = ();
    type Reply = ();
    type Command = ();
    type Step = Step;
    type Cursor = u64;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        &self.account
    }

    fn step_name(_step: u8) -> &'static str {
        "token"
    }

    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        let url = match kind {
            Authorize::Regenerate { .. } => "http://office/token".to_owned(),
            Authorize::Renew => format!("http://office/token/{}", self.token),
        };
        let (headers, body) = (Vec::new(), Bytes::new());
        let request = HttpRequest { method: Method::Post, url, headers, body };
        io.http(Step::Token, self.policy.spec().timeouts.http, request);
    }

    fn offer_token(&mut self, token: Secret, _io: &mut Io<'_, Self>) -> bool {
        self.token = token.expose().parse().unwrap_or(0);
        true
    }

    fn dial(&mut self, intent: Intent, out: &mut Handshake) {
        if intent == Intent::Restart {
            self.session = 0;
        }
        out.url = format!("ws://office/{}/{}", self.token, self.session);
    }

    fn handle_opened(&mut self, _io: &mut Io<'_, Self>) {}

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame else { return };
        let Ok(text) = str::from_utf8(&bytes) else {
            return io.problem(Fault::Vendor, "a frame that is no text");
        };
        let mut words = text.split(' ');
        let (word, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = || name.parse::<u64>().unwrap_or(0);
        match word {
            "welcome" => {
                let same = self.session == number() && self.session != 0;
                self.session = number();
                io.ready(if same { Continuity::Resumed } else { Continuity::Fresh });
            }
            "ack" => {
                if let Some((_, number)) = io.wire_ids().decode(name) {
                    io.settle(MessageId::new(number), Outcome::Acked);
                }
            }
            "news" => io.message(()),
            _ => io.problem(Fault::Vendor, "a word that is not known"),
        }
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        match (step, answer) {
            (Step::Letter(id), answer) => self.handle_letter(id, answer, io),
            (Step::Token, Err(NoAnswer::Network | NoAnswer::Unreached)) => {
                io.token_failed(Cause::Network, None)
            }
            (Step::Token, Err(NoAnswer::Timeout)) => {
                io.token_failed(Cause::Timeout(Wait::Token), None);
            }
            (Step::Token, Ok(answer)) => {
                let text = str::from_utf8(&answer.body).unwrap_or_default();
                let mut words = text.split(' ').map(str::parse::<u64>);
                if let (200, Some(Ok(token)), Some(Ok(life))) =
                    (answer.status, words.next(), words.next())
                {
                    self.token = token;
                    let life = (life > 0).then(|| Span::saturating_from_millis(life));
                    io.token_ready(life, true);
                } else {
                    let cause = Cause::Http { step: 0, status: answer.status };
                    io.token_failed(cause, answer.retry_after);
                }
            }
        }
    }

    fn transmit(
        &mut self,
        id: MessageId,
        letter: &Letter,
        tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        let wire = io.wire_ids().encode(LANE, id.get());
        // Some go by HTTP from the first, some from the second time on.
        let by_http = match letter.0 % 8 {
            5 => true,
            2 | 6 => tries > 0,
            _ => false,
        };
        if by_http {
            let url = format!("http://office/letter/{}/{}", wire.as_str(), letter.0);
            let headers = vec![("authorization", self.token.to_string())];
            let request = HttpRequest { method: Method::Post, url, headers, body: Bytes::new() };
            io.http(Step::Letter(id), self.policy.spec().timeouts.http, request);
            return Path::Http;
        }
        io.text(|out| {
            out.extend_from_slice(b"letter ");
            out.extend_from_slice(wire.as_str().as_bytes());
            out.extend_from_slice(b" ");
            out.extend_from_slice(letter.0.to_string().as_bytes());
        });
        Path::Socket
    }

    fn class(&self, letter: &Letter) -> Class {
        let within = self.policy.spec().timeouts.request;
        Class {
            proof: Proof::Answer,
            cut: if letter.0 % 8 == 3 { Cut::Report } else { Cut::Resend },
            portable: letter.0 % 8 != 4,
            within,
            ttl: Span::saturating_from_millis(u64::from(within.as_millis()) * 30),
            tries: 4,
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

const LANE: u8 = 1;

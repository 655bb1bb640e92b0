//! The server of the courier.

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Cause, Frame, Handshake, Policy, Recovery, Renew, Timestamp, TokenUse, Verdict};

use super::{Carried, Courier, Letter, Peer};
use crate::conformance::Sent;

/// The server of [`Courier`]: it gives tokens that live for a while, keeps the session, and
/// acknowledges letters.
#[derive(Clone, Debug)]
pub struct Office {
    policy: Policy,
    account: String,
    /// The newest token, the oldest that still counts, and when that ends.
    token: u64,
    valid_from: u64,
    expires: Timestamp,
    session: u64,
    /// Whether the dial that is there asked for the session.
    asked_for: bool,
    once: bool,
    /// Whether it refuses tokens. Where the policy goes on with a refused one, the vendor's
    /// servers do not refuse any.
    refuses: bool,
}

impl Office {
    /// Makes a server for sessions of one account under this policy.
    #[must_use]
    pub fn new(policy: &Policy, account: impl Into<String>) -> Self {
        Self {
            policy: *policy,
            account: account.into(),
            token: 0,
            valid_from: 1,
            expires: Timestamp::ZERO,
            session: 1,
            asked_for: false,
            once: policy.spec().token.single_use,
            refuses: !matches!(
                policy.verdict(Cause::Handshake(401)),
                Verdict::Retry(Recovery { token: TokenUse::Keep, .. })
            ),
        }
    }

    fn is_valid(&self, token: u64, now: Timestamp) -> bool {
        !self.refuses || (self.valid_from..=self.token).contains(&token) && now < self.expires
    }

    /// Returns how long a token lives: long enough that its renewal comes in time.
    fn life(&self) -> u64 {
        match self.policy.spec().token.renew {
            Renew::Never | Renew::BeforeDial(_) => 0,
            Renew::Every(span) => u64::from(span.as_millis()) * 3,
            Renew::Before(span) => u64::from(span.as_millis()) * 20 + 1_000,
        }
    }

    fn welcome(&self) -> Frame {
        let text = format!("welcome {}", self.session);
        Frame::Text(text.into_bytes().into())
    }
}

impl Peer for Office {
    type Adapter = Courier;

    fn adapter(&self) -> Courier {
        Courier::new(&self.policy, self.account.clone())
    }

    fn message(&mut self, number: u64) -> Letter {
        Letter(number)
    }

    fn read(&self, written: Sent<'_>) -> Option<Carried> {
        let (id, number) = match written {
            Sent::Frame(Frame::Text(bytes)) => {
                str::from_utf8(bytes).ok()?.strip_prefix("letter ")?.split_once(' ')?
            }
            Sent::Frame(_) => return None,
            Sent::Http(request) => {
                request.url.strip_prefix("http://office/letter/")?.split_once('/')?
            }
        };
        Some(Carried { number: number.parse().ok()?, id: id.to_owned() })
    }

    fn handle_dial(&mut self, now: Timestamp, handshake: &Handshake) -> Result<(), u16> {
        let path = handshake.url.strip_prefix("ws://office/").and_then(|url| url.split_once('/'));
        let (token, session) = path.ok_or(404_u16)?;
        if !self.is_valid(token.parse().unwrap_or(0), now) {
            return Err(401);
        }
        if self.once {
            self.valid_from = self.token + 1;
        }
        self.asked_for = session == self.session.to_string();
        Ok(())
    }

    fn handle_opened(&mut self, _now: Timestamp, said: &mut Vec<Frame>) {
        if !self.asked_for {
            self.session += 1;
        }
        said.push(Frame::Text(Bytes::from_static(b"news before the session is ready")));
        said.push(self.welcome());
    }

    fn handle_frame(&mut self, _now: Timestamp, frame: &Frame, said: &mut Vec<Frame>) {
        if let Some(letter) = self.read(Sent::Frame(frame)) {
            said.push(Frame::Text(format!("ack {}", letter.id).into_bytes().into()));
        }
    }

    fn handle_http(&mut self, now: Timestamp, request: &HttpRequest) -> HttpResponse {
        let (mut status, mut body) = (200, Bytes::new());
        if request.url.starts_with("http://office/token") {
            self.token += 1;
            let life = self.life();
            self.expires = match life {
                0 => Timestamp::MAX,
                life => Timestamp::from_millis(now.as_millis() + life),
            };
            body = format!("{} {life}", self.token).into_bytes().into();
        } else {
            let token = request.headers.first().and_then(|(_, token)| token.parse().ok());
            // A token that opens one connection goes on serving its letters.
            if !self.once && !self.is_valid(token.unwrap_or(0), now) {
                status = 401;
            }
        }
        HttpResponse { status, headers: Vec::new(), body, retry_after: None }
    }

    fn revoke(&mut self) {
        self.valid_from = self.token + 1;
    }

    fn forget(&mut self) {
        self.session += 1;
    }
}

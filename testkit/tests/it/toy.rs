//! An adapter for a vendor that does not exist, with one thing wrong if wanted.
//!
//! A login by HTTP gives a token; the vendor greets with `hello SESSION`; `msg ID TEXT` is answered
//! by `ack ID`; the vendor says `say NUMBER TEXT`.

use core::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use redial_core::http::{HttpRequest, HttpResponse, HttpResult, Method};
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Fault, Frame, Handshake, Intent, Io,
    Keepalive, MessageId, Outcome, Pace, Path, Policy, PolicySpec, Proof, Recovery, Resume, Rule,
    Rules, Secret, Span, Timestamp, Verdict, When,
};
use redial_testkit::conformance::{Sent, Vendor};
use serde::{Deserialize, Serialize};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Takes no greeting but the first.
    IsGreetedOnce,
    /// Hangs when its login is refused.
    DoesNotHearARefusal,
    /// Has a step without a name.
    NamesNothing,
    /// Does not know what the vendor documents about 4401.
    SkipsTheDocuments,
    /// Watches nobody.
    WatchesNobody,
    /// Takes its own timer for a sign of life.
    KeepsItselfAlive,
    /// Believes that every frame has four bytes.
    SlicesAnything,
    /// Believes that every login is answered with a token.
    IndexesAnswers,
    /// Delivers what a pong carries.
    DeliversPongs,
    /// Shows its token.
    ShowsTheToken,
    /// Shows what is said.
    ShowsTheBody,
    /// Loses white space on the way in.
    Trims,
    /// Loses what is no ASCII on the way out.
    WritesAsciiOnly,
    /// Does not hear acknowledgments.
    HearsNoAck,
    /// Forgets the session that it was restored with.
    ForgetsTheSession,
    /// Leaves nothing to a later process.
    LeavesNothing,
    /// Counts across sessions.
    Counts,
    /// Keeps 600 answers for a peer that reads none: the session's own bound is not reached.
    KeepsAnswers,
    /// Finds everything light.
    WeighsNothing,
    /// Gives up whatever it does not know.
    GivesUpOnAnything,
    /// Asks once a day whether the peer lives.
    HasAllTheTime,
    /// Says nothing to the application.
    IsMute,
    /// Keeps what comes before the greeting, and loses it with the connection.
    HoldsWhatIsEarly,
    /// Leaves every frame to a later process.
    Hoards,
    /// Does not read `Retry-After`.
    ReadsNoRetryAfter,
    /// Goes on with its first token.
    KeepsItsFirstToken,
    /// Takes every session for the old one.
    ClaimsTheOldSession,
    /// Takes every session for a new one.
    ClaimsANewSession,
    /// Goes on with a session that is to be forgotten.
    ForgetsToForget,
    /// Has a timer that is never done.
    StaysDue,
    /// Writes text that is none.
    WritesNoText,
    /// Forgets how far it has read, in a later process.
    ForgetsItsPlace,
    /// Takes as long as the peer likes.
    TakesItsTime,
    /// Logs in twice.
    LogsInTwice,
    /// Does not hear that it is refused.
    HearsNoRefusal,
    /// Does not hear how long a refusal asks to wait.
    HearsNoWait,
}

/// The name of a step belongs to no adapter but to the type.
pub(crate) struct Toy<const NAMELESS: bool> {
    flaw: Flaw,
    policy: Policy,
    token: Option<String>,
    session: Option<String>,
    greeted: bool,
    tick_at: Option<Timestamp>,
    early: Vec<Said>,
    hoard: Vec<String>,
    /// The number of the last thing that was said.
    place: u64,
}

/// What the vendor says.
pub(crate) struct Said {
    text: String,
    shown: bool,
}

/// What a later process needs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Cursor {
    session: Option<String>,
    hoard: Vec<String>,
    place: u64,
}

/// What the application sends.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Text(String);

impl<const NAMELESS: bool> Toy<NAMELESS> {
    fn decode(&mut self, text: &str, io: &mut Io<'_, Self>) {
        if self.flaw == Flaw::SlicesAnything && &text.as_bytes()[..4] == b"quit" {
            return;
        }
        if self.flaw == Flaw::KeepsAnswers && io.backlog() < 600 {
            io.text(|out| out.extend_from_slice(b"thanks"));
        }
        if self.flaw == Flaw::Hoards {
            self.hoard.push(text.into());
        }
        match text.split_once(' ') {
            Some(("hello", _)) if self.flaw == Flaw::IsGreetedOnce && self.greeted => {}
            Some(("hello", session)) => {
                self.greeted = true;
                let known = match self.flaw {
                    Flaw::ClaimsTheOldSession => true,
                    Flaw::ClaimsANewSession => false,
                    _ => self.session.as_deref() == Some(session),
                };
                self.session = Some(session.into());
                self.early.drain(..).for_each(|said| io.message(said));
                io.ready(if known { Continuity::Resumed } else { Continuity::Fresh });
                if self.flaw == Flaw::KeepsItselfAlive {
                    self.tick_at = Some(io.cx.now + Span::from_secs(5));
                }
            }
            Some(("ack", id)) if self.flaw != Flaw::HearsNoAck => {
                if let Ok(id) = id.parse() {
                    io.settle(MessageId::new(id), Outcome::Acked);
                }
            }
            Some(("bye", _)) if self.flaw == Flaw::HearsNoRefusal => {}
            Some(("bye", secs)) => {
                let wait = secs.parse().ok().filter(|_| self.flaw != Flaw::HearsNoWait);
                io.refused(7, wait.map(Span::from_secs));
            }
            Some(("say", rest)) => {
                let number = rest.split(' ').next().and_then(|number| number.parse::<u64>().ok());
                if self.flaw == Flaw::TakesItsTime && number.is_some_and(|number| number > 1 << 32)
                {
                    std::thread::sleep(std::time::Duration::from_millis(5_100));
                }
                self.place = number.map_or(self.place, |number| number.saturating_add(1));
                let text = rest.split_once(' ').map_or("", |(_, text)| text);
                let text = if self.flaw == Flaw::Trims { text.trim() } else { text };
                let said = Said { text: text.into(), shown: self.flaw == Flaw::ShowsTheBody };
                match self.flaw {
                    Flaw::IsMute => {}
                    Flaw::HoldsWhatIsEarly if !io.is_online() => self.early.push(said),
                    _ => io.message(said),
                }
            }
            _ => io.problem(Fault::Vendor, "a frame that is no message"),
        }
    }
}

impl<const NAMELESS: bool> Adapter for Toy<NAMELESS> {
    type Outgoing = Text;
    type Message = Said;
    type Reply = ();
    type Command = ();
    type Step = ();
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        "toy"
    }

    fn step_name(step: u8) -> &'static str {
        if NAMELESS && step == 7 { "" } else { "login" }
    }

    fn authorize(&mut self, _kind: Authorize, io: &mut Io<'_, Self>) {
        let request = HttpRequest {
            method: Method::Post,
            url: "https://toy.test/login".into(),
            headers: vec![("authorization", format!("Key {KEY}"))],
            body: bytes::Bytes::new(),
        };
        if self.flaw == Flaw::LogsInTwice {
            io.http((), Span::from_secs(5), request.clone());
        }
        io.http((), Span::from_secs(5), request);
    }

    fn offer_token(&mut self, _token: Secret, _io: &mut Io<'_, Self>) -> bool {
        false
    }

    fn dial(&mut self, intent: Intent, out: &mut Handshake) {
        if intent == Intent::Restart && self.flaw != Flaw::ForgetsToForget {
            self.session = None;
        }
        let session = self.session.as_deref();
        let token = self.token.as_deref().unwrap_or_default();
        let session = session.unwrap_or_default();
        out.url = format!("wss://toy.test/?token={token}&session={session}");
        if self.place > 0 {
            out.url += &format!("&from={}", self.place);
        }
    }

    fn handle_opened(&mut self, _io: &mut Io<'_, Self>) {}

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        match frame {
            Frame::Text(bytes) => self.decode(core::str::from_utf8(&bytes).unwrap_or_default(), io),
            _ => io.problem(Fault::Vendor, "a binary frame"),
        }
    }

    fn handle_http(&mut self, _step: (), answer: HttpResult, io: &mut Io<'_, Self>) {
        match answer {
            Ok(answer) if answer.status == 200 => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                if self.flaw == Flaw::KeepsItsFirstToken && self.token.is_some() {
                    return io.token_ready(None, true);
                }
                if self.flaw == Flaw::IndexesAnswers {
                    self.token = Some(text.split(' ').nth(1).expect("a token").into());
                } else if let Some(token) = text.strip_prefix("token ") {
                    self.token = Some(token.into());
                } else {
                    return io.token_failed(Cause::Http { step: 0, status: 200 }, None);
                }
                io.token_ready(None, true);
            }
            Ok(_) if self.flaw == Flaw::DoesNotHearARefusal => {}
            Ok(answer) => {
                let wait = answer.retry_after.filter(|_| self.flaw != Flaw::ReadsNoRetryAfter);
                io.token_failed(Cause::Http { step: 0, status: answer.status }, wait);
            }
            Err(_) => io.token_failed(Cause::Network, None),
        }
    }

    fn transmit(&mut self, id: MessageId, text: &Text, _: u8, io: &mut Io<'_, Self>) -> Path {
        let lossy = self.flaw == Flaw::WritesAsciiOnly;
        let text: String = text.0.chars().filter(|c| !lossy || c.is_ascii()).collect();
        let extra = match self.flaw {
            Flaw::Counts => format!("{} ", COUNTED.fetch_add(1, Ordering::Relaxed)),
            _ => String::new(),
        };
        io.text(|out| out.extend_from_slice(format!("msg {id} {extra}{text}").as_bytes()));
        if self.flaw == Flaw::WritesNoText {
            io.text(|out| out.extend_from_slice(&[0xFF]));
        }
        Path::Socket
    }

    fn class(&self, _text: &Text) -> Class {
        Class {
            proof: Proof::Answer,
            cut: Cut::Resend,
            portable: true,
            within: Span::from_secs(10),
            ttl: Span::from_secs(60),
            tries: 3,
        }
    }

    fn weight(&self, text: &Text) -> u32 {
        match self.flaw {
            Flaw::WeighsNothing => 0,
            _ => u32::try_from(text.0.len()).unwrap_or(u32::MAX),
        }
    }

    fn cursor(&self) -> Cursor {
        let session = self.session.clone().filter(|_| self.flaw != Flaw::LeavesNothing);
        let place = if self.flaw == Flaw::ForgetsItsPlace { 0 } else { self.place };
        Cursor { session, hoard: self.hoard.clone(), place }
    }

    fn restore(&mut self, cursor: Cursor) {
        if self.flaw != Flaw::ForgetsTheSession {
            self.session = cursor.session;
        }
        (self.hoard, self.place) = (cursor.hoard, cursor.place);
    }

    fn handle_pong(&mut self, io: &mut Io<'_, Self>) {
        io.alive();
        if self.flaw == Flaw::DeliversPongs {
            io.message(Said { text: "pong".into(), shown: false });
        }
    }

    fn handle_command(&mut self, _command: (), _io: &mut Io<'_, Self>) {}

    fn handle_tick(&mut self, io: &mut Io<'_, Self>) {
        io.alive();
        self.tick_at = Some(io.cx.now + Span::from_secs(5));
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        if self.flaw == Flaw::StaysDue { Some(Timestamp::ZERO) } else { self.tick_at }
    }

    fn handle_closed(&mut self, _cause: Cause, _io: &mut Io<'_, Self>) {
        self.tick_at = None;
        self.early.clear();
    }
}

impl<const NAMELESS: bool> fmt::Debug for Toy<NAMELESS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Toy");
        if self.flaw == Flaw::ShowsTheToken {
            shown.field("token", &self.token);
        }
        shown.finish_non_exhaustive()
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shown { f.write_str(&self.text) } else { f.write_str("Said(..)") }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

/// The vendor of [`Toy`].
pub(crate) struct ToyVendor<const NAMELESS: bool>(pub(crate) Flaw);

impl<const NAMELESS: bool> Vendor for ToyVendor<NAMELESS> {
    type Adapter = Toy<NAMELESS>;

    fn name(&self) -> &str {
        "toy"
    }

    fn adapter(&self) -> Toy<NAMELESS> {
        let rules: &[Rule] = match self.0 {
            Flaw::SkipsTheDocuments => &[],
            _ => &[
                Rule::close(4401, REGENERATE),
                Rule::close(4403, Verdict::Stop),
                Rule::close(4404, RESTART),
                Rule::new(When::Network, Verdict::Retry(Recovery::KEEP)),
            ],
        };
        let otherwise = match self.0 {
            Flaw::GivesUpOnAnything => Verdict::Stop,
            _ => PolicySpec::DEFAULT.otherwise,
        };
        let keepalive = match self.0 {
            Flaw::WatchesNobody => Keepalive::Off,
            Flaw::HasAllTheTime => Keepalive::Probe {
                interval: Span::from_secs(24 * 3600),
                timeout: Span::from_secs(10),
                misses: 1,
                pace: Pace::Quiet,
            },
            _ => PolicySpec::DEFAULT.keepalive,
        };
        let rules = Rules::new(rules);
        let resume = Resume::Always;
        let spec = PolicySpec { rules, otherwise, keepalive, resume, ..PolicySpec::DEFAULT };
        Toy {
            flaw: self.0,
            policy: Policy::new(spec),
            token: None,
            session: None,
            greeted: false,
            tick_at: None,
            early: Vec::new(),
            hoard: Vec::new(),
            place: 0,
        }
    }

    fn exchange(&self, _request: &HttpRequest) -> HttpResult {
        let body = format!("token {TOKEN}").into();
        Ok(HttpResponse { status: 200, headers: Vec::new(), body, retry_after: None })
    }

    fn greet(&self, _handshake: &Handshake) -> Vec<Frame> {
        vec![Frame::Text("hello session-1".into())]
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        match words(frame) {
            Some(("msg", id, _)) => vec![Frame::Text(format!("ack {id}").into())],
            _ => Vec::new(),
        }
    }

    fn outgoing(&self, text: &str) -> Option<Text> {
        Some(Text(text.into()))
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        match sent {
            Sent::Frame(frame) => match words(frame) {
                Some(("msg", _, text)) => Some(text.into()),
                _ => None,
            },
            Sent::Http(_) => None,
        }
    }

    fn push(&self, number: u64, text: &str) -> Option<Frame> {
        Some(Frame::Text(format!("say {number} {text}").into()))
    }

    fn application_reads(&self, message: &Said) -> Option<String> {
        Some(message.text.clone())
    }

    fn samples(&self) -> Vec<Frame> {
        ["hello session-1", "ack 1", "say 1 something"].map(|text| Frame::Text(text.into())).into()
    }

    fn refusals(&self) -> Vec<(Frame, u16, Option<Span>)> {
        let wait = Some(Span::from_secs(50));
        vec![(Frame::Text("bye now".into()), 7, None), (Frame::Text("bye 50".into()), 7, wait)]
    }

    fn secrets(&self) -> Vec<String> {
        [KEY, TOKEN].map(str::to_owned).into()
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        let keep = Verdict::Retry(Recovery::KEEP);
        let banned = (Cause::Close(4403), Verdict::Stop);
        let gone = (Cause::Close(4404), RESTART);
        vec![(Cause::Close(4401), REGENERATE), banned, gone, (Cause::Network, keep)]
    }
}

fn words(frame: &Frame) -> Option<(&str, &str, &str)> {
    let Frame::Text(bytes) = frame else { return None };
    let (verb, rest) = core::str::from_utf8(bytes).ok()?.split_once(' ')?;
    let (id, text) = rest.split_once(' ')?;
    Some((verb, id, text))
}

const KEY: &str = "canary-key";
const TOKEN: &str = "canary-token";
const RESTART: Verdict = Verdict::Retry(Recovery { intent: Intent::Restart, ..Recovery::KEEP });
const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);

static COUNTED: AtomicU32 = AtomicU32::new(0);

//! Histories read from bytes.

use bytes::Bytes;
use redial_core::{
    Cause, ConnId, Continuity, Event, Evidence, Liveness, Machine, Phase, Policy, Span, Terms,
    TokenId, TokenUse,
};

use super::event::{self, Sort};
use super::{Source, bytes_of, policy};

/// What befalls one session under one policy.
///
/// A history is read from bytes, whatever they are, and is bounded by
/// [`History::LONGEST`]. It holds wishes, not events: "the answer that is awaited
/// comes", "the connection is lost", "an answer to something that is gone". What they mean is told
/// by [`Move::event`], in the light of the session that they meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The rules.
    pub policy: Policy,
    /// What happens, in order.
    pub moves: Vec<Move>,
    /// The seed, where it was made of one by [`History::of_seed`].
    pub seed: Option<u64>,
    /// What the moves were read from: [`History::under`] the policy makes them of it again.
    pub bytes: Bytes,
}

/// Something that happens, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// When.
    pub pause: Pause,
    /// What the jitter is drawn from.
    pub entropy: u64,
    /// What.
    pub deed: Deed,
}

/// How much time passes before something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// None.
    None,
    /// This much, whatever is due meanwhile: the session is ticked too late.
    Jump(Span),
    /// This much, and the session is ticked whenever it is due.
    Pass(Span),
    /// The clock runs backwards.
    Back(Span),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// What the session waits for comes and is good; where it waits for nothing but time, the
    /// time comes. A session that is at rest is connected.
    Proceed {
        /// How long a token lives.
        expires_in: Option<Span>,
        /// Whether the old session survives a token.
        resumable: bool,
        /// Whether the server has kept the session.
        continuity: Continuity,
    },
    /// What the session waits for comes to nothing, or the connection that it has is lost.
    Fail {
        /// Why, if it is a connection.
        loss: Cause,
        /// Why, if it is a token request.
        refusal: Cause,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
    },
    /// The vendor refuses in band.
    Refuse {
        /// The adapter's number for it.
        code: u16,
        /// How long the server asks to wait.
        retry_after: Option<Span>,
    },
    /// The peer shows that it lives.
    Hear(Evidence),
    /// The server says something about the session.
    Announce(Terms),
    /// The account is held back.
    Throttle(Span),
    /// A side call found the token dead.
    TokenDead,
    /// The application wants something.
    Command(Command),
    /// Nothing but time.
    Tick,
    /// An answer to something that is gone, or has never been; its names count from the newest.
    Stray(Event),
}

/// What an application may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The session.
    Connect,
    /// No more waiting.
    Recover,
    /// Another connection.
    Reconnect(TokenUse),
    /// To tell of another network.
    NetworkChanged,
    /// To give a token.
    OfferToken {
        /// Whether the old session survives it.
        resumable: bool,
    },
    /// The end.
    Shutdown,
}

impl History {
    /// The most moves that a history has.
    pub const LONGEST: usize = 400;

    /// Reads a history. Any bytes give one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut source = Source::new(bytes);
        let policy = policy::policy(&mut source);
        Self::under(&policy, source.rest())
    }

    /// Reads what befalls a session under a policy that is given. Any bytes give a history.
    #[must_use]
    pub fn under(policy: &Policy, bytes: &[u8]) -> Self {
        let mut source = Source::new(bytes);
        let moves = moves(&mut source, policy);
        let read = &bytes[..bytes.len() - source.rest().len()];
        Self { policy: *policy, moves, seed: None, bytes: Bytes::copy_from_slice(read) }
    }

    /// Makes the history of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::decode(&bytes_of(seed, Self::USUAL_BYTES)) }
    }

    /// How many bytes make a history of usual length: about 110 moves after its policy.
    pub const USUAL_BYTES: usize = 300;
}

impl Move {
    /// Returns the event that this move is for a session in this state.
    #[must_use]
    pub fn event(&self, machine: &Machine) -> Event {
        let conn = machine.newest_conn();
        match self.deed {
            Deed::Proceed { expires_in, resumable, continuity } => {
                proceed(machine, expires_in, resumable, continuity)
            }
            Deed::Fail { loss, refusal, retry_after } => match machine.pending_token() {
                Some(token) if !matches!(machine.phase(), Phase::Online(_)) => {
                    Event::TokenFailed { token, cause: refusal, retry_after }
                }
                // While online either may fail.
                Some(token) if self.entropy.is_multiple_of(2) => {
                    Event::TokenFailed { token, cause: refusal, retry_after }
                }
                _ => Event::Closed { conn, cause: loss, retry_after },
            },
            Deed::Refuse { code, retry_after } => Event::Refused { conn, code, retry_after },
            Deed::Hear(evidence) => Event::Ack { conn, evidence },
            Deed::Announce(terms) => Event::Announced { conn, terms },
            Deed::Throttle(within) => Event::Throttled { within },
            Deed::TokenDead => match machine.token() {
                redial_core::Token::Held { token, .. } => Event::TokenRejected { token },
                redial_core::Token::None(_) => {
                    Event::TokenRejected { token: machine.newest_token() }
                }
            },
            Deed::Command(command) => command.event(),
            Deed::Tick => Event::Tick,
            Deed::Stray(event) => renamed(event, machine),
        }
    }

    /// Returns whether this move comes at the session's next deadline rather than now.
    #[must_use]
    pub fn is_patient(&self, machine: &Machine) -> bool {
        matches!(self.deed, Deed::Proceed { .. }) && self.event(machine) == Event::Tick
    }
}

impl Command {
    /// Returns the event that this is for a machine.
    #[must_use]
    pub const fn event(self) -> Event {
        match self {
            Self::Connect => Event::Connect,
            Self::Recover => Event::Recover,
            Self::Reconnect(token) => Event::Reconnect { token },
            Self::NetworkChanged => Event::NetworkChanged,
            Self::OfferToken { resumable } => Event::TokenOffered { resumable },
            Self::Shutdown => Event::Shutdown,
        }
    }
}

fn moves(source: &mut Source<'_>, policy: &Policy) -> Vec<Move> {
    let mut moves = Vec::new();
    while !source.is_empty() && moves.len() < History::LONGEST {
        let young = moves.len() < YOUTH;
        moves.push(one_move(source, policy, young));
    }
    moves
}

fn one_move(source: &mut Source<'_>, policy: &Policy, young: bool) -> Move {
    let deed = match source.byte() {
        // Most of all, things go well, and first of all.
        choice if choice < GOOD || young && choice < GOOD_AT_FIRST => {
            return Move { pause: Pause::None, entropy: 0, deed: proceeding(source, choice) };
        }
        ..=205 => failing(source, policy),
        206..=209 => {
            let code = 1 + u16::from(source.below(10));
            Deed::Refuse { code, retry_after: event::retry_after(source) }
        }
        210..=219 => Deed::Tick,
        220..=225 => Deed::Hear(event::evidence(source)),
        226..=230 => Deed::Announce(event::terms(source)),
        231..=233 => Deed::Throttle(source.span(0, 30_000)),
        234..=237 => Deed::TokenDead,
        238..=247 => Deed::Command(command(source)),
        248.. => Deed::Stray(event::event(source)),
    };
    let pause = match source.below(8) {
        0..=2 => Pause::None,
        3..=5 => Pause::Pass(source.span(0, 20_000)),
        6 => Pause::Jump(source.span(0, 200_000)),
        _ => Pause::Back(source.span(0, 10_000)),
    };
    Move { pause, entropy: source.entropy(), deed }
}

fn proceeding(source: &mut Source<'_>, choice: u8) -> Deed {
    let expires_in = if choice % 8 == 7 { event::life(source) } else { None };
    let resumable = !choice.is_multiple_of(16) || choice == 0;
    let continuity = if choice % 4 == 1 { Continuity::Resumed } else { Continuity::Fresh };
    Deed::Proceed { expires_in, resumable, continuity }
}

fn failing(source: &mut Source<'_>, policy: &Policy) -> Deed {
    let sort = match source.below(32) {
        0..=13 => Sort::Keep,
        14..=27 => Sort::Regenerate,
        28..=30 => Sort::Suspend,
        _ => Sort::Stop,
    };
    Deed::Fail {
        loss: event::cause_with(source, policy, event::causes(false), sort),
        refusal: event::cause_with(source, policy, event::causes(true), sort),
        retry_after: event::retry_after(source),
    }
}

fn command(source: &mut Source<'_>) -> Command {
    match source.below(24) {
        0..=3 => Command::Connect,
        4..=8 => Command::Recover,
        9..=11 => Command::Reconnect(TokenUse::Keep),
        12..=14 => Command::Reconnect(TokenUse::Regenerate),
        15..=18 => Command::NetworkChanged,
        19..=21 => Command::OfferToken { resumable: true },
        22 => Command::OfferToken { resumable: false },
        _ => Command::Shutdown,
    }
}

fn proceed(
    machine: &Machine,
    expires_in: Option<Span>,
    resumable: bool,
    continuity: Continuity,
) -> Event {
    let conn = machine.newest_conn();
    if let Some(token) = machine.pending_token() {
        return Event::TokenReady { token, expires_in, resumable };
    }
    match machine.phase() {
        Phase::Idle | Phase::Suspended(_) => Event::Connect,
        Phase::Connecting { deadline: None } => Event::Dialing { conn },
        Phase::Connecting { .. } => Event::Opened { conn },
        Phase::Starting { .. } => Event::Ready { conn, continuity },
        Phase::Online(online) => match online.liveness {
            Liveness::Probing { .. } => Event::Ack { conn, evidence: Evidence::Probe },
            // A peer that has promised a sign of life gives one now and then.
            Liveness::Listening { .. } if continuity == Continuity::Fresh => {
                Event::Ack { conn, evidence: Evidence::Inbound }
            }
            Liveness::Off | Liveness::Quiet { .. } | Liveness::Listening { .. } => Event::Tick,
        },
        Phase::Closing { .. } => {
            Event::Closed { conn, cause: Cause::Close(1000), retry_after: None }
        }
        Phase::Authorizing { .. } | Phase::Waiting { .. } | Phase::Stopped(_) => Event::Tick,
    }
}

/// Turns the names 0 to 3 into the newest one, the two before it, and the one after it.
fn renamed(mut event: Event, machine: &Machine) -> Event {
    let of = |newest: u32, name: u32| match name {
        3 => newest.wrapping_add(1),
        back => newest.wrapping_sub(back),
    };
    match &mut event {
        Event::Dialing { conn }
        | Event::Opened { conn }
        | Event::Announced { conn, .. }
        | Event::Ready { conn, .. }
        | Event::Ack { conn, .. }
        | Event::Refused { conn, .. }
        | Event::Closed { conn, .. } => {
            *conn = ConnId::new(of(machine.newest_conn().get(), conn.get()));
        }
        Event::TokenReady { token, .. }
        | Event::TokenFailed { token, .. }
        | Event::TokenRejected { token } => {
            *token = TokenId::new(of(machine.newest_token().get(), token.get()));
        }
        Event::Connect
        | Event::Recover
        | Event::Reconnect { .. }
        | Event::NetworkChanged
        | Event::Renew
        | Event::Shutdown
        | Event::TokenOffered { .. }
        | Event::Tick
        | Event::Throttled { .. } => {}
    }
    event
}

/// How many bytes in 256 mean that things go well, later and at first.
const GOOD: u8 = 176;
const GOOD_AT_FIRST: u8 = 236;
/// How many moves are the first.
const YOUTH: usize = 6;

//! What a vendor's adapter provides.

use crate::action::Reason;
use crate::cause::Cause;
use crate::event::Continuity;
use crate::handshake::Handshake;
use crate::http::HttpResult;
use crate::id::{ConnId, MessageId};
use crate::io::{Frame, Io};
use crate::ledger::{Class, Path};
use crate::policy::{Intent, Policy};
use crate::secret::Secret;
use crate::time::Timestamp;

/// A vendor: its policy, its frames, its HTTP exchanges.
///
/// An adapter is pure. It is called with what came in and says through [`Io`] what follows; the
/// session turns that into events after the call has returned. It never sees a generation: the
/// session fills those in and calls no adapter with the answer to something that is gone.
pub trait Adapter: Sized {
    /// What the application sends.
    type Outgoing: Clone;
    /// What the application receives unasked.
    type Message;
    /// What the application receives in answer to something it sent.
    type Reply;
    /// What the application sets: subscriptions and other desired state.
    type Command;
    /// The steps of the adapter's HTTP exchanges.
    type Step: Copy;
    /// What a later process needs to go on. May hold secrets.
    type Cursor: Clone;

    /// Returns the rules of this session.
    fn policy(&self) -> &Policy;

    /// Returns the account whose servers a `Retry-After` speaks for.
    fn account(&self) -> &str;

    /// Returns the name of the step that a [`Cause::Http`] names by number.
    #[must_use]
    fn step_name(step: u8) -> &'static str;

    /// Returns the name of the refusal that a [`Cause::Refused`] names by number.
    #[must_use]
    fn refusal_name(code: u16) -> &'static str {
        let _ = code;
        "refused"
    }

    /// Makes or prolongs the token. Ends, now or after some exchanges, with
    /// [`Io::token_ready`] or [`Io::token_failed`]; [`Io::token_needed`] asks the application,
    /// and this is called again with its answer.
    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>);

    /// Takes a token from the application; returns whether the next dial can use it as it is.
    /// Where a token is awaited, [`Adapter::authorize`] follows, unless this was
    /// [`Io::token_failed`]: what is no token ends the request and is no reason to ask again at
    /// once.
    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool;

    /// The application was asked for a token and has none; returns whether the next dial uses the
    /// one that is there, refused or not, unless the application was told to wait. For vendors
    /// whose refusals may be about something else and whose documents never stop dialling.
    fn keep_token(&mut self) -> bool {
        false
    }

    /// A connection of this name is about to be made; [`Adapter::dial`] follows.
    fn handle_dial(&mut self, conn: ConnId) {
        let _ = conn;
    }

    /// Says where to dial.
    fn dial(&mut self, intent: Intent, out: &mut Handshake);

    /// The socket is open. Ends, now or after some frames, with [`Io::ready`].
    fn handle_opened(&mut self, io: &mut Io<'_, Self>);

    /// Takes a text or binary frame.
    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>);

    /// Takes the answer to an exchange of [`Io::http`].
    fn handle_http(&mut self, step: Self::Step, answer: HttpResult, io: &mut Io<'_, Self>);

    /// Writes a message, and says which way it went. `tries` is how often it was written before.
    ///
    /// Nothing goes over HTTP while servers have asked to wait, nor while an earlier message has
    /// no proof yet: an exchange that is asked for here is then dropped, and this is called again
    /// later with the same `tries`.
    fn transmit(
        &mut self,
        id: MessageId,
        message: &Self::Outgoing,
        tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path;

    /// Says what a message needs.
    fn class(&self, message: &Self::Outgoing) -> Class;

    /// Says how many bytes a message counts for.
    fn weight(&self, message: &Self::Outgoing) -> u32;

    /// Returns what a later process needs to go on.
    fn cursor(&self) -> Self::Cursor;

    /// Takes what an earlier process left.
    fn restore(&mut self, cursor: Self::Cursor);

    /// Takes a pong.
    fn handle_pong(&mut self, io: &mut Io<'_, Self>) {
        io.alive();
    }

    /// The connection is lost. What belonged to it is forgotten here. What is said here follows
    /// the notice of the loss, unless the session ends with it; there is no connection to say it
    /// to, and a token request that is pending by now is the next one.
    fn handle_closed(&mut self, cause: Cause, io: &mut Io<'_, Self>) {
        let _ = (cause, io);
    }

    /// The session can be used: subscriptions are made anew here.
    fn handle_online(&mut self, continuity: Continuity, io: &mut Io<'_, Self>) {
        let _ = (continuity, io);
    }

    /// Takes what the application sets, online or not.
    fn handle_command(&mut self, command: Self::Command, io: &mut Io<'_, Self>);

    /// The adapter's own timer is due.
    fn handle_tick(&mut self, io: &mut Io<'_, Self>) {
        let _ = io;
    }

    /// Returns when the adapter's own timer is due.
    fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// Asks the peer whether it lives.
    fn probe(&mut self, io: &mut Io<'_, Self>) {
        io.ping();
    }

    /// Says goodbye, before the close frame.
    fn farewell(&mut self, io: &mut Io<'_, Self>) {
        let _ = io;
    }

    /// Names the tokens and other secrets that the peer knows. What it writes into its close frame
    /// is shown without them.
    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        let _ = name;
    }

    /// Returns the reason that a driver writes into the close frame that ends the session.
    fn close_reason(&self) -> &'static str {
        ""
    }

    /// Returns whether the vendor's rate limit allows another message. An adapter that says no
    /// has a timer, by [`Adapter::poll_timeout`], for the moment at which it says yes again.
    fn can_transmit(&self) -> bool {
        true
    }
}

/// What is to be done about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorize {
    /// Make a new one.
    Regenerate {
        /// Why.
        reason: Reason,
        /// What befell the one before, where something did.
        cause: Option<Cause>,
    },
    /// Prolong the one that is there.
    Renew,
}

//! What each answer leads to.

use redial_core::http::{HttpResult, NoAnswer};
use redial_core::{Cause, Fault, Io, MessageId, Outcome, Span, Wait};

use super::adapter::{GuestChat, LANE, Step};
use super::config::Credentials;
use super::explain;
use super::message::{self, Message, Receipt};
use super::policy::Refusal;
use super::session::{self, Guest};

impl GuestChat {
    pub(super) fn adopt(&mut self, guest: Guest) {
        self.guest = Some(guest);
        self.generation = self.generation.wrapping_add(1);
        self.dead = false;
        self.refused = false;
        self.taken = false;
    }

    /// The vendor has shown that it takes this guest.
    pub(super) const fn prove(&mut self) {
        self.taken = true;
        self.refusals = 0;
    }

    /// Says that there is a token, and how long it lives.
    pub(super) fn supply(&self, resumable: bool, io: &mut Io<'_, Self>) {
        let life = self.guest.as_ref().and_then(|guest| guest.life(io.cx.now));
        io.token_ready(life, resumable);
    }

    pub(super) fn create(&mut self, io: &mut Io<'_, Self>) {
        // One that has expired while it waited is none.
        let lives = |guest: &Guest| guest.life(io.cx.now).is_none_or(|life| !life.is_zero());
        if let Some(guest) = self.offered.take().filter(lives) {
            self.adopt(guest);
            return self.supply(false, io);
        }
        // One new guest, then one more try.
        if self.refusals > 1 {
            self.refusals = 0;
            io.problem(Fault::Vendor, explain::REFUSED);
            return io.token_failed(Cause::Refused(Refusal::GuestRejectedAgain as u16), None);
        }
        if let Some(oauth) = &self.oauth
            && session::is_expired(oauth, io.cx.now)
        {
            io.problem(Fault::Caller, explain::EXPIRED);
            if self.config.credentials == Credentials::Ask {
                return io.token_needed(self.oauth.take());
            }
            return io.token_failed(Cause::Refused(Refusal::OauthExpired as u16), None);
        }
        match self.config.create(self.oauth.as_ref()) {
            Some(request) => io.http(Step::Guest, self.policy.spec().timeouts.http, request),
            None => io.token_needed(None),
        }
    }

    pub(super) fn handle_guest(&mut self, answer: HttpResult, io: &mut Io<'_, Self>) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(NoAnswer::Network | NoAnswer::Unreached) => {
                return io.token_failed(Cause::Network, None);
            }
            Err(NoAnswer::Timeout) => return io.token_failed(Cause::Timeout(Wait::Token), None),
        };
        let cause = Cause::Http { step: Step::GUEST, status: answer.status };
        if !(200..300).contains(&answer.status) {
            let fault =
                if matches!(answer.status, 401 | 403) { Fault::Caller } else { Fault::Vendor };
            let text = explain::of_status(answer.status).unwrap_or("Guest creation failed");
            io.problem(fault, text);
            let first = !core::mem::replace(&mut self.refused, true);
            if answer.status == 401 && self.config.credentials == Credentials::Ask && first {
                return io.token_needed(self.oauth.take());
            }
            let after = (answer.status == 429)
                .then(|| session::wait_of(&answer, self.config.retry_after))
                .or(answer.retry_after);
            return io.token_failed(cause, after);
        }
        match Guest::parse(&answer.body, io.cx.now) {
            Some(guest) => {
                if guest.expires_at.is_none() {
                    io.problem(Fault::Vendor, "a guest session without a readable expiresIn");
                }
                self.adopt(guest);
                self.supply(false, io);
            }
            None => {
                io.problem(Fault::Vendor, "guest creation answered without an instance or a token");
                io.token_failed(cause, None);
            }
        }
    }

    pub(super) fn handle_sent(
        &mut self,
        (id, tries, guest): (MessageId, u8, u32),
        answer: HttpResult,
        io: &mut Io<'_, Self>,
    ) {
        let backoff = self.backoff(tries, io);
        let lost = |after| Outcome::Lost { after: Some(after) };
        let Ok(answer) = answer else { return io.settle(id, lost(backoff)) };
        match answer.status {
            200..=299 => {
                if guest == self.generation {
                    self.prove();
                }
                io.reply(id, Outcome::Acked, Receipt::of(answer));
            }
            401 if guest != self.generation => io.settle(id, Outcome::Retry { after: None }),
            401 => {
                io.settle(id, Outcome::AfterToken);
                self.lose_guest(io);
            }
            429 => {
                let within = session::wait_of(&answer, self.config.retry_after);
                io.throttled(within);
                io.settle(id, Outcome::Retry { after: Some(within) });
            }
            // Neither an answer about the message nor its refusal: it waits and keeps its place.
            0..=399 | 408 | 500.. => {
                if let Some(within) = answer.retry_after {
                    io.throttled(within);
                }
                let after = session::wait_of(&answer, backoff);
                io.settle(
                    id,
                    match answer.status {
                        // Somebody on the way gave up waiting: the server may have it.
                        408 | 502 | 504 => lost(after),
                        _ => Outcome::Retry { after: Some(after) },
                    },
                );
            }
            status @ 400..=499 => io.settle(id, Outcome::Rejected(status)),
        }
    }

    /// The guest session is dead: another one is made, and the socket moves to it.
    pub(super) fn lose_guest(&mut self, io: &mut Io<'_, Self>) {
        if io.is_online() {
            io.refused(Refusal::GuestRejected as u16, None);
        } else {
            self.dead = true;
            io.token_rejected();
        }
    }

    pub(super) fn backoff(&self, tries: u8, io: &Io<'_, Self>) -> Span {
        let spec = self.policy.spec();
        spec.backoff.wait(u16::from(tries).max(1), io.cx.entropy, spec.floor)
    }

    pub(super) fn handle_chat(&mut self, chat: message::Chat, io: &mut Io<'_, Self>) {
        let fresh = chat.message_id.as_deref().is_none_or(|id| self.recent.insert(id));
        io.message(if fresh { Message::Chat(chat) } else { Message::Duplicate(chat) });
    }

    pub(super) fn handle_ack(&mut self, message_id: &str, io: &mut Io<'_, Self>) {
        match io.wire_ids().decode(message_id) {
            Some((LANE, number)) => io.settle(MessageId::new(number), Outcome::Acked),
            _ => self.ignored = self.ignored.saturating_add(1),
        }
    }
}

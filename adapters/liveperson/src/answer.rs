//! What the server answers.

use alloc::string::String;

use redial_core::{Fault, Io, MessageId, Outcome};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::adapter::LivePerson;
use crate::codec::{Body, Code};
use crate::desired::Due;
use crate::notification::{LAST_SUCCESS, Message, Response};

impl LivePerson {
    pub(crate) fn handle_response(
        &mut self,
        request: &str,
        code: Code,
        answer: Response,
        io: &mut Io<'_, Self>,
    ) {
        let Some((lane, number)) = io.wire_ids().decode(request) else {
            self.ignored = self.ignored.saturating_add(1);
            return;
        };
        let failure = match code {
            Code::Some(code) if code > LAST_SUCCESS => Some(code),
            Code::Some(_) | Code::None => None,
            Code::Unreadable => {
                io.problem(Fault::Vendor, "a response whose code is no number");
                Some(0)
            }
        };
        match Lane::of(lane) {
            Some(Lane::Message) => self.handle_reply(number, code, failure, answer, io),
            // Whatever the code: the peer is there and answers.
            Some(Lane::Probe) => io.alive(),
            Some(Lane::State) => self.handle_state_answer(number, failure, io),
            Some(Lane::Subscription) => self.handle_subscribed(number, failure, &answer, io),
            Some(Lane::Unsubscription) => {
                if failure.is_some() {
                    io.problem(Fault::Vendor, "the end of a subscription was refused");
                }
            }
            None => self.ignored = self.ignored.saturating_add(1),
        }
    }

    fn handle_reply(
        &mut self,
        number: u64,
        code: Code,
        failure: Option<u16>,
        answer: Response,
        io: &mut Io<'_, Self>,
    ) {
        let id = MessageId::new(number);
        let outcome = match (code, failure) {
            (Code::Unreadable, _) => Outcome::Unknown,
            (_, Some(code)) => Outcome::Rejected(code),
            (_, None) => Outcome::Acked,
        };
        let subscription = subscription_id(&answer.body);
        self.desired.adopt(id, outcome == Outcome::Acked, subscription);
        io.reply(id, outcome, answer);
    }

    fn handle_state_answer(&mut self, number: u64, failure: Option<u16>, io: &mut Io<'_, Self>) {
        self.unanswered_states = self.unanswered_states.saturating_sub(1);
        let speed = self.config.speed;
        let Some(state) = &mut self.desired.state else { return };
        if state.number != number {
            // Another state was set meanwhile, and may be waiting for this.
            if let Due::Again(_) = state.due {
                self.set_state(io);
            }
            return;
        }
        state.answered(failure == Some(TOO_MANY_REQUESTS), io.cx.now, speed);
        match failure {
            None => io.message(Message::AgentStateSet),
            Some(code) => {
                io.problem(Fault::Vendor, "the agent's state was refused");
                io.message(Message::AgentStateRefused { code });
            }
        }
    }

    fn handle_subscribed(
        &mut self,
        number: u64,
        failure: Option<u16>,
        answer: &Response,
        io: &mut Io<'_, Self>,
    ) {
        let id = subscription_id(&answer.body);
        if let Some(what) = self.desired.take_leaving(number) {
            if let (None, Some(id)) = (failure, id) {
                self.unsubscribe(&what, &id, io);
            }
            return;
        }
        let speed = self.config.speed;
        let Some(known) = self.desired.subscription(number) else { return };
        let subscription = known.what.clone();
        known.answered(failure == Some(TOO_MANY_REQUESTS), io.cx.now, speed);
        match failure {
            None => {
                let previous = known.previous.take();
                known.id.clone_from(&id);
                io.message(Message::Subscribed { subscription, id, previous });
            }
            Some(code) => {
                io.problem(Fault::Vendor, "a subscription was refused");
                io.message(Message::SubscriptionRefused { subscription, code });
            }
        }
    }
}

/// What a request is for. Its id on the wire says it.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Lane {
    /// A message of the application's.
    Message = 0,
    Probe = 1,
    State = 2,
    Subscription = 3,
    Unsubscription = 4,
}

impl Lane {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Message,
            1 => Self::Probe,
            2 => Self::State,
            3 => Self::Subscription,
            4 => Self::Unsubscription,
            _ => return None,
        })
    }
}

/// Reads the id of a subscription from the answer to the request that made it. Nothing else of
/// the answer is taken apart; an id that nobody could want to keep is none.
fn subscription_id(body: &Body) -> Option<String> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow, rename = "subscriptionId")]
        id: &'a RawValue,
    }
    // An array would do for a structure too.
    if !body.as_str().trim_start().starts_with('{') {
        return None;
    }
    let fields: Fields<'_> = serde_json::from_str(body.as_str()).ok()?;
    if fields.id.get().len() > MAX_ID {
        return None;
    }
    match serde_json::from_str(fields.id.get()).ok()? {
        Value::String(id) => Some(id),
        Value::Number(id) => Some(alloc::format!("{id}")),
        _ => None,
    }
}

const TOO_MANY_REQUESTS: u16 = 429;
/// The longest id of a subscription that is kept, in bytes.
const MAX_ID: usize = 1 << 10;

//! Requests on their way over HTTPS or the socket.

use redial_core::http::HttpResult;
use redial_core::{Fault, Io, MessageId, Outcome, Path};

use crate::adapter::{Lane, RingCentral};
use crate::body;
use crate::cursor::Step;
use crate::request::{Request, Response};

impl RingCentral {
    fn way(&self, request: &Request) -> Path {
        if self.config.rest_over_websocket { request.route() } else { Path::Http }
    }

    /// Returns whether there is somebody to ask for another access token.
    fn can_renew(&self) -> bool {
        self.login.can_ask() || self.login.asks_application()
    }

    pub(crate) fn handle_rest(
        &mut self,
        id: MessageId,
        tries: u8,
        answer: HttpResult,
        io: &mut Io<'_, Self>,
    ) {
        let answer = match answer {
            Ok(answer) => answer,
            // It may have arrived. Whether it is sent again is the application's decision.
            Err(_) => return io.settle(id, Outcome::Unknown),
        };
        let silent = self.group().silent_until(io.cx.now).is_some();
        // There is another access token already, or there may be.
        let replaced = self.login.access().is_some_and(|own| Some(own) != self.sent_with.as_ref());
        let hope = replaced || !silent && self.login.is_worth_renewing(io.cx.now);
        if let Some(access) = self.sent_with.as_ref().filter(|_| answer.status != 401) {
            self.login.note_proof(access);
        }
        if answer.status == 401 && tries == 0 && self.can_renew() && hope {
            // Refused, and so not carried out: once more with another access token.
            if let Some(access) = self.login.access().cloned()
                && self.sent_with.as_ref() == Some(&access)
            {
                self.login.reject(&access);
                self.rejected = Some(access);
            }
            if self.login.access().is_none() {
                self.renew_access(io);
            }
            return io.settle(id, Outcome::Retry { after: None });
        }
        let status = answer.status;
        let good = (200..300).contains(&status);
        let outcome = if good { Outcome::Acked } else { Outcome::Rejected(status) };
        let body = body::Body::new(answer.body);
        io.reply(id, outcome, Response { status, body, via: Path::Http, headers: answer.headers });
    }

    pub(crate) fn write(
        &mut self,
        id: MessageId,
        message: &Request,
        tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        let way = self.way(message);
        // What cannot be sent is not.
        if let Some((code, why)) = message.fault(way) {
            io.problem(Fault::Caller, why);
            io.settle(id, Outcome::Rejected(code));
            return Path::Socket;
        }
        let user_agent = &self.config.client.user_agent;
        let within = self.policy.spec().timeouts.request;
        if way == Path::Socket {
            let wire_id = io.wire_ids().encode(Lane::Message as u8, id.get());
            io.text(|out| message.encode(out, wire_id.as_str(), user_agent));
            self.slots.take(id, io.cx.now + within);
            return way;
        }
        match self.login.access() {
            Some(access) => {
                let server = &self.config.client.server;
                let request = message.http(server, access.expose(), user_agent);
                self.sent_with = Some(access.clone());
                io.http(Step::Rest { id, tries }, within, request);
            }
            None => io.settle(id, Outcome::Rejected(401)),
        }
        way
    }
}

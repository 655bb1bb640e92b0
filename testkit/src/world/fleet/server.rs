//! The server's side of one session, and the ways to it.

use redial_core::http::{HttpRequest, HttpResponse, NoAnswer};
use redial_core::{Cause, ConnId, Frame, Handshake, HttpId, Span};

use super::net::{Net, What};
use crate::accounts::Accounts;
use crate::conformance::Sent;
use crate::peer::Peer;
use crate::scenario::{Fault, Half};

/// The server's side of one session, and the ways to it.
pub(super) struct Server<P> {
    pub(super) peer: P,
    number: usize,
    /// The connection that the server has.
    conn: Option<ConnId>,
    /// What gets through: from the client, and to it.
    up: bool,
    down: bool,
    /// Frames keep their order.
    up_at: u64,
    down_at: u64,
    refusing: Trouble,
    refusing_http: Trouble,
    silent_until: u64,
    slow_until: u64,
    /// How often it gives a sign of life, where it has promised some.
    beat: Option<Span>,
    said: Vec<Frame>,
}

/// A status that answers everything for a while.
#[derive(Clone, Copy, Default)]
struct Trouble {
    status: u16,
    retry_after: Option<Span>,
    until: u64,
}

impl Trouble {
    fn at(&self, now: u64) -> Option<(u16, Option<Span>)> {
        (now < self.until).then_some((self.status, self.retry_after))
    }
}

impl<P: Peer> Server<P> {
    pub(super) fn new(number: usize, peer: P, beat: Option<Span>) -> Self {
        Self {
            peer,
            number,
            conn: None,
            up: true,
            down: true,
            up_at: 0,
            down_at: 0,
            refusing: Trouble::default(),
            refusing_http: Trouble::default(),
            silent_until: 0,
            slow_until: 0,
            beat,
            said: Vec::new(),
        }
    }

    /// A frame leaves the client.
    pub(super) fn send_up(&mut self, net: &mut Net, what: What) {
        self.up_at = self.up_at.max(net.now + self.way(net));
        net.at(self.up_at, self.number, what);
    }

    /// Something else leaves the client. What left later may arrive earlier.
    pub(super) fn send(&self, net: &mut Net, what: What) {
        let way = self.way(net);
        net.after(way, self.number, what);
    }

    pub(super) fn handle_dial(&mut self, net: &mut Net, conn: ConnId, handshake: &Handshake) {
        if net.now < self.silent_until {
            return;
        }
        let (status, retry_after) = match self.refusing.at(net.now) {
            Some(trouble) => trouble,
            // Now and then the network fails.
            None if net.random.permille(20) => {
                return self.send(net, What::Closed(conn, Cause::Network, None));
            }
            None => match self.peer.handle_dial(net.instant(), handshake) {
                Ok(()) => return self.open(net, conn),
                Err(status) => (status, None),
            },
        };
        self.send(net, What::Closed(conn, Cause::Handshake(status), retry_after));
    }

    fn open(&mut self, net: &mut Net, conn: ConnId) {
        self.conn = Some(conn);
        (self.up, self.down) = (true, true);
        self.down_at = net.now + self.way(net);
        net.at(self.down_at, self.number, What::Opened(conn));
        self.peer.handle_opened(net.instant(), &mut self.said);
        self.speak(net, conn);
        self.plan_beat(net, conn);
    }

    pub(super) fn handle_frame(
        &mut self,
        net: &mut Net,
        accounts: &mut Accounts,
        conn: ConnId,
        frame: &Frame,
    ) {
        if self.conn != Some(conn) || !self.up {
            return;
        }
        match frame {
            Frame::Ping(bytes) => self.said.push(Frame::Pong(bytes.clone())),
            Frame::Pong(_) => {}
            Frame::Text(_) | Frame::Binary(_) => {
                if let Some(letter) = self.peer.read(Sent::Frame(frame)) {
                    accounts.arrive(letter.number);
                }
                self.peer.handle_frame(net.instant(), frame, &mut self.said);
            }
        }
        self.speak(net, conn);
    }

    pub(super) fn handle_farewell(&mut self, net: &mut Net, conn: ConnId) {
        if self.conn == Some(conn) && self.up && self.down {
            self.conn = None;
            self.down_at = self.down_at.max(net.now + self.way(net));
            net.at(self.down_at, self.number, What::Closed(conn, Cause::Close(1000), None));
        }
    }

    pub(super) fn handle_request(
        &mut self,
        net: &mut Net,
        accounts: &mut Accounts,
        id: HttpId,
        request: &HttpRequest,
    ) {
        if net.now < self.silent_until {
            return;
        }
        let mut answer = match self.refusing_http.at(net.now) {
            Some((status, retry_after)) => Ok(HttpResponse {
                status,
                headers: Vec::new(),
                body: Default::default(),
                retry_after,
            }),
            None => Ok(self.peer.handle_http(net.instant(), request)),
        };
        if let (Ok(HttpResponse { status: 200..300, .. }), Some(letter)) =
            (&answer, self.peer.read(Sent::Http(request)))
        {
            accounts.arrive(letter.number);
        }
        if net.random.permille(10) {
            answer = Err(NoAnswer::Network);
        }
        self.send(net, What::Answer(id, Box::new(answer)));
    }

    /// The server gives the sign of life that it has promised, and another one later.
    pub(super) fn handle_beat(&mut self, net: &mut Net, conn: ConnId) {
        if self.conn == Some(conn) {
            self.said.push(Frame::Ping(Default::default()));
            self.speak(net, conn);
            self.plan_beat(net, conn);
        }
    }

    pub(super) fn suffer(&mut self, net: &mut Net, fault: Fault) {
        let until = |within: Span| net.now + u64::from(within.as_millis());
        match fault {
            Fault::Cut(cause) => self.cut(net, cause),
            Fault::HalfOpen(half) => {
                self.up &= half == Half::Down;
                self.down &= half == Half::Up;
            }
            Fault::Down { status, retry_after, within } => {
                self.refusing = Trouble { status, retry_after, until: until(within) };
                self.cut(net, Cause::Close(1012));
            }
            Fault::Http { status, retry_after, within } => {
                self.refusing_http = Trouble { status, retry_after, until: until(within) };
            }
            Fault::Blackhole { within } => {
                self.silent_until = until(within);
                (self.up, self.down) = (false, false);
            }
            Fault::Slow { within } => self.slow_until = until(within),
            Fault::Revoke => self.peer.revoke(),
            Fault::Forget => self.peer.forget(),
            Fault::Sleep { .. } | Fault::Command(_) => {}
        }
    }

    fn cut(&mut self, net: &mut Net, cause: Cause) {
        let Some(conn) = self.conn.take() else { return };
        // What was on its way to the client arrives before the news, or not at all.
        let swallowed = !self.down || net.random.permille(300);
        self.down_at = self.down_at.max(net.now + self.way(net));
        if !swallowed {
            net.at(self.down_at, self.number, What::Closed(conn, cause, None));
        }
        self.down = false;
    }

    fn speak(&mut self, net: &mut Net, conn: ConnId) {
        for frame in std::mem::take(&mut self.said) {
            if self.down {
                self.down_at = self.down_at.max(net.now + self.way(net));
                net.at(self.down_at, self.number, What::Down(conn, frame));
            }
        }
    }

    fn plan_beat(&self, net: &mut Net, conn: ConnId) {
        if let Some(span) = self.beat {
            net.after(u64::from(span.as_millis()).max(1), self.number, What::Beat(conn));
        }
    }

    fn way(&self, net: &mut Net) -> u64 {
        let slow = net.now < self.slow_until;
        net.way(slow)
    }
}

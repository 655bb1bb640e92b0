//! The tokens of a session.

use alloc::vec::Vec;

use redial_core::{Secret, Timestamp};

use crate::claims::Claims;
use crate::net;

/// The token that the next dial presents, and one that is to take its place on the connection that
/// lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    held: Option<Secret>,
    /// Whether no dial has presented it yet.
    fresh: bool,
    /// When it was seen first.
    seen_at: Option<Timestamp>,
    /// Whether a dial has presented the held token, and nothing has ended that connection.
    bound: bool,
    /// A token that came while another was presented: the server has yet to be told.
    offered: Option<Secret>,
    /// Whether the server has been told of it and has not answered.
    told: bool,
    /// The tokens that were refused since the server last took one, the latest at the end.
    dead: Vec<Secret>,
}

impl Tokens {
    pub(crate) fn new(token: Option<Secret>) -> Self {
        Self { fresh: token.is_some(), held: token, ..Self::default() }
    }

    /// Takes a token from the application; fails where it is none that could be used.
    pub(crate) fn offer(&mut self, token: Secret) -> Result<(), &'static str> {
        if !net::is_credential(token.expose()) {
            return Err("the token that was offered is malformed");
        }
        if self.is_dead(&token) {
            return Err("the token that was offered is the one that was refused");
        }
        if !self.bound {
            self.hold(token);
        } else if self.held.as_ref() != Some(&token) {
            self.offered = Some(token);
            self.told = false;
        }
        Ok(())
    }

    /// Returns a token for the next dial, if there is one that may be used.
    pub(crate) fn usable(&mut self, any: bool, now: Timestamp) -> Option<&Secret> {
        if let Some(token) = self.offered.take() {
            self.hold(token);
        }
        self.seen_at.get_or_insert(now);
        self.held.as_ref().filter(|token| (any || self.fresh) && !self.is_dead(token))
    }

    /// The held token goes into a handshake.
    pub(crate) const fn present(&mut self) -> Option<&Secret> {
        self.fresh = false;
        self.bound = true;
        self.held.as_ref()
    }

    /// The connection is gone. A token of which the server was told, and about which it has not
    /// said a word, keeps its place behind one that is known to be good; one of which it was never
    /// told is the newest, and the next.
    pub(crate) fn unbind(&mut self) {
        self.bound = false;
        let good = self.held.as_ref().is_some_and(|held| !self.is_dead(held));
        if !(self.told && good)
            && let Some(token) = self.offered.take()
        {
            self.hold(token);
        }
        self.told = false;
    }

    /// The server has accepted the token that was presented.
    pub(crate) fn accepted(&mut self) {
        self.dead.clear();
    }

    /// The server has refused the token that was presented.
    pub(crate) fn refused(&mut self) {
        if let Some(token) = self.held.clone() {
            self.bury(token);
        }
    }

    /// Returns the token that is to be made known to the server.
    pub(crate) const fn offered(&self) -> Option<&Secret> {
        self.offered.as_ref()
    }

    /// Returns whether the server was told of it already.
    pub(crate) const fn is_told(&self) -> bool {
        self.told
    }

    /// The server is told of the token that was offered.
    pub(crate) const fn tell(&mut self) {
        self.told = true;
    }

    /// The server has taken `token` in place of the one that was presented.
    pub(crate) fn exchanged(&mut self, token: Secret, now: Timestamp) {
        self.offered.take_if(|offered| *offered == token);
        self.told = false;
        self.dead.clear();
        self.held = Some(token);
        self.fresh = false;
        self.seen_at = Some(now);
    }

    /// The server does not take `token`.
    pub(crate) fn not_exchanged(&mut self, token: Secret) {
        if self.offered.take_if(|offered| *offered == token).is_some() {
            self.told = false;
        }
        self.bury(token);
    }

    /// The server does not know the session for which it was told of `token`.
    pub(crate) fn keep_for_the_next(&mut self) {
        self.told = false;
    }

    pub(crate) const fn held(&self) -> Option<&Secret> {
        self.held.as_ref()
    }

    pub(crate) fn claims(&self) -> Claims {
        self.held.as_ref().map(Claims::read).unwrap_or_default()
    }

    pub(crate) const fn seen_at(&self) -> Option<Timestamp> {
        self.seen_at
    }

    /// Returns what a later process begins with: the newest token that is not known to be dead.
    pub(crate) fn saved(&self) -> Option<&Secret> {
        let newest = self.offered.as_ref().or(self.held.as_ref());
        newest.filter(|token| !self.is_dead(token))
    }

    fn is_dead(&self, token: &Secret) -> bool {
        self.dead.contains(token)
    }

    fn bury(&mut self, token: Secret) {
        if self.is_dead(&token) {
            return;
        }
        if self.dead.len() >= DEAD {
            self.dead.remove(0);
        }
        self.dead.push(token);
    }

    fn hold(&mut self, token: Secret) {
        self.offered = None;
        self.seen_at = None;
        self.fresh = true;
        self.held = Some(token);
    }
}

/// How many refused tokens are remembered: that of the connection, and those that were to follow.
const DEAD: usize = 4;

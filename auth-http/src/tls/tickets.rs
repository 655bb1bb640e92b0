//! A store of session tickets with one bound over all servers.
//!
//! rustls' own store keeps eight tickets per server name whatever its size is, and a fleet talks to
//! one name: after an outage all but eight of its sessions would pay for a full handshake.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

pub(crate) struct TicketStore {
    capacity: usize,
    servers: Mutex<Servers>,
}

impl TicketStore {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, servers: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Servers> {
        // A panic elsewhere cannot leave the map half-changed in a way that matters: losing a
        // ticket costs one full handshake.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for TicketStore {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.lock().entry(name).kx_hint = Some(group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.lock().by_name.get(&name.to_owned())?.kx_hint
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.lock().entry(name).tls12 = Some(value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.lock().by_name.get(&name.to_owned())?.tls12.clone()
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        if let Some(server) = self.lock().by_name.get_mut(name) {
            server.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut servers = self.lock();
        if servers.tickets == self.capacity {
            servers.forget_one(&name);
        }
        servers.entry(name).tls13.push_back(value);
        servers.tickets += 1;
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut servers = self.lock();
        // The newest is the one that lives longest.
        let ticket = servers.by_name.get_mut(name)?.tls13.pop_back()?;
        servers.tickets -= 1;
        Some(ticket)
    }
}

impl fmt::Debug for TicketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketStore").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Servers {
    by_name: HashMap<ServerName<'static>, Server>,
    tickets: usize,
}

impl Servers {
    fn entry(&mut self, name: ServerName<'static>) -> &mut Server {
        // Names come from the application's own URLs, so they are few; the bound is for an
        // application that makes them up.
        if self.by_name.len() >= MAX_SERVERS && !self.by_name.contains_key(&name) {
            self.by_name.clear();
            self.tickets = 0;
        }
        self.by_name.entry(name).or_default()
    }

    /// Drops the oldest ticket of `name`, or of the server that has most where it has none.
    fn forget_one(&mut self, name: &ServerName<'static>) {
        let own = self.by_name.get_mut(name).and_then(|server| server.tls13.pop_front());
        let dropped = own.or_else(|| {
            self.by_name.values_mut().max_by_key(|server| server.tls13.len())?.tls13.pop_front()
        });
        if dropped.is_some() {
            self.tickets -= 1;
        }
    }
}

#[derive(Default)]
struct Server {
    kx_hint: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

const MAX_SERVERS: usize = 1024;

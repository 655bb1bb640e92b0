//! Guest sessions: what was issued, and to whom the sockets belong.

mod http;
mod socket;

use std::collections::HashMap;

pub(super) use self::http::{bad_handshake, bearer, error, label_secrets, query, step, too_many};

/// What one guest creation issued.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) token: String,
    pub(super) conversation: u64,
    pub(super) expires_ms: u64,
    revoked: bool,
    gone: bool,
}

impl Instance {
    pub(super) fn new(id: String, token: String, conversation: u64, expires_ms: u64) -> Self {
        Self { id, token, conversation, expires_ms, revoked: false, gone: false }
    }

    /// Tells whether its token is good.
    fn is_alive(&self, now_ms: u64) -> bool {
        !self.revoked && now_ms < self.expires_ms
    }
}

/// All guest sessions of a run.
#[derive(Debug, Default)]
pub(super) struct Guests {
    instances: HashMap<String, Instance>,
    conns: HashMap<u64, u64>,
}

impl Guests {
    pub(super) fn add(&mut self, instance: Instance) {
        if self.instances.len() >= MAX_INSTANCES {
            self.instances.clear();
        }
        self.instances.insert(instance.id.clone(), instance);
    }

    /// Finds the conversation of an instance that this token may use; else gives the status.
    ///
    /// Without a token the instance's own must still be good.
    pub(super) fn admit(
        &self,
        id: &str,
        token: Option<&str>,
        now_ms: u64,
        required: bool,
    ) -> Result<u64, u16> {
        let instance = self.instances.get(id).filter(|instance| !instance.gone).ok_or(404_u16)?;
        let good = match token {
            Some(token) => token == instance.token,
            None => !required,
        };
        if good && instance.is_alive(now_ms) { Ok(instance.conversation) } else { Err(401) }
    }

    /// Makes every token so far invalid.
    pub(super) fn revoke_all(&mut self) {
        self.instances.values_mut().for_each(|instance| instance.revoked = true);
    }

    /// Makes every instance so far unknown.
    pub(super) fn expire_all(&mut self) {
        self.instances.values_mut().for_each(|instance| instance.gone = true);
    }

    /// Remembers whose socket this is.
    pub(super) fn attach(&mut self, conn: u64, conversation: u64) {
        self.conns.insert(conn, conversation);
    }

    /// Gives the conversation of a socket.
    pub(super) fn conversation(&self, conn: u64) -> Option<u64> {
        self.conns.get(&conn).copied()
    }

    /// Forgets a socket.
    pub(super) fn forget(&mut self, conn: u64) {
        self.conns.remove(&conn);
    }
}

const MAX_INSTANCES: usize = 10_000;

//! The sessions behind the tokens.

use std::collections::HashSet;

use super::options::{Bearers, Settings};

/// What one login issued.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) label: String,
    pub(crate) account: String,
    pub(crate) bearer: String,
    pub(crate) csrf: String,
    pub(crate) cookie: String,
    expires_ms: u64,
    revoked: bool,
    refreshable: bool,
}

/// All sessions of a run, and what became of foreign bearers.
#[derive(Debug)]
pub(crate) struct Tokens {
    sessions: Vec<Session>,
    foreign: HashSet<String>,
    revoked: HashSet<String>,
    random: u64,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            sessions: Vec::new(),
            foreign: HashSet::new(),
            revoked: HashSet::new(),
            random: seed,
        }
    }

    /// Issues the tokens of login number `n`.
    pub(crate) fn issue(
        &mut self,
        n: usize,
        account: &str,
        now_ms: u64,
        settings: &Settings,
    ) -> Session {
        if settings.single_bearer {
            self.sessions.iter_mut().for_each(|session| session.revoked = true);
        }
        let tail = if settings.awkward_bearers { "/+ %=" } else { "" };
        let session = Session {
            label: format!("bearer-{n}"),
            account: account.to_owned(),
            bearer: format!("bearer-{n}-{}{tail}", self.hex(24)),
            csrf: self.hex(32),
            cookie: format!("sess-{n}-{}", self.hex(8)),
            expires_ms: now_ms.saturating_add(settings.session_ttl_ms),
            revoked: false,
            refreshable: true,
        };
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.remove(0);
        }
        self.sessions.push(session.clone());
        session
    }

    /// Tells whether an upgrade with this bearer is allowed.
    pub(crate) fn admits(
        &mut self,
        bearer: &str,
        account: &str,
        now_ms: u64,
        settings: &Settings,
    ) -> bool {
        if let Some(session) = self.sessions.iter().find(|session| session.bearer == bearer) {
            let alive = !session.revoked && now_ms < session.expires_ms;
            return alive && session.account == account;
        }
        let accepted = settings.accept_bearers.iter().any(|known| known == bearer)
            || match settings.bearers {
                Bearers::Issued => false,
                Bearers::Foreign => !bearer.is_empty() && !bearer.starts_with("bearer-"),
                Bearers::Any => !bearer.is_empty(),
            };
        let admitted = accepted && !self.revoked.contains(bearer);
        if admitted && self.foreign.len() < MAX_SESSIONS {
            self.foreign.insert(bearer.to_owned());
        }
        admitted
    }

    /// Prolongs the session of these credentials; the new cookie is the second part.
    pub(crate) fn refresh(
        &mut self,
        cookie: &str,
        csrf: &str,
        now_ms: u64,
        settings: &Settings,
    ) -> Option<Session> {
        let fresh = format!("{}-{}", cookie, self.hex(4));
        let session = self
            .sessions
            .iter_mut()
            .find(|session| session.cookie == cookie && session.csrf == csrf && !csrf.is_empty())?;
        if session.revoked || !session.refreshable || now_ms >= session.expires_ms {
            return None;
        }
        session.expires_ms = now_ms.saturating_add(settings.session_ttl_ms);
        if settings.rotate_session_cookie {
            session.cookie = fresh;
        }
        Some(session.clone())
    }

    /// Makes every bearer so far invalid.
    pub(crate) fn revoke_all(&mut self, settings: &Settings) {
        self.sessions.iter_mut().for_each(|session| session.revoked = true);
        self.revoked.extend(self.foreign.drain());
        self.revoked.extend(settings.accept_bearers.iter().cloned());
    }

    /// Forgets that a bearer was revoked.
    pub(crate) fn readmit(&mut self, bearer: &str) {
        self.revoked.remove(bearer);
    }

    /// Makes every session so far impossible to refresh.
    pub(crate) fn expire_all(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.refreshable = false);
    }

    /// Draws so many bytes and spells them in hex.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes).map(|_| format!("{:02x}", self.draw() & 0xFF)).collect()
    }

    /// Draws something that looks like a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let hex = self.hex(16);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        parts.join("-")
    }

    fn draw(&mut self) -> u64 {
        // SplitMix64: reproducible from the seed, and nothing here needs to be hard to guess.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

const MAX_SESSIONS: usize = 10_000;

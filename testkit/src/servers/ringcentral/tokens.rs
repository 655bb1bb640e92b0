//! OAuth sessions, WebSocket tokens, and the limit of the Auth group.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::options::Settings;
use crate::servers::wire::WireLog;

/// What one login began and refreshes go on with.
#[derive(Clone, Debug)]
pub(crate) struct OauthSession {
    pub(crate) id: u64,
    pub(crate) client: String,
    pub(crate) owner: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
    access_until: u64,
    refresh_until: u64,
    access_revoked: bool,
    refresh_revoked: bool,
}

/// A token that opens a connection.
#[derive(Clone, Debug)]
pub(crate) struct WsToken {
    pub(crate) token: String,
    pub(crate) oauth: u64,
    pub(crate) conn: Option<u64>,
    until: u64,
    revoked: bool,
}

/// Every token of a run.
#[derive(Debug)]
pub(crate) struct Tokens {
    sessions: VecDeque<OauthSession>,
    ws_tokens: VecDeque<WsToken>,
    redeemed: HashSet<String>,
    auth_group: HashMap<String, Group>,
    random: u64,
    issued: u64,
    last_session: u64,
}

#[derive(Debug, Default)]
struct Group {
    calls: VecDeque<u64>,
    silent_until: u64,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            sessions: VecDeque::new(),
            ws_tokens: VecDeque::new(),
            redeemed: HashSet::new(),
            auth_group: HashMap::new(),
            random: seed,
            issued: 0,
            last_session: 0,
        }
    }

    /// Begins an OAuth session; the oldest of too many of one user and client is revoked.
    pub(crate) fn login(
        &mut self,
        client: &str,
        owner: &str,
        now: u64,
        settings: &Settings,
        wire: &WireLog,
    ) -> OauthSession {
        let of_user = |session: &&mut OauthSession| {
            session.client == client && session.owner == owner && !session.refresh_revoked
        };
        let live = self.sessions.iter_mut().filter(of_user).count();
        let excess = (live + 1).saturating_sub(settings.max_oauth_sessions.max(1));
        self.sessions.iter_mut().filter(of_user).take(excess).for_each(OauthSession::revoke);
        self.last_session += 1;
        let mut session = OauthSession {
            id: self.last_session,
            client: client.to_owned(),
            owner: owner.to_owned(),
            access: String::new(),
            refresh: String::new(),
            access_until: 0,
            refresh_until: 0,
            access_revoked: false,
            refresh_revoked: false,
        };
        self.fill(&mut session, now, settings, wire);
        if self.sessions.len() >= MAX_TOKENS {
            self.sessions.pop_front();
        }
        self.sessions.push_back(session.clone());
        session
    }

    /// Gives a session new tokens; the old pair dies at once.
    pub(crate) fn refresh(
        &mut self,
        client: &str,
        refresh: &str,
        now: u64,
        settings: &Settings,
        wire: &WireLog,
    ) -> Option<OauthSession> {
        let at = self.sessions.iter().position(|session| {
            session.refresh == refresh
                && session.client == client
                && !session.refresh_revoked
                && now < session.refresh_until
        })?;
        let mut session = self.sessions[at].clone();
        self.fill(&mut session, now, settings, wire);
        self.sessions[at] = session.clone();
        Some(session)
    }

    /// Finds the session of an access token that is good.
    pub(crate) fn by_access(&self, access: &str, now: u64) -> Option<&OauthSession> {
        self.sessions.iter().find(|session| {
            session.access == access && !session.access_revoked && now < session.access_until
        })
    }

    /// Gives the extension that a session is of.
    pub(crate) fn owner(&self, id: u64) -> String {
        let session = self.sessions.iter().find(|session| session.id == id);
        session.map(|session| session.owner.clone()).unwrap_or_default()
    }

    /// Ends the session that a token is of; tells whether there is one.
    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        let mut found = false;
        for session in &mut self.sessions {
            if session.access == token || session.refresh == token {
                session.revoke();
                let ws_tokens = self.ws_tokens.iter_mut();
                let own = ws_tokens.filter(|known| known.oauth == session.id);
                own.for_each(|known| known.revoked = true);
                found = true;
            }
        }
        found
    }

    /// Makes every access token and every wstoken so far invalid.
    pub(crate) fn revoke_access(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.access_revoked = true);
        self.ws_tokens.iter_mut().for_each(|token| token.revoked = true);
    }

    /// Makes every refresh token so far invalid.
    pub(crate) fn revoke_refresh(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.refresh_revoked = true);
    }

    /// Marks an authorization code; false when it was redeemed before.
    pub(crate) fn redeem(&mut self, code: &str) -> bool {
        self.redeemed.len() < MAX_TOKENS && self.redeemed.insert(code.to_owned())
    }

    /// Issues a wstoken.
    pub(crate) fn issue_ws(
        &mut self,
        oauth: u64,
        now: u64,
        settings: &Settings,
        wire: &WireLog,
    ) -> WsToken {
        let token = self.token("WST", "wstoken", settings, wire);
        let until = now.saturating_add(millis(settings.ws_token_ttl));
        let token = WsToken { token, oauth, conn: None, until, revoked: false };
        if self.ws_tokens.len() >= MAX_TOKENS {
            self.ws_tokens.pop_front();
        }
        self.ws_tokens.push_back(token.clone());
        token
    }

    /// Finds a wstoken that is good, whether or not it has opened a connection.
    pub(crate) fn ws(&mut self, token: &str, now: u64) -> Option<&mut WsToken> {
        self.ws_tokens
            .iter_mut()
            .find(|known| known.token == token && !known.revoked && now < known.until)
    }

    /// Counts a request of the Auth group; the rest of the penalty comes back when it is refused.
    pub(crate) fn count_auth(
        &mut self,
        owner: &str,
        now: u64,
        settings: &Settings,
    ) -> Option<Duration> {
        let rate = settings.auth_rate?;
        if self.auth_group.len() >= MAX_TOKENS {
            self.auth_group.clear();
        }
        let group = self.auth_group.entry(owner.to_owned()).or_default();
        let window = millis(rate.window);
        group.calls.retain(|call| call.saturating_add(window) > now);
        if now < group.silent_until || group.calls.len() >= rate.n as usize {
            group.silent_until = now.saturating_add(millis(rate.penalty));
            return Some(rate.penalty);
        }
        group.calls.push_back(now);
        None
    }

    /// Makes up a token and labels it.
    pub(crate) fn token(
        &mut self,
        prefix: &str,
        kind: &str,
        settings: &Settings,
        wire: &WireLog,
    ) -> String {
        let tail = if settings.awkward_tokens { "/+ %=&?#" } else { "" };
        self.issued += 1;
        let token = format!("{prefix}_{}{:x}{tail}", self.hex(12), self.issued);
        wire.name(kind, &token);
        token
    }

    /// Draws so many bytes and spells them in hex.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes).map(|_| format!("{:02x}", self.draw() & 0xFF)).collect()
    }

    /// Draws something that looks like a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let hex = self.hex(16);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    fn fill(&mut self, session: &mut OauthSession, now: u64, settings: &Settings, wire: &WireLog) {
        session.access = self.token("AT", "access", settings, wire);
        session.refresh = self.token("RT", "refresh", settings, wire);
        session.access_until = now.saturating_add(millis(settings.access_ttl));
        session.refresh_until = now.saturating_add(millis(settings.refresh_ttl));
        session.access_revoked = false;
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

impl OauthSession {
    fn revoke(&mut self) {
        self.access_revoked = true;
        self.refresh_revoked = true;
    }
}

/// Whole milliseconds of a span.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

const MAX_TOKENS: usize = 10_000;

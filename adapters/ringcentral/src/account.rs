//! What the sessions of one account share.

use core::fmt;

use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Cause, Secret, Timestamp};

use crate::config::{Builder, Credentials};
use crate::login::{Login, Outcome};

/// The OAuth session of an account, as data, for several sessions that share it.
///
/// Made by [`Builder::share`]. Its sessions, by [`Account::session`], ask the application for their
/// access tokens, and share the rate group. One place answers them all: with `redial-auth-http`, a
/// `SharedTokenSource` around a `HttpTokenSource` whose two halves are [`Account::request`] and
/// [`Account::handle`] with [`Account::goes_on`], the two under one lock. So there is one login and
/// one refresh between them, whoever needs it.
pub struct Account {
    template: Builder,
    login: Login,
    goes_on: bool,
}

impl Account {
    pub(crate) fn new(mut template: Builder) -> Self {
        let login = Login::new(template.credentials.clone());
        template.credentials = Credentials::Ask;
        Self { template, login, goes_on: false }
    }

    /// Begins to make a session of this account. What was said of the account before it was shared
    /// holds for each of its sessions.
    pub fn session(&self) -> Builder {
        self.template.clone()
    }

    /// Returns the exchange that gives an access token in place of the rejected one: a refresh,
    /// where there is a refresh token, or a login. `None` where neither is left.
    pub fn request(&mut self, rejected: Option<&Secret>) -> Option<HttpRequest> {
        if let Some(rejected) = rejected {
            self.login.reject(rejected);
        }
        self.login.request(&self.template.client)
    }

    /// Takes the answer to [`Account::request`], and returns the access token that it brings.
    ///
    /// A 429 silences the rate group of all sessions.
    pub fn handle(&mut self, answer: &HttpResponse, now: Timestamp) -> Option<Secret> {
        let outcome = self.login.handle(Ok(answer.clone()), now);
        self.goes_on = matches!(outcome, Outcome::Again);
        match outcome {
            Outcome::Ready => self.login.access().cloned(),
            Outcome::Again => None,
            Outcome::Failed { cause, retry_after } => {
                if let (Cause::Http { status: 429, .. }, Some(group)) =
                    (cause, &self.template.group)
                {
                    group.silence(now + retry_after.unwrap_or(self.template.penalty));
                }
                None
            }
        }
    }

    /// Returns whether the last answer refused a refresh token and there is an assertion: the next
    /// request is a login, and is made at once. Where it is not so, the status says what follows.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Returns the refresh token that is good now, to be kept for a later process. It is another
    /// one after each [`Account::handle`] that brought a token.
    #[must_use]
    pub const fn refresh_token(&self) -> Option<&Secret> {
        self.login.refresh_token()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("session", &self.template)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

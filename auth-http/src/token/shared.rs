//! One fetch for all sessions that share a credential.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use redial_core::Secret;

use super::{TokenRequest, TokenSource, TokenSourceError};

/// Shares one [`TokenSource`] between sessions that have one credential.
///
/// - While a fetch runs, whoever asks joins it, unless it has run for longer than
///   [`within`](SharedTokenSource::within): one that hangs must not hold up for ever whoever asks
///   again.
/// - A session whose rejected token is not the newest one gets the newest at once: another session
///   has renewed it already. So does a session that asks for its first token.
/// - A failure goes to all who have joined, and is not kept.
/// - Nobody owns the fetch: a session that goes away leaves it to the others, and when the last one
///   has gone it is dropped.
///
/// It is not for tokens that may be used only once.
#[derive(Clone)]
pub struct SharedTokenSource {
    inner: Arc<Inner>,
    within: Duration,
}

impl SharedTokenSource {
    /// Shares `source`.
    #[must_use]
    pub fn new(source: impl TokenSource + 'static) -> Self {
        let inner = Inner { source: Arc::new(source), state: Mutex::default() };
        Self { inner: Arc::new(inner), within: WITHIN }
    }

    /// Joins no fetch that has run for this long; 30 s by default, which is how long a session
    /// waits for a token.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Takes a token that came by another road, so that the next session gets it without a fetch.
    pub fn offer(&self, token: Secret) {
        self.inner.lock().newest = Some(token);
    }

    /// Returns what `request` waits for: the newest token, or a fetch that runs or begins.
    fn ask(&self, request: TokenRequest) -> Ask {
        let mut state = self.inner.lock();
        if let Some(running) = state.running.as_ref().and_then(WeakShared::upgrade) {
            // A fetch that has its answer already is judged by that answer.
            let hangs = state.since.is_none_or(|since| since.elapsed() >= self.within);
            if running.peek().is_none() && !hangs {
                return Ask::Wait(running);
            }
        }
        match (&state.newest, &request.rejected) {
            (Some(newest), rejected) if rejected.as_ref() != Some(newest) => {
                Ask::Have(newest.clone())
            }
            _ => {
                let inner = Arc::clone(&self.inner);
                let fetch = async move {
                    let token = inner.source.token(request).await?;
                    inner.lock().newest = Some(token.clone());
                    Ok(token)
                };
                let fetch = fetch.boxed().shared();
                state.running = fetch.downgrade();
                state.since = Some(Instant::now());
                Ask::Wait(fetch)
            }
        }
    }
}

#[async_trait]
impl TokenSource for SharedTokenSource {
    async fn token(&self, request: TokenRequest) -> Result<Secret, TokenSourceError> {
        match self.ask(request) {
            Ask::Have(token) => Ok(token),
            Ask::Wait(fetch) => fetch.await,
        }
    }
}

impl fmt::Debug for SharedTokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokenSource").finish_non_exhaustive()
    }
}

enum Ask {
    Have(Secret),
    Wait(Shared<Fetch>),
}

struct Inner {
    source: Arc<dyn TokenSource>,
    state: Mutex<State>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is one assignment, so a panic leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    newest: Option<Secret>,
    /// Weak, so that a fetch that nobody waits for is dropped and not resumed years later.
    running: Option<WeakShared<Fetch>>,
    /// When it began.
    since: Option<Instant>,
}

type Fetch = BoxFuture<'static, Result<Secret, TokenSourceError>>;

/// As `Timeouts::DEFAULT` of the core has it.
const WITHIN: Duration = Duration::from_secs(30);

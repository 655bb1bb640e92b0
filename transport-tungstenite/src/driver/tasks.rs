//! What is under way beside the socket: a dial, HTTP exchanges, a token fetch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use redial_auth_http::{HttpClient, TokenRequest, TokenSource, TokenSourceError};
use redial_core::http::{HttpRequest, HttpResult, NoAnswer};
use redial_core::{Adapter, ConnId, Effect, Handshake, HttpId, Input, Secret, TokenId};

use crate::connector::{Connector, Permit, Socket};
use crate::error::DialError;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A dial: first a permit, then the way to the open socket.
pub(super) struct Dial {
    pub(super) conn: ConnId,
    connector: Connector,
    stage: Stage,
}

enum Stage {
    Permit(Boxed<Permit>, Handshake),
    Open(Boxed<Result<Socket, DialError>>),
}

/// How a dial goes on.
pub(super) enum DialStep {
    /// It may begin, and has begun.
    Permitted,
    Opened(Box<Socket>),
    Failed(DialError),
}

impl Dial {
    pub(super) fn new(conn: ConnId, connector: &Connector, handshake: Handshake) -> Self {
        let waiting = connector.clone();
        let permit = Box::pin(async move { waiting.permit().await });
        Self { conn, connector: connector.clone(), stage: Stage::Permit(permit, handshake) }
    }

    /// Gives back what has not begun: it can be done later.
    pub(super) fn take_back(&mut self) -> Option<Effect> {
        match &mut self.stage {
            Stage::Permit(_, handshake) => {
                Some(Effect::Dial { conn: self.conn, handshake: std::mem::take(handshake) })
            }
            Stage::Open(_) => None,
        }
    }

    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<DialStep> {
        match &mut self.stage {
            Stage::Permit(permit, handshake) => match permit.as_mut().poll(task) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(permit) => {
                    let handshake = std::mem::take(handshake);
                    let connector = self.connector.clone();
                    let open = async move { connector.dial(permit, &handshake).await };
                    self.stage = Stage::Open(Box::pin(open));
                    Poll::Ready(DialStep::Permitted)
                }
            },
            Stage::Open(open) => open.as_mut().poll(task).map(|opened| match opened {
                Ok(socket) => DialStep::Opened(Box::new(socket)),
                Err(error) => DialStep::Failed(error),
            }),
        }
    }
}

/// The HTTP exchanges of a session, a handful at most.
pub(super) struct Exchanges {
    client: Arc<dyn HttpClient>,
    running: Vec<(HttpId, Boxed<HttpResult>)>,
}

impl Exchanges {
    pub(super) fn new(client: Arc<dyn HttpClient>) -> Self {
        Self { client, running: Vec::new() }
    }

    pub(super) fn start(&mut self, id: HttpId, request: HttpRequest) {
        let client = Arc::clone(&self.client);
        let exchange = async move {
            client.perform(request).await.map_err(|error| {
                let why = root(&error);
                tracing::warn!(target: "redial", http = id.get(), %error, why, "exchange failed");
                NoAnswer::from(error)
            })
        };
        self.running.push((id, Box::pin(exchange)));
    }

    pub(super) fn abort(&mut self, id: HttpId) {
        self.running.retain(|(running, _)| *running != id);
    }

    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<(HttpId, HttpResult)> {
        for index in 0..self.running.len() {
            let (id, exchange) = &mut self.running[index];
            let id = *id;
            if let Poll::Ready(answer) = exchange.as_mut().poll(task) {
                drop(self.running.swap_remove(index));
                return Poll::Ready((id, answer));
            }
        }
        Poll::Pending
    }
}

/// A token that the application's source is fetching.
pub(super) struct Fetch {
    pub(super) token: TokenId,
    running: Boxed<Result<Secret, TokenSourceError>>,
}

impl Fetch {
    pub(super) fn new(token: TokenId, source: Arc<dyn TokenSource>, request: TokenRequest) -> Self {
        Self { token, running: Box::pin(async move { source.token(request).await }) }
    }

    pub(super) fn poll(
        &mut self,
        task: &mut Context<'_>,
    ) -> Poll<Result<Secret, TokenSourceError>> {
        self.running.as_mut().poll(task)
    }
}

/// Says to the session that its token source has none.
pub(super) fn unavailable<A: Adapter>(error: &TokenSourceError) -> Input<A> {
    Input::TokenUnavailable { cause: error.cause(), retry_after: error.retry_after() }
}

/// Says what an error comes down to: a certificate that is not trusted, a name that is not known.
///
/// Errors of this library and the sources that they keep hold no secret.
pub(super) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

//! What all of these tests use.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use futures_util::StreamExt;
use redial_auth_http::{HttpClient, HttpError, ReqwestClient, tls::TlsBuilder};
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Item, Notice, Speed, Timestamp};
use redial_liveperson::{Builder, Credentials, LivePerson};
use redial_testkit::servers::liveperson::{LivePersonSim, State};
use redial_tungstenite::{Client, ClientBuilder, Clock, Connector, SystemClock};
use tokio::sync::Semaphore;

pub(super) type Out = Item<LivePerson>;

/// Far more than anything here takes.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// How many times faster than life most tests run: 0.5 s between attempts, a probe each 1.5 s that
/// must be answered within 0.5 s.
pub(super) const SPEED: u32 = 20;
pub(super) const ACCOUNT: &str = "12345678";

pub(super) async fn plain() -> LivePersonSim {
    LivePersonSim::builder().start().await.unwrap()
}

pub(super) fn adapter(sim: &LivePersonSim) -> Builder {
    let credentials =
        Credentials::Password { username: "bot".into(), password: "sparrow-password".into() };
    adapter_for(sim, ACCOUNT, credentials)
}

pub(super) fn adapter_for(sim: &LivePersonSim, account: &str, who: Credentials) -> Builder {
    LivePerson::builder(account, who)
        .csds(sim.host())
        .plain(sim.ca_pem().is_none())
        .speed(Speed::new(SPEED))
}

/// A client of its own connector.
pub(super) fn client(sim: &LivePersonSim, adapter: Builder) -> ClientBuilder<LivePerson> {
    Client::builder(adapter.build().unwrap()).http(http(sim)).connector(connector(sim))
}

pub(super) fn http(sim: &LivePersonSim) -> ReqwestClient {
    ReqwestClient::builder().tls(tls(sim)).build().unwrap()
}

pub(super) fn connector(sim: &LivePersonSim) -> Connector {
    Connector::builder().tls(tls(sim)).build().unwrap()
}

/// Trusts the simulator's authority and no other.
pub(super) fn tls(sim: &LivePersonSim) -> Arc<rustls::ClientConfig> {
    let builder = TlsBuilder::new().platform_roots(false);
    let builder = match sim.ca_pem() {
        Some(pem) => builder.root_pem(pem.as_bytes()).unwrap(),
        None => builder,
    };
    builder.build().unwrap()
}

/// Waits for the first item that `wanted` takes.
pub(super) async fn until<T>(
    items: &mut (impl Stream<Item = Out> + Unpin),
    mut wanted: impl FnMut(&Out) -> Option<T>,
) -> T {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let Some(item) = items.next().await else { panic!("the end, after {seen:?}") };
            if let Some(found) = wanted(&item) {
                return found;
            }
            seen.push(item);
        }
    };
    match tokio::time::timeout(SOON, search).await {
        Ok(found) => found,
        Err(_) => panic!("nothing of it within {SOON:?}, but {seen:?}"),
    }
}

/// Waits for a notice.
pub(super) async fn notice<T>(
    items: &mut (impl Stream<Item = Out> + Unpin),
    mut wanted: impl FnMut(&Notice) -> Option<T>,
) -> T {
    until(items, |item| match item {
        Item::Notice(notice) => wanted(notice),
        _ => None,
    })
    .await
}

pub(super) async fn online(items: &mut (impl Stream<Item = Out> + Unpin)) {
    notice(items, |notice| matches!(notice, Notice::Online { .. }).then_some(())).await;
}

/// Waits for the end of the connection and gives its cause.
pub(super) async fn offline(items: &mut (impl Stream<Item = Out> + Unpin)) -> redial_core::Cause {
    notice(items, |notice| match notice {
        Notice::Offline { cause, .. } => Some(*cause),
        _ => None,
    })
    .await
}

/// Takes all that is left, to the end.
pub(super) async fn rest(items: &mut (impl Stream<Item = Out> + Unpin)) -> Vec<Out> {
    let mut rest = Vec::new();
    let end = async {
        while let Some(item) = items.next().await {
            rest.push(item);
        }
    };
    if tokio::time::timeout(SOON, end).await.is_err() {
        panic!("no end within {SOON:?}, but {rest:?}");
    }
    rest
}

/// Waits for what the simulator is to have seen.
#[track_caller]
pub(super) fn seen(
    sim: &LivePersonSim,
    wanted: impl FnMut(&State) -> bool,
) -> impl Future<Output = State> {
    let place = std::panic::Location::caller();
    async move {
        match sim.until(SOON, wanted).await {
            Ok(state) => state,
            Err(state) => panic!("not seen at {place}: {state:?}"),
        }
    }
}

/// Waits for so many close frames of the client and gives their codes.
pub(super) async fn closes(sim: &LivePersonSim, count: usize) -> Vec<u64> {
    let codes = || -> Vec<u64> {
        let wire = sim.wire();
        let client = wire.iter().filter(|line| line["dir"] == "client");
        let closes = client.filter(|line| line["frame"] == "close" || line["frame"] == "eof");
        closes.filter_map(|line| line["code"].as_u64()).collect()
    };
    let _ = sim.until(SOON, |_| codes().len() >= count).await;
    codes()
}

/// Holds back the requests whose URL has a word in it, until it is told to let one pass.
pub(super) struct Gate<H> {
    pub(super) inner: H,
    pub(super) word: &'static str,
    /// Has a permit for each request that has arrived.
    pub(super) arrived: Arc<Semaphore>,
    pub(super) pass: Arc<Semaphore>,
}

impl<H> Gate<H> {
    pub(super) fn new(inner: H, word: &'static str) -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self { inner, word, arrived: closed(), pass: closed() }
    }
}

#[async_trait]
impl<H: HttpClient> HttpClient for Gate<H> {
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.url.contains(self.word) {
            self.arrived.add_permits(1);
            self.pass.acquire().await.unwrap().forget();
        }
        self.inner.perform(request).await
    }
}

/// The system's clock, which a test can push forward, and which counts how often it is read.
#[derive(Clone)]
pub(super) struct Pushed {
    system: SystemClock,
    by: Arc<AtomicU64>,
    reads: Arc<AtomicUsize>,
}

impl Pushed {
    pub(super) fn new() -> Self {
        Self { system: SystemClock::new(), by: Arc::default(), reads: Arc::default() }
    }

    pub(super) fn push(&self, by: Duration) {
        self.by.fetch_add(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// Counts the reads in a second. A driver reads the clock several times for each wake-up.
    pub(super) async fn reads_in_a_second(&self) -> usize {
        let before = self.reads.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.reads.load(Ordering::SeqCst) - before
    }
}

impl Clock for Pushed {
    fn now(&self) -> Timestamp {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let by = self.by.load(Ordering::SeqCst);
        Timestamp::from_millis(self.system.now().as_millis() + by)
    }
}

/// Keeps all items that pass.
pub(super) struct Kept<'a, S> {
    pub(super) inner: &'a mut S,
    pub(super) items: &'a mut Vec<Out>,
}

impl Stream for Kept<'_, redial_tungstenite::Client<LivePerson>> {
    type Item = Out;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Out>> {
        let item = self.inner.poll_next_unpin(task);
        if let Poll::Ready(Some(Item::Notice(notice))) = &item {
            let notice = *notice;
            self.items.push(Item::Notice(notice));
        }
        item
    }
}

//! A vendor that does whatever a test wants.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use redial_auth_http::{HttpClient, HttpError};
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Item, Notice, Secret};
use redial_liveperson::{Builder, Credentials, LivePerson};
use redial_tungstenite::{Client, ClientBuilder, Connector};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;

pub(super) type Peer = WebSocketStream<TcpStream>;

/// A server whose every WebSocket is handed to `serve`, and the HTTP side that names it.
pub(super) async fn vendor<F>(serve: impl Fn(Peer) -> F + Send + Sync + 'static) -> Web
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(peer) = tokio_tungstenite::accept_async(stream).await {
                tokio::spawn(serve(peer));
            }
        }
    });
    Web { address }
}

/// The HTTP side.
#[derive(Clone)]
pub(super) struct Web {
    address: SocketAddr,
}

#[async_trait]
impl HttpClient for Web {
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let login = request.url.contains("/login");
        let host = self.address;
        let body = if login {
            r#"{"bearer":"b","csrf":"c","config":{"userId":"7"}}"#.to_owned()
        } else {
            let entry = |name: &str| format!(r#"{{"service":"{name}","baseURI":"{host}"}}"#);
            format!(r#"{{"baseURIs":[{},{}]}}"#, entry("agentVep"), entry("facadeMsg"))
        };
        Ok(HttpResponse { status: 200, headers: Vec::new(), body: body.into(), retry_after: None })
    }
}

pub(super) fn password() -> Credentials {
    Credentials::Password { username: "bot".into(), password: Secret::new("pw") }
}

pub(super) fn adapter(credentials: Credentials) -> Builder {
    LivePerson::builder("1", credentials).csds("127.0.0.1:1").plain(true)
}

pub(super) fn client(web: &Web, adapter: Builder) -> ClientBuilder<LivePerson> {
    let connector = Connector::new().unwrap();
    Client::builder(adapter.build().unwrap()).http(web.clone()).connector(connector)
}

/// Takes what comes out within a time.
pub(super) async fn within(
    client: &mut Client<LivePerson>,
    span: Duration,
) -> Vec<Item<LivePerson>> {
    let mut items = Vec::new();
    let end = tokio::time::Instant::now() + span;
    while let Ok(Some(item)) = tokio::time::timeout_at(end, client.next()).await {
        items.push(item);
    }
    items
}

pub(super) async fn online(client: &mut Client<LivePerson>) {
    let wait = async {
        while let Some(item) = client.next().await {
            if matches!(item, Item::Notice(Notice::Online { .. })) {
                return;
            }
        }
        panic!("the session ended");
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
}

//! Trust: extra roots, unknown authorities, a configuration of the application, tickets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redial_auth_http::tls::TlsBuilder;
use redial_auth_http::{Fault, HttpClient, ReqwestClient};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::servers::{get, read_head};

/// A server for `localhost` that answers 200 to all, with a certificate of its own.
pub(crate) struct TlsServer {
    pub(crate) addr: SocketAddr,
    /// The PEM text of the certificate to trust.
    pub(crate) root: String,
    der: CertificateDer<'static>,
    resumed: Arc<AtomicUsize>,
}

impl TlsServer {
    pub(crate) async fn start() -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = signed.cert.der().clone();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], key)
            .unwrap();
        config.send_tls13_tickets = 2;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let resumed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&resumed);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    read_head(&mut stream).await;
                    let answer =
                        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
                    let _ = stream.write_all(answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { addr, root: signed.cert.pem(), der, resumed }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/", self.addr.port())
    }
}

#[tokio::test]
async fn an_extra_root_is_trusted() {
    let server = TlsServer::start().await;
    let client = ReqwestClient::builder().root_pem(server.root.clone()).build().unwrap();
    assert_eq!(client.perform(get(server.url())).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let server = TlsServer::start().await;
    let client = ReqwestClient::builder().build().unwrap();
    let error = client.perform(get(server.url())).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Network);
}

#[tokio::test]
async fn another_name_is_refused() {
    let server = TlsServer::start().await;
    let client = ReqwestClient::builder().root_pem(server.root.clone()).build().unwrap();
    let url = format!("https://127.0.0.1:{}/", server.addr.port());
    assert_eq!(client.perform(get(url)).await.unwrap_err().fault(), Fault::Network);
}

#[tokio::test]
async fn a_configuration_of_the_application_is_used() {
    let server = TlsServer::start().await;
    let mut roots = RootCertStore::empty();
    roots.add(server.der.clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ReqwestClient::builder().tls(Arc::new(config)).build().unwrap();
    assert_eq!(client.perform(get(server.url())).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_machine_without_roots_still_speaks_plainly() {
    let tls = TlsBuilder::new().platform_roots(false).build().unwrap();
    let client = ReqwestClient::builder().tls(tls).build().unwrap();
    let plain = wiremock::MockServer::start().await;
    assert_eq!(client.perform(get(plain.uri())).await.unwrap().status, 404);
    let server = TlsServer::start().await;
    assert_eq!(client.perform(get(server.url())).await.unwrap_err().fault(), Fault::Network);
}

#[test]
fn roots_that_are_none_are_the_callers_fault() {
    let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "text", broken] {
        assert_eq!(TlsBuilder::new().root_pem(pem.as_bytes()).unwrap_err().fault(), Fault::Caller);
    }
    let builder = TlsBuilder::new().root_pem(hollow.as_bytes()).unwrap();
    assert_eq!(builder.build().unwrap_err().fault(), Fault::Caller);
    let missing = TlsBuilder::new().root_file("/nonexistent/root.pem").unwrap_err();
    assert_eq!(missing.fault(), Fault::Caller);
}

/// Connects `first` times at once, then `second` times, and returns how many were resumed.
async fn storm(tickets: usize, first: usize, second: usize) -> usize {
    let server = TlsServer::start().await;
    let config = TlsBuilder::new()
        .platform_roots(false)
        .root_pem(server.root.as_bytes())
        .unwrap()
        .tickets(tickets)
        .build()
        .unwrap();
    let connect = async || {
        let socket = TcpStream::connect(server.addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream =
            TlsConnector::from(Arc::clone(&config)).connect(name, socket).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        // Tickets come after the handshake: they are in when the answer is.
        let mut answer = String::new();
        let _ = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await;
        assert!(answer.ends_with("ok"));
    };
    // At the same time, so that no connection can use the ticket of the one before it.
    futures_util::future::join_all((0..first).map(|_| connect())).await;
    server.resumed.store(0, Ordering::SeqCst);
    futures_util::future::join_all((0..second).map(|_| connect())).await;
    server.resumed.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_store_of_the_fleets_size_resumes_the_whole_fleet() {
    assert_eq!(storm(100, 30, 30).await, 30);
}

#[tokio::test]
async fn the_store_keeps_its_bound() {
    assert!(storm(12, 30, 30).await < 30);
    assert_eq!(storm(0, 5, 5).await, 0);
}

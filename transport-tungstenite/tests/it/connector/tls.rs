//! `wss`: extra roots, unknown authorities, a configuration of the application, tickets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use redial_auth_http::Fault;
use redial_core::Cause;
use redial_tungstenite::Stage;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::servers::{Reply, builder, dial, serve, talk, to};

/// A server for `localhost` with a certificate of its own.
pub(crate) struct TlsServer {
    pub(crate) addr: SocketAddr,
    /// The PEM text of the certificate to trust.
    pub(crate) root: String,
    der: CertificateDer<'static>,
    resumed: Arc<AtomicUsize>,
}

impl TlsServer {
    pub(crate) async fn start(reply: Reply) -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = signed.cert.der().clone();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let resumed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&resumed);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, reply, count) = (acceptor.clone(), reply.clone(), count.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    serve(stream, &reply, &Mutex::default()).await;
                });
            }
        });
        Self { addr, root: signed.cert.pem(), der, resumed }
    }

    pub(crate) fn url(&self) -> String {
        format!("wss://localhost:{}/", self.addr.port())
    }
}

#[tokio::test]
async fn an_extra_root_is_trusted() {
    let server = TlsServer::start(Reply::Upgrade("")).await;
    let mut socket = dial(builder().root_pem(&*server.root), to(server.url())).await.unwrap();
    assert!(socket.get_ref().is_tls());
    assert!(socket.get_ref().tcp().nodelay().unwrap());
    talk(&mut socket).await;
}

#[tokio::test]
async fn an_unknown_authority_is_a_network_cause() {
    let server = TlsServer::start(Reply::Upgrade("")).await;
    let error = dial(builder(), to(server.url())).await.unwrap_err();
    assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Tls));
    assert_eq!(error.fault(), Fault::Network);
    assert_eq!(error.to_string(), format!("tls localhost:{}: failed", server.addr.port()));
}

#[tokio::test]
async fn another_name_is_refused() {
    let server = TlsServer::start(Reply::Upgrade("")).await;
    let url = format!("wss://{}/", server.addr);
    let error = dial(builder().root_pem(&*server.root), to(url)).await.unwrap_err();
    assert_eq!((error.cause(), error.stage()), (Cause::Network, Stage::Tls));
}

#[tokio::test]
async fn a_configuration_of_the_application_is_used() {
    let server = TlsServer::start(Reply::Upgrade("")).await;
    let mut roots = RootCertStore::empty();
    roots.add(server.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut socket = dial(builder().tls(Arc::new(config)), to(server.url())).await.unwrap();
    talk(&mut socket).await;
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_network_cause() {
    let server = super::servers::Server::bytes("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let url = format!("wss://{}/", server.addr);
    // The request of a plain server never ends, so it must not wait for one.
    let deadlines = super::servers::total(std::time::Duration::from_millis(300));
    let error = dial(builder().deadlines(deadlines), to(url)).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
}

#[tokio::test]
async fn a_fleet_resumes_its_sessions() {
    let server = TlsServer::start(Reply::Upgrade("")).await;
    let connector = builder().root_pem(&*server.root).tickets(64).build().unwrap();
    let connect = async || {
        let permit = connector.permit().await;
        let mut socket = connector.dial(permit, &to(server.url())).await.unwrap();
        // Tickets come after the handshake: they are in when an answer is.
        talk(&mut socket).await;
    };
    // At the same time, so that no connection can use the ticket of the one before it.
    futures_util::future::join_all((0..20).map(|_| connect())).await;
    server.resumed.store(0, Ordering::SeqCst);
    futures_util::future::join_all((0..20).map(|_| connect())).await;
    assert_eq!(server.resumed.load(Ordering::SeqCst), 20);
}

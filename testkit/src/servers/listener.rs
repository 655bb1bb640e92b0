//! The listening socket: accepts, goes away and comes back on the same port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::http;
use super::hub::{DownRequest, Hub};
use super::valve::{End, ValveStream};

/// Binds without listening: connections are refused, and the port is taken.
pub(crate) fn bind(addr: SocketAddr, recv_buffer: Option<u32>) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if let Some(bytes) = recv_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(addr)?;
    Ok(socket)
}

/// The accept loop of a simulator.
pub(crate) struct Gate {
    pub(crate) hub: Arc<Hub>,
    pub(crate) addr: SocketAddr,
    pub(crate) recv_buffer: Option<u32>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) down: mpsc::Receiver<DownRequest>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Gate {
    /// Runs until it is told to stop; then every connection is killed.
    pub(crate) async fn run(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        while let Some(open) = listener.take() {
            let request = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => break,
                Some(request) = self.down.recv() => request,
                accepted = open.accept() => {
                    match accepted {
                        Ok((tcp, _)) => self.admit(tcp),
                        // What lacks, sockets perhaps, may be there again soon.
                        Err(_) => sleep(REBIND).await,
                    }
                    listener = Some(open);
                    continue;
                }
            };
            drop(open);
            listener = self.stay_down(request).await;
        }
        self.hub.kill_all(End::Fin);
    }

    /// Stays away for as long as the last command says.
    async fn stay_down(&mut self, (span, done): DownRequest) -> Option<TcpListener> {
        let mut until = Instant::now() + span;
        let mut placeholder = bind(self.addr, self.recv_buffer).ok();
        self.hub.kill_all(End::Fin);
        let _ = done.send(());
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return None,
                Some((span, done)) = self.down.recv() => {
                    until = Instant::now() + span;
                    let _ = done.send(());
                }
                () = sleep_until(until) => {
                    let socket = match placeholder.take() {
                        Some(socket) => Ok(socket),
                        None => bind(self.addr, self.recv_buffer),
                    };
                    match socket.and_then(|socket| socket.listen(BACKLOG)) {
                        Ok(listener) => return Some(listener),
                        Err(_) => until = Instant::now() + REBIND,
                    }
                }
            }
        }
    }

    fn admit(&self, tcp: TcpStream) {
        let _ = tcp.set_nodelay(true);
        let (stream, link) = ValveStream::new(tcp);
        self.hub.register(&link.valve);
        let (hub, tls) = (self.hub.clone(), self.tls.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else { return http::serve(hub, link, stream).await };
            let handshake = timeout(HANDSHAKE, tls.accept(stream));
            tokio::select! {
                biased;
                _ = link.valve.killed() => {}
                done = handshake => if let Ok(Ok(stream)) = done {
                    http::serve(hub, link, stream).await;
                },
            }
        });
    }
}

/// Waits for the end of the simulator; its being dropped is one, too.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

pub(crate) const BACKLOG: u32 = 1024;
const REBIND: Duration = Duration::from_millis(20);
const HANDSHAKE: Duration = Duration::from_secs(60 * 60);

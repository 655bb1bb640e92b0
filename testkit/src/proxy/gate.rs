//! The listening socket of a proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::conn::{Conn, serve};
use super::{Event, Shared};
use crate::servers::listener::{BACKLOG, bind, stopped};

/// What is asked of the listening socket.
#[derive(Debug)]
pub(crate) struct Door {
    /// To go away for so long, or to come back.
    pub(crate) down: Option<Duration>,
    /// Told once it is done.
    pub(crate) done: oneshot::Sender<()>,
}

/// Accepts connections, goes away and comes back.
pub(crate) struct Gate {
    shared: Arc<Shared>,
    addr: SocketAddr,
    requests: mpsc::Receiver<Door>,
    stop: watch::Receiver<bool>,
    next: u64,
    tasks: JoinSet<()>,
}

impl Gate {
    pub(crate) fn new(
        shared: Arc<Shared>,
        addr: SocketAddr,
        requests: mpsc::Receiver<Door>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { shared, addr, requests, stop, next: 1, tasks: JoinSet::new() }
    }

    /// Runs until it is told to stop; then every connection is ended.
    pub(crate) async fn run(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        while let Some(open) = listener.take() {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => break,
                Some(Door { down, done }) = self.requests.recv() => match down {
                    None => {
                        let _ = done.send(());
                        listener = Some(open);
                    }
                    Some(span) => {
                        drop(open);
                        listener = self.stay_down(span, done).await;
                    }
                },
                Some(_) = self.tasks.join_next() => listener = Some(open),
                accepted = open.accept() => {
                    match accepted {
                        Ok((tcp, _)) => self.admit(tcp),
                        // What lacks, sockets perhaps, may be there again soon.
                        Err(_) => sleep(REBIND).await,
                    }
                    listener = Some(open);
                }
            }
        }
        self.shared.end_all();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Keeps the port without listening, so that the kernel refuses, until the time is over.
    async fn stay_down(&mut self, span: Duration, done: Told) -> Option<TcpListener> {
        let mut until = Instant::now() + span;
        let mut placeholder = bind(self.addr, self.shared.buffers).ok();
        self.shared.end_all();
        let _ = done.send(());
        // Told only once there is somebody to come to.
        let mut back: Vec<Told> = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return None,
                Some(Door { down, done }) = self.requests.recv() => {
                    until = Instant::now() + down.unwrap_or_default();
                    match down {
                        Some(_) => {
                            let _ = done.send(());
                        }
                        None => back.push(done),
                    }
                }
                () = sleep_until(until) => {
                    let socket = match placeholder.take() {
                        Some(socket) => Ok(socket),
                        None => bind(self.addr, self.shared.buffers),
                    };
                    match socket.and_then(|socket| socket.listen(BACKLOG)) {
                        Ok(listener) => {
                            back.into_iter().for_each(|done| {
                                let _ = done.send(());
                            });
                            return Some(listener);
                        }
                        Err(_) => until = Instant::now() + REBIND,
                    }
                }
            }
        }
    }

    fn admit(&mut self, tcp: tokio::net::TcpStream) {
        if self.shared.live() >= self.shared.room {
            let _ = SockRef::from(&tcp).set_linger(Some(Duration::ZERO));
            self.shared.tell(Event::Full);
            return;
        }
        let conn = Arc::new(Conn::new(self.next));
        self.next += 1;
        self.shared.register(&conn);
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let id = conn.id;
            serve(shared.clone(), conn, tcp).await;
            shared.forget(id);
        });
    }
}

type Told = oneshot::Sender<()>;

const REBIND: Duration = Duration::from_millis(20);

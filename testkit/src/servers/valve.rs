//! A TCP stream that can be stalled, cut and reset from outside.

use std::io::{self, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// How a connection is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// FIN, without anything above TCP.
    Fin,
    /// RST.
    Reset,
}

/// The control side of one connection.
#[derive(Debug)]
pub(crate) struct Valve {
    stalled: watch::Sender<bool>,
    resumed: AtomicBool,
    reader: Mutex<Option<Waker>>,
    end: watch::Sender<Option<End>>,
}

impl Valve {
    /// Stops reading, so that the peer's send buffer fills, or goes on with it.
    pub(crate) fn stall(&self, on: bool) {
        let before = self.stalled.send_replace(on);
        if before && !on {
            self.resumed.store(true, Ordering::SeqCst);
        }
        let waker = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Tells whether reading is stopped.
    pub(crate) fn is_stalled(&self) -> bool {
        *self.stalled.borrow()
    }

    /// Ends the connection; the task that owns the stream drops it.
    pub(crate) fn kill(&self, end: End) {
        self.end.send_if_modified(|current| {
            let first = current.is_none();
            *current = current.or(Some(end));
            first
        });
    }

    /// Waits for [`Valve::kill`].
    pub(crate) async fn killed(&self) -> End {
        let mut end = self.end.subscribe();
        match end.wait_for(Option::is_some).await.map(|end| *end) {
            Ok(Some(end)) => end,
            _ => std::future::pending().await,
        }
    }
}

/// The data side of one connection.
#[derive(Debug)]
pub(crate) struct ValveStream {
    tcp: Arc<TcpStream>,
    valve: Arc<Valve>,
}

impl ValveStream {
    /// Wraps an accepted stream.
    pub(crate) fn new(tcp: TcpStream) -> (Self, Link) {
        let tcp = Arc::new(tcp);
        let valve = Arc::new(Valve {
            stalled: watch::Sender::new(false),
            resumed: AtomicBool::new(false),
            reader: Mutex::new(None),
            end: watch::Sender::new(None),
        });
        (Self { tcp: tcp.clone(), valve: valve.clone() }, Link { tcp, valve })
    }
}

/// What the task of a connection knows about it: its valve, and whether the peer is gone.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    tcp: Arc<TcpStream>,
    /// The control side.
    pub(crate) valve: Arc<Valve>,
}

impl Link {
    /// Waits until the peer has ended the connection while nothing is read from it.
    pub(crate) async fn peer_gone(&self) {
        let mut stalled = self.valve.stalled.subscribe();
        loop {
            if stalled.wait_for(|stalled| *stalled).await.is_err() {
                return std::future::pending().await;
            }
            match self.tcp.ready(Interest::READABLE).await {
                Ok(ready) if ready.is_read_closed() => return,
                Ok(_) => {
                    // Forgets the readiness, so that the next wait is for the next event.
                    let forget = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _ = self.tcp.try_io(Interest::READABLE, forget);
                }
                Err(_) => return,
            }
        }
    }
}

impl AsyncRead for ValveStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        *self.valve.reader.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(cx.waker().clone());
        if self.valve.is_stalled() {
            return Poll::Pending;
        }
        if self.valve.resumed.load(Ordering::SeqCst) {
            // The readiness was forgotten during the stall: ask the kernel itself until it has
            // nothing more, from when on the next event counts.
            match (&*SockRef::from(&*self.tcp)).read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.valve.resumed.store(false, Ordering::SeqCst);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        loop {
            ready!(self.tcp.poll_read_ready(cx))?;
            match self.tcp.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for ValveStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp.poll_write_ready(cx))?;
            match self.tcp.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.tcp).shutdown(Shutdown::Write))
    }
}

impl Drop for ValveStream {
    fn drop(&mut self) {
        let socket = SockRef::from(&*self.tcp);
        if *self.valve.end.borrow() == Some(End::Reset) {
            let _ = socket.set_linger(Some(Duration::ZERO));
            return;
        }
        // Closing with unread bytes would reset the connection; a FIN is wanted, so what still
        // comes in is read and thrown away for a moment.
        let _ = socket.shutdown(Shutdown::Write);
        let tcp = self.tcp.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(DRAIN, drain(tcp)));
        }
    }
}

async fn drain(tcp: Arc<TcpStream>) {
    let mut scratch = vec![0; 16 * 1024];
    loop {
        if tcp.readable().await.is_err() {
            return;
        }
        match tcp.try_read(&mut scratch) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

const DRAIN: Duration = Duration::from_secs(1);

//! One connection through the proxy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::book::Due;
use super::pump::{Left, Pump};
use super::rule::{Act, Toward};
use super::scan::Upgrade;
use super::{Event, Shared};

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Fin,
    Reset,
}

/// What is wrong with a connection at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// What is not let through, by direction.
    pub(crate) holes: [Option<Hole>; 2],
    /// Bytes in a second, by direction.
    pub(crate) rates: [Option<u32>; 2],
    /// The code of a close frame that is to be sent.
    pub(crate) close: Option<u16>,
    /// The close frame has been sent: nothing goes to the server any more.
    pub(crate) closing: bool,
    pub(crate) end: Option<End>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hole {
    Swallow,
    Stall,
}

/// What both directions of a connection and the control side share.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) faults: watch::Sender<Faults>,
    pub(crate) bytes: [AtomicU64; 2],
    pub(crate) frames: [AtomicU64; 2],
    /// What a blackhole has swallowed.
    pub(crate) lost: AtomicU64,
    /// Nothing of what it carries can be read.
    pub(crate) unread: AtomicBool,
    missed: AtomicBool,
    upgrade: Mutex<Upgrade>,
}

impl Conn {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            faults: watch::Sender::new(Faults::default()),
            bytes: Default::default(),
            frames: Default::default(),
            lost: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            missed: AtomicBool::new(false),
            upgrade: Mutex::new(Upgrade::None),
        }
    }

    pub(crate) fn upgrade(&self) -> Upgrade {
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_upgrade(&self, upgrade: Upgrade) {
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = upgrade;
    }

    /// Ends the connection, in the way that was asked for first.
    pub(crate) fn end(&self, end: End) {
        self.faults.send_modify(|faults| faults.end = faults.end.or(Some(end)));
    }

    /// Does at once what needs no waiting; returns how long to wait otherwise.
    pub(crate) fn suffer(&self, act: &Act) -> Duration {
        let chosen = |toward: Option<Toward>| {
            [Toward::Server, Toward::Client]
                .into_iter()
                .filter(move |d| toward.is_none_or(|t| t == *d))
        };
        match *act {
            Act::Refuse => self.end(End::Reset),
            Act::Cut { rst } => self.end(if rst { End::Reset } else { End::Fin }),
            Act::Delay(span) => return span,
            Act::Blackhole { toward, stall } => self.faults.send_modify(|faults| {
                let hole = if stall { Hole::Stall } else { Hole::Swallow };
                chosen(toward).for_each(|toward| faults.holes[toward.index()] = Some(hole));
            }),
            Act::Throttle { toward, bytes_per_s } => self.faults.send_modify(|faults| {
                chosen(toward).for_each(|toward| faults.rates[toward.index()] = Some(bytes_per_s));
            }),
            Act::Close { code } => {
                self.faults.send_modify(|faults| faults.close = faults.close.or(Some(code)));
            }
        }
        Duration::ZERO
    }

    /// Returns, once, whether a close frame is wanted that this connection can never be sent.
    pub(crate) fn misses(&self) -> bool {
        self.unread.load(Ordering::SeqCst)
            && self.faults.borrow().close.is_some()
            && !self.missed.swap(true, Ordering::SeqCst)
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        self.faults.send_modify(|faults| {
            faults.holes = [None; 2];
            faults.rates = [None; 2];
        });
    }
}

/// Waits for the end that somebody has asked for.
pub(crate) async fn ended(faults: &mut watch::Receiver<Faults>) -> End {
    match faults.wait_for(|faults| faults.end.is_some()).await.map(|faults| faults.end) {
        Ok(Some(end)) => end,
        _ => std::future::pending().await,
    }
}

/// Carries a connection from its acceptance to its end.
pub(crate) async fn serve(shared: Arc<Shared>, conn: Arc<Conn>, client: TcpStream) {
    let client = Arc::new(client);
    let end = run(&shared, &conn, &client).await;
    shared.tell(Event::Ended {
        conn: conn.id,
        rst: end == End::Reset,
        to_server: conn.bytes[0].load(Ordering::SeqCst),
        to_client: conn.bytes[1].load(Ordering::SeqCst),
    });
}

async fn run(shared: &Arc<Shared>, conn: &Arc<Conn>, client: &Arc<TcpStream>) -> End {
    let mut faults = conn.faults.subscribe();
    for due in shared.book.connect() {
        let wait = shared.hit(conn, &due);
        tokio::select! {
            biased;
            end = ended(&mut faults) => return finish(&[client], end).await,
            () = tokio::time::sleep(wait) => {}
        }
    }
    // Without a target that is an error, too.
    let targets = shared.targets();
    let dial = TcpStream::connect(targets.as_slice());
    let server = tokio::select! {
        biased;
        end = ended(&mut faults) => return finish(&[client], end).await,
        dialled = timeout(DIAL, dial) => match dialled {
            Ok(Ok(server)) => Arc::new(server),
            Ok(Err(_)) | Err(_) => {
                shared.tell(Event::Unreachable { conn: conn.id });
                return finish(&[client], End::Reset).await;
            }
        },
    };
    for tcp in [client, &server] {
        let _ = tcp.set_nodelay(true);
        if let Some(bytes) = shared.buffers {
            let _ = SockRef::from(&**tcp).set_send_buffer_size(bytes as usize);
            let _ = SockRef::from(&**tcp).set_recv_buffer_size(bytes as usize);
        }
    }
    let to_server = Pump::new(Toward::Server, client, &server, shared, conn);
    let to_client = Pump::new(Toward::Client, &server, client, shared, conn);
    let first = select(Box::pin(to_server.run()), Box::pin(to_client.run())).await;
    let (left, other) = match first {
        Either::Left((left, other)) => (left, Either::Left(other)),
        Either::Right((left, other)) => (left, Either::Right(other)),
    };
    let patience = match left {
        Left::Told | Left::Broken => Duration::ZERO,
        Left::Closed => CLOSE_GRACE,
        Left::Eof => ABANDONED,
    };
    if !patience.is_zero() {
        let _ = timeout(patience, other).await;
    }
    let end = conn.faults.borrow().end;
    let end = end.unwrap_or(if left == Left::Broken { End::Reset } else { End::Fin });
    finish(&[client, &server], end).await
}

/// Ends the sockets of a connection.
///
/// Closing with unread bytes resets; where a FIN is wanted, what still comes in is read and thrown
/// away for a moment.
async fn finish(sockets: &[&Arc<TcpStream>], end: End) -> End {
    for tcp in sockets {
        let _ = match end {
            End::Reset => SockRef::from(&***tcp).set_linger(Some(Duration::ZERO)),
            End::Fin => SockRef::from(&***tcp).shutdown(std::net::Shutdown::Write),
        };
    }
    if end == End::Fin {
        let drained = futures_util::future::join_all(sockets.iter().map(|tcp| drain(tcp)));
        let _ = timeout(DRAIN, drained).await;
    }
    end
}

async fn drain(tcp: &TcpStream) {
    let mut scratch = vec![0; 16 * 1024];
    while tcp.readable().await.is_ok() {
        match tcp.try_read(&mut scratch) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

impl Shared {
    /// Does what is due, and tells that a rule has fired; returns how long to wait.
    pub(crate) fn hit(&self, conn: &Conn, due: &Due) -> Duration {
        self.tell(Event::Hit { conn: conn.id, rule: due.rule, on: due.on, act: due.act.name() });
        let wait = conn.suffer(&due.act);
        self.tell_missed(conn);
        wait
    }

    /// Tells that what a connection carries cannot be read.
    pub(crate) fn unread(&self, conn: &Conn, tls: bool) {
        if !conn.unread.swap(true, Ordering::SeqCst) {
            self.tell(Event::Unread { conn: conn.id, tls });
            self.tell_missed(conn);
        }
    }

    /// Tells that a close frame comes to nothing.
    pub(crate) fn tell_missed(&self, conn: &Conn) {
        if conn.misses() {
            self.tell(Event::Missed { conn: conn.id, act: "close" });
        }
    }
}

const DIAL: Duration = Duration::from_secs(10);
const DRAIN: Duration = Duration::from_secs(1);
/// How long a client may take to answer a close frame.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// How long one side of a connection is kept when the other one has ended.
const ABANDONED: Duration = Duration::from_secs(600);

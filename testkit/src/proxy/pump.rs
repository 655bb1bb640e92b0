//! One direction of a connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Shared;
use super::book::{Due, Fired};
use super::conn::{Conn, End, Faults, Hole, ended};
use super::rule::Toward;
use super::scan::{Hold, Scanner, Upgrade};

/// Moves what one side sends to the other.
///
/// It reads no more than it has room for and writes all of it before it reads on, so a slow
/// receiver slows the sender.
pub(crate) struct Pump {
    toward: Toward,
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    faults: watch::Receiver<Faults>,
    scanner: Scanner,
    fired: Fired,
}

/// Why a direction carries nothing any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    /// Its sender has ended it.
    Eof,
    /// A side has reset the connection.
    Broken,
    /// A close frame was sent in the server's name.
    Closed,
    /// A rule or a command ends the connection.
    Told,
}

impl Pump {
    pub(crate) fn new(
        toward: Toward,
        from: &Arc<TcpStream>,
        to: &Arc<TcpStream>,
        shared: &Arc<Shared>,
        conn: &Arc<Conn>,
    ) -> Self {
        let scanner = match toward {
            Toward::Server => Scanner::of_client(),
            Toward::Client => Scanner::of_server(),
        };
        let (from, to) = (from.clone(), to.clone());
        let faults = conn.faults.subscribe();
        let (shared, conn) = (shared.clone(), conn.clone());
        Self { toward, from, to, shared, conn, faults, scanner, fired: Fired::new() }
    }

    pub(crate) async fn run(mut self) -> Left {
        match self.carry().await {
            Ok(left) | Err(left) => left,
        }
    }

    async fn carry(&mut self) -> Result<Left, Left> {
        let mut buf = vec![0; CHUNK];
        loop {
            self.close_if_due().await?;
            let faults = *self.faults.borrow_and_update();
            if faults.end.is_some() {
                return Err(Left::Told);
            }
            let stalled = faults.holes[self.toward.index()] == Some(Hole::Stall);
            tokio::select! {
                biased;
                changed = self.faults.changed() => changed.map_err(|_| Left::Told)?,
                count = read(&self.from, &mut buf), if !stalled => match count {
                    Ok(0) => return self.eof().await,
                    Ok(count) => self.pass(&buf[..count]).await?,
                    Err(_) => return self.broken(),
                },
            }
        }
    }

    /// Passes on what has been read, and does what is due on the way.
    async fn pass(&mut self, mut rest: &[u8]) -> Result<(), Left> {
        match (self.toward, self.conn.upgrade()) {
            (Toward::Client, Upgrade::Asked) => self.scanner.expect_answer(),
            (Toward::Server, upgrade) => self.scanner.learn(upgrade),
            (Toward::Client, _) => {}
        }
        while !rest.is_empty() {
            match self.scanner.hold(&mut rest) {
                Hold::More => {}
                Hold::Head(head) => {
                    if !head.method.is_empty() {
                        let due = self.shared.book.http(&head.method, &head.target);
                        self.perform(&due).await?;
                    }
                    if head.upgrade {
                        self.conn.set_upgrade(Upgrade::Asked);
                    }
                    self.tell_if_opaque();
                    self.flat(&head.bytes).await?;
                }
                Hold::No => {
                    rest = self.stretch(rest).await?;
                    self.tell_if_opaque();
                }
            }
        }
        Ok(())
    }

    /// Passes on as much as goes without a request's head; returns what is left.
    async fn stretch<'a>(&mut self, buf: &'a [u8]) -> Result<&'a [u8], Left> {
        let (mut at, mut written) = (0, 0);
        while at < buf.len() {
            let place = self.scanner.place();
            let (due, free) = self.shared.book.place(self.toward, place, &mut self.fired);
            let closing = self.is_close_due();
            if !due.is_empty() || closing {
                self.write(&buf[written..at]).await?;
                written = at;
                self.perform(&due).await?;
                self.close_if_due().await?;
            }
            let (count, told) = self.scanner.take(&buf[at..], free);
            at += count;
            let frames = &self.conn.frames[self.toward.index()];
            frames.store(self.scanner.frames(), Ordering::SeqCst);
            if let Some(upgrade) = told {
                self.conn.set_upgrade(upgrade);
            }
            if self.scanner.is_before_request() {
                break;
            }
        }
        self.write(&buf[written..at]).await?;
        Ok(&buf[at..])
    }

    /// Passes on bytes that the scanner has done with.
    async fn flat(&mut self, mut bytes: &[u8]) -> Result<(), Left> {
        while !bytes.is_empty() {
            let mut place = self.scanner.place();
            place.frame = None;
            let (due, free) = self.shared.book.place(self.toward, place, &mut self.fired);
            self.perform(&due).await?;
            let count = usize::try_from(free).unwrap_or(usize::MAX).min(bytes.len());
            self.scanner.skip(count);
            self.write(&bytes[..count]).await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    fn tell_if_opaque(&self) {
        if self.toward == Toward::Server && self.scanner.is_opaque() {
            self.shared.unread(&self.conn, self.scanner.is_tls());
        }
    }

    async fn perform(&mut self, due: &[Due]) -> Result<(), Left> {
        for due in due {
            let wait = self.shared.hit(&self.conn, due);
            self.pause(wait).await?;
        }
        Ok(())
    }

    /// Waits, unless the connection is to end.
    async fn pause(&mut self, wait: Duration) -> Result<(), Left> {
        tokio::select! {
            biased;
            _ = ended(&mut self.faults) => Err(Left::Told),
            () = sleep(wait) => Ok(()),
        }
    }

    /// Writes everything, as fast as the faults allow.
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Left> {
        let index = self.toward.index();
        while !bytes.is_empty() {
            let faults = *self.faults.borrow_and_update();
            if faults.end.is_some() {
                return Err(Left::Told);
            }
            if faults.closing && self.toward == Toward::Server {
                return Ok(());
            }
            match faults.holes[index] {
                Some(Hole::Swallow) => {
                    self.conn.lost.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                    return Ok(());
                }
                Some(Hole::Stall) => {
                    self.faults.changed().await.map_err(|_| Left::Told)?;
                    continue;
                }
                None => {}
            }
            let (most, wait) = match faults.rates[index] {
                Some(rate) => pieces(rate),
                None => (bytes.len(), Duration::ZERO),
            };
            let most = most.min(bytes.len());
            let count = tokio::select! {
                biased;
                changed = self.faults.changed() => {
                    changed.map_err(|_| Left::Told)?;
                    continue;
                }
                count = write(&self.to, &bytes[..most]) => count,
            };
            let Ok(count) = count else { return self.broken().map(|_| ()) };
            self.conn.bytes[index].fetch_add(count as u64, Ordering::SeqCst);
            bytes = &bytes[count..];
            if !wait.is_zero() {
                self.pause(wait).await?;
            }
        }
        Ok(())
    }

    fn is_close_due(&self) -> bool {
        self.toward == Toward::Client
            && self.scanner.is_between_frames()
            && self.faults.borrow().close.is_some()
    }

    /// Sends the close frame that a rule or a command asks for, once there is room for it.
    async fn close_if_due(&mut self) -> Result<(), Left> {
        if self.toward == Toward::Server && self.faults.borrow().closing {
            let _ = SockRef::from(&*self.to).shutdown(std::net::Shutdown::Write);
        }
        if !self.is_close_due() {
            return Ok(());
        }
        let code = self.faults.borrow().close.unwrap_or(NO_STATUS);
        let frame = match code {
            NO_STATUS => vec![0x88, 0],
            code => [&[0x88, 2][..], &code.to_be_bytes()].concat(),
        };
        self.write(&frame).await?;
        self.conn.faults.send_modify(|faults| faults.closing = true);
        Err(Left::Closed)
    }

    async fn eof(&mut self) -> Result<Left, Left> {
        let held = self.scanner.rest();
        self.flat(&held).await?;
        let faults = *self.faults.borrow();
        if faults.holes[self.toward.index()].is_none() {
            let _ = SockRef::from(&*self.to).shutdown(std::net::Shutdown::Write);
        }
        Ok(Left::Eof)
    }

    /// A side has reset the connection; the other one hears of it unless that falls into a hole.
    fn broken(&self) -> Result<Left, Left> {
        let faults = *self.faults.borrow();
        if faults.end.is_some() {
            return Err(Left::Told);
        }
        if faults.holes[self.toward.index()].is_some() {
            return Ok(Left::Eof);
        }
        self.conn.end(End::Reset);
        Err(Left::Broken)
    }
}

/// Returns how many bytes are written at a time, and how long to wait after them.
fn pieces(rate: u32) -> (usize, Duration) {
    let rate = rate.max(1);
    let piece = (rate / 50).clamp(1, CHUNK as u32);
    (piece as usize, Duration::from_nanos(u64::from(piece) * 1_000_000_000 / u64::from(rate)))
}

async fn read(tcp: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        tcp.readable().await?;
        match tcp.try_read(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

async fn write(tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        tcp.writable().await?;
        match tcp.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// How much is on its way in each direction, at most; a request's head comes on top.
const CHUNK: usize = 16 * 1024;
/// The close code of an empty close frame.
const NO_STATUS: u16 = 1005;

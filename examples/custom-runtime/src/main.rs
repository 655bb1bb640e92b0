//! A LivePerson session without tokio and without reqwest: `redial-core`, one adapter, blocking
//! `tungstenite`, and HTTP/1.1 by hand.
//!
//! ```text
//! custom-runtime --csds 127.0.0.1:PORT --account ID --username U --password P [--seconds N]
//! ```
//!
//! It speaks without TLS, so it talks to the simulator (`redial serve liveperson`). The password
//! may stand in `REDIAL_PASSWORD` instead.

mod http;
mod socket;

use std::collections::HashMap;
use std::error::Error;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redial_core::{
    Cause, ConnId, Cx, Effect, Input, Item, Notice, Session, Speed, Timestamp, Transmit,
};
use redial_liveperson::{AgentState, Command, Credentials, LivePerson, Request, Subscription};

use crate::socket::Socket;

fn main() -> Result<(), Box<dyn Error>> {
    let args = arguments()?;
    let arg = |name: &str| args.get(name).ok_or_else(|| format!("{name} is missing"));
    let password =
        args.get("--password").cloned().or_else(|| std::env::var("REDIAL_PASSWORD").ok());
    let credentials = Credentials::Password {
        username: arg("--username")?.clone(),
        password: password.ok_or("--password is missing")?.into(),
    };
    let number = |name: &str, default: u32| args.get(name).map_or(Ok(default), |text| text.parse());
    let adapter = LivePerson::builder(arg("--account")?, credentials)
        .csds(arg("--csds")?)
        .plain(true)
        .speed(Speed::new(number("--speed", 1)?))
        .build()?;
    let seconds = number("--seconds", 60)?;
    let mut driver = Driver::new(Session::new(adapter, nonce()?));
    driver.run(Duration::from_secs(seconds.into()))
}

/// Performs what the session wants and tells it what came of it.
struct Driver {
    session: Session<LivePerson>,
    socket: Option<Socket>,
    inbox: Receiver<News>,
    sender: Sender<News>,
    /// The wall clock at the start; the clock that never steps is added to it.
    epoch: u64,
    started: Instant,
    random: RandomState,
    draws: u64,
}

/// What the helper threads report.
enum News {
    Input(Input<LivePerson>),
    Opened(Socket),
}

impl Driver {
    fn new(session: Session<LivePerson>) -> Self {
        let (sender, inbox) = mpsc::channel();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            session,
            socket: None,
            inbox,
            sender,
            epoch: u64::try_from(wall.as_millis()).unwrap_or(0),
            started: Instant::now(),
            random: RandomState::new(),
            draws: 0,
        }
    }

    fn run(&mut self, life: Duration) -> Result<(), Box<dyn Error>> {
        self.handle(Input::Command(Command::SetAgentState(AgentState::online())));
        self.handle(Input::Command(Command::Subscribe(Subscription::routing_tasks())));
        self.handle(Input::Connect);
        let mut ending = false;
        loop {
            self.drain()?;
            if self.session.is_stopped() && self.session.items_waiting() == 0 {
                return Ok(());
            }
            // What has arrived counts before the time that has passed.
            self.listen();
            if self.session.poll_timeout().is_some_and(|at| at <= self.cx().now) {
                self.handle(Input::Tick);
            }
            if !ending && self.started.elapsed() >= life {
                ending = true;
                self.handle(Input::Shutdown);
            }
        }
    }

    /// Does what the session wants.
    fn drain(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(effect) = self.session.poll_effect() {
            self.perform(effect);
        }
        let cx = self.cx();
        while let Some(socket) = &mut self.socket
            && let Some(transmit) = self.session.poll_transmit(cx)
        {
            let written = match transmit {
                Transmit::Frame(frame) => socket.write(frame),
                Transmit::Close { code } => socket.close(code),
            };
            if let Err(cause) = written {
                let conn = socket.conn;
                self.lose(conn, cause);
            }
        }
        while let Some(item) = self.session.poll_item() {
            self.show(item)?;
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Http { id, request } => {
                let (sender, now) = (self.sender.clone(), self.cx().now);
                thread::spawn(move || {
                    let answer = http::exchange(&request, now);
                    let _ = sender.send(News::Input(Input::Http { id, answer }));
                });
            }
            // The thread ends by its own timeout; its answer finds nobody.
            Effect::Abort { .. } => {}
            Effect::Dial { conn, handshake } => {
                self.handle(Input::Dialing { conn });
                let (sender, now) = (self.sender.clone(), self.cx().now);
                thread::spawn(move || {
                    let _ = sender.send(match Socket::dial(conn, &handshake, now) {
                        Ok(socket) => News::Opened(socket),
                        Err((cause, retry_after)) => {
                            News::Input(Input::Closed { conn, cause, retry_after })
                        }
                    });
                });
            }
            Effect::Drop { conn, code } => {
                if let Some(mut socket) = self.socket.take_if(|socket| socket.conn == conn)
                    && let Some(code) = code
                {
                    let _ = socket.close(code);
                }
            }
        }
    }

    /// Takes in what has arrived, or waits for it, at most until something is due.
    fn listen(&mut self) {
        let due = self.session.poll_timeout().map_or(PATIENCE, |at| at.since(self.cx().now).into());
        let patience = due.min(PATIENCE);
        let news = match &mut self.socket {
            Some(socket) => {
                let (conn, read) = (socket.conn, socket.read(patience));
                match read {
                    Ok(Some(frame)) => self.handle(Input::Frame { conn, frame }),
                    Ok(None) => {}
                    Err(cause) => self.lose(conn, cause),
                }
                self.inbox.try_recv().ok()
            }
            None => self.inbox.recv_timeout(patience).ok(),
        };
        match news {
            Some(News::Input(input)) => self.handle(input),
            Some(News::Opened(socket)) if self.session.is_conn_live(socket.conn) => {
                let conn = socket.conn;
                self.socket = Some(socket);
                self.handle(Input::Opened { conn });
            }
            // A connection that came too late, or nothing at all.
            Some(News::Opened(_)) | None => {}
        }
    }

    fn lose(&mut self, conn: ConnId, cause: Cause) {
        self.socket = None;
        self.handle(Input::Closed { conn, cause, retry_after: None });
    }

    fn handle(&mut self, input: Input<LivePerson>) {
        let cx = self.cx();
        self.session.handle(cx, input);
    }

    fn cx(&mut self) -> Cx {
        self.draws += 1;
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(self.draws);
        Cx::new(Timestamp::from_millis(self.epoch.saturating_add(elapsed)), hasher.finish())
    }

    fn show(&mut self, item: Item<LivePerson>) -> Result<(), Box<dyn Error>> {
        let at = self.started.elapsed().as_millis();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{at:>8} ms  {item:?}")?;
        if let Item::Notice(Notice::Online { .. }) = item {
            let cx = self.cx();
            let id = self.session.send(cx, Request::get_clock())?;
            writeln!(out, "{at:>8} ms  asked for the time: message {id}")?;
        }
        Ok(())
    }
}

fn arguments() -> Result<HashMap<String, String>, String> {
    const NAMES: [&str; 6] =
        ["--csds", "--account", "--username", "--password", "--seconds", "--speed"];
    let mut all = std::env::args().skip(1);
    let mut args = HashMap::new();
    while let Some(name) = all.next() {
        if !NAMES.contains(&name.as_str()) {
            return Err(format!("unknown option; the options are {}", NAMES.join(" ")));
        }
        let value = all.next().ok_or_else(|| format!("{name} has no value"))?;
        args.insert(name, value);
    }
    Ok(args)
}

/// Takes 128 bits from the system's source of randomness.
fn nonce() -> std::io::Result<u128> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// How long the loop looks at one source while another may have something.
const PATIENCE: Duration = Duration::from_millis(20);

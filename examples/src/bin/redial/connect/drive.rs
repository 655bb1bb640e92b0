//! Driving sessions from stdin and signals.

use std::borrow::Cow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use redial_core::{Adapter, Item, Notice, Phase, StopReason};
use redial_tungstenite::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::control::{self, Console};
use super::files::Files;
use super::input::{Input, Line};
use super::signals::Signals;
use super::store::Store;
use super::{Kinds, Vendor};
use crate::cli::CommonArgs;
use crate::output::{self, Failure, Lines};

/// A session that is driven.
pub(crate) struct Driven<A: Vendor> {
    /// What its lines are marked with, where there are several.
    pub(crate) name: String,
    pub(crate) client: Client<A>,
    pub(crate) store: Store,
    /// Where its flight recorder writes.
    pub(crate) record: Option<PathBuf>,
    /// What keeps things of its messages.
    pub(crate) keeper: Option<Keeper<A>>,
}

/// Keeps what messages bring, before they are printed.
pub(crate) type Keeper<A> = Box<dyn FnMut(&<A as Adapter>::Message) -> Result<(), Failure>>;

/// Drives a client from stdin and signals, and prints what it says.
pub(crate) async fn drive<A: Vendor>(
    (client, store): (Client<A>, Store),
    common: &CommonArgs,
) -> Result<ExitCode, Failure> {
    drive_all(vec![alone(client, store, common)], common.json).await
}

/// Drives a client, and keeps what its messages bring.
pub(crate) async fn drive_keeping<A: Vendor>(
    (client, store): (Client<A>, Store),
    common: &CommonArgs,
    keeper: Keeper<A>,
) -> Result<ExitCode, Failure> {
    let driven = Driven { keeper: Some(keeper), ..alone(client, store, common) };
    drive_all(vec![driven], common.json).await
}

fn alone<A: Vendor>(client: Client<A>, store: Store, common: &CommonArgs) -> Driven<A> {
    Driven { name: String::new(), client, store, record: common.record.clone(), keeper: None }
}

/// Drives clients until the last one has ended.
pub(crate) async fn drive_all<A: Vendor>(
    all: Vec<Driven<A>>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let mut sessions = Sessions::open(all, Lines::new(json))?;
    let mut stdin = Input::new();
    let mut interrupted = false;
    let mut ending: Option<Ending> = None;
    loop {
        let mut busy = true;
        let look_at = sessions.outbox_due();
        // In no order: a server that never stops talking must not drown what stdin says.
        tokio::select! {
            () = signals.next() => {
                if interrupted {
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                interrupted = true;
                output::hurry();
                ending = Some(Ending::begin(Instant::now(), stdin.is_over()));
            }
            () = due(ending.map(|ending| ending.at)) => {
                ending = None;
                for session in &mut sessions.all {
                    session.client.shutdown();
                }
            }
            (index, item) = sessions.next(ending.is_some()) => {
                if !sessions.take(index, item)? && sessions.all_have_ended() {
                    break;
                }
            }
            line = stdin.next() => {
                if let Some(ending) = &mut ending {
                    ending.wait_on(Instant::now());
                }
                sessions.line(line)?;
            }
            () = due(look_at) => busy = false,
        }
        sessions.look(busy)?;
    }
    Ok(sessions.outcome())
}

/// What was said before a signal came may be read after it: it is obeyed, so that each message has
/// its fate.
#[derive(Clone, Copy)]
struct Ending {
    at: Instant,
    latest: Instant,
}

impl Ending {
    fn begin(now: Instant, is_over: bool) -> Self {
        let quiet = if is_over { Duration::ZERO } else { QUIET };
        Self { at: now + quiet, latest: now + LATEST }
    }

    /// A line has come: there may be another one.
    fn wait_on(&mut self, now: Instant) {
        self.at = self.latest.min(now + QUIET);
    }
}

struct Sessions<A: Vendor> {
    all: Vec<Session<A>>,
    /// Lines about no session, or about all.
    lines: Lines,
    /// Whose turn it is.
    turn: usize,
}

struct Session<A: Vendor> {
    name: String,
    client: Client<A>,
    store: Store,
    files: Files,
    console: Console<A>,
    keeper: Option<Keeper<A>>,
    ended: bool,
    /// How it ended, and what the vendor's documents say about that.
    stopped: Option<(StopReason, Option<Cow<'static, str>>)>,
}

impl<A: Vendor> Sessions<A> {
    fn open(all: Vec<Driven<A>>, lines: Lines) -> Result<Self, Failure> {
        let many = all.len() > 1;
        let open = |Driven { name, client, store, record, keeper }: Driven<A>| {
            let lines = if many { lines.of_session(&name) } else { lines.clone() };
            let files = Files::open(record.as_deref(), &client)?;
            let console = Console::new(Kinds::new(lines), store.clone());
            let (ended, stopped) = (false, None);
            Ok(Session { name, client, store, files, console, keeper, ended, stopped })
        };
        let all = all.into_iter().map(open).collect::<Result<_, Failure>>()?;
        let lines = if many { lines.of_session(ALL) } else { lines };
        Ok(Self { all, lines, turn: 0 })
    }

    /// Waits for the next item of any session that has not ended, and for room to print what comes
    /// of it. Towards the end, sessions that are not online stand still: they make no token and
    /// dial nobody any more.
    async fn next(&mut self, ending: bool) -> (usize, Option<Item<A>>) {
        output::room().await;
        std::future::poll_fn(|task| {
            let count = self.all.len();
            for offset in 0..count {
                let index = (self.turn + offset) % count;
                let session = &mut self.all[index];
                let online = matches!(session.client.machine().phase(), Phase::Online(_));
                if !session.ended
                    && (online || !ending)
                    && let Poll::Ready(item) = session.client.poll_next_unpin(task)
                {
                    // Whoever talks all the time lets the others speak, too.
                    self.turn = index + 1;
                    return Poll::Ready((index, item));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Prints an item; returns whether there was one.
    fn take(&mut self, index: usize, item: Option<Item<A>>) -> Result<bool, Failure> {
        let session = &mut self.all[index];
        session.files.record(&mut session.client)?;
        let Some(item) = item else {
            session.ended = true;
            session.store.save(&session.client.snapshot())?;
            return Ok(false);
        };
        if let Item::Notice(notice @ Notice::Stopped { reason }) = &item
            && !matches!(*reason, StopReason::Policy(cause) if A::is_asked_for(cause))
        {
            session.stopped = Some((*reason, A::explain(notice)));
        }
        if let (Item::Message(message), Some(keep)) = (&item, &mut session.keeper) {
            keep(message)?;
        }
        session.console.item(item);
        Ok(true)
    }

    fn all_have_ended(&self) -> bool {
        self.all.iter().all(|session| session.ended)
    }

    /// Obeys a line of stdin. Of several sessions it is for the one that it names, else for all.
    fn line(&mut self, line: Line) -> Result<(), Failure> {
        match (line, self.all.as_mut_slice()) {
            (Line::Bad(text), _) => self.misunderstood(text),
            (Line::Text(line), [session]) => session.console.line(&mut session.client, &line)?,
            (Line::Text(line), sessions) if !line.trim().is_empty() => {
                let mut order = match control::order(&line) {
                    Ok(order) => order,
                    Err(text) => {
                        self.misunderstood(text);
                        return Ok(());
                    }
                };
                let name = order.remove("session");
                let mut found = false;
                for session in sessions.iter_mut().filter(|session| match &name {
                    Some(name) => name.as_str() == Some(&session.name),
                    None => true,
                }) {
                    found = true;
                    session.console.order(&mut session.client, order.clone())?;
                }
                if !found {
                    self.misunderstood("there is no session of this name");
                }
            }
            (Line::Text(_), _) => {}
        }
        for session in &mut self.all {
            session.files.record(&mut session.client)?;
        }
        Ok(())
    }

    fn misunderstood(&self, text: &str) {
        self.lines.line("error", json!({ "fault": "caller", "text": Value::from(text) }));
    }

    /// Returns when it is time to look at a load.
    fn outbox_due(&self) -> Option<Instant> {
        self.all.iter().filter_map(|session| session.console.outbox_due()).min()
    }

    /// Looks at what changes without a word.
    fn look(&mut self, busy: bool) -> Result<(), Failure> {
        for session in &mut self.all {
            if let Some(failure) = session.store.take_failure() {
                return Err(failure);
            }
            session.console.outbox(session.client.load(), busy);
        }
        Ok(())
    }

    fn outcome(self) -> ExitCode {
        let mut code = ExitCode::SUCCESS;
        let many = self.all.len() > 1;
        for Session { name, stopped, .. } in self.all {
            match stopped {
                Some((StopReason::Requested, _)) | None => {}
                Some((StopReason::Policy(_) | StopReason::TokenRejected(_), words)) => {
                    let which = if many { format!("{name}: ") } else { String::new() };
                    let why = words.map(|words| format!(": {words}")).unwrap_or_default();
                    output::complain(&format!("{which}the policy gave the session up{why}"));
                    code = ExitCode::from(STOPPED);
                }
            }
        }
        code
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What lines are marked with that are about no session.
const ALL: &str = "*";
/// How long stdin says nothing before a signal ends the sessions, and how long it may go on.
const QUIET: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_millis(500);
const STOPPED: u8 = 3;
const INTERRUPTED: u8 = 130;

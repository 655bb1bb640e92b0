//! What became of every message, by an onlooker's account.

use std::collections::BTreeMap;

use redial_core::{Class, Fate, Load, MessageId, Path, Proof, Settled, Status};

use crate::peer::Carried;
use crate::watch::Breach;

/// Keeps account of the messages of one session, across the processes that it lives in, and
/// checks what the session says about them:
///
/// - `ledger_conserves`: what was accepted has ended or is in the ledger;
/// - `order_kept`: messages are written for the first time in the order in which they were
///   accepted, and so are those that are written again on a connection;
/// - `ack_settles_once`: each has one end, and the end is true: acknowledged only if it arrived (or was written and has no other proof),
///   "never written" only if it never was, and `arrivals` not less than what arrived;
/// - `tries_bounded`: none is written more often than its class allows;
/// - `cut_at_loss`: none is in flight on a socket that is gone;
/// - `ids_kept`: a message that is written again has the same id on the wire, and no other has it.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    open: BTreeMap<u64, Record>,
    numbers: BTreeMap<MessageId, u64>,
    accepted: u64,
    ended: u64,
    /// The newest message that was written.
    newest: u64,
    /// How many connections there were, and the newest message that was written on the last.
    connection: u64,
    newest_here: u64,
    fates: [u64; 5],
    resent: u64,
}

#[derive(Clone, Debug)]
struct Record {
    wire: Option<String>,
    class: Class,
    written: u32,
    arrived: u32,
    /// The connection that it was written on last.
    connection: Option<u64>,
}

impl Accounts {
    /// The session has accepted a message of this class.
    pub fn accept(&mut self, number: u64, id: MessageId, class: Class) {
        self.accepted += 1;
        self.numbers.insert(id, number);
        let record = Record { wire: None, class, written: 0, arrived: 0, connection: None };
        self.open.insert(number, record);
    }

    /// A socket is open; what was on an earlier one may be written again.
    pub fn connect(&mut self) {
        self.connection += 1;
        self.newest_here = 0;
    }

    /// A message leaves the session.
    ///
    /// # Errors
    ///
    /// Where it overtakes an earlier one, has ended already, or has another id than before.
    pub fn write(&mut self, carried: &Carried) -> Result<(), Breach> {
        let Some(record) = self.open.get_mut(&carried.number) else {
            return Err(Breach::new("ack_settles_once", "a message is written after its end"));
        };
        match &record.wire {
            None if carried.number < self.newest => {
                return Err(Breach::new("order_kept", "a message is written after a later one"));
            }
            None => {
                self.newest = carried.number;
                record.wire = Some(carried.id.clone());
            }
            Some(wire) if *wire != carried.id => {
                return Err(Breach::new("ids_kept", "a message is written with another id"));
            }
            Some(_) => self.resent += 1,
        }
        let is_first_here = record.connection.replace(self.connection) != Some(self.connection);
        if is_first_here && carried.number < self.newest_here {
            return Err(Breach::new("order_kept", "a message is written again after a later one"));
        }
        self.newest_here = self.newest_here.max(carried.number);
        record.written += 1;
        if record.written > u32::from(record.class.tries) {
            return Err(Breach::new("tries_bounded", "a message is written too often"));
        }
        if record.written > 1 {
            return Ok(());
        }
        let mut wires = self.open.iter().filter(|(number, _)| **number != carried.number);
        if wires.any(|(_, other)| other.wire.as_deref() == Some(&carried.id)) {
            return Err(Breach::new("ids_kept", "two messages have one id"));
        }
        Ok(())
    }

    /// A message has arrived at the server.
    pub fn arrive(&mut self, number: u64) {
        if let Some(record) = self.open.get_mut(&number) {
            record.arrived += 1;
        }
    }

    /// The session says how a message ended.
    ///
    /// # Errors
    ///
    /// Where it had ended already, or the end is not true.
    pub fn settle(&mut self, settled: &Settled) -> Result<(), Breach> {
        let record = self.numbers.remove(&settled.id).and_then(|number| self.open.remove(&number));
        let Some(record) = record else {
            return Err(Breach::new("ack_settles_once", "an end of a message that has none"));
        };
        self.ended += 1;
        let (place, is_true) = match settled.fate {
            // Where nothing proves it, it counts as arrived once it is handed to the socket.
            Fate::Acked if record.class.proof == Proof::Written => (0, record.written > 0),
            Fate::Acked => (0, record.arrived > 0),
            Fate::Rejected(_) => (1, record.written > 0),
            Fate::Expired => (2, record.written == 0),
            Fate::NotSent => (3, record.written == 0),
            Fate::Unknown => (4, true),
        };
        self.fates[place] += 1;
        if !is_true || u32::from(settled.arrivals) < record.arrived {
            let what = format!("{settled:?}, but {record:?}");
            return Err(Breach::new("ack_settles_once", what));
        }
        Ok(())
    }

    /// Compares with what the session has, when no end is on its way to the application.
    ///
    /// # Errors
    ///
    /// Where messages are missing or too many.
    pub fn check(&self, load: Load) -> Result<(), Breach> {
        let there = (load.queued + load.in_flight) as u64;
        if self.accepted == self.ended + there {
            return Ok(());
        }
        let what = format!("{} accepted, {} ended, {there} there", self.accepted, self.ended);
        Err(Breach::new("ledger_conserves", what))
    }

    /// Looks for messages that count as being on a socket, when there is none.
    ///
    /// # Errors
    ///
    /// Where there is one.
    pub fn check_cut(&self, status: impl Fn(MessageId) -> Option<Status>) -> Result<(), Breach> {
        let on_socket = |id: &MessageId| {
            status(*id).is_some_and(|known| known.in_flight && known.path == Some(Path::Socket))
        };
        if self.numbers.keys().any(on_socket) {
            return Err(Breach::new("cut_at_loss", "a message is in flight on no socket"));
        }
        Ok(())
    }

    /// The application forgets: ids that a later process takes are new.
    ///
    /// # Errors
    ///
    /// Where a message has no end.
    pub fn close(&mut self) -> Result<(), Breach> {
        self.check(Load::default())?;
        (self.newest, self.newest_here) = (0, 0);
        Ok(())
    }

    /// Returns how many messages were accepted.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Returns how many messages were acknowledged, rejected, expired, not sent, unknown.
    #[must_use]
    pub const fn fates(&self) -> [u64; 5] {
        self.fates
    }

    /// Returns how often messages were written again.
    #[must_use]
    pub const fn resent(&self) -> u64 {
        self.resent
    }
}

//! A ledger as its contract says it, slow and plain, and the faults that one can have.

use redial_core::{
    Bounds, Class, Continuity, Cut, Fate, Ledger, MessageId, Outcome, Path, Proof, Settled,
    Timestamp,
};

/// What keeps account of messages.
pub(crate) trait Keeper: Clone + Eq + std::hash::Hash {
    fn accept(&mut self, now: Timestamp, class: Class, weight: u32) -> Option<MessageId>;
    fn next(&self, now: Timestamp) -> Option<(MessageId, u8)>;
    fn allows(&self, id: MessageId, path: Path) -> bool;
    fn sent(&mut self, now: Timestamp, id: MessageId, path: Path);
    fn settle(&mut self, now: Timestamp, id: MessageId, outcome: Outcome);
    fn token_ready(&mut self);
    fn cut(&mut self);
    fn interrupt(&mut self);
    fn online(&mut self, continuity: Continuity);
    fn limit(&mut self, window: u16);
    fn tick(&mut self, now: Timestamp);
    fn stop(&mut self);
    fn poll_fate(&mut self) -> Option<Settled>;
    fn poll_timeout(&self) -> Option<Timestamp>;
    fn len(&self) -> usize;
}

impl Keeper for Ledger<()> {
    fn accept(&mut self, now: Timestamp, class: Class, weight: u32) -> Option<MessageId> {
        Ledger::accept(self, now, class, weight, ()).ok()
    }

    fn next(&self, now: Timestamp) -> Option<(MessageId, u8)> {
        Ledger::next(self, now).map(|(id, (), tries)| (id, tries))
    }

    fn allows(&self, id: MessageId, path: Path) -> bool {
        Ledger::allows(self, id, path)
    }

    fn sent(&mut self, now: Timestamp, id: MessageId, path: Path) {
        Ledger::sent(self, now, id, path);
    }

    fn settle(&mut self, now: Timestamp, id: MessageId, outcome: Outcome) {
        Ledger::settle(self, now, id, outcome);
    }

    fn token_ready(&mut self) {
        Ledger::token_ready(self);
    }

    fn cut(&mut self) {
        Ledger::cut(self);
    }

    fn interrupt(&mut self) {
        Ledger::interrupt(self);
    }

    fn online(&mut self, continuity: Continuity) {
        Ledger::online(self, continuity);
    }

    fn limit(&mut self, window: u16) {
        Ledger::limit(self, window);
    }

    fn tick(&mut self, now: Timestamp) {
        Ledger::tick(self, now);
    }

    fn stop(&mut self) {
        Ledger::stop(self);
    }

    fn poll_fate(&mut self) -> Option<Settled> {
        Ledger::poll_fate(self)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        Ledger::poll_timeout(self)
    }

    fn len(&self) -> usize {
        Ledger::len(self)
    }
}

/// What a keeper of accounts can get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flaw {
    /// Drops what was on a connection without a word.
    ForgetsOnCut,
    /// Tells each end twice.
    TellsTwice,
    /// Tells each late answer.
    HearsLateAnswers,
    /// Keeps what it has told the end of.
    KeepsTheDead,
    /// Lets new messages go while an earlier one is held.
    OvertakesHeld,
    /// Lets an exchange begin while earlier messages are on the socket.
    MixesPaths,
    /// Writes everything again at once.
    ResendsInParallel,
}

/// A list of messages, searched from its beginning for everything.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Plain {
    flaw: Option<Flaw>,
    bounds: (usize, u64),
    messages: Vec<Message>,
    told: Vec<Settled>,
    accepted: u64,
    window: Option<u16>,
    stopped: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Message {
    id: MessageId,
    class: Class,
    weight: u32,
    place: Place,
    tries: u8,
    unsure: u8,
    path: Option<Path>,
    orphan: bool,
    dies: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Here,
    HereFrom(Timestamp),
    NeedsToken,
    Lost,
    Socket(Timestamp),
    Http(Timestamp),
}

impl Plain {
    pub(crate) fn new(bounds: Bounds, flaw: Option<Flaw>) -> Self {
        let bounds = (bounds.messages, bounds.bytes as u64);
        let (messages, told) = (Vec::new(), Vec::new());
        Self { flaw, bounds, messages, told, accepted: 0, window: None, stopped: false }
    }

    fn find(&mut self, id: MessageId) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.id == id)
    }

    fn end(&mut self, id: MessageId, fate: Fate) {
        let at = self.messages.iter().position(|message| message.id == id).expect("it is there");
        let message = self.messages[at].clone();
        if self.flaw != Some(Flaw::KeepsTheDead) {
            self.messages.remove(at);
        }
        let arrivals = match fate {
            Fate::Acked => message.arrivals().max(1),
            Fate::Rejected(_) => message.unsure,
            Fate::Unknown => message.arrivals(),
            Fate::Expired | Fate::NotSent => 0,
        };
        let Message { tries, path, .. } = message;
        let times = if self.flaw == Some(Flaw::TellsTwice) { 2 } else { 1 };
        self.told.extend([Settled { id, fate, tries, path, arrivals }].repeat(times));
    }

    fn ids(&self) -> Vec<MessageId> {
        self.messages.iter().map(|message| message.id).collect()
    }

    /// There will be no answer to this write.
    fn lose(&mut self, id: MessageId, place: Place) {
        let message = self.find(id).expect("it is there");
        let again = message.class.cut == Cut::Resend && message.may_go_again();
        if again {
            message.unsure += u8::from(message.is_on_its_way());
            message.place = place;
        } else if message.tries == 0 {
            self.end(id, Fate::NotSent);
        } else {
            self.end(id, Fate::Unknown);
        }
    }
}

impl Message {
    fn is_on_its_way(&self) -> bool {
        matches!(self.place, Place::Socket(_) | Place::Http(_))
    }

    fn arrivals(&self) -> u8 {
        self.unsure + u8::from(self.is_on_its_way())
    }

    fn may_go_again(&self) -> bool {
        let foreign = self.orphan && self.arrivals() > 0;
        self.tries < self.class.tries && !foreign
    }
}

impl Keeper for Plain {
    fn accept(&mut self, now: Timestamp, class: Class, weight: u32) -> Option<MessageId> {
        let bytes: u64 = self.messages.iter().map(|message| u64::from(message.weight)).sum();
        let full = self.messages.len() >= self.bounds.0;
        if self.stopped || full || bytes + u64::from(weight) > self.bounds.1 {
            return None;
        }
        self.accepted += 1;
        let id = MessageId::new(self.accepted);
        self.messages.push(Message {
            id,
            class,
            weight,
            place: Place::Here,
            tries: 0,
            unsure: 0,
            path: None,
            orphan: false,
            dies: now + class.ttl,
        });
        Some(id)
    }

    fn next(&self, now: Timestamp) -> Option<(MessageId, u8)> {
        let flying =
            self.messages.iter().filter(|message| matches!(message.place, Place::Socket(_)));
        if self.window.is_some_and(|window| flying.count() >= usize::from(window)) {
            return None;
        }
        for message in &self.messages {
            let found = Some((message.id, message.tries));
            match message.place {
                Place::Here => return found,
                Place::HereFrom(at) if at <= now => return found,
                Place::HereFrom(_) if self.flaw == Some(Flaw::OvertakesHeld) => {}
                Place::Socket(_) if message.tries <= 1 => {}
                Place::Socket(_) if self.flaw == Some(Flaw::ResendsInParallel) => {}
                Place::HereFrom(_)
                | Place::NeedsToken
                | Place::Lost
                | Place::Http(_)
                | Place::Socket(_) => return None,
            }
        }
        None
    }

    fn allows(&self, id: MessageId, path: Path) -> bool {
        let mixes = self.flaw == Some(Flaw::MixesPaths);
        path == Path::Socket || mixes || !self.messages.iter().any(|message| message.id < id)
    }

    fn sent(&mut self, now: Timestamp, id: MessageId, path: Path) {
        let Some(message) = self.find(id) else { return };
        message.unsure += u8::from(message.is_on_its_way());
        message.tries += 1;
        message.path = Some(path);
        let deadline = now + message.class.within;
        message.place = match path {
            Path::Socket => Place::Socket(deadline),
            Path::Http => Place::Http(deadline),
        };
        if message.class.proof == Proof::Written && path == Path::Socket {
            self.end(id, Fate::Acked);
        }
    }

    fn settle(&mut self, now: Timestamp, id: MessageId, outcome: Outcome) {
        let known = id.get() > 0 && id.get() <= self.accepted;
        let Some(message) = self.find(id) else {
            if known && self.flaw == Some(Flaw::HearsLateAnswers) {
                let fate = Fate::Unknown;
                self.told.push(Settled { id, fate, tries: 1, path: None, arrivals: 1 });
            }
            return;
        };
        if message.tries == 0 {
            return;
        }
        let place = match outcome {
            Outcome::Acked => return self.end(id, Fate::Acked),
            Outcome::Rejected(code) => return self.end(id, Fate::Rejected(code)),
            Outcome::Unknown => return self.end(id, Fate::Unknown),
            Outcome::Lost { after } => {
                let until = Place::HereFrom(now + after.unwrap_or_default());
                return self.lose(id, until);
            }
            Outcome::Retry { after } => Place::HereFrom(now + after.unwrap_or_default()),
            Outcome::AfterToken => Place::NeedsToken,
        };
        message.place = place;
        if !message.may_go_again() {
            self.end(id, Fate::Unknown);
        }
    }

    fn token_ready(&mut self) {
        for message in &mut self.messages {
            if message.place == Place::NeedsToken {
                message.place = Place::Here;
            }
        }
    }

    fn cut(&mut self) {
        self.window = None;
        if self.flaw == Some(Flaw::ForgetsOnCut) {
            self.messages.retain(|message| !matches!(message.place, Place::Socket(_)));
        }
        for id in self.ids() {
            let message = self.find(id).expect("it is there");
            if let Place::Socket(_) = message.place {
                if message.class.cut == Cut::Report {
                    self.end(id, Fate::Unknown);
                } else {
                    message.unsure += 1;
                    message.place = Place::Lost;
                }
            }
        }
    }

    fn interrupt(&mut self) {
        self.cut();
        for id in self.ids() {
            if self.find(id).is_some_and(|message| message.is_on_its_way()) {
                self.lose(id, Place::Here);
            }
        }
    }

    fn online(&mut self, continuity: Continuity) {
        for id in self.ids() {
            let message = self.find(id).expect("it is there");
            let foreign = continuity == Continuity::Fresh
                && !message.class.portable
                && message.arrivals() > 0;
            if message.is_on_its_way() {
                message.orphan |= foreign;
            } else if foreign || (message.place == Place::Lost && !message.may_go_again()) {
                self.end(id, Fate::Unknown);
            } else if message.place == Place::Lost {
                message.place = Place::Here;
            }
        }
    }

    fn limit(&mut self, window: u16) {
        self.window = Some(window);
    }

    fn tick(&mut self, now: Timestamp) {
        for id in self.ids() {
            let message = self.find(id).expect("it is there");
            let dead = message.dies <= now;
            match message.place {
                Place::Socket(deadline) | Place::Http(deadline) if deadline <= now => {
                    if dead {
                        self.end(id, Fate::Unknown);
                    } else {
                        self.lose(id, Place::Here);
                    }
                }
                Place::Socket(_) | Place::Http(_) => {}
                _ if dead && message.tries == 0 => self.end(id, Fate::Expired),
                _ if dead => self.end(id, Fate::Unknown),
                Place::HereFrom(at) if at <= now => message.place = Place::Here,
                Place::HereFrom(_) | Place::Here | Place::NeedsToken | Place::Lost => {}
            }
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        for id in self.ids() {
            let written = self.find(id).is_some_and(|message| message.tries > 0);
            self.end(id, if written { Fate::Unknown } else { Fate::NotSent });
        }
    }

    fn poll_fate(&mut self) -> Option<Settled> {
        (!self.told.is_empty()).then(|| self.told.remove(0))
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let due = |message: &Message| match message.place {
            Place::Here | Place::NeedsToken | Place::Lost => message.dies,
            Place::HereFrom(at) => at.min(message.dies),
            Place::Socket(deadline) | Place::Http(deadline) => deadline,
        };
        self.messages.iter().map(due).min()
    }

    fn len(&self) -> usize {
        self.messages.len()
    }
}

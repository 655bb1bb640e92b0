//! What a test reads.

use redial_core::{
    Adapter, Cause, Continuity, Fate, Item, MessageId, Notice, Secret, Settled, Span,
};

use super::{Rig, Wire};

/// What the session did.
impl<A: Adapter> Rig<A> {
    /// Takes what the session did since the last call.
    pub fn take_wire(&mut self) -> Vec<(u64, Wire)> {
        std::mem::take(&mut self.wire)
    }

    /// Takes what the session did since the last call, and returns the text frames of it.
    pub fn take_texts(&mut self) -> Vec<String> {
        let texts = self.texts();
        self.wire.clear();
        texts
    }

    /// Returns the text frames that were written.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let texts = self.wire.iter().filter_map(|(_, wire)| match wire {
            Wire::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns the URLs that were dialled, and when.
    #[must_use]
    pub fn dials(&self) -> Vec<(u64, String)> {
        let dials = self.wire.iter().filter_map(|(at, wire)| match wire {
            Wire::Dial(url) => Some((*at, url.clone())),
            _ => None,
        });
        dials.collect()
    }
}

/// What came out for the application. None of these takes anything: clear
/// [`items`](Rig::items) to forget.
impl<A: Adapter> Rig<A> {
    /// Returns what `pick` finds in the items, and when they came out.
    pub fn pick<'a, T>(&'a self, pick: impl Fn(&'a Item<A>) -> Option<T>) -> Vec<(u64, T)> {
        let picked = self.items.iter().filter_map(|(at, item)| Some((*at, pick(item)?)));
        picked.collect()
    }

    /// Returns what the session said that it did.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.picked(|item| match item {
            Item::Notice(notice) => Some(*notice),
            _ => None,
        })
    }

    /// Returns the last of the notices.
    ///
    /// # Panics
    ///
    /// Where there is none.
    #[must_use]
    #[track_caller]
    pub fn last_notice(&self) -> Notice {
        match self.notices().pop() {
            Some(notice) => notice,
            None => self.fail("a notice was expected"),
        }
    }

    /// Returns the waits that were announced: the number of the attempt, the wait and its cause.
    #[must_use]
    pub fn waits(&self) -> Vec<(u16, Span, Cause)> {
        self.picked(|item| match item {
            Item::Notice(Notice::RetryScheduled { delay, attempt, cause, .. }) => {
                Some((*attempt, *delay, *cause))
            }
            _ => None,
        })
    }

    /// Returns whether the vendor's sessions were resumed, of each that was online.
    #[must_use]
    pub fn continuities(&self) -> Vec<Continuity> {
        self.picked(|item| match item {
            Item::Notice(Notice::Online { continuity, .. }) => Some(*continuity),
            _ => None,
        })
    }

    /// Returns what the vendor said unasked.
    #[must_use]
    pub fn messages(&self) -> Vec<&A::Message> {
        self.picked(|item| match item {
            Item::Message(message) => Some(message),
            _ => None,
        })
    }

    /// Returns the answers to messages.
    #[must_use]
    pub fn replies(&self) -> Vec<(MessageId, &A::Reply)> {
        self.picked(|item| match item {
            Item::Reply { id, reply } => Some((*id, reply)),
            _ => None,
        })
    }

    /// Returns the fates of messages, in the order in which they were told.
    #[must_use]
    pub fn fates(&self) -> Vec<(MessageId, Fate)> {
        self.settled().iter().map(|settled| (settled.id, settled.fate)).collect()
    }

    /// Returns the ends of messages, with what the ledger knows of them.
    #[must_use]
    pub fn settled(&self) -> Vec<Settled> {
        self.picked(|item| match item {
            Item::Fate(settled) => Some(*settled),
            _ => None,
        })
    }

    /// Returns what went wrong without ending the session.
    #[must_use]
    pub fn problems(&self) -> Vec<&'static str> {
        self.picked(|item| match item {
            Item::Problem(problem) => Some(problem.text),
            _ => None,
        })
    }

    /// Returns the gaps that were told: whether each of them is closed.
    #[must_use]
    pub fn gaps(&self) -> Vec<bool> {
        self.picked(|item| match item {
            Item::Gap { closed } => Some(*closed),
            _ => None,
        })
    }

    /// Returns the tokens that the application was asked for: of each the one that was rejected,
    /// where one was.
    #[must_use]
    pub fn wanted(&self) -> Vec<Option<&Secret>> {
        self.picked(|item| match item {
            Item::TokenNeeded { rejected, .. } => Some(rejected.as_ref()),
            _ => None,
        })
    }

    fn picked<'a, T>(&'a self, pick: impl Fn(&'a Item<A>) -> Option<T>) -> Vec<T> {
        self.items.iter().filter_map(|(_, item)| pick(item)).collect()
    }
}

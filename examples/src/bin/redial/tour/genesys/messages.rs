//! What became of the messages of a scene, on both sides.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use redial_core::{Fate, Settled};
use redial_testkit::servers::genesys::State;
use tokio::task::JoinSet;

use crate::tour::figures::Promise;

/// The messages of one application.
#[derive(Default)]
pub(super) struct Messages {
    pub(super) texts: Vec<String>,
    told: Arc<Mutex<Vec<(usize, Settled)>>>,
    ends: JoinSet<()>,
}

impl Messages {
    /// Notes the end of the message of this number when it comes.
    pub(super) fn note(
        &mut self,
        number: usize,
        end: impl Future<Output = Option<Settled>> + Send + 'static,
    ) {
        let told = Arc::clone(&self.told);
        self.ends.spawn(async move {
            if let Some(settled) = end.await {
                told.lock().unwrap_or_else(PoisonError::into_inner).push((number, settled));
            }
        });
    }

    /// Waits until every message has its fate.
    pub(super) async fn settled(&mut self) {
        while self.ends.join_next().await.is_some() {}
    }

    /// Returns the fates, by the order in which the messages were sent.
    pub(super) fn fates(&self) -> Vec<(&str, Settled)> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told.sort_by_key(|(number, _)| *number);
        let text = |number: usize| self.texts.get(number).map_or("", String::as_str);
        told.into_iter().map(|(number, settled)| (text(number), settled)).collect()
    }

    /// Zero unreported: each message has one fate.
    pub(super) fn reported(&self) -> Promise {
        let (told, all) = (self.fates().len(), self.texts.len());
        Promise::new("every message has its fate", told == all, format!("{told} of {all}"))
    }

    /// Zero lost, in order, and once each: what the other side reads is what was sent.
    pub(super) fn exactly_once(&self, state: &State) -> Promise {
        let acked = self.fates().iter().filter(|(_, end)| end.fate == Fate::Acked).count();
        let kept = state.texts() == self.texts && acked == self.texts.len();
        let seen = format!(
            "{} sent, {acked} acked, {} read, {} duplicate(s) kept out",
            self.texts.len(),
            state.delivered.len(),
            state.duplicates()
        );
        Promise::new("all arrive once and in order", kept, seen)
    }

    /// No `acked` without an acknowledgment that the server has sent.
    pub(super) fn proved(&self, state: &State) -> Promise {
        let fates = self.fates();
        let acked: Vec<&str> = fates
            .iter()
            .filter(|(_, end)| end.fate == Fate::Acked)
            .map(|(text, _)| *text)
            .collect();
        let proved = |text: &&&str| {
            let mut delivered = state.delivered.iter().filter(|message| message.text == ***text);
            delivered.any(|message| state.proves(&message.id))
        };
        let good = acked.iter().filter(proved).count();
        let seen = format!("{good} of {}", acked.len());
        Promise::new("each acked one has the server's proof", good == acked.len(), seen)
    }

    /// Whatever the server has had twice was told to be a possible duplicate.
    pub(super) fn duplicates_told(&self, state: &State) -> Promise {
        let twice: BTreeSet<&str> = state
            .messages
            .iter()
            .filter(|message| message.duplicate)
            .filter_map(|message| state.delivered.iter().find(|read| read.id == message.id))
            .map(|read| read.text.as_str())
            .collect();
        let fates = self.fates();
        let told: BTreeSet<&str> =
            fates.iter().filter(|(_, end)| end.may_be_duplicate()).map(|(text, _)| *text).collect();
        let seen = format!("{} on the wire, {} told", twice.len(), told.len());
        Promise::new("every possible duplicate is told", twice.is_subset(&told), seen)
    }
}

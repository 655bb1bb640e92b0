//! What was said while the session was away.

use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResult, Method};
use redial_core::{Fault, Io, Secret, Span, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::adapter::WebMessaging;
use super::inbound::{Message, Structured};
use super::request::Lane;
use crate::Recent;
use crate::body::{self, Body};

/// The fetching of the history after a reconnect: a token by frame, then pages by HTTP.
#[derive(Debug)]
pub(super) struct Gap {
    stage: Stage,
    /// The page that is fetched next, from 1.
    page: u32,
    tries: u8,
    jwt: Option<(Secret, Timestamp)>,
    /// What was found, the newest first.
    found: Vec<Structured>,
    /// What came in while the history is fetched; it says nothing about the time before.
    live: Recent,
    /// The number of this fetching, so that an answer to an earlier one is known.
    round: u32,
}

#[derive(Debug)]
enum Stage {
    /// `getJwt` was sent.
    Jwt { deadline: Timestamp },
    /// A page is under way.
    Page,
    /// Nothing until this instant.
    Wait { until: Timestamp },
}

/// A step of the adapter's HTTP exchanges: a page of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    pub(super) page: u32,
    pub(super) round: u32,
}

impl Gap {
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Jwt { deadline } => Some(deadline),
            Stage::Page => None,
            Stage::Wait { until } => Some(until),
        }
    }
}

impl WebMessaging {
    /// The session goes on, and nothing is replayed: what came meanwhile is fetched.
    pub(super) fn open_gap(&mut self, io: &mut Io<'_, Self>) {
        if !self.config.history {
            return;
        }
        if !self.gap_told {
            self.gap_told = true;
            io.gap(false);
        }
        self.rounds = self.rounds.wrapping_add(1);
        self.gap = Some(Gap {
            stage: Stage::Page,
            page: 1,
            tries: 0,
            jwt: None,
            found: Vec::new(),
            live: Recent::default(),
            round: self.rounds,
        });
        self.ask_jwt(io);
    }

    /// Notes a message that came in by itself; returns whether it is new.
    pub(super) fn note_live(&mut self, structured: &Structured) -> bool {
        let Some(id) = &structured.id else { return true };
        let fresh = self.recent.insert(id);
        if fresh && let Some(gap) = &mut self.gap {
            gap.live.insert(id);
        }
        fresh
    }

    fn ask_jwt(&mut self, io: &mut Io<'_, Self>) {
        let deadline = io.cx.now + self.policy.spec().timeouts.request;
        let Some(gap) = &mut self.gap else { return };
        gap.stage = Stage::Jwt { deadline };
        self.write_control(Lane::Jwt, "getJwt", &[], io);
    }

    /// The answer to `getJwt`.
    pub(super) fn handle_jwt(&mut self, body: &Body, io: &mut Io<'_, Self>) {
        let Some(Gap { stage: Stage::Jwt { .. }, .. }) = &self.gap else { return };
        let value = body.value();
        let jwt =
            value.get("jwt").and_then(Value::as_str).filter(|jwt| crate::net::is_credential(jwt));
        let Some(jwt) = jwt else {
            io.problem(Fault::Vendor, "a token for the history that is none");
            return self.try_gap_again(None, io);
        };
        let exp = value
            .get("exp")
            .and_then(body::number)
            .map_or(io.cx.now + JWT_LIFE, |secs| Timestamp::from_millis(secs.saturating_mul(1000)));
        if let Some(gap) = &mut self.gap {
            gap.jwt = Some((Secret::new(jwt), exp.minus(JWT_MARGIN)));
        }
        self.fetch(io);
    }

    /// Fetches the next page, with another token where this one is too old.
    fn fetch(&mut self, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        let within = self.policy.spec().timeouts.http;
        let Some(gap) = &mut self.gap else { return };
        // A fresh token is never refused by the local clock.
        let usable = matches!(gap.stage, Stage::Jwt { .. });
        let Some((jwt, _)) = gap.jwt.as_ref().filter(|(_, until)| usable || *until > now) else {
            return self.ask_jwt(io);
        };
        gap.stage = Stage::Page;
        let scheme = if self.config.plain { "http" } else { "https" };
        let (host, size, page) = (&self.config.api_host, self.config.page_size, gap.page);
        let mut headers = alloc::vec![
            ("accept", "application/json".to_string()),
            ("authorization", format!("bearer {}", jwt.expose())),
            ("user-agent", self.config.user_agent.clone()),
        ];
        if let Some(origin) = &self.config.origin {
            headers.push(("origin", origin.clone()));
        }
        let url = format!(
            "{scheme}://{host}/api/v2/webmessaging/messages?pageNumber={page}&pageSize={size}"
        );
        let request = HttpRequest { method: Method::Get, url, headers, body: Bytes::new() };
        io.http(Step { page, round: gap.round }, within, request);
    }

    pub(super) fn handle_page(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        let current = self.gap.as_ref().is_some_and(|gap| {
            (gap.round, gap.page) == (step.round, step.page) && matches!(gap.stage, Stage::Page)
        });
        if !current {
            return;
        }
        let answer = match answer {
            Ok(answer) if (200..300).contains(&answer.status) => answer,
            Ok(answer) => {
                if answer.status == 401
                    && let Some(gap) = &mut self.gap
                {
                    gap.jwt = None;
                }
                return self.try_gap_again(answer.retry_after, io);
            }
            Err(_) => return self.try_gap_again(None, io),
        };
        match Page::parse(&answer.body) {
            Some(page) => self.merge(&page, io),
            None => {
                io.problem(Fault::Vendor, "a page of the history that is none");
                self.try_gap_again(None, io);
            }
        }
    }

    fn merge(&mut self, page: &Page, io: &mut Io<'_, Self>) {
        let pages = self.config.pages;
        let Some(gap) = &mut self.gap else { return };
        let mut overlaps = false;
        for entry in &page.entries {
            match entry.id.as_deref() {
                Some(id) if gap.live.contains(id) => {}
                Some(id) if self.recent.contains(id) => overlaps = true,
                Some(id) if gap.found.iter().any(|found| found.id.as_deref() == Some(id)) => {}
                Some(_) => gap.found.push(entry.clone()),
                // Without an id it cannot be merged.
                None => {}
            }
        }
        let closed = overlaps || page.entries.is_empty() || gap.page >= page.count;
        if !closed && gap.page < pages {
            gap.page += 1;
            gap.tries = 0;
            return self.fetch(io);
        }
        self.end_gap(closed, io);
    }

    fn end_gap(&mut self, closed: bool, io: &mut Io<'_, Self>) {
        let Some(gap) = self.gap.take() else { return };
        for structured in gap.found.into_iter().rev() {
            if self.note_live(&structured) {
                self.heed_end(&structured, io);
                io.message(Message::Structured(structured));
            }
        }
        if closed {
            self.gap_told = false;
            io.gap(true);
        } else {
            io.problem(Fault::Vendor, "the history has more than is fetched");
        }
    }

    /// Tries once more, or gives up and leaves the gap open.
    pub(super) fn try_gap_again(&mut self, after: Option<Span>, io: &mut Io<'_, Self>) {
        let spec = *self.policy.spec();
        let Some(gap) = &mut self.gap else { return };
        gap.tries = gap.tries.saturating_add(1);
        if gap.tries > TRIES {
            io.problem(Fault::Vendor, "the history could not be fetched");
            return self.end_gap(false, io);
        }
        let wait = spec.backoff.wait(u16::from(gap.tries), io.cx.entropy, spec.floor);
        gap.stage = Stage::Wait { until: io.cx.now + after.unwrap_or(wait) };
    }

    pub(super) fn tick_gap(&mut self, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        match self.gap.as_ref().map(|gap| &gap.stage) {
            Some(Stage::Jwt { deadline }) if *deadline <= now => {
                io.problem(Fault::Vendor, "the token for the history was not answered");
                self.try_gap_again(None, io);
            }
            Some(Stage::Wait { until }) if *until <= now => self.fetch(io),
            Some(Stage::Jwt { .. } | Stage::Page | Stage::Wait { .. }) | None => {}
        }
    }
}

/// A page of the history.
struct Page {
    entries: Vec<Structured>,
    /// How many pages there are.
    count: u32,
}

impl Page {
    /// The most entries that are read from a page, whatever its size.
    const MAX: usize = 1000;

    fn parse(bytes: &Bytes) -> Option<Self> {
        let fields: Fields<'_> =
            body::is_object(bytes).then(|| serde_json::from_slice(bytes).ok()).flatten()?;
        let entry = |raw: &&RawValue| Structured::new(Body::part(bytes, Some(raw)), true);
        let entries = fields.entities.iter().take(Self::MAX).map(entry).collect();
        let count = body::number(&fields.page_count).unwrap_or(1);
        Some(Self { entries, count: u32::try_from(count).unwrap_or(u32::MAX) })
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    entities: Vec<&'a RawValue>,
    #[serde(default, rename = "pageCount")]
    page_count: Value,
}

/// How often a step is tried again before the gap is left open.
const TRIES: u8 = 3;
/// Developer Center: the token for the history lives about a minute.
const JWT_LIFE: Span = Span::from_secs(60);
/// Mobile SDK: it is used until 5 s before its end.
const JWT_MARGIN: Span = Span::from_secs(5);

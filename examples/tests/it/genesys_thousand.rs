//! A thousand messages through everything that can go wrong, over real sockets. The process is
//! the test's own: what was written is counted next to the socket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redial_core::{
    Bounds, Fate, Frame, Item, MessageId, Policy, PolicySpec, Settled, Span, Speed, Timeouts,
};
use redial_genesys::GuestChat;
use redial_genesys::guest::{Credentials, POLICY, Text};
use redial_testkit::servers::Refusal;
use redial_testkit::servers::genesys::{CutWhen, DedupeScope, GenesysSim, State};
use redial_tungstenite::{Client, Direction};
use serde_json::Value;

use crate::support::PATIENCE;

const MESSAGES: usize = 1_000;
const ROUNDS: usize = 50;
const GUEST_LIFE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_server_that_dedupes_has_each_message_once_and_in_order() {
    let run = Run::start(true).await.play().await;
    let expected: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    assert_eq!(run.sim.state().texts(), expected);
    run.check();
}

#[tokio::test]
async fn a_server_that_does_not_has_each_at_least_once_and_every_duplicate_is_told() {
    let run = Run::start(false).await.play().await;
    let state = run.sim.state();
    let mut seen = BTreeSet::new();
    let first: Vec<&str> = state.texts().into_iter().filter(|text| seen.insert(*text)).collect();
    let expected: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    assert_eq!(first, expected, "the first of each is in order");
    assert!(state.delivered.len() > MESSAGES, "the application reads some twice");
    run.check();
}

struct Run {
    sim: GenesysSim,
    client: Client<GuestChat>,
    begun: Instant,
    names: BTreeMap<MessageId, usize>,
    fates: BTreeMap<usize, Settled>,
    /// Content and id of every message that was written to a socket.
    written: Arc<Mutex<Vec<(usize, String)>>>,
    cuts: usize,
}

impl Run {
    async fn start(dedupes: bool) -> Self {
        let sim = GenesysSim::builder().settings(|settings| {
            settings.dedupe = dedupes;
            settings.dedupe_scope = DedupeScope::Server;
            settings.expires_in_s = GUEST_LIFE.as_secs();
        });
        let sim = sim.start().await.unwrap();
        // A busy machine is no dead server: what is divided by the speed begins long.
        let patient = Span::from_secs(3_600);
        let spec = *POLICY.spec();
        let timeouts = Timeouts { http: patient, connect: patient, ..spec.timeouts };
        let credentials = Credentials::OAuth("only-for-tests".into());
        let adapter = GuestChat::builder(sim.host(), credentials)
            .plain(true)
            .policy(Policy::new(PolicySpec { timeouts, ..spec }))
            .ttl(patient)
            .speed(Speed::new(50))
            .build()
            .unwrap();
        let written = Arc::<Mutex<Vec<_>>>::default();
        let noted = Arc::clone(&written);
        let client = Client::builder(adapter)
            .bounds(Bounds { messages: 64, bytes: 1 << 20 })
            .seed(1)
            .tap(move |direction, frame| {
                if let (Direction::Sent, Frame::Text(text)) = (direction, frame) {
                    noted.lock().unwrap().push(message_of(text));
                }
            })
            .build()
            .unwrap();
        let (names, fates) = (BTreeMap::new(), BTreeMap::new());
        Self { sim, client, begun: Instant::now(), names, fates, written, cuts: 0 }
    }

    async fn play(mut self) -> Self {
        for round in 0..ROUNDS {
            self.arm(round).await;
            for n in 0..MESSAGES / ROUNDS {
                let n = round * (MESSAGES / ROUNDS) + n;
                let id = self.client.send(Text::new(n.to_string())).unwrap();
                self.names.insert(id, n);
            }
            // The last of a round are still on their way when the next one begins.
            let waiting = if round + 1 == ROUNDS { 0 } else { 4 };
            while self.names.len() - self.fates.len() > waiting {
                self.step(PATIENCE).await.expect("no message waits for ever");
            }
        }
        self
    }

    /// Arranges for what will go wrong.
    async fn arm(&mut self, round: usize) {
        let rest = |status| Refusal::status("rest", status);
        let cut = match round % 10 {
            1 | 6 => Some(CutWhen::BeforeDelivery),
            2 | 4 | 5 | 8 => Some(CutWhen::BeforeAck),
            9 => Some(CutWhen::AfterAck),
            _ => None,
        };
        match round {
            3 | 13 | 23 => self.sim.lose_acks(2).await,
            4 | 14 | 24 | 34 => self.sim.lose_rest_replies(1).await,
            5 | 25 => self.sim.refuse(rest(500)).await,
            18 | 38 => self.sim.refuse(rest(429).times(2).retry_after("1")).await,
            10 => {
                // Past its end a guest is not asked for anything any more.
                while let Some(left) =
                    (GUEST_LIFE + Duration::from_millis(50)).checked_sub(self.begun.elapsed())
                {
                    let _ = self.step(left).await;
                }
                self.sim.cut().await;
                self.cuts += 1;
            }
            _ => {}
        }
        if round == 1 {
            self.sim.set("expires_in_s", 3_600).await.unwrap();
        }
        if let Some(when) = cut {
            self.sim.cut_at(3, when).await;
            self.cuts += 1;
        }
    }

    /// Lets the session go on until it says something.
    async fn step(&mut self, within: Duration) -> Result<(), tokio::time::error::Elapsed> {
        let item = tokio::time::timeout(within, self.client.next()).await?;
        if let Some(Item::Fate(settled)) = item {
            let before = self.fates.insert(self.names[&settled.id], settled);
            assert!(before.is_none(), "one fate for each");
        }
        Ok(())
    }

    fn check(&self) {
        let state = self.sim.state();
        self.check_schedule(&state);
        assert_eq!(self.fates.len(), MESSAGES, "zero unreported");
        let written = self.written.lock().unwrap();
        let (mut told, mut on_wire) = (0, 0);
        for (n, settled) in &self.fates {
            assert_eq!(settled.fate, Fate::Acked, "{n}: {settled:?}");
            let id = &written.iter().find(|(number, _)| number == n).unwrap().1;
            assert!(state.proves(id), "{n} is acked without a proof");
            let frames = written.iter().filter(|(number, _)| number == n).count();
            let rests = state.rests.iter().filter(|call| call.id.as_ref() == Some(id));
            // A status that is missing was lost on its way; any other than 2xx is a refusal.
            let taken = rests.filter(|call| call.status.is_none_or(|status| status < 300)).count();
            assert_eq!(usize::from(settled.arrivals), frames + taken, "{n}: {settled:?}");
            let arrived = state.messages.iter().filter(|message| message.id == *id).count();
            assert!((1..=frames + taken).contains(&arrived), "{n} arrived {arrived} times");
            told += usize::from(settled.may_be_duplicate());
            on_wire += usize::from(frames + taken > 1);
        }
        assert_eq!(told, on_wire, "reported duplicates are those of the wire");
        assert!(told > 0);
    }

    /// Everything that was arranged did happen.
    fn check_schedule(&self, state: &State) {
        let rests = |status| state.rests.iter().filter(|call| call.status == status).count();
        // Where the token has expired before its round, REST says so, and the socket moves.
        let connects = state.upgrades_ok();
        assert!((self.cuts + 1..=self.cuts + 2).contains(&connects), "{connects}");
        // Six on a live socket, twenty with their socket, four answers by REST.
        assert_eq!(state.lost_acks, 6 + 20 + 4);
        assert_eq!((rests(Some(429)), rests(Some(500)), rests(None)), (4, 2, 4));
        assert!(rests(Some(200)) > 20, "resends");
        assert_eq!(state.guests_ok(), 2, "one token has expired");
        assert!(state.duplicates() > 20, "{}", state.duplicates());
    }
}

fn message_of(frame: &[u8]) -> (usize, String) {
    let frame: Value = serde_json::from_slice(frame).unwrap();
    let text = |key: &str| frame[key].as_str().unwrap().to_owned();
    (text("content").parse().unwrap(), text("messageId"))
}

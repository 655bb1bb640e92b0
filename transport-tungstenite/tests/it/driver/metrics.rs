//! What is counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use redial_liveperson::Request;
use redial_testkit::servers::Refusal;

use super::support::{adapter, client, offline, online, plain, rest, until};

#[derive(Default)]
struct Tally {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    offline: Arc<Values>,
}

#[derive(Default)]
struct Values(Mutex<Vec<f64>>);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

impl Recorder for Tally {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(key.name().to_owned()).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        assert_eq!(key.name(), "redial.offline.seconds");
        Histogram::from_arc(Arc::clone(&self.offline))
    }
}

#[tokio::test]
async fn a_session_is_counted() {
    let tally = Tally::default();
    let _guard = metrics::set_default_local_recorder(&tally);
    let sim = plain().await;
    let mut client = client(&sim, adapter(&sim)).build().unwrap();
    online(&mut client).await;
    client.send(Request::get_user_profile("me")).unwrap();
    until(&mut client, |item| matches!(item, redial_core::Item::Fate(_)).then_some(())).await;
    sim.send_text("nonsense").await;
    until(&mut client, |item| matches!(item, redial_core::Item::Problem(_)).then_some(())).await;
    sim.cut().await;
    offline(&mut client).await;
    online(&mut client).await;
    sim.refuse(Refusal::status("login", 500)).await;
    sim.close(4401, "").await;
    online(&mut client).await;
    client.shutdown();
    rest(&mut client).await;

    let counted: Vec<_> = tally
        .counters
        .lock()
        .unwrap()
        .iter()
        .map(|(name, count)| (name.clone(), count.load(Ordering::SeqCst)))
        .collect();
    let expected = [
        ("redial.connects", 3),
        ("redial.dials", 3),
        ("redial.messages.received", 2),
        ("redial.messages.sent", 1),
        ("redial.problems", 1),
        ("redial.reconnects", 2),
        ("redial.token_fetches", 3),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(counted, expected);
    let offline = tally.offline.0.lock().unwrap();
    assert_eq!(offline.len(), 2);
    // Half a second between attempts at this speed; the second outage took two.
    assert!((0.4..5.0).contains(&offline[0]) && (0.9..6.0).contains(&offline[1]), "{offline:?}");
}

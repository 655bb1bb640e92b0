//! Servers that ask to wait, and sessions of one account.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redial_core::{Cause, Item, Notice, Timestamp};
use redial_liveperson::{Builder, Credentials};
use redial_testkit::servers::Refusal;
use redial_testkit::servers::liveperson::{LivePersonSim, State};
use redial_tungstenite::{Client, ClientBuilder, Clock, Connector, SystemClock};

use super::support::{
    Gate, adapter, adapter_for, connector, http, notice, online, plain, rest, seen,
};

fn sharing(
    sim: &LivePersonSim,
    connector: &Connector,
    adapter: Builder,
) -> ClientBuilder<redial_liveperson::LivePerson> {
    Client::builder(adapter.build().unwrap()).http(http(sim)).connector(connector.clone())
}

fn other_account(sim: &LivePersonSim) -> Builder {
    let who = Credentials::Password { username: "bot".into(), password: "sparrow-password".into() };
    adapter_for(sim, "87654321", who)
}

/// Waits for the announcement of a wait that a server rules.
async fn held(
    items: &mut (impl futures_core::Stream<Item = super::support::Out> + Unpin),
) -> Cause {
    notice(items, |notice| match notice {
        Notice::RetryScheduled { cause, not_before: Some(_), .. } => Some(*cause),
        _ => None,
    })
    .await
}

fn calls(state: &State) -> impl Iterator<Item = u64> {
    let csds = state.csds.iter().map(|call| call.t_ms);
    let logins = state.logins.iter().map(|call| call.t_ms);
    csds.chain(logins).chain(state.upgrades.iter().map(|call| call.t_ms))
}

/// `Retry-After` as a date some seconds from now.
fn date_in(seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (days, time) = (since / 86_400, since % 86_400);
    // Civil date of a day number (Howard Hinnant's algorithm).
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    let names =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = names[usize::try_from(month - 1).unwrap()];
    let week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let weekday = week[usize::try_from(days % 7).unwrap()];
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// One session is told to wait; another one of the account and one of another account begin.
async fn one_is_told(step: &str, status: u16, retry_after: &str, at_least: u64) {
    let sim = plain().await;
    let connector = connector(&sim);
    sim.refuse(Refusal::status(step, status).retry_after(retry_after)).await;
    let (first, mut firsts) = sharing(&sim, &connector, adapter(&sim)).build().unwrap().spawn();
    held(&mut firsts).await;
    let before = sim.state();
    let told = before.t_ms;
    let refused = calls(&before).max().unwrap();

    let (second, mut seconds) = sharing(&sim, &connector, adapter(&sim)).build().unwrap().spawn();
    held(&mut seconds).await;
    // Asking for it changes nothing.
    first.recover().await;
    second.recover().await;
    second.connect().await;
    first.network_changed().await;
    let (third, mut thirds) =
        sharing(&sim, &connector, other_account(&sim)).build().unwrap().spawn();
    online(&mut thirds).await;
    let state = sim.state();
    assert!(state.t_ms < told + 900, "another account is not held back: {state:?}");
    third.shutdown().await;
    let free = calls(&sim.state()).max().unwrap();

    online(&mut firsts).await;
    online(&mut seconds).await;
    let state = sim.state();
    let next = calls(&state).filter(|at| *at > free).min().unwrap();
    assert!(next >= refused + at_least, "{refused} {next} {state:?}");
    assert!(next < refused + 8000, "{refused} {next} {state:?}");
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn seconds_at_the_login_hold_all_sessions_of_the_account() {
    // The policy would wait 0.5 s.
    one_is_told("login", 429, "2", 1990).await;
}

#[tokio::test]
async fn a_date_at_the_login_holds_all_sessions_of_the_account() {
    // A date has whole seconds, and so has the date of the answer that it is compared with.
    one_is_told("login", 429, &date_in(3), 1000).await;
}

#[tokio::test]
async fn seconds_at_the_upgrade_hold_all_sessions_of_the_account() {
    one_is_told("upgrade", 429, "2", 1990).await;
}

#[tokio::test]
async fn a_date_at_the_upgrade_holds_all_sessions_of_the_account() {
    one_is_told("upgrade", 503, &date_in(3), 1000).await;
}

#[tokio::test]
async fn malformed_waits_are_no_waits() {
    let sim = plain().await;
    for text in ["soon", "-1", "1.5", "99999999999999999999999", "Mon, 99 Foo 2000 25:61:61 GMT"] {
        sim.refuse(Refusal::status("login", 429).retry_after(text)).await;
        let mut client = super::support::client(&sim, adapter(&sim)).build().unwrap();
        let Cause::Http { status: 429, .. } = notice(&mut client, |notice| match notice {
            Notice::RetryScheduled { cause, delay, .. } => {
                assert!(text.starts_with('9') || delay.as_millis() <= 500, "{text}: {delay:?}");
                Some(*cause)
            }
            _ => None,
        })
        .await
        else {
            panic!("{text}")
        };
        client.shutdown();
        rest(&mut client).await;
    }
}

#[tokio::test]
async fn a_session_in_the_middle_of_its_login_waits_with_the_next_step() {
    let sim = plain().await;
    let connector = connector(&sim);
    let gate = Gate::new(http(&sim), "baseURI");
    let (arrived, pass) = (Arc::clone(&gate.arrived), Arc::clone(&gate.pass));
    let adapter = adapter(&sim).build().unwrap();
    let client = Client::builder(adapter).http(gate).connector(connector.clone()).build().unwrap();
    let (handle, mut updates) = client.spawn();
    tokio::time::timeout(super::support::SOON, arrived.acquire()).await.unwrap().unwrap().forget();
    // Another session is told to wait for a second.
    let now = SystemClock::new().now();
    let at = Timestamp::from_millis(now.as_millis() + 400);
    connector.governor().raise(now, super::support::ACCOUNT, at);
    pass.add_permits(100);
    let told = sim.state().t_ms;
    online(&mut updates).await;
    let state = sim.state();
    assert_eq!(state.logins.len(), 1);
    assert!(state.logins[0].t_ms >= told + 390, "{told} {state:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_session_that_waits_for_its_turn_to_dial_waits_longer() {
    let sim = plain().await;
    let connector =
        Connector::builder().tls(super::support::tls(&sim)).connects_in_flight(1).build().unwrap();
    let permit = connector.permit().await;
    let (handle, mut updates) = sharing(&sim, &connector, adapter(&sim)).build().unwrap().spawn();
    notice(&mut updates, |notice| matches!(notice, Notice::Connecting { .. }).then_some(())).await;
    let now = SystemClock::new().now();
    let at = Timestamp::from_millis(now.as_millis() + 1500);
    connector.governor().raise(now, super::support::ACCOUNT, at);
    drop(permit);
    let told = sim.state().t_ms;
    online(&mut updates).await;
    let state = sim.state();
    assert!(state.upgrades[0].t_ms >= told + 1490, "{told} {state:?}");
    // The wait for a permit and for the governor are none of the connect deadline's business.
    assert_eq!((state.upgrades.len(), state.logins.len()), (1, 1));
    handle.shutdown().await;
}

#[tokio::test]
async fn what_is_held_back_ends_with_the_session() {
    let sim = plain().await;
    let connector = connector(&sim);
    let gate = Gate::new(http(&sim), "baseURI");
    let (arrived, pass) = (Arc::clone(&gate.arrived), Arc::clone(&gate.pass));
    let adapter = adapter(&sim).build().unwrap();
    let client = Client::builder(adapter).http(gate).connector(connector.clone()).build().unwrap();
    let (handle, mut updates) = client.spawn();
    tokio::time::timeout(super::support::SOON, arrived.acquire()).await.unwrap().unwrap().forget();
    let now = SystemClock::new().now();
    let at = Timestamp::from_millis(now.as_millis() + 60_000);
    connector.governor().raise(now, super::support::ACCOUNT, at);
    pass.add_permits(100);
    seen(&sim, |state| state.csds.len() == 1).await;
    tokio::time::timeout(Duration::from_secs(2), handle.shutdown()).await.unwrap();
    let rest = rest(&mut updates).await;
    assert!(matches!(rest.last(), Some(Item::Notice(Notice::Stopped { .. }))), "{rest:?}");
    assert!(sim.state().logins.is_empty());
}

//! A second process of `connect ringcentral` that goes on with the session of the first, as a page
//! does after a refresh.

use std::path::PathBuf;

use serde_json::json;

use crate::ringcentral::{MESSAGES, bare, connect, event, private, serve, subscribed};
use crate::support::{Running, Sim, Tool, scratch};

#[test]
fn a_second_process_gets_the_session_with_what_it_missed() {
    let sim = serve(&["--replay-delay-ms", "0"]);
    let kept = Kept::of_a_process(&sim);
    sim.control(json!({ "do": "notify", "n": 3, "body": {} }));
    let mut client = kept.go_on(&sim).start();
    let online = client.expect("online");
    assert_eq!((&online["continuity"], &online["after_ms"]), (&json!("resumed"), &json!(0)));
    client.expect_vendor("autoRecoverSuccess");
    for n in 1..=3 {
        assert_eq!(notification(&mut client)["body"]["n"], n);
    }
    // The subscription is the one that the file describes.
    let restored = event(&mut client, "subscribed");
    assert_eq!((&restored["restored"], &restored["body"]["id"]), (&json!(true), &json!(kept.id())));
    client.shut_down();
    assert!(client.seen().iter().all(|line| line["kind"] != "gap"));
    let state = sim.state();
    assert_eq!((&state["logins"], &state["subscriptions_made"]), (&json!(1), &json!(1)));
    assert_eq!(state["upgrade_calls"][1]["outcome"], "resumed");
}

#[test]
fn another_login_is_another_session_and_that_is_told() {
    let sim = serve(&[]);
    let kept = Kept::of_a_process(&sim);
    let id = kept.id();
    let tool = connect(&sim).env("REDIAL_WSC_TOKEN", &kept.wsc());
    let mut client = tool.arg("--subscription-info").arg(&kept.subscription).start();
    assert_eq!(client.expect("online")["continuity"], "fresh");
    let failed = client.expect_vendor("autoRecoverFailed");
    assert_eq!((&failed["conn"], &failed["errorCode"]), (&json!(1), &json!("WSG-1003")));
    let gap = client.expect("gap");
    assert_eq!((&gap["certainty"], &gap["from_ms"]), (&json!("certain"), &json!(0)));
    assert_eq!(gap["cause"], json!(null), "an earlier process knows");
    client.shut_down();
    // The user is the same, so the subscription can be moved to the new session.
    assert_eq!(kept.id(), id);
    assert_eq!(sim.state()["subscriptions_made"], 1);
}

#[test]
fn a_context_that_is_none_is_forgotten() {
    let sim = serve(&[]);
    let mut client = subscribed(connect(&sim).args(["--subscribe", MESSAGES, "--wsc-token", "x"]));
    let retry = client.seen().iter().find(|line| line["kind"] == "retry_scheduled").unwrap();
    assert_eq!(retry["cause"], json!({ "refused": "WSG-400" }));
    client.shut_down();
    let state = sim.state();
    assert_eq!(state["upgrade_calls"].as_array().unwrap().len(), 2, "it is presented once");
    assert_eq!(state["upgrade_calls"][1]["wsc"], json!(null));
}

#[test]
fn a_subscription_that_is_gone_is_made_anew() {
    let sim = serve(&[]);
    let kept = Kept::of_a_process(&sim);
    let id = kept.id();
    sim.control(json!({ "do": "set", "key": "drop_subscriptions", "value": true }));
    let mut client = connect(&sim).arg("--subscription-info").arg(&kept.subscription).start();
    let made = event(&mut client, "subscribed");
    assert_eq!(made["restored"], false);
    assert_eq!(made["body"]["eventFilters"], json!([MESSAGES]), "the filters are in the file");
    client.shut_down();
    assert_ne!(kept.id(), id);
}

#[test]
fn a_file_that_describes_no_subscription_is_named() {
    let file = scratch("subscription");
    std::fs::write(&file, "{}").unwrap();
    let tool = Tool::new(["connect", "ringcentral", "--client-id", "app", "--client-secret", "s"]);
    let tool = tool.args(["--jwt", "a.b.c"]).arg("--subscription-info").arg(&file);
    let (code, stdout, stderr) = tool.finish();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains(file.to_str().unwrap()), "{stderr}");
}

#[test]
fn a_killed_process_leaves_a_state_that_the_next_one_goes_on_from() {
    let sim = serve(&["--replay-delay-ms", "0"]);
    let state = scratch("state");
    let tool = || connect(&sim).arg("--state").arg(&state).args(["--subscribe", MESSAGES]);
    let mut client = subscribed(tool());
    sim.control(json!({ "do": "notify", "n": 1, "body": {} }));
    notification(&mut client);
    client.cmd("snapshot");
    client.expect("snapshot");
    assert!(private(&state));
    client.signal("KILL");
    client.status();
    wait_for_loss(&sim);
    sim.control(json!({ "do": "notify", "n": 2, "body": {} }));
    let mut client = tool().start();
    assert_eq!(client.expect("online")["continuity"], "resumed");
    client.expect_vendor("autoRecoverSuccess");
    for n in 2..=3 {
        assert_eq!(notification(&mut client)["body"]["n"], n, "what came is not told again");
    }
    client.shut_down();
    let seen = sim.state();
    assert_eq!((&seen["logins"], &seen["refreshes"]), (&json!(1), &json!(1)));
    assert_eq!(seen["subscriptions_made"], 1);
}

#[test]
fn filters_that_are_typed_count_more_than_those_of_the_state() {
    let sim = serve(&[]);
    let state = scratch("state");
    let tool = |filter| connect(&sim).arg("--state").arg(&state).args(["--subscribe", filter]);
    let mut client = subscribed(tool(MESSAGES));
    client.cmd("snapshot");
    client.expect("snapshot");
    client.signal("KILL");
    client.status();
    wait_for_loss(&sim);
    let presence = "/restapi/v1.0/account/~/extension/~/presence";
    let mut client = subscribed(tool(presence));
    let changed = client.seen().last().unwrap();
    assert_eq!(changed["body"]["eventFilters"], json!([presence]));
    assert_eq!(changed["restored"], true, "the subscription is the same");
    client.shut_down();
    assert_eq!(sim.state()["subscriptions_made"], 1);
}

/// What a process has kept for the next one.
struct Kept {
    wsc: PathBuf,
    subscription: PathBuf,
    refresh: PathBuf,
}

impl Kept {
    /// Lets a process begin a session, and kills it.
    fn of_a_process(sim: &Sim) -> Self {
        let [wsc, subscription, refresh] = ["wsc", "subscription", "refresh"].map(scratch);
        let tool = connect(sim).args(["--subscribe", MESSAGES]).arg("--wsc-out").arg(&wsc);
        let tool = tool.arg("--subscription-info").arg(&subscription);
        let mut client = subscribed(tool.arg("--refresh-token-out").arg(&refresh));
        client.signal("KILL");
        client.status();
        wait_for_loss(sim);
        for file in [&wsc, &subscription, &refresh] {
            assert!(private(file), "{}", file.display());
        }
        Self { wsc, subscription, refresh }
    }

    /// Begins a process with it.
    fn go_on(&self, sim: &Sim) -> Tool {
        let refresh = std::fs::read_to_string(&self.refresh).unwrap();
        let tool = bare(sim).args(["--wsc-token", &self.wsc(), "--refresh-token", &refresh]);
        let tool = tool.arg("--wsc-out").arg(&self.wsc).args(["--subscribe", MESSAGES]);
        tool.arg("--subscription-info").arg(&self.subscription)
    }

    fn wsc(&self) -> String {
        std::fs::read_to_string(&self.wsc).unwrap()
    }

    fn id(&self) -> String {
        let text = std::fs::read_to_string(&self.subscription).unwrap();
        let info: serde_json::Value = serde_json::from_str(&text).unwrap();
        info["id"].as_str().unwrap().to_owned()
    }
}

fn notification(client: &mut Running) -> serde_json::Value {
    client.until("a notification", |line| line["type"] == "notification")["body"].take()
}

/// Waits until the simulator has seen that the process is gone.
fn wait_for_loss(sim: &Sim) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while sim.state()["live_sockets"] != 0 {
        assert!(std::time::Instant::now() < deadline, "the socket stays");
        std::thread::yield_now();
    }
}

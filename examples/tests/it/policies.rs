//! `--policy FILE`: what the file says is changed, the rest stays the vendor's.

use serde_json::json;

use crate::support::{Sim, connect_with};

#[test]
fn what_the_file_does_not_say_stays_the_vendors() {
    let sim = Sim::plain();
    let mut client =
        connect_with(&sim, "floor = 50\n[backoff]\ngrowth = { fixed = 200 }\n").start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 4401 }));
    let retry = client.expect("retry_scheduled");
    assert_eq!((&retry["delay_ms"], &retry["token"]), (&json!(200), &json!("regenerate")));
    client.expect("online");
    client.shut_down();
}

#[test]
fn rules_are_replaced_as_a_whole() {
    let sim = Sim::plain();
    let policy = "otherwise = { retry = { token = \"regenerate\", intent = \"restart\", \
                  delay = \"now\" } }\nfloor = 50\nrules = []\n";
    let mut client = connect_with(&sim, policy).start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 1000 }));
    client.expect("offline");
    assert_eq!(client.expect("connecting")["intent"], "restart");
    client.expect("online");
    assert_eq!(sim.state()["logins"], 2);
    client.shut_down();
}

#[test]
fn a_growing_wait_ends_with_its_budget() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "csds", "status": 503, "times": 9 }));
    let policy = "floor = 50\n[backoff]\nattempts = 3\n\
                  growth = { exponential = { first = 100, percent = 200, cap = 1000 } }\n";
    let mut client = connect_with(&sim, policy).start();
    for delay in [100, 200, 400] {
        assert_eq!(client.expect("retry_scheduled")["delay_ms"], delay);
    }
    let suspended = client.expect("suspended");
    assert_eq!(suspended["reason"], "attempts_exhausted");
    assert_eq!(suspended["cause"], json!({ "http": { "step": "csds", "status": 503 } }));
    client.shut_down();
}

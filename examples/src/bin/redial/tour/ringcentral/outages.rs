//! Outages as the simulator saw them.

use redial_testkit::servers::ringcentral::RingCentralSim;
use serde_json::Value;

/// An outage as the server saw it.
pub(super) struct Outage {
    pub(super) lost: u64,
    /// When the client asked for anything again.
    pub(super) next_try: u64,
    over: Option<u64>,
}

impl Outage {
    pub(super) fn length(&self) -> Option<u64> {
        self.over.map(|over| over - self.lost)
    }
}

/// Finds the outages in what the simulator has seen: from the end of a socket to the next hello.
pub(super) fn outages(sim: &RingCentralSim) -> Vec<Outage> {
    let (state, wire) = (sim.state(), sim.wire());
    let mut outages = Vec::new();
    for upgrade in state.upgrades.iter().filter(|upgrade| upgrade.conn.is_some()) {
        let ends = |line: &&Value| {
            line["conn"].as_u64() == upgrade.conn
                && ["close", "tcp-drop", "eof"].iter().any(|frame| line["frame"] == *frame)
        };
        let Some(lost) = wire.iter().find(ends).and_then(|line| line["t_ms"].as_u64()) else {
            continue;
        };
        let tries = state.upgrades.iter().map(|upgrade| upgrade.t_ms);
        let tries = tries.chain(state.ws_token_calls.iter().map(|call| call.t_ms));
        let Some(next_try) = tries.filter(|at| *at > lost).min() else { continue };
        let hello = |line: &&Value| {
            line["dir"] == "server"
                && line["json"][0]["type"] == "ConnectionDetails"
                && line["conn"].as_u64() > upgrade.conn
        };
        let over = wire.iter().find(hello).and_then(|line| line["t_ms"].as_u64());
        outages.push(Outage { lost, next_try, over });
    }
    outages
}

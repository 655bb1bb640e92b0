//! The main job on Evolution: event sockets, and the namespaces of Evolution API 2.

mod client;
mod namespaces;
mod scene;
mod sockets;

use tokio::task::JoinSet;

use super::{Outcome, Stage};

/// Starts every scene.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    sockets::scenes(stage, set);
    namespaces::scenes(stage, set);
}

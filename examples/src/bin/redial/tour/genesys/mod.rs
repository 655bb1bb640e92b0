//! The main job on Genesys: both services.

mod client;
mod guest;
mod messages;
mod scene;
mod web;

use tokio::task::JoinSet;

use super::{Outcome, Stage};

/// Starts every scene.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    guest::scenes(stage, set);
    web::scenes(stage, set);
}

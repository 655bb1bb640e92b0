//! The main job on Vonage, both generations.

mod client;
mod losses;
mod scene;
mod tokens;

use tokio::task::JoinSet;

use super::{Outcome, Stage};

/// Starts every scene.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    losses::scenes(stage, set);
    tokens::scenes(stage, set);
}

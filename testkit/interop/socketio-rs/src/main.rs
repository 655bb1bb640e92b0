//! Runs steps against a server that is already there.

use redial_interop_socketio::{everything, recovery, too_new, too_old};
use redial_socketio::Generation;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [step, base] = &arguments[..] else { panic!("a step and a base address, ws://host:port") };
    match step.as_str() {
        "eio3" => everything(base, Generation::Eio3, Some("token=T2")).await,
        "eio4" => everything(base, Generation::Eio4, None).await,
        "recovery" => recovery(base).await,
        "too-old" => too_old(base).await,
        "too-new" => too_new(base).await,
        step => panic!("unknown step {step}"),
    }
}

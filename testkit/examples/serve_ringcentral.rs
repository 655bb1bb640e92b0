//! Serves the RingCentral simulator until its standard input ends, printing a line for each record.
//!
//! `cargo run -p redial-testkit --features servers --example serve_ringcentral -- --tls`

use std::io::{self, Write};

use redial_testkit::servers::ringcentral::{Options, serve};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> io::Result<()> {
    let tls = std::env::args().any(|argument| argument == "--tls");
    let (records, mut lines) = mpsc::channel(1024);
    let serving = serve(Options { tls, ..Options::default() }, records, end_of_input());
    let printing = async {
        let mut out = io::stdout();
        while let Some(line) = lines.recv().await {
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        Ok::<_, io::Error>(())
    };
    let (served, printed) = tokio::join!(serving, printing);
    served.and(printed)
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut scratch = [0; 256];
    while matches!(input.read(&mut scratch).await, Ok(count) if count > 0) {}
}

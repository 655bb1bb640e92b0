//! A session that is polled in the application's own loop, beside whatever else it waits for.
//!
//! It runs against a simulator that is cut once, so it needs no account:
//!
//! ```text
//! cargo run -p redial-tungstenite --example polled
//! ```
//!
//! There is one rule: **poll it all the time**. A client does nothing while nobody polls it, so
//! every branch of the loop is short, and what takes longer runs in a task of its own. Where that
//! cannot be promised, `Client::spawn` is the better choice.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use redial_auth_http::ReqwestClient;
use redial_core::{Item, Notice, Speed};
use redial_liveperson::{Credentials, LivePerson, Request};
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::{Connector, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = LivePersonSim::builder().start().await?;
    let credentials = Credentials::Password { username: "bot".into(), password: "secret".into() };
    let adapter = LivePerson::builder("12345678", credentials)
        .csds(server.host())
        .plain(true)
        .speed(Speed::new(20))
        .build()?;

    let http = ReqwestClient::builder().build()?;
    let mut client = connect(adapter, http, Connector::new()?).await?;
    let mut work = tokio::time::interval(Duration::from_millis(300));
    let (mut rounds, mut answers) = (0, 0);
    loop {
        tokio::select! {
            item = client.next() => match item {
                None => break,
                Some(Item::Notice(notice)) => {
                    println!("{notice:?}");
                    if matches!(notice, Notice::Online { .. }) {
                        client.send(Request::get_clock())?;
                    }
                }
                Some(Item::Reply { id, reply }) => {
                    println!("answer to {id:?}: {:?}", reply.code);
                    answers += 1;
                }
                // A match on items ends with this arm: later versions may have more of them.
                Some(_) => {}
            },
            // The branch that loses is dropped and made again, which loses no item.
            _ = work.tick() => {
                rounds += 1;
                match rounds {
                    3 => server.cut().await,
                    8 => client.shutdown(),
                    _ => {}
                }
            }
        }
    }
    println!("{answers} answers");
    Ok(())
}

//! Name resolution and TCP.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

use super::{Deadlines, limited};
use crate::error::{DialError, Stage};

/// Resolves `host` and connects to the first of its addresses that answers.
pub(super) async fn connect(
    host: &str,
    port: u16,
    deadlines: &Deadlines,
    stage: &mut Stage,
) -> Result<TcpStream, DialError> {
    let addresses = resolve(host, port, deadlines, stage).await?;
    *stage = Stage::Tcp;
    let connect = async {
        first_to_answer(interleave(addresses))
            .await
            .map_err(|error| DialError::network(Stage::Tcp, error))
    };
    limited(deadlines.tcp, Stage::Tcp, connect).await
}

/// Resolves `host`.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    deadlines: &Deadlines,
    stage: &mut Stage,
) -> Result<Vec<SocketAddr>, DialError> {
    *stage = Stage::Dns;
    let lookup = async {
        let addresses = lookup_host((host, port)).await;
        Ok(addresses.map_err(|error| DialError::network(Stage::Dns, error))?.collect())
    };
    limited(deadlines.dns, Stage::Dns, lookup).await
}

/// Alternates the families, beginning with the one that the resolver put first (RFC 8305).
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = VecDeque::new();
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return mixed;
        }
        mixed.extend(pair.0);
        mixed.extend(pair.1);
    }
}

/// Tries each address once the one before has failed or had its head start.
async fn first_to_answer(mut waiting: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut running = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.pop_front() {
            running.push(TcpStream::connect(address));
        }
        tokio::select! {
            done = running.next() => match done {
                Some(Ok(stream)) => {
                    // A frame is small and somebody waits for it.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = sleep(HEAD_START), if !waiting.is_empty() => {}
        }
    }
}

/// The connection attempt delay that RFC 8305 recommends.
const HEAD_START: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate() {
        let mixed = interleave(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]));
        assert_eq!(mixed, addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        assert_eq!(interleave(Vec::new()), VecDeque::new());
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bad = dead.local_addr().unwrap();
        drop(dead);
        let stream = first_to_answer([bad, bad, good].into()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(stream.nodelay().unwrap());
        assert!(first_to_answer([bad, bad].into()).await.is_err());
        assert!(first_to_answer(VecDeque::new()).await.is_err());
    }
}

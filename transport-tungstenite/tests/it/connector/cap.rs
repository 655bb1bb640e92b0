//! The cap on connects in flight.

use super::servers::{Reply, Server, builder, dead_address, talk, to};

#[tokio::test]
async fn no_more_connects_than_the_cap_are_in_flight() {
    let server = Server::start(Reply::Upgrade("")).await;
    let connector = builder().connects_in_flight(2).build().unwrap();
    let (one, two) = (connector.permit().await, connector.clone().permit().await);
    let mut third = Box::pin(connector.permit());
    assert!(futures_util::poll!(&mut third).is_pending());

    // A dial that ends gives its permit back, the open socket needs none.
    let mut socket = connector.dial(one, &to(server.url("/"))).await.unwrap();
    let third = third.await;
    let mut fourth = Box::pin(connector.permit());
    assert!(futures_util::poll!(&mut fourth).is_pending());

    // So does one that fails.
    let dead = dead_address().await;
    connector.dial(two, &to(format!("ws://{dead}/"))).await.unwrap_err();
    let fourth = fourth.await;
    drop((third, fourth));
    talk(&mut socket).await;
}

#[tokio::test]
async fn a_dial_that_is_dropped_gives_its_permit_back() {
    let server = Server::start(Reply::Hang).await;
    let connector = builder().connects_in_flight(1).build().unwrap();
    let permit = connector.permit().await;
    let handshake = to(server.url("/"));
    let mut dial = Box::pin(connector.dial(permit, &handshake));
    assert!(futures_util::poll!(&mut dial).is_pending());
    let mut next = Box::pin(connector.permit());
    assert!(futures_util::poll!(&mut next).is_pending());
    drop(dial);
    next.await;
}

#[tokio::test]
async fn a_waiter_that_leaves_lets_the_next_one_through() {
    let connector = builder().connects_in_flight(1).build().unwrap();
    let permit = connector.permit().await;
    let mut first = Box::pin(connector.permit());
    let mut second = Box::pin(connector.permit());
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    drop(permit);
    second.await;
}

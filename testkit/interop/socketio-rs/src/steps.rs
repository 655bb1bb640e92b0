//! What every server has to answer.

use std::time::Duration;

use bytes::Bytes;
use redial_socketio::{
    Args, Error, Event, Generation, Join, Namespace, Placeholder, Query, Recovery, Signal,
};
use serde_json::json;

use crate::{Client, Failure};

/// Connects, and does all that both generations can. A query makes part of the name of a namespace
/// for some servers; they are sent none.
pub async fn everything(base: &str, generation: Generation, query: Option<&str>) {
    let mut client = Client::dial(base, "apikey=K&", generation).await.expect("a socket");
    let main = Namespace::main();
    let auth = |token: &str| Join::new().auth(&json!({ "token": token })).expect("an object");
    client.connection.join(&main, auth("T")).expect("a join");
    let Signal::Opened(open) = client.signal().await.expect("opened") else { panic!("opened") };
    println!("opened: interval {:?}, timeout {:?}", open.ping_interval, open.ping_timeout);
    let Signal::Joined { sid, .. } = client.signal().await.expect("joined") else {
        panic!("joined")
    };
    assert_eq!(sid.is_some(), generation == Generation::Eio4);

    echo(&mut client, &main).await;
    println!("event and acknowledgement");

    let ask = Event::new("ask-me", &()).expect("an event");
    client.connection.emit(&main, &ask).expect("joined");
    let Signal::Event { ack: Some(id), event, .. } = client.signal().await.expect("a question")
    else {
        panic!("a question")
    };
    assert_eq!(event.name(), &"question");
    assert_eq!(event.arg(0).expect("one").value(), json!({"q": 1}));
    let yes = Args::new(&(json!({"yes": true}),)).expect("args");
    client.connection.answer(&main, id, &yes).expect("joined");
    let Signal::Event { ack: None, event, .. } = client.signal().await.expect("got") else {
        panic!("got")
    };
    assert_eq!(
        (event.name().as_str(), event.arg(0).expect("one").value()),
        ("got", json!({"yes": true}))
    );
    println!("acknowledgement of ours");

    let bytes = Bytes::from_static(&[9, 8, 0, 255]);
    let event = Event::with_attachments("bin", &(Placeholder(0),), vec![bytes.clone()]);
    let id = client.connection.request(&main, &event.expect("an event")).expect("joined");
    let Signal::Answered { id: answered, args, .. } = client.signal().await.expect("bytes") else {
        panic!("bytes")
    };
    assert_eq!((answered, args.attachments()), (id, &[bytes][..]));
    let send = Event::new("send-bin", &()).expect("an event");
    client.connection.emit(&main, &send).expect("joined");
    let Signal::Event { event, .. } = client.signal().await.expect("a blob") else {
        panic!("a blob")
    };
    assert_eq!(event.array().attachments(), [Bytes::from_static(&[1, 2, 3])]);
    let value = event.arg(0).expect("one").value();
    assert_eq!(value["n"], json!(7));
    assert_eq!(value["part"]["_placeholder"], json!(true));
    println!("bytes both ways");

    let chat = Namespace::new("chat").expect("a name");
    let mut join = auth("T2");
    if let Some(query) = query {
        join = join.query(Query::new(query).expect("a query"));
    }
    client.connection.join(&chat, join).expect("a join");
    match client.signal().await.expect("chat") {
        Signal::Joined { namespace, .. } => assert_eq!(namespace, chat),
        other => panic!("chat: {other:?}"),
    }
    echo(&mut client, &chat).await;
    let nope = Namespace::new("nope").expect("a name");
    client.connection.join(&nope, Join::new()).expect("a join");
    let Signal::Refused { refusal, .. } = client.signal().await.expect("refused") else {
        panic!("refused")
    };
    assert!(refusal.is_unknown_namespace(), "{:?}", refusal.message());
    client.connection.leave(&chat).expect("a member");
    println!("namespaces");

    // Several times what a silent client is granted.
    let granted = open.ping_interval.as_millis() + open.ping_timeout.as_millis();
    let interval = Duration::from_millis(open.ping_interval.as_millis().into());
    let span = Duration::from_millis(u64::from(granted) * 4);
    client.stay(span, interval).await.expect("a living connection");
    assert!(client.heartbeats >= 3, "{}", client.heartbeats);
    echo(&mut client, &main).await;
    println!("{} heartbeats", client.heartbeats);

    let kick = Event::new("kick", &()).expect("an event");
    client.connection.emit(&main, &kick).expect("joined");
    assert_eq!(client.signal().await.expect("left"), Signal::Left { namespace: main });
    println!("removed by the server");
}

/// Loses the socket, and comes back to a server that still knows.
pub async fn recovery(base: &str) {
    let main = Namespace::main();
    let mut lost: Option<Recovery> = None;
    for attempt in 0..2 {
        let mut client = Client::dial(base, "", Generation::Eio4).await.expect("a socket");
        client.connection.join(&main, Join::new().recover(lost.take())).expect("a join");
        let Signal::Opened(_) = client.signal().await.expect("opened") else { panic!("opened") };
        let Signal::Joined { recovered, .. } = client.signal().await.expect("joined") else {
            panic!("joined")
        };
        assert_eq!(recovered, attempt == 1);
        let Signal::Event { event, .. } = client.signal().await.expect("an event") else {
            panic!("an event")
        };
        if attempt == 0 {
            assert_eq!(event.name(), &"welcome");
            let later = Event::new("later", &()).expect("an event");
            client.connection.emit(&main, &later).expect("joined");
            client.flush().await.expect("a socket");
            lost = client.connection.recovery(&main).cloned();
            assert!(lost.as_ref().and_then(Recovery::offset).is_some());
            drop(client);
            tokio::time::sleep(Duration::from_millis(600)).await;
        } else {
            assert_eq!(event.name(), &"missed");
        }
    }
    println!("recovered, with the missed event");
}

/// Dials an older server as if it were a newer one.
pub async fn too_old(base: &str) {
    let mut client = Client::dial(base, "", Generation::Eio4).await.expect("a socket");
    let error = loop {
        match client.signal().await {
            Ok(Signal::Opened(_)) => {}
            other => break other,
        }
    };
    let wrong = Error::WrongGeneration { ours: Generation::Eio4 };
    assert!(matches!(error, Err(Failure::Protocol(error)) if error == wrong), "{error:?}");
    println!("told: {wrong}");
}

/// Dials a newer server that refuses the older generation.
pub async fn too_new(base: &str) {
    let mut client = Client::dial(base, "", Generation::Eio3).await.expect("a socket");
    let error = client.signal().await;
    assert!(matches!(error, Err(Failure::Socket(_) | Failure::Closed)), "{error:?}");
    let suspicion = client.connection.suspicion().expect("a suspicion");
    assert_eq!(suspicion, Error::WrongGeneration { ours: Generation::Eio3 });
    println!("suspected: {suspicion}");
}

async fn echo(client: &mut Client, namespace: &Namespace) {
    let values = (json!({"a": [1, "é😀"]}),);
    let event = Event::new("echo", &values).expect("an event");
    let id = client.connection.request(namespace, &event).expect("joined");
    let args = Args::new(&values).expect("args");
    let answered = Signal::Answered { namespace: namespace.clone(), id, args };
    assert_eq!(client.signal().await.expect("an answer"), answered);
}

//! No `Debug` shows a secret.

use redial_core::http::HttpRequest;
use redial_core::{Cause, Cx, Effect, Frame, Input, Item, Session, Timestamp, Transmit};
use redial_liveperson::{Command, Credentials, LivePerson, Request, Subscription};
use serde_json::json;

use crate::support::{ACCOUNT, HOST, login, lookup, response, response_of};

const CANARIES: [&str; 13] = [
    "CANARY-PASSWORD",
    "CANARY-KEY",
    "CANARY-SECRET",
    "CANARY-ACCESS",
    "CANARY-ACCESS-SECRET",
    "CANARY-ASSERTION",
    "CANARY-READY",
    "CANARY-BEARER",
    "CANARY-CSRF",
    "CANARY-COOKIE",
    "CANARY-BODY",
    "CANARY-OFFERED",
    "CANARY-REASON",
];

#[test]
fn nothing_that_prints_shows_a_secret() {
    let credentials = [
        Credentials::Password { username: "u".into(), password: "CANARY-PASSWORD".into() },
        Credentials::OAuth1 {
            username: "u".into(),
            app_key: "CANARY-KEY".into(),
            secret: "CANARY-SECRET".into(),
            access_token: "CANARY-ACCESS".into(),
            access_token_secret: "CANARY-ACCESS-SECRET".into(),
        },
        Credentials::OAuth2ClientCredentials {
            username: "u".into(),
            client_id: "CANARY-KEY".into(),
            client_secret: "CANARY-SECRET".into(),
        },
        Credentials::Saml { assertion: "CANARY-ASSERTION".into() },
        Credentials::Bearer("CANARY-READY".into()),
    ];
    for credentials in credentials {
        let mut seen = format!("{credentials:?}");
        let builder = LivePerson::builder(ACCOUNT, credentials).csds(HOST).plain(true);
        seen += &format!("{builder:?}{builder:#?}");
        let mut session = Session::new(builder.token_source(true).build().expect("good"), 1);
        drive(&mut session, &mut seen);
        for canary in CANARIES {
            assert!(!seen.contains(canary), "{canary} in {seen}");
        }
        assert!(seen.len() > 5_000, "a good deal was printed");
    }
}

fn drive(session: &mut Session<LivePerson>, seen: &mut String) {
    let mut now = 0;
    let mut cx = Cx::new(Timestamp::from_millis(now), 0);
    session.record();
    session.handle(cx, Input::Connect);
    let body = json!({ "x": "CANARY-BODY" });
    let subscription = Subscription::raw(".x.Subscribe", body.clone());
    session.handle(cx, Input::Command(Command::Subscribe(subscription)));
    let request = Request::new(".x.Y", body.clone()).with_headers(body.clone());
    *seen += &format!("{request:?}");
    session.send(cx, request.clone()).expect("room");
    for round in 0..4 {
        exchange(session, cx, seen);
        let conn = redial_core::ConnId::new(round + 1);
        let text = json!({ "kind": "notification", "type": "CANARY-BODY", "body": body });
        for text in [text.to_string(), "CANARY-BODY".to_owned()] {
            let frame = Frame::Text(text.into());
            *seen += &format!("{frame:?}");
            session.handle(cx, Input::Frame { conn, frame });
        }
        session.note_reason(conn, "CANARY-REASON");
        let offered = "CANARY-OFFERED".into();
        session.handle(cx, Input::OfferToken(offered));
        exchange(session, cx, seen);
        let cause = Cause::Close(4401);
        session.handle(cx, Input::Closed { conn, cause, retry_after: None });
        exchange(session, cx, seen);
        now += 20_000;
        cx = Cx::new(Timestamp::from_millis(now), 0);
        session.handle(cx, Input::Tick);
    }
    *seen += &format!("{:?}{:?}", session.snapshot(), session.snapshot().cursor);
    let refused = session.send(cx, request).map_err(|refused| format!("{refused:?}"));
    *seen += &format!("{refused:?}");
}

fn exchange(session: &mut Session<LivePerson>, cx: Cx, seen: &mut String) {
    for _ in 0..10 {
        *seen += &format!("{session:?}{:?}", session.adapter());
        while let Some(effect) = session.poll_effect() {
            *seen += &format!("{effect:?}{effect:#?}");
            match effect {
                Effect::Http { id, request } => {
                    let answer = answer(&request);
                    *seen += &format!("{answer:?}");
                    session.handle(cx, Input::Http { id, answer: Ok(answer) });
                }
                Effect::Dial { conn, .. } => {
                    session.handle(cx, Input::Dialing { conn });
                    session.handle(cx, Input::Opened { conn });
                }
                Effect::Drop { .. } | Effect::Abort { .. } => {}
            }
        }
        while let Some(transmit) = session.poll_transmit(cx) {
            *seen += &format!("{transmit:?}");
            if let Transmit::Frame(Frame::Text(bytes)) = transmit {
                let request = serde_json::from_slice(&bytes).expect("JSON");
                let answer = response(&request, 200, json!("CANARY-BODY")).to_string();
                let conn = redial_core::ConnId::new(1);
                session.handle(cx, Input::Frame { conn, frame: Frame::Text(answer.into()) });
            }
        }
        while let Some(item) = session.poll_item() {
            *seen += &format!("{item:?}{item:#?}");
            match item {
                Item::Message(message) => *seen += &format!("{message:?}{message:#?}"),
                Item::Reply { reply, .. } => *seen += &format!("{reply:?}"),
                _ => {}
            }
        }
        while let Some(record) = session.poll_record() {
            *seen += &format!("{record:?}");
        }
    }
}

fn answer(request: &HttpRequest) -> redial_core::http::HttpResponse {
    if request.url.contains("baseURI.json") {
        return response_of(200, lookup().to_string());
    }
    let mut body = login(1);
    body["bearer"] = "CANARY-BEARER".into();
    body["csrf"] = "CANARY-CSRF".into();
    let mut answer = response_of(200, body.to_string());
    answer.headers.push(("set-cookie".into(), "Session_id=CANARY-COOKIE".into()));
    answer
}

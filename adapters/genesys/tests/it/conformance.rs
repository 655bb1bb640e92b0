//! The suite that every adapter passes, for both services.

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResult};
use redial_core::{Cause, Delay, Frame, Intent, Recovery, Secret, Span, TokenUse, Verdict};
use redial_genesys::guest::{self, Credentials, SocketAuth, Text};
use redial_genesys::web::{self, Outgoing};
use redial_genesys::{GuestChat, WebMessaging};
use redial_testkit::conformance::{self, Sent, Vendor};
use redial_testkit::crash;
use serde_json::{Value, json};

use crate::support::{ORG, messenger, response};

#[test]
fn the_guest_chat_conforms_with_each_way_to_send_again() {
    for (credentials, secret) in [
        (Credentials::OAuth("canary-oauth".into()), "canary-oauth"),
        (Credentials::ApiKey("canary-key".into()), "canary-key"),
    ] {
        for socket_auth in [SocketAuth::Header, SocketAuth::Query("token")] {
            let credentials = credentials.clone();
            conform(&Guest { credentials, secrets: vec![secret], socket_auth });
        }
    }
}

#[test]
fn the_guest_chat_of_a_backend_conforms() {
    let (credentials, socket_auth) = (Credentials::Backend, SocketAuth::Header);
    conform(&Guest { credentials, secrets: Vec::new(), socket_auth });
}

#[test]
fn web_messaging_conforms() {
    conform(&Web { resend: false });
    conform(&Web { resend: true });
}

#[test]
fn a_process_may_die_at_every_boundary() {
    let credentials = Credentials::OAuth("canary-oauth".into());
    let guest = Guest { credentials, secrets: Vec::new(), socket_auth: SocketAuth::Header };
    let web = [false, true].map(|resend| crash::check(&Web { resend }, 0..3));
    for (proof, resends) in
        [crash::check(&guest, 0..4)].into_iter().chain(web).zip([true, false, true])
    {
        let proof = proof.unwrap_or_else(|failure| panic!("{failure}"));
        println!("{proof}");
        assert!(proof.deaths > 300 && proof.messages > 1_000 && proof.fates[0] > 300, "{proof}");
        assert_eq!(proof.ids_kept > 0, resends, "{proof}");
    }
}

#[expect(clippy::print_stdout, reason = "the proof is worth reading with --nocapture")]
fn conform(vendor: &impl Vendor) {
    let proof = conformance::check(vendor).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{proof}");
}

struct Guest {
    credentials: Credentials,
    secrets: Vec<&'static str>,
    socket_auth: SocketAuth,
}

impl Vendor for Guest {
    type Adapter = GuestChat;

    fn name(&self) -> &str {
        "genesys guest"
    }

    fn adapter(&self) -> GuestChat {
        let builder = GuestChat::builder(ORG, self.credentials.clone()).plain(true);
        builder.socket_auth(self.socket_auth).build().expect("a good configuration")
    }

    fn exchange(&self, request: &HttpRequest) -> HttpResult {
        let body = if request.url.ends_with("/guests") {
            session()
        } else {
            let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
            json!({ "messageId": sent["messageId"] })
        };
        Ok(response(200, &body, None))
    }

    fn token(&self, _rejected: Option<&Secret>) -> Option<Secret> {
        (self.credentials == Credentials::Backend).then(|| Secret::new(session().to_string()))
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let Some(sent) = parsed(frame) else { return Vec::new() };
        vec![text(&json!({ "type": "messageReceived", "messageId": sent["messageId"] }))]
    }

    fn outgoing(&self, said: &str) -> Option<Text> {
        Some(Text::new(said))
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let sent = match sent {
            Sent::Frame(frame) => parsed(frame)?,
            Sent::Http(request) => serde_json::from_slice(&request.body).ok()?,
        };
        Some(sent["content"].as_str()?.to_owned())
    }

    fn push(&self, number: u64, said: &str) -> Option<Frame> {
        let id = format!("m-{number}");
        Some(text(&json!({ "type": "message", "content": said, "messageId": id })))
    }

    fn application_reads(&self, message: &guest::Message) -> Option<String> {
        match message {
            guest::Message::Chat(chat) => chat.content.clone(),
            _ => None,
        }
    }

    fn samples(&self) -> Vec<Frame> {
        let id = "5eed0123-4567-49ab-8def-02468ace1357";
        let mut samples: Vec<Frame> = [
            json!({ "type": "messageReceived", "messageId": id }),
            json!({ "type": "message", "content": "hello", "messageId": "m1", "timestamp": 1 }),
            json!({ "type": "message", "content": { "deep": [1] }, "messageId": 7 }),
            json!({ "type": "typing", "on": true }),
        ]
        .iter()
        .map(text)
        .collect();
        samples.push(Frame::Binary(Bytes::from_static(b"\xFF")));
        samples
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.iter().chain(&["canary-guest"]).map(|secret| (*secret).to_owned()).collect()
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        let guest = Verdict::Retry(Recovery {
            token: TokenUse::Regenerate,
            intent: Intent::Restart,
            delay: Delay::Backoff,
        });
        vec![
            (Cause::Handshake(401), guest),
            (Cause::Handshake(403), guest),
            (Cause::Handshake(429), RATE_LIMITED),
            (Cause::Http { step: 0, status: 401 }, Verdict::Stop),
            (Cause::Http { step: 0, status: 403 }, Verdict::Stop),
            (Cause::Http { step: 0, status: 429 }, RATE_LIMITED),
            (Cause::Http { step: 0, status: 500 }, Verdict::Retry(Recovery::KEEP)),
            (Cause::Close(1006), Verdict::Retry(Recovery::KEEP)),
        ]
    }
}

struct Web {
    /// Whether the session is the old one each time, and messages are written again in it.
    resend: bool,
}

impl Vendor for Web {
    type Adapter = WebMessaging;

    fn name(&self) -> &str {
        "genesys web messaging"
    }

    fn takes_sessions_up(&self) -> bool {
        self.resend
    }

    fn adapter(&self) -> WebMessaging {
        messenger().resend(self.resend).token(CANARY.into()).build().expect("a good configuration")
    }

    fn exchange(&self, request: &HttpRequest) -> HttpResult {
        assert!(request.url.contains("/messages"), "the history is all that is fetched");
        Ok(response(200, &json!({ "entities": [], "pageCount": 0 }), None))
    }

    fn token(&self, _rejected: Option<&Secret>) -> Option<Secret> {
        Some(Secret::new(OFFERED))
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let Some(sent) = parsed(frame) else { return Vec::new() };
        let answer = |class: &str, body: Value| {
            let id = &sent["tracingId"];
            text(&json!({ "type": "response", "class": class, "code": 200, "tracingId": id,
                          "body": body }))
        };
        match sent["action"].as_str().unwrap_or_default() {
            "configureSession" => {
                let mut info = session_info();
                info["newSession"] = json!(!self.resend);
                vec![answer("SessionResponse", info)]
            }
            "getJwt" => {
                vec![answer("JwtResponse", json!({ "jwt": "canary-jwt", "exp": 1_900_000_000 }))]
            }
            "onMessage" => {
                let mut body = sent["message"].clone();
                body["id"] = json!(format!("echo-{}", sent["tracingId"]));
                body["direction"] = json!("Inbound");
                vec![text(&json!({ "type": "message", "class": "StructuredMessage", "code": 200,
                                   "tracingId": sent["tracingId"], "body": body }))]
            }
            _ => vec![answer("string", json!("OK"))],
        }
    }

    fn outgoing(&self, said: &str) -> Option<Outgoing> {
        Some(Outgoing::text(said))
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let Sent::Frame(frame) = sent else { return None };
        Some(parsed(frame)?["message"]["text"].as_str()?.to_owned())
    }

    fn push(&self, number: u64, said: &str) -> Option<Frame> {
        let body = json!({ "id": format!("m-{number}"), "type": "Text", "text": said,
                           "direction": "Outbound" });
        Some(text(&json!({ "type": "message", "class": "StructuredMessage", "code": 200,
                           "body": body })))
    }

    fn application_reads(&self, message: &web::Message) -> Option<String> {
        match message {
            web::Message::Structured(message) if !message.own => message.text.clone(),
            _ => None,
        }
    }

    fn samples(&self) -> Vec<Frame> {
        let response = |class: &str, code: u16, body: Value| {
            text(&json!({ "type": "response", "class": class, "code": code, "body": body,
                          "tracingId": "5eed0123-4567-49ab-8def-02468ace1357" }))
        };
        vec![
            response("SessionResponse", 200, session_info()),
            response("JwtResponse", 200, json!({ "jwt": "canary-jwt", "exp": 1_900_000_000 })),
            response("TooManyRequestsErrorMessage", 429, json!({ "retryAfter": 3 })),
            response("string", 4011, json!("Message is too long")),
            response("SessionExpiredEvent", 200, json!({})),
            response("SessionClearedEvent", 200, json!({})),
            response("ConnectionClosedEvent", 200, json!({ "reason": "UserSignedIn" })),
            response("LogoutEvent", 200, json!({})),
            text(&json!({ "type": "message", "class": "StructuredMessage", "code": 200,
                          "body": { "id": "m", "type": "Event", "direction": "Outbound",
                                    "events": [{ "eventType": "Presence",
                                                 "presence": { "type": "Disconnect" } }],
                                    "metadata": { "readOnly": "true" } } })),
            Frame::Binary(Bytes::from_static(b"\xFF")),
        ]
    }

    fn refusals(&self) -> Vec<(Frame, u16, Option<Span>)> {
        let event = |class: &str, body: Value| {
            text(&json!({ "type": "message", "class": class, "code": 200, "body": body }))
        };
        let unasked = |code: u16| {
            text(&json!({ "type": "response", "class": "string", "code": code, "body": "no" }))
        };
        let closed = |body: Value| event("ConnectionClosedEvent", body);
        vec![
            (event("SessionExpiredEvent", json!({})), 4006, None),
            (unasked(4006), 4006, None),
            (unasked(4007), 4007, None),
            (unasked(4017), 4017, None),
            (closed(json!({})), web::Refusal::SessionLimit as u16, None),
            (closed(json!({ "reason": "signedIn" })), web::Refusal::SignedIn as u16, None),
            (event("LogoutEvent", json!({})), web::Refusal::LoggedOut as u16, None),
        ]
    }

    fn secrets(&self) -> Vec<String> {
        [CANARY, "canary-jwt"].map(str::to_owned).into()
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        let keep = Verdict::Retry(Recovery::KEEP);
        vec![
            (Cause::Handshake(403), Verdict::Stop),
            (Cause::Handshake(429), RATE_LIMITED),
            (Cause::Close(1000), Verdict::Suspend),
            (Cause::Close(1006), keep),
            (Cause::Refused(400), Verdict::Suspend),
            (Cause::Refused(401), Verdict::Suspend),
            (Cause::Refused(404), Verdict::Suspend),
            (Cause::Refused(429), RATE_LIMITED),
        ]
    }
}

const CANARY: &str = "0ca0a0ca-2222-4333-8444-555555555555";
const OFFERED: &str = "0ffe0ffe-2222-4333-8444-555555555555";
const RATE_LIMITED: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Keep,
    intent: Intent::Resume,
    delay: Delay::AtLeast(Span::from_secs(5)),
});

fn session() -> Value {
    json!({ "webchatInstanceId": "instance-1", "token": "canary-guest", "expiresIn": 3600 })
}

fn session_info() -> Value {
    json!({ "connected": true, "newSession": true, "readOnly": false,
            "durationSeconds": 259_200, "expirationDate": 1_900_000_000_u64 })
}

fn text(value: &Value) -> Frame {
    Frame::Text(value.to_string().into())
}

fn parsed(frame: &Frame) -> Option<Value> {
    match frame {
        Frame::Text(bytes) => serde_json::from_slice(bytes).ok(),
        Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) => None,
    }
}

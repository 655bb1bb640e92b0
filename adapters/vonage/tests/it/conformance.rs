//! The suite that every adapter passes, for each generation.

use redial_core::http::{HttpRequest, HttpResult};
use redial_core::{Cause, Delay, Frame, Handshake, Intent, Recovery, Secret, Span, Verdict};
use redial_testkit::conformance::{self, Sent, Vendor};
use redial_testkit::crash;
use redial_vonage::{Generation, LONG_PAUSE, Message, Outgoing, Refusal, Vonage};
use serde_json::{Value, json};

use crate::support::{V1, V2, builder, parse};

#[test]
fn the_older_generation_conforms() {
    conform(V1);
}

#[test]
fn the_newer_generation_conforms() {
    conform(V2);
}

#[test]
fn a_process_may_die_at_every_boundary() {
    for generation in [V1, V2] {
        let proof = crash::check(&Described(generation), 0..3);
        let proof = proof.unwrap_or_else(|failure| panic!("{failure}"));
        println!("{proof}");
        assert!(proof.deaths > 300 && proof.messages > 1_000 && proof.fates[0] > 300, "{proof}");
    }
}

#[expect(clippy::print_stdout, reason = "the proof is worth reading with --nocapture")]
fn conform(generation: Generation) {
    let proof = conformance::check(&Described(generation)).unwrap_or_else(|why| panic!("{why}"));
    println!("{proof}");
}

struct Described(Generation);

impl Vendor for Described {
    type Adapter = Vonage;

    fn name(&self) -> &str {
        match self.0 {
            V1 => "vonage v1",
            V2 => "vonage v2",
        }
    }

    fn adapter(&self) -> Vonage {
        builder(self.0).build().expect("a good configuration")
    }

    fn exchange(&self, _request: &HttpRequest) -> HttpResult {
        let body = json!({ "session_id": "S1" }).to_string().into();
        let answer = redial_core::http::HttpResponse {
            status: 200,
            headers: Vec::new(),
            body,
            retry_after: None,
        };
        Ok(answer)
    }

    /// One that was refused is not taken again.
    fn token(&self, rejected: Option<&Secret>) -> Option<Secret> {
        let other = rejected.is_some_and(|rejected| !rejected.expose().ends_with("-other"));
        Some(Secret::new(if other { "canary-jwt-other" } else { "canary-jwt" }))
    }

    fn greet(&self, handshake: &Handshake) -> Vec<Frame> {
        let mut said =
            vec![text(r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#)];
        if self.0 == V1 {
            said.push(text("40"));
            if handshake.url.contains("session_id=") {
                said.push(success(None));
            }
        }
        said
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let Frame::Text(bytes) = frame else { return Vec::new() };
        let Ok(said) = core::str::from_utf8(bytes) else { return Vec::new() };
        match (self.0, said) {
            (V2, "40") => vec![text(r#"40{"sid":"s"}"#), success(None)],
            (V1, "2") => vec![text("3")],
            _ => match parse(said) {
                Some((name, payload)) if name == "session:login" => {
                    vec![success(payload["tid"].as_str())]
                }
                Some((name, payload)) => {
                    vec![event(&format!("{name}:success"), &json!({ "rid": payload["tid"] }))]
                }
                None => Vec::new(),
            },
        }
    }

    fn outgoing(&self, said: &str) -> Option<Outgoing> {
        Some(Outgoing::request("text", json!({ "text": said })))
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let Sent::Frame(Frame::Text(bytes)) = sent else { return None };
        let (name, payload) = parse(core::str::from_utf8(bytes).ok()?)?;
        (name == "text").then(|| payload["body"]["text"].as_str().map(str::to_owned))?
    }

    fn push(&self, number: u64, said: &str) -> Option<Frame> {
        let (id, body) = (number.to_string(), json!({ "text": said }));
        Some(event("text", &json!({ "id": id, "cid": "CON-1", "body": body })))
    }

    fn application_reads(&self, message: &Message) -> Option<String> {
        let Message::Event(event) = message else { return None };
        event.body()?.value()["text"].as_str().map(str::to_owned)
    }

    fn samples(&self) -> Vec<Frame> {
        [
            r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#,
            "40",
            r#"40{"sid":"s"}"#,
            r#"44{"message":"no","data":{"code":"E1"}}"#,
            r#"420["custom:hello",{"id":"1","cid":"CON-1","body":{"n":1}}]"#,
            r#"42["session:success",{"body":{"id":"S1","pending_events":[{"type":"text","id":"2"}]}}]"#,
            r#"42["system:error:invalid-event",{"description":"no","body":{}}]"#,
            r#"451-1["up",{"_placeholder":true,"num":0}]"#,
            "430[]",
            "2",
            "3",
        ]
        .map(text)
        .into()
    }

    fn refusals(&self) -> Vec<(Frame, u16, Option<Span>)> {
        vec![(text("41"), Refusal::TokenExpired as u16, None)]
    }

    fn secrets(&self) -> Vec<String> {
        vec!["canary-jwt".to_owned()]
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        let keep = Verdict::Retry(Recovery::KEEP);
        let anew = Verdict::Retry(Recovery { delay: Delay::Now, ..Recovery::REGENERATE });
        let refused = |refusal: Refusal, verdict| (Cause::Refused(refusal as u16), verdict);
        vec![
            (Cause::Close(1000), keep),
            (Cause::Close(1006), keep),
            (Cause::Close(4001), keep),
            (Cause::Network, keep),
            (Cause::Handshake(401), keep),
            (Cause::Handshake(503), keep),
            refused(Refusal::TokenExpired, anew),
            refused(Refusal::ExpiredToken, anew),
            refused(Refusal::ExpiredTokenAgain, Verdict::Suspend),
            refused(Refusal::InvalidToken, anew),
            refused(Refusal::InvalidTokenAgain, Verdict::Stop),
            refused(Refusal::InvalidUser, Verdict::Stop),
            refused(Refusal::UserNotFound, Verdict::Stop),
            refused(Refusal::Permission, Verdict::Stop),
            refused(
                Refusal::SessionInvalid,
                Verdict::Retry(Recovery { intent: Intent::Restart, ..Recovery::KEEP }),
            ),
            refused(
                Refusal::MaxOpenSessions,
                Verdict::Retry(Recovery { delay: Delay::AtLeast(LONG_PAUSE), ..Recovery::KEEP }),
            ),
            refused(Refusal::Terminated, Verdict::Stop),
            refused(Refusal::LoggedOut, Verdict::Stop),
            refused(Refusal::OwnLogout, Verdict::Stop),
            refused(Refusal::LoginDisconnected, Verdict::Suspend),
            refused(Refusal::NamespaceRefused, Verdict::Retry(Recovery::REGENERATE)),
        ]
    }
}

fn success(rid: Option<&str>) -> Frame {
    let mut payload = json!({ "body": { "id": "S1", "user_id": "USR-1", "name": "alice" } });
    if let Some(rid) = rid {
        payload["rid"] = rid.into();
    }
    event("session:success", &payload)
}

fn event(name: &str, payload: &Value) -> Frame {
    text(&format!("42{}", json!([name, payload])))
}

fn text(text: &str) -> Frame {
    Frame::Text(text.to_owned().into_bytes().into())
}

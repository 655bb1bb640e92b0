//! The suite that every adapter passes, for both profiles.

use redial_core::http::{HttpRequest, HttpResult};
use redial_core::{Cause, Frame, Handshake, Recovery, Secret, Span, Verdict};
use redial_evolution::codechat::{Credentials, Message, Payload};
use redial_evolution::v2::{self, ApiKey, KeyPlace, Scope};
use redial_evolution::{CodeChat, EvolutionApi};
use redial_testkit::conformance::{self, Sent, Vendor};
use redial_testkit::crash;
use serde_json::{Value, json};

use crate::support::{OPEN, URL};

const CANARY: &str = "canary-token";
const KEEP: Verdict = Verdict::Retry(Recovery::KEEP);
const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);

#[test]
fn the_event_sockets_conform_with_each_source_of_tokens() {
    for credentials in [
        Credentials::Token(CANARY.into()),
        Credentials::Refresh { instance: "shop-1".into(), token: CANARY.into() },
        Credentials::Ask,
    ] {
        conform(&Chat { credentials });
    }
}

#[test]
fn the_namespaces_conform_with_each_key() {
    for (key, place) in [
        (ApiKey::Key(CANARY.into()), KeyPlace::Header),
        (ApiKey::Key(CANARY.into()), KeyPlace::Query),
        (ApiKey::Ask, KeyPlace::Header),
    ] {
        conform(&Api { key: key.clone(), place, scope: Scope::Instance("inst1".into()) });
        conform(&Api { key, place, scope: Scope::Global });
    }
}

#[test]
fn a_process_may_die_at_every_boundary() {
    let chat = Chat { credentials: Credentials::Token(CANARY.into()) };
    let (key, scope) = (ApiKey::Key(CANARY.into()), Scope::Instance("inst1".into()));
    let api = Api { key, place: KeyPlace::Header, scope };
    // The namespaces are read only.
    for (proof, messages) in [(crash::check(&chat, 0..3), 1_000), (crash::check(&api, 0..3), 0)] {
        let proof = proof.unwrap_or_else(|failure| panic!("{failure}"));
        println!("{proof}");
        assert!(proof.deaths > 100 && proof.messages >= messages, "{proof}");
    }
}

#[expect(clippy::print_stdout, reason = "the proof is worth reading with --nocapture")]
fn conform(vendor: &impl Vendor) {
    let proof = conformance::check(vendor).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{proof}");
}

struct Chat {
    credentials: Credentials,
}

impl Vendor for Chat {
    type Adapter = CodeChat;

    fn name(&self) -> &str {
        "evolution codechat"
    }

    fn adapter(&self) -> CodeChat {
        let builder = CodeChat::builder(URL, "messages.upsert", self.credentials.clone());
        builder.build().expect("a good configuration")
    }

    fn exchange(&self, request: &HttpRequest) -> HttpResult {
        assert!(request.url.ends_with("/instance/refreshToken/shop-1"));
        let body = json!({ "id": 1, "token": CANARY }).to_string().into();
        let (status, headers) = (201, Vec::new());
        Ok(redial_core::http::HttpResponse { status, headers, body, retry_after: None })
    }

    fn token(&self, _rejected: Option<&Secret>) -> Option<Secret> {
        matches!(self.credentials, Credentials::Ask).then(|| CANARY.into())
    }

    fn outgoing(&self, said: &str) -> Option<Payload> {
        Payload::new(json!({ "said": said }).to_string()).ok()
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let Sent::Frame(Frame::Text(bytes)) = sent else { return None };
        let sent: Value = serde_json::from_slice(bytes).ok()?;
        Some(sent["said"].as_str()?.to_owned())
    }

    fn push(&self, number: u64, said: &str) -> Option<Frame> {
        Some(text(&json!({ "keyId": number, "content": { "text": said } }).to_string()))
    }

    fn application_reads(&self, message: &Message) -> Option<String> {
        let Message::Event(event) = message else { return None };
        Some(event.body.value()["content"]["text"].as_str()?.to_owned())
    }

    fn samples(&self) -> Vec<Frame> {
        let samples = [
            r#"{"instance":"shop-1","state":"open","statusReason":200}"#,
            r#"{"count":1,"code":"2@abc","base64":"data:image/png;base64,AAAA"}"#,
            r#"[{"remoteJid":"x@g.us","content":{}}]"#,
        ];
        samples.map(text).into()
    }

    fn secrets(&self) -> Vec<String> {
        vec![CANARY.to_owned()]
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        vec![
            (Cause::Handshake(401), REGENERATE),
            (Cause::Handshake(502), KEEP),
            (Cause::Close(1005), KEEP),
            (Cause::Close(1006), KEEP),
            (Cause::Network, KEEP),
        ]
    }
}

struct Api {
    key: ApiKey,
    place: KeyPlace,
    scope: Scope,
}

impl Api {
    fn prefix(&self) -> &'static str {
        match self.scope {
            Scope::Global => "",
            Scope::Instance(_) => "/inst1,",
        }
    }
}

impl Vendor for Api {
    type Adapter = EvolutionApi;

    fn name(&self) -> &str {
        "evolution v2"
    }

    fn adapter(&self) -> EvolutionApi {
        let (scope, key) = (self.scope.clone(), self.key.clone());
        let builder = EvolutionApi::builder("http://localhost:8080", scope, key);
        builder.key_place(self.place).build().expect("a good configuration")
    }

    fn token(&self, _rejected: Option<&Secret>) -> Option<Secret> {
        matches!(self.key, ApiKey::Ask).then(|| CANARY.into())
    }

    fn greet(&self, _handshake: &Handshake) -> Vec<Frame> {
        vec![text(OPEN)]
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let wanted = text(&format!("40{}", self.prefix()));
        if *frame == wanted {
            vec![text(&format!(r#"40{}{{"sid":"S"}}"#, self.prefix()))]
        } else {
            Vec::new()
        }
    }

    fn push(&self, _number: u64, said: &str) -> Option<Frame> {
        let event = json!(["call", { "event": "call", "instance": "inst1", "data": said }]);
        Some(text(&format!("42{}{event}", self.prefix())))
    }

    fn application_reads(&self, event: &v2::Event) -> Option<String> {
        Some(event.data()?.value().as_str()?.to_owned())
    }

    fn samples(&self) -> Vec<Frame> {
        let samples = [
            OPEN,
            "2",
            "41/inst1,",
            r#"40/inst1,{"sid":"S"}"#,
            r#"44/inst1,{"message":"Invalid namespace"}"#,
            r#"42/inst1,["call",{"instance":"inst1","data":{"id":1}}]"#,
            r#"42["call",{"instance":"inst1","data":{"id":1}}]"#,
            r#"451-/inst1,7["call",{"_placeholder":true,"num":0}]"#,
        ];
        let mut samples: Vec<Frame> = samples.map(text).into();
        samples.push(Frame::Binary(vec![1, 2, 3].into()));
        samples
    }

    fn refusals(&self) -> Vec<(Frame, u16, Option<Span>)> {
        let removed = text(&format!("41{}", self.prefix()));
        let closed = text("1");
        vec![
            (removed, v2::Refusal::Removed as u16, None),
            (closed, v2::Refusal::Closed as u16, None),
        ]
    }

    fn secrets(&self) -> Vec<String> {
        vec![CANARY.to_owned()]
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        let refused = if matches!(self.key, ApiKey::Ask) { REGENERATE } else { Verdict::Suspend };
        vec![
            (Cause::Handshake(400), refused),
            (Cause::Handshake(401), refused),
            (Cause::Handshake(403), refused),
            (Cause::Close(1005), KEEP),
            (Cause::Close(1006), KEEP),
            (Cause::Network, KEEP),
        ]
    }
}

fn text(text: &str) -> Frame {
    Frame::Text(text.to_owned().into())
}

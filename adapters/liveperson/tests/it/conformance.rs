//! The suite that every adapter passes, with each kind of credentials.

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResult};
use redial_core::{Cause, Frame, Recovery, Secret, Verdict};
use redial_liveperson::{Builder, Content, Credentials, LivePerson, Message, Request};
use redial_testkit::conformance::{self, Sent, Vendor};
use redial_testkit::crash;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, HOST, login, lookup, response, response_of};

#[test]
fn a_password_conforms() {
    let password = Secret::new("canary-password");
    conform(Credentials::Password { username: "bot1".into(), password }, &["canary-password"]);
}

#[test]
fn oauth_1_conforms() {
    let credentials = Credentials::OAuth1 {
        username: "bot1".into(),
        app_key: "canary-key".into(),
        secret: "canary-secret".into(),
        access_token: "canary-access".into(),
        access_token_secret: "canary-hidden".into(),
    };
    conform(credentials, &["canary-key", "canary-secret", "canary-access", "canary-hidden"]);
}

#[test]
fn oauth_2_conforms() {
    let credentials = Credentials::OAuth2ClientCredentials {
        username: "bot1".into(),
        client_id: "canary-id".into(),
        client_secret: "canary-secret".into(),
    };
    conform(credentials, &["canary-id", "canary-secret"]);
}

#[test]
fn a_saml_assertion_conforms() {
    conform(Credentials::Saml { assertion: "canary-assertion".into() }, &["canary-assertion"]);
}

#[test]
fn a_ready_made_bearer_conforms() {
    conform(Credentials::Bearer("canary-ready".into()), &["canary-ready", "canary-offered"]);
    conform(Credentials::Ask, &["canary-offered"]);
}

#[test]
fn a_process_may_die_at_every_boundary() {
    let password = Secret::new("canary-password");
    let credentials = Credentials::Password { username: "bot1".into(), password };
    let vendor = Described { credentials, secrets: &[] };
    let proof = crash::check(&vendor, 0..4).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{proof}");
    assert!(proof.deaths > 300 && proof.messages > 1_000 && proof.fates[0] > 300, "{proof}");
    // What may have arrived is reported and not written again.
    assert_eq!(proof.resent, 0, "{proof}");
}

#[expect(clippy::print_stdout, reason = "the proof is worth reading with --nocapture")]
fn conform(credentials: Credentials, secrets: &'static [&'static str]) {
    let vendor = Described { credentials, secrets };
    let proof = conformance::check(&vendor).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{proof}");
}

struct Described {
    credentials: Credentials,
    secrets: &'static [&'static str],
}

impl Described {
    fn logs_in(&self) -> bool {
        !matches!(self.credentials, Credentials::Bearer(_) | Credentials::Ask)
    }

    fn builder(&self) -> Builder {
        let builder = LivePerson::builder(ACCOUNT, self.credentials.clone());
        builder.csds(HOST).plain(true).token_source(!self.logs_in())
    }
}

impl Vendor for Described {
    type Adapter = LivePerson;

    fn name(&self) -> &str {
        "liveperson"
    }

    fn adapter(&self) -> LivePerson {
        self.builder().build().expect("a good configuration")
    }

    fn exchange(&self, request: &HttpRequest) -> HttpResult {
        if request.url.contains("baseURI.json") {
            return Ok(response_of(200, lookup().to_string()));
        }
        if request.url.contains("/refresh") {
            return Ok(response_of(200, "{}"));
        }
        let mut body = login(1);
        body["bearer"] = "canary-bearer".into();
        body["csrf"] = "canary-csrf".into();
        let mut answer = response_of(200, body.to_string());
        answer.headers.push(("set-cookie".into(), "Session_id=canary-cookie; Path=/".into()));
        Ok(answer)
    }

    fn token(&self, _rejected: Option<&Secret>) -> Option<Secret> {
        (!self.logs_in()).then(|| Secret::new("canary-offered"))
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let Some(request) = parsed(frame) else { return Vec::new() };
        text(&response(&request, 200, json!({ "currentTime": 1 })))
    }

    fn outgoing(&self, said: &str) -> Option<Request> {
        Some(Request::publish_text("dialog-1", said))
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let Sent::Frame(frame) = sent else { return None };
        Some(parsed(frame)?["body"]["event"]["message"].as_str()?.to_owned())
    }

    fn push(&self, number: u64, said: &str) -> Option<Frame> {
        text(&json!({
            "kind": "notification", "type": "ms.MessagingEventNotification",
            "body": { "dialogId": "dialog-1", "changes": [{
                "sequence": number, "originatorId": "3705342610", "serverTimestamp": 1,
                "event": { "type": "ContentEvent", "message": said, "contentType": "text/plain" },
            }]},
        }))
        .pop()
    }

    fn application_reads(&self, message: &Message) -> Option<String> {
        let Message::Notification(notification) = message else { return None };
        let Content::MessagingEvent(events) = notification.content() else { return None };
        events.first()?.event["message"].as_str().map(str::to_owned)
    }

    fn samples(&self) -> Vec<Frame> {
        let id = "5eed0123-4567-49ab-8def-02468ace1357";
        let asked = json!({ "id": id });
        [
            response(&asked, 200, json!({ "currentTime": 1 })),
            response(&asked, 401, json!("not authorized")),
            response(&asked, 200, json!({ "subscriptionId": "s-1" })),
            json!({ "kind": "notification", "type": ".ams.routing.RoutingTaskNotification",
                    "body": { "changes": [{ "type": "UPSERT", "result": { "conversationId": "c" } }] } }),
            json!({ "kind": "notification", "type": "cqm.ExConversationChangeNotification",
                    "body": { "subscriptionId": "s-1", "changes": [] } }),
            json!({ "kind": "req", "id": "1", "type": "x" }),
        ]
        .iter()
        .flat_map(text)
        .chain([Frame::Binary(Bytes::from_static(b"\x00\x01"))])
        .collect()
    }

    fn secrets(&self) -> Vec<String> {
        let login = ["canary-bearer", "canary-csrf", "canary-cookie"];
        let login = login.iter().filter(|_| self.logs_in());
        self.secrets.iter().chain(login).map(|secret| (*secret).to_owned()).collect()
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        let regenerate = Verdict::Retry(Recovery::REGENERATE);
        let keep = Verdict::Retry(Recovery::KEEP);
        let mut documented: Vec<_> =
            [4401, 4407, 1011].map(|code| (Cause::Close(code), regenerate)).into();
        documented.extend([401, 500, 502].map(|status| (Cause::Handshake(status), regenerate)));
        documented
            .extend([1000, 1001, 1005, 1006, 4410, 4500].map(|code| (Cause::Close(code), keep)));
        documented.extend([(Cause::Network, keep)]);
        documented
    }
}

fn text(value: &Value) -> Vec<Frame> {
    vec![Frame::Text(value.to_string().into())]
}

fn parsed(frame: &Frame) -> Option<Value> {
    match frame {
        Frame::Text(bytes) => serde_json::from_slice(bytes).ok(),
        Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) => None,
    }
}

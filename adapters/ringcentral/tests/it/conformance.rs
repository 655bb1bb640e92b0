//! The suite that every adapter passes, for each way of a request and each kind of credentials.

use redial_core::http::{HttpRequest, HttpResponse, HttpResult};
use redial_core::{Cause, Delay, Frame, Handshake, Intent, Recovery, Secret, Span, Verdict};
use redial_ringcentral::{
    Credentials, Message, PENALTY, REFRESH, REST, Refusal, Request, RingCentral, WSTOKEN,
};
use redial_testkit::conformance::{self, Sent, Vendor};
use redial_testkit::crash;
use serde_json::{Value, json};

use crate::support::{FILTER, error, hello, notification, recovered, subscription};

#[test]
fn requests_over_the_socket_conform() {
    conform(&Gateway { over_socket: true, asks: false });
}

#[test]
fn requests_over_https_conform() {
    conform(&Gateway { over_socket: false, asks: false });
}

#[test]
fn an_applications_own_access_tokens_conform() {
    conform(&Gateway { over_socket: true, asks: true });
    conform(&Gateway { over_socket: false, asks: true });
}

#[test]
fn a_process_may_die_at_every_boundary() {
    for (over_socket, asks) in [(true, false), (false, false), (true, true)] {
        let proof = crash::check(&Gateway { over_socket, asks }, 0..3);
        let proof = proof.unwrap_or_else(|failure| panic!("{failure}"));
        println!("{proof}");
        assert!(proof.deaths > 300 && proof.messages > 1_000 && proof.fates[0] > 300, "{proof}");
        // What may have been carried out is the application's to send again.
        assert_eq!(proof.ids_kept, 0, "{proof}");
    }
}

#[expect(clippy::print_stdout, reason = "the proof is worth reading with --nocapture")]
fn conform(vendor: &impl Vendor) {
    let proof = conformance::check(vendor).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{proof}");
}

struct Gateway {
    over_socket: bool,
    /// Whether the application gives the access tokens.
    asks: bool,
}

impl Vendor for Gateway {
    type Adapter = RingCentral;

    fn name(&self) -> &str {
        match (self.over_socket, self.asks) {
            (true, false) => "ringcentral over the socket",
            (false, false) => "ringcentral over https",
            (true, true) => "ringcentral over the socket, with tokens of the application",
            (false, true) => "ringcentral over https, with tokens of the application",
        }
    }

    fn adapter(&self) -> RingCentral {
        let credentials =
            if self.asks { Credentials::Ask } else { Credentials::Jwt("canary-assertion".into()) };
        RingCentral::builder("sim-client", "canary-secret", credentials)
            .server("https://sim.example")
            .rest_over_websocket(self.over_socket)
            .subscribe([FILTER], None)
            .build()
            .expect("a good configuration")
    }

    fn exchange(&self, request: &HttpRequest) -> HttpResult {
        let body = if request.url.ends_with("/restapi/oauth/token") {
            json!({ "access_token": "canary-access", "expires_in": 3600,
                    "refresh_token": "canary-refresh", "refresh_token_expires_in": 604_800 })
        } else if request.url.ends_with("/restapi/oauth/wstoken") {
            json!({ "uri": "wss://gw.example/ws", "ws_access_token": "canary-wstoken",
                    "expires_in": 600 })
        } else {
            json!({ "id": 1 })
        };
        let body = body.to_string().into();
        Ok(HttpResponse { status: 200, headers: Vec::new(), body, retry_after: None })
    }

    fn token(&self, _rejected: Option<&Secret>) -> Option<Secret> {
        self.asks.then(|| Secret::new("canary-access"))
    }

    fn greet(&self, handshake: &Handshake) -> Vec<Frame> {
        let known = handshake.url.contains("wsc=canary-wsc");
        vec![text(&if known { recovered("canary-wsc") } else { hello("canary-wsc", json!({})) })]
    }

    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let Some(sent) = parsed(frame) else { return Vec::new() };
        let id = &sent[0]["messageId"];
        let meta = |kind: &str| json!({ "type": kind, "messageId": id, "status": 200 });
        match sent[0]["type"].as_str() {
            Some("Heartbeat") => vec![text(&json!([meta("Heartbeat")]))],
            Some(kind) if sent[0]["path"] == "/restapi/v1.0/subscription" => {
                vec![text(&json!([meta(kind), subscription("sub-1")]))]
            }
            Some(kind) => vec![text(&json!([meta(kind), { "id": 1 }]))],
            None => Vec::new(),
        }
    }

    fn outgoing(&self, said: &str) -> Option<Request> {
        Some(Request::post("/restapi/v1.0/account/~/sms", json!({ "text": said })))
    }

    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let body: Value = match sent {
            Sent::Frame(frame) => parsed(frame)?.get(1)?.clone(),
            Sent::Http(request) => serde_json::from_slice(&request.body).ok()?,
        };
        Some(body["text"].as_str()?.to_owned())
    }

    fn push(&self, number: u64, said: &str) -> Option<Frame> {
        let mut frame = notification(&format!("n-{number}"));
        frame[1]["body"] = json!({ "text": said });
        Some(text(&frame))
    }

    fn application_reads(&self, message: &Message) -> Option<String> {
        let Message::Notification(notification) = message else { return None };
        Some(notification.body.value()["body"]["text"].as_str()?.to_owned())
    }

    fn samples(&self) -> Vec<Frame> {
        let id = "5eed0123-4567-49ab-8def-02468ace1357";
        let meta = |kind: &str| json!({ "type": kind, "messageId": id, "status": 200 });
        let mut rising = notification("n-s");
        rising[0]["wsc"] = json!({ "token": "canary-wsc", "sequence": 9 });
        let mut samples: Vec<Frame> = [
            hello("canary-wsc", json!({})),
            hello("canary-wsc", json!({ "recoveryState": "Failed" })),
            recovered("canary-wsc"),
            json!([meta("ClientRequest"), subscription("sub-1")]),
            json!([meta("Heartbeat")]),
            json!([meta("Unknown"), ["deep", [1]]]),
            rising,
            error("WSG-400"),
            error("WSG-901"),
            error("WSG-902"),
            error("WSG-903"),
        ]
        .iter()
        .map(text)
        .collect();
        let raw = format!("[{},--Boundary\r\nno JSON\r\n--Boundary--]", meta("ClientRequest"));
        samples.extend([Frame::Text(raw.into()), Frame::Binary(b"\xFF".as_slice().into())]);
        samples
    }

    fn refusals(&self) -> Vec<(Frame, u16, Option<Span>)> {
        let refusals = [("WSG-902", Refusal::IdleTimeout), ("WSG-903", Refusal::AbsoluteTimeout)];
        refusals.map(|(code, refusal)| (text(&error(code)), refusal as u16, None)).into()
    }

    fn secrets(&self) -> Vec<String> {
        let own: &[&str] =
            if self.asks { &[] } else { &["canary-secret", "canary-assertion", "canary-refresh"] };
        let all = own.iter().chain(&["canary-access", "canary-wstoken", "canary-wsc"]);
        all.map(|secret| (*secret).to_owned()).collect()
    }

    fn documented(&self) -> Vec<(Cause, Verdict)> {
        let keep = Verdict::Retry(Recovery::KEEP);
        let anew = Verdict::Retry(Recovery::REGENERATE);
        let soon = Verdict::Retry(Recovery { delay: Delay::Now, ..Recovery::KEEP });
        let limited = Verdict::Retry(Recovery { delay: Delay::AtLeast(PENALTY), ..Recovery::KEEP });
        let restart = Verdict::Retry(Recovery { intent: Intent::Restart, ..Recovery::KEEP });
        let refused = |refusal: Refusal, verdict| (Cause::Refused(refusal as u16), verdict);
        let answered = |step, status, verdict| (Cause::Http { step, status }, verdict);
        vec![
            (Cause::Network, keep),
            (Cause::Close(1000), keep),
            (Cause::Close(1001), keep),
            (Cause::Close(1006), keep),
            (Cause::Close(4400), Verdict::Stop),
            (Cause::Close(4401), anew),
            (Cause::Handshake(401), anew),
            (Cause::Handshake(429), limited),
            (Cause::Handshake(503), keep),
            answered(WSTOKEN, 401, Verdict::Suspend),
            answered(WSTOKEN, 403, Verdict::Stop),
            answered(WSTOKEN, 429, limited),
            answered(WSTOKEN, 503, keep),
            answered(REFRESH, 400, Verdict::Suspend),
            answered(REST, 429, limited),
            refused(Refusal::TokenMalformed, Verdict::Suspend),
            refused(Refusal::MalformedContext, restart),
            refused(Refusal::IdleTimeout, keep),
            refused(Refusal::AbsoluteTimeout, soon),
            refused(Refusal::Hello, keep),
        ]
    }
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

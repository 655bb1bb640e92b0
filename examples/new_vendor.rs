//! An adapter made from nothing, for a vendor that does not exist: explored, conformance-tested, killed. CI runs it.
#![expect(clippy::wildcard_imports, clippy::print_stdout, reason = "an example, and short")]

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, HttpResult, Method};
use redial_core::*;
use redial_testkit::conformance::{self, Sent, Vendor};
use redial_testkit::explorer::{Explorer, Extent, scaled_to_small};

/// What the vendor's documents say, as data.
const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[Rule::close(4401, Verdict::Retry(Recovery::REGENERATE))]),
    ..PolicySpec::DEFAULT
});
/// `hello` makes a socket ready, `msg ID TEXT` is answered by `ack ID`, `say TEXT` comes unasked.
#[derive(Debug, Default)]
struct Acme(Option<Secret>);
/// A text that no log shows.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Text(String);
#[rustfmt::skip] // What says no more than its name has a line of its own.
impl Adapter for Acme {
    type Outgoing = Text; type Message = Text; type Reply = (); type Command = (); type Step = (); type Cursor = ();
    fn policy(&self) -> &Policy { &POLICY }
    fn account(&self) -> &str { "acme" }
    fn step_name(_: u8) -> &'static str { "login" }
    fn offer_token(&mut self, _: Secret, _io: &mut Io<'_, Self>) -> bool { false }
    fn weight(&self, text: &Text) -> u32 { u32::try_from(text.0.len()).unwrap_or(u32::MAX) }
    fn cursor(&self) {}
    fn restore(&mut self, (): ()) {}
    fn handle_command(&mut self, (): (), _: &mut Io<'_, Self>) {}
    fn handle_opened(&mut self, _: &mut Io<'_, Self>) {}
    fn class(&self, _: &Text) -> Class { Class { proof: Proof::Answer, cut: Cut::Resend, portable: true, within: Span::from_secs(10), ttl: Span::from_secs(60), tries: 3 } }
    fn authorize(&mut self, _: Authorize, io: &mut Io<'_, Self>) {
        let (url, headers) = ("https://acme.test/login".into(), vec![("x-key", "secret-key".into())]);
        io.http((), Span::from_secs(5), HttpRequest { method: Method::Post, url, headers, body: Bytes::new() });
    }
    fn handle_http(&mut self, (): (), answer: HttpResult, io: &mut Io<'_, Self>) {
        match answer {
            Ok(HttpResponse { status: 200, body, .. }) => { self.0 = Some(String::from_utf8_lossy(&body).into_owned().into()); io.token_ready(None, true); }
            Ok(answer) => io.token_failed(Cause::Http { step: 0, status: answer.status }, answer.retry_after),
            Err(_) => io.token_failed(Cause::Network, None),
        }
    }
    fn dial(&mut self, _: Intent, out: &mut Handshake) {
        out.url = format!("wss://acme.test/?token={}", self.0.as_ref().map_or("", Secret::expose));
    }
    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let Frame::Text(bytes) = frame else { return io.problem(Fault::Vendor, "a binary frame") };
        match str::from_utf8(&bytes).unwrap_or_default().split_once(' ') {
            Some(("hello", _)) => io.ready(Continuity::Fresh),
            Some(("say", text)) => io.message(Text(text.into())),
            Some(("ack", id)) => if let Ok(id) = id.parse() { io.settle(MessageId::new(id), Outcome::Acked) },
            _ => io.problem(Fault::Vendor, "a frame that is no message"),
        }
    }
    fn transmit(&mut self, id: MessageId, text: &Text, _: u8, io: &mut Io<'_, Self>) -> Path {
        io.text(|out| out.extend_from_slice(format!("msg {id} {}", text.0).as_bytes()));
        Path::Socket
    }
}
/// The vendor's side, for the suite.
struct AcmeServer;
#[rustfmt::skip]
impl Vendor for AcmeServer {
    type Adapter = Acme;
    fn name(&self) -> &str { "acme" }
    fn adapter(&self) -> Acme { Acme::default() }
    fn exchange(&self, _: &HttpRequest) -> HttpResult { Ok(HttpResponse { status: 200, headers: Vec::new(), body: "secret-token".into(), retry_after: None }) }
    fn greet(&self, _: &Handshake) -> Vec<Frame> { vec![frame("hello you")] }
    fn answer(&self, sent: &Frame) -> Vec<Frame> { read(sent).map(|(id, _)| frame(&format!("ack {id}"))).into_iter().collect() }
    fn outgoing(&self, text: &str) -> Option<Text> { Some(Text(text.into())) }
    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> { match sent { Sent::Frame(sent) => read(sent).map(|(_, text)| text), Sent::Http(_) => None } }
    fn push(&self, _: u64, text: &str) -> Option<Frame> { Some(frame(&format!("say {text}"))) }
    fn application_reads(&self, message: &Text) -> Option<String> { Some(message.0.clone()) }
    fn samples(&self) -> Vec<Frame> { vec![frame("hello you"), frame("ack 1"), frame("say something")] }
    fn secrets(&self) -> Vec<String> { vec!["secret-key".into(), "secret-token".into()] }
    fn documented(&self) -> Vec<(Cause, Verdict)> { vec![(Cause::Close(4401), Verdict::Retry(Recovery::REGENERATE))] }
}
#[rustfmt::skip]
fn frame(text: &str) -> Frame { Frame::Text(text.to_owned().into()) }
fn read(frame: &Frame) -> Option<(String, String)> {
    let Frame::Text(bytes) = frame else { return None };
    let (id, text) = str::from_utf8(bytes).ok()?.strip_prefix("msg ")?.split_once(' ')?;
    Some((id.into(), text.into()))
}
#[rustfmt::skip]
impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("Text(..)") }
}

fn main() {
    let report = Explorer::new(scaled_to_small(&POLICY)).extent(Extent::Plain).run();
    assert!(report.is_sound(), "{report}");
    println!("{report}");
    print!("{}", conformance::check(&AcmeServer).unwrap_or_else(|failure| panic!("{failure}")));
    let deaths = redial_testkit::crash::check(&AcmeServer, 0..2);
    println!("{}", deaths.unwrap_or_else(|failure| panic!("{failure}")));
}

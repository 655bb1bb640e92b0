//! What the suite has to know about a vendor.

use core::fmt::Debug;

use redial_core::http::{HttpRequest, HttpResult, NoAnswer};
use redial_core::{Adapter, Cause, Frame, Handshake, Secret, Span, Verdict};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An adapter, and a vendor's side of the conversation that it has.
///
/// The vendor's side is a script without a memory: it answers what it is asked. Everything in it
/// is made up; times in it count from [`START`](super::START), in the year 2026.
pub trait Vendor {
    /// The adapter. What it shows in `Debug` must not show a secret, and what it leaves to a later
    /// process must be storable.
    type Adapter: Adapter<
            Outgoing: Debug + Serialize + DeserializeOwned,
            Message: Debug,
            Reply: Debug,
            Cursor: Serialize + DeserializeOwned,
        > + Debug;

    /// Names the adapter.
    fn name(&self) -> &str;

    /// Makes an adapter that has done nothing yet. Each is like every other.
    fn adapter(&self) -> Self::Adapter;

    /// Answers an HTTP exchange so that the adapter can go on. An adapter that makes none needs no
    /// answer.
    fn exchange(&self, request: &HttpRequest) -> HttpResult {
        let _ = request;
        Err(NoAnswer::Network)
    }

    /// Returns a token of the application, where the adapter asks for one. It is another one than
    /// the one that was rejected, where the vendor never takes that again.
    fn token(&self, rejected: Option<&Secret>) -> Option<Secret> {
        let _ = rejected;
        None
    }

    /// Returns what the vendor says as soon as the socket is open.
    fn greet(&self, handshake: &Handshake) -> Vec<Frame> {
        let _ = handshake;
        Vec::new()
    }

    /// Returns what the vendor answers to a text or binary frame. Pings are answered anyway.
    fn answer(&self, frame: &Frame) -> Vec<Frame> {
        let _ = frame;
        Vec::new()
    }

    /// Returns whether the vendor's side goes on with a session that the adapter asks for again.
    /// Then it must be `Resumed` after a loss while the policy lets it be asked for, and otherwise
    /// never.
    fn takes_sessions_up(&self) -> bool {
        true
    }

    /// Returns a message that carries `text`, where the application can send any.
    fn outgoing(&self, text: &str) -> Option<<Self::Adapter as Adapter>::Outgoing> {
        let _ = text;
        None
    }

    /// Returns the text that the vendor reads out of something that was written. This is the
    /// vendor's own reading of the wire and uses nothing of the adapter.
    fn vendor_reads(&self, sent: Sent<'_>) -> Option<String> {
        let _ = sent;
        None
    }

    /// Returns a frame in which the vendor says `text` unasked. A vendor that numbers its messages
    /// gives this one `number`, and the numbers of its [samples](Vendor::samples) are no later ones.
    fn push(&self, number: u64, text: &str) -> Option<Frame> {
        let _ = (number, text);
        None
    }

    /// Returns the text that the application reads out of a message.
    fn application_reads(&self, message: &<Self::Adapter as Adapter>::Message) -> Option<String> {
        let _ = message;
        None
    }

    /// Returns frames as the vendor sends them, one of each kind at least. Broken variants of
    /// these are what the decoder is tried with.
    fn samples(&self) -> Vec<Frame>;

    /// Returns frames in which the vendor refuses the session, each with the number that the adapter
    /// gives this refusal and the time that the vendor asks to wait.
    fn refusals(&self) -> Vec<(Frame, u16, Option<Span>)> {
        Vec::new()
    }

    /// Returns every secret of [`Vendor::adapter`], [`Vendor::token`] and the vendor's answers, as
    /// it stands on the wire.
    fn secrets(&self) -> Vec<String>;

    /// Returns the causes that the vendor documents, and what is to be done about each. Every end
    /// of a connection after which the adapter does not come back by itself must be among them.
    fn documented(&self) -> Vec<(Cause, Verdict)>;
}

/// Something that was written.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'a> {
    /// On the socket.
    Frame(&'a Frame),
    /// By an exchange.
    Http(&'a HttpRequest),
}

//! What can be wrong.

use core::fmt;

use redial_core::Fault;

use crate::Generation;

/// What is wrong with what the server has sent.
///
/// The connection cannot be used after it: where one packet was not understood, nothing says
/// what the next one belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// A frame without a byte.
    Empty,
    /// Text that is not UTF-8.
    NotUtf8,
    /// An Engine.IO packet of an unknown type.
    UnknownEngineType,
    /// A Socket.IO packet of an unknown type.
    UnknownType,
    /// An open packet without an id or without the numbers of the heartbeat.
    BadOpen,
    /// A packet before the open packet.
    NotOpen,
    /// A second open packet.
    OpenTwice,
    /// A count of attachments that is no number, or is not followed by a dash.
    BadCount,
    /// An id of an acknowledgement that is absent or too large.
    BadAck,
    /// A payload that is not JSON.
    NotJson,
    /// A payload of another kind than the packet has.
    BadPayload,
    /// An event with a name that the protocol keeps to itself.
    ReservedEvent,
    /// A placeholder for an attachment that the packet does not have, or one in a text that is
    /// nested too deeply to be searched.
    BadPlaceholder,
    /// Bytes that no packet has announced.
    UnexpectedAttachment,
    /// A packet before all attachments of the one before it were there.
    Interrupted,
    /// Bytes without the prefix of Engine.IO 3.
    BadPrefix,
    /// A frame with too many bytes.
    LargeFrame,
    /// A namespace, a name or an id with too many bytes.
    LongName,
    /// Too many attachments, or too many bytes in them.
    ManyAttachments,
    /// Too many events before the confirmation of their namespace.
    ManyEarlyEvents,
    /// Frames or signals that nobody has taken.
    Overflow,
    /// The server speaks the other generation.
    WrongGeneration {
        /// The generation that was asked for.
        ours: Generation,
    },
}

impl Error {
    /// Says what is wrong. The text is fixed, so it holds nothing of what was sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "an empty frame",
            Self::NotUtf8 => "text that is not UTF-8",
            Self::UnknownEngineType => "an Engine.IO packet of an unknown type",
            Self::UnknownType => "a Socket.IO packet of an unknown type",
            Self::BadOpen => "an open packet without an id or a heartbeat",
            Self::NotOpen => "a packet before the open packet",
            Self::OpenTwice => "a second open packet",
            Self::BadCount => "a packet with an unreadable count of attachments",
            Self::BadAck => "a packet with an unreadable acknowledgement id",
            Self::NotJson => "a payload that is not JSON",
            Self::BadPayload => "a payload of the wrong kind",
            Self::ReservedEvent => "an event with a reserved name",
            Self::BadPlaceholder => "a placeholder without its attachment",
            Self::UnexpectedAttachment => "an attachment that no packet has announced",
            Self::Interrupted => "a packet before the attachments of the one before",
            Self::BadPrefix => "bytes without the prefix of Engine.IO 3",
            Self::LargeFrame => "a frame with too many bytes",
            Self::LongName => "a name with too many bytes",
            Self::ManyAttachments => "a packet with too many attachments",
            Self::ManyEarlyEvents => "too many events before their namespace was confirmed",
            Self::Overflow => "too many packets that nobody has taken",
            Self::WrongGeneration { ours: Generation::Eio3 } => {
                "a server of Engine.IO 4 where Engine.IO 3 was asked for"
            }
            Self::WrongGeneration { ours: Generation::Eio4 } => {
                "a server of Engine.IO 3 where Engine.IO 4 was asked for"
            }
        }
    }

    /// Says whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Overflow => Fault::Ours,
            Self::WrongGeneration { .. } => Fault::Caller,
            Self::Empty
            | Self::NotUtf8
            | Self::UnknownEngineType
            | Self::UnknownType
            | Self::BadOpen
            | Self::NotOpen
            | Self::OpenTwice
            | Self::BadCount
            | Self::BadAck
            | Self::NotJson
            | Self::BadPayload
            | Self::ReservedEvent
            | Self::BadPlaceholder
            | Self::UnexpectedAttachment
            | Self::Interrupted
            | Self::BadPrefix
            | Self::LargeFrame
            | Self::LongName
            | Self::ManyAttachments
            | Self::ManyEarlyEvents => Fault::Vendor,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for Error {}

/// Why something is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// The namespace is not joined.
    NotJoined,
    /// The namespace is joined, or was asked for, already.
    JoinedAlready,
    /// The main namespace of an older server was left: only a new connection has it again.
    Gone,
    /// There are too many namespaces.
    ManyNamespaces,
    /// Too many acknowledgements are waited for.
    ManyAcks,
    /// The frames that wait have not been taken.
    Full,
    /// The server has said that it takes no frame of this length.
    TooLarge,
    /// The connection has failed.
    Failed,
}

impl SendError {
    /// Says what is wrong.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJoined => "the namespace is not joined",
            Self::JoinedAlready => "the namespace is joined already",
            Self::Gone => "the main namespace needs a new connection",
            Self::ManyNamespaces => "too many namespaces",
            Self::ManyAcks => "too many acknowledgements are waited for",
            Self::Full => "too many frames wait",
            Self::TooLarge => "a frame larger than the server takes",
            Self::Failed => "the connection has failed",
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for SendError {}

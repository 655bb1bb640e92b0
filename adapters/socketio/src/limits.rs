//! How much a peer may make us keep.

/// How much a peer may make us keep. Whatever is larger is an [`Error`](crate::Error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The bytes of one frame.
    pub frame: usize,
    /// The bytes of a namespace, of the name of an event, and of any id.
    pub name: usize,
    /// The attachments of one packet.
    pub attachments: usize,
    /// The bytes of all attachments of one packet.
    pub attachment_bytes: usize,
    /// The events that are kept until a namespace is confirmed.
    pub early: usize,
    /// The bytes of these events.
    pub early_bytes: usize,
    /// The namespaces of one connection.
    pub namespaces: usize,
    /// The acknowledgements of one namespace that are waited for.
    pub acks: usize,
    /// The frames, and the signals, that wait to be taken from a connection.
    pub queue: usize,
}

impl Limits {
    /// What is in force unless something else is said.
    pub const DEFAULT: Self = Self {
        frame: 16 << 20,
        name: 512,
        attachments: 64,
        attachment_bytes: 16 << 20,
        early: 256,
        early_bytes: 1 << 20,
        namespaces: 64,
        acks: 1024,
        queue: 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

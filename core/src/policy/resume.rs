//! How long a session can be resumed after its connection is lost.

use crate::time::{Span, Speed};

/// How long a session can be resumed after its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Resume {
    /// Never: every connection is a new session.
    Never,
    /// For this long after the loss. A server may announce another span.
    Within(Span),
    /// As long as the server accepts it.
    Always,
}

impl Resume {
    pub(super) const fn scaled(self, speed: Speed) -> Self {
        match self {
            Self::Within(span) => Self::Within(span.scaled(speed)),
            other => other,
        }
    }
}

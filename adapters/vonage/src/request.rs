//! The ids of what is sent.

/// What an id on the wire belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Lane {
    Message = 1,
    Login = 2,
    Update = 3,
    Logout = 4,
}

impl Lane {
    pub(crate) const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Message),
            2 => Some(Self::Login),
            3 => Some(Self::Update),
            4 => Some(Self::Logout),
            _ => None,
        }
    }
}

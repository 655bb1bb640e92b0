//! RingCentral for redial: policy, envelopes, subscriptions and HTTP exchanges as data.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod adapter;
mod body;
mod config;
mod cursor;
mod envelope;
mod frames;
mod group;
mod hello;
mod login;
mod message;
mod net;
mod policy;
mod recent;
mod request;
mod rest;
mod slots;
mod subscription;
mod time;
mod token;

pub use adapter::RingCentral;
pub use body::Body;
pub use config::{Builder, ConfigError, Credentials, PRODUCTION, SANDBOX};
pub use cursor::{Command, Cursor, Step};
pub use group::AuthGroup;
pub use login::{LOGIN, REFRESH, REST, WSTOKEN};
pub use message::{
    Certainty, ConnectionDetails, Gap, Message, Notification, Operation, RestError,
    SubscriptionInfo, Wsc,
};
pub use policy::{PENALTY, POLICY, Refusal};
pub use request::{BAD_HEADER, BAD_PATH, Request, Response};

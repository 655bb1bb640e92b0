//! RingCentral for redial: policy, envelopes, subscriptions and HTTP exchanges as data.
#![no_std]
#![forbid(unsafe_code)]

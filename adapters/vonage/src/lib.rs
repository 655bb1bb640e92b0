//! Vonage Client SDK sessions for redial, both wire generations: policy, events and HTTP exchanges as data.
#![no_std]
#![forbid(unsafe_code)]

//! Integration tests.

mod explorer;
mod faults;
mod faulty;
mod histories;
mod policies;

#[cfg(feature = "servers")]
mod liveperson_sim;

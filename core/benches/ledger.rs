//! What a message costs in the ledger: time, allocations, bytes.
//!
//! `cargo bench -p redial-core --bench ledger`. Each time is the best of ten rounds.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::alloc::System;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use redial_core::{Bounds, Class, Cut, Ledger, MessageId, Outcome, Path, Proof, Span, Timestamp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    println!("send and ack, 64 in flight");
    for (name, pick) in [("in order", 0), ("out of order", 37)] {
        let mut flight = Flight::new(64);
        flight.run(PER_ROUND, pick);
        let region = Region::new(ALLOCATOR);
        let nanos = best(|| flight.run(PER_ROUND, pick)) / PER_ROUND as f64;
        let allocations = region.change().allocations as f64 / (ROUNDS * PER_ROUND) as f64;
        println!("  {name:<28} {nanos:>8.1} ns a message, {allocations} allocations a message");
    }

    println!("1,024 waiting behind one that is held");
    let mut ledger = full();
    let calls = 1_000_000;
    let nanos = best(|| {
        for _ in 0..calls {
            black_box((black_box(&ledger).next(NOW), ledger.poll_timeout()));
        }
    });
    println!("  {:<28} {:>8.1} ns", "next and poll_timeout", nanos / f64::from(calls));
    let nanos = best(|| (0..calls).for_each(|_| ledger.tick(black_box(NOW))));
    println!("  {:<28} {:>8.1} ns", "tick with nothing due", nanos / f64::from(calls));

    let region = Region::new(ALLOCATOR);
    let ledger = black_box(full());
    let change = region.change();
    let bytes = change.bytes_allocated - change.bytes_deallocated;
    println!("memory");
    println!("  {:<28} {:>8}", "messages", ledger.len());
    println!("  {:<28} {:>8}", "bytes a queued message", bytes / ledger.len());
    println!("  {:<28} {:>8}", "of it the payload's handle", size_of::<Bytes>());
    println!("  {:<28} {:>8}", "bytes of an empty ledger", size_of::<Ledger<Bytes>>());
}

/// Messages on their way.
struct Flight {
    ledger: Ledger<Bytes>,
    ids: VecDeque<MessageId>,
    width: usize,
    now: u64,
}

impl Flight {
    fn new(width: usize) -> Self {
        let ledger = Ledger::new(Bounds::default());
        Self { ledger, ids: VecDeque::with_capacity(width + 1), width, now: 0 }
    }

    /// Sends and settles; `pick` says how far behind the oldest the settled one stands.
    fn run(&mut self, messages: usize, pick: usize) {
        for _ in 0..messages {
            self.now += 1;
            let now = Timestamp::from_millis(self.now);
            let payload = Bytes::from_static(b"message");
            self.ledger.accept(now, CLASS, 7, payload).expect("room");
            let (id, _, _) = self.ledger.next(now).expect("a message");
            self.ledger.sent(now, id, Path::Socket);
            self.ids.push_back(id);
            if self.ids.len() > self.width {
                let place = self.now as usize * 7 % (pick + 1);
                let id = self.ids.remove(place).expect("one in flight");
                self.ledger.settle(now, id, Outcome::Acked);
                black_box(self.ledger.poll_fate().expect("a fate"));
            }
            black_box(self.ledger.poll_timeout());
        }
    }
}

/// A full ledger, whose first message is held.
fn full() -> Ledger<Bytes> {
    let mut ledger = Ledger::new(Bounds::default());
    let class = Class { ttl: Span::from_secs(86_400), ..CLASS };
    for _ in 0..1024 {
        ledger.accept(NOW, class, 7, Bytes::from_static(b"message")).expect("room");
    }
    let (id, _, _) = ledger.next(NOW).expect("a message");
    ledger.sent(NOW, id, Path::Socket);
    ledger.settle(NOW, id, Outcome::Retry { after: Some(Span::from_secs(3600)) });
    ledger
}

/// Returns the nanoseconds of the quickest round.
fn best(mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed().as_nanos() as f64
    });
    times.fold(f64::INFINITY, f64::min)
}

const ROUNDS: usize = 10;
const PER_ROUND: usize = 200_000;
const NOW: Timestamp = Timestamp::from_millis(1_000);
const CLASS: Class = Class {
    proof: Proof::Answer,
    cut: Cut::Resend,
    portable: true,
    within: Span::from_secs(10),
    ttl: Span::from_secs(300),
    tries: 3,
};

//! The suite passes a good adapter, and each check finds what is planted for it.

use redial_testkit::conformance::{self, CHECKS, Failure};

use crate::toy::{Flaw, ToyVendor};

/// Every flaw, the check that finds it, and a part of what that says.
const FLAWS: [(Flaw, &str, &str); 34] = [
    (Flaw::IsGreetedOnce, "every_cause_has_a_verdict", "the script gets it no further than"),
    (Flaw::DoesNotHearARefusal, "every_cause_has_a_verdict", "nothing is done but to wait"),
    (Flaw::LogsInTwice, "every_cause_has_a_verdict", "the same exchange is asked for twice"),
    (Flaw::HearsNoRefusal, "every_cause_has_a_verdict", "the end is not Refused(7)"),
    (Flaw::HearsNoWait, "every_cause_has_a_verdict", "Refused(7) asks to wait 50000ms"),
    (Flaw::NamesNothing, "every_cause_has_a_verdict", "a step or a refusal has an empty name"),
    (Flaw::SkipsTheDocuments, "documented_codes_are_in_the_table", "Close(4401) is documented as"),
    (Flaw::WatchesNobody, "half_open_is_detectable", "nobody watches whether the peer lives"),
    (Flaw::KeepsItselfAlive, "half_open_is_detectable", "silent for 40000 ms and counts as alive"),
    (Flaw::SlicesAnything, "decode_never_panics", "panicked: range end index 4 out of range"),
    (Flaw::TakesItsTime, "decode_never_panics", "one input took "),
    (Flaw::IndexesAnswers, "decode_never_panics", "panicked: a token"),
    (Flaw::DeliversPongs, "control_frames_deliver_nothing", "a control frame has an effect"),
    (Flaw::ShowsTheToken, "secrets_never_show", "\"canary-token\" shows: "),
    (Flaw::ShowsTheBody, "secrets_never_show", "\"canary-of-a-body-5eed\" shows: "),
    (Flaw::Trims, "encode_decode_round_trip", "the application reads"),
    (Flaw::WritesAsciiOnly, "encode_decode_round_trip", "the vendor reads"),
    (Flaw::HearsNoAck, "encode_decode_round_trip", "it arrived, and its fate is"),
    (Flaw::ForgetsTheSession, "snapshots_keep_everything", "cursor is not what was stored"),
    (Flaw::LeavesNothing, "snapshots_keep_everything", "a later process"),
    (
        Flaw::ForgetsItsPlace,
        "snapshots_keep_everything",
        "session=session-1 with [] in a later process",
    ),
    (Flaw::Counts, "twins_do_the_same", "a twin does the frame msg"),
    (Flaw::KeepsAnswers, "queues_are_bounded", "600 frames waited for the socket"),
    (Flaw::WeighsNothing, "queues_are_bounded", "a message of 3000 bytes weighs 0"),
    (Flaw::GivesUpOnAnything, "documented_codes_are_in_the_table", "and no document says so"),
    (Flaw::HasAllTheTime, "half_open_is_detectable", "would count as alive for 86410000 ms"),
    (Flaw::IsMute, "secrets_never_show", "does not reach the application"),
    (Flaw::HoldsWhatIsEarly, "encode_decode_round_trip", "is lost with the connection"),
    (Flaw::Hoards, "queues_are_bounded", "it stores or shows"),
    (Flaw::ReadsNoRetryAfter, "retry_after_is_heeded", "429 asks to wait 77000ms"),
    (Flaw::KeepsItsFirstToken, "new_tokens_are_used", "\"canary-token\" is used after Close(4401)"),
    (Flaw::ClaimsTheOldSession, "continuity_is_told_truly", "followed by a new session"),
    (Flaw::ClaimsANewSession, "continuity_is_told_truly", "after a loss it is Fresh"),
    (Flaw::ForgetsToForget, "continuity_is_told_truly", "followed by a new session"),
];

#[test]
fn a_good_adapter_conforms_and_the_proof_says_what_was_tried() {
    let proof = conformance::check(&ToyVendor::<false>(Flaw::None))
        .unwrap_or_else(|broken| panic!("{broken}"));
    let names: Vec<&str> = proof.checks().map(|(name, _)| name).collect();
    assert_eq!(names, CHECKS);
    assert!(proof.to_string().starts_with("toy: 13 checks hold\n"), "{proof}");
}

#[test]
fn each_flaw_is_found_by_its_check() {
    for (flaw, check, what) in FLAWS {
        let failure = find(flaw);
        let broken = failure.broken().iter().find(|broken| broken.check == check);
        let broken =
            broken.unwrap_or_else(|| panic!("{flaw:?} is not found by {check}:\n{failure}"));
        assert!(broken.what.contains(what), "{flaw:?}: {broken}");
    }
}

#[test]
fn each_check_finds_a_flaw() {
    for check in CHECKS {
        assert!(FLAWS.iter().any(|(_, found, _)| *found == check), "{check} has no flaw");
    }
}

#[test]
fn a_failure_shows_the_bytes_and_what_came_before_them() {
    let failure = find(Flaw::SlicesAnything);
    let broken = &failure.broken()[0];
    let bytes = broken.bytes.as_ref().expect("bytes");
    assert!(bytes.len() < 4, "{bytes:?}");
    let text = failure.to_string();
    for part in [
        "toy: ",
        "BROKEN decode_never_panics: panicked",
        "bytes: ",
        "0 ms  connection 1 brings Text(",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

fn find(flaw: Flaw) -> Failure {
    // The check of panics panics, and says so on stderr.
    let checked = match flaw {
        Flaw::NamesNothing => conformance::check(&ToyVendor::<true>(flaw)),
        _ => conformance::check(&ToyVendor::<false>(flaw)),
    };
    match checked {
        Ok(proof) => panic!("{flaw:?} goes unseen:\n{proof}"),
        Err(failure) => failure,
    }
}

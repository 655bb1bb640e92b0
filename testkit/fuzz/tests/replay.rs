//! What fuzzing has found once holds for ever: every file of every corpus is replayed.

use std::fs;
use std::path::Path;

#[test]
fn every_corpus_is_replayed() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in redial_fuzz::TARGETS {
        let folder = corpora.join(name);
        let (mut files, mut online, mut acked) = (0, 0, 0);
        for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{name} has no corpus")) {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file");
            let outcome = std::panic::catch_unwind(|| target(&bytes));
            let reached = outcome.unwrap_or_else(|_| panic!("{}", path.display()));
            online += reached.online;
            acked += reached.acked;
            files += 1;
        }
        assert!(files > 0, "the corpus of {name} is empty");
        if !SESSIONLESS.contains(name) {
            assert!(online >= 2, "{name}: no script gets online again");
            assert!(acked > 0 || *name == "evolution", "{name}: no message gets through");
        }
    }
}

#[test]
fn every_target_has_a_binary() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    for (name, _) in redial_fuzz::TARGETS {
        let text = fs::read_to_string(targets.join(format!("{name}.rs"))).expect("a binary");
        assert!(text.contains(&format!("redial_fuzz::{name}(")), "{name}");
    }
    assert_eq!(fs::read_dir(targets).expect("a folder").count(), redial_fuzz::TARGETS.len());
}

/// Targets that play no scripts.
const SESSIONLESS: &[&str] = &["history", "retry_after", "socketio", "trace"];

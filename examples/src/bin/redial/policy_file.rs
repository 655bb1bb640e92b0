//! Policy files: what is different from a policy that is there.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use redial_core::{Policy, Rules};
use serde_json::{Map, Value};

use crate::output::Failure;

/// Reads a policy from a file. What the file does not say stays as it is in `base`.
pub(crate) fn read(path: &Path, base: &Policy) -> Result<Policy, Failure> {
    let named = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let text = content(path).map_err(named)?;
    let changes: Map<String, Value> = toml::from_str(&text).map_err(|error| {
        // Without the line itself: the file may be another one than was meant.
        let place = error.span().map(|span| place(&text, span.start)).unwrap_or_default();
        named(format!("{place}{}", error.message()))
    })?;
    let base = serde_json::to_value(base).map_err(|error| named(error.to_string()))?;
    let changes = parts(changes);
    serde_json::from_value(applied(&base, changes.iter()))
        .map_err(|error| named(culprit(&base, &changes, &error.to_string())))
}

/// Reads a file of bounded length.
pub(crate) fn content(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("longer than {MAX_FILE} bytes, so it is not what was meant"));
    }
    Ok(text)
}

/// Says where in a text a byte is.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: ")
}

/// Something that the file says.
struct Change {
    key: String,
    /// The field in it, where fields stand for themselves.
    field: Option<String>,
    value: Value,
}

impl Change {
    fn name(&self) -> String {
        match &self.field {
            Some(field) => format!("{}.{field}", self.key),
            None => self.key.clone(),
        }
    }
}

/// Takes apart what the file says, as far as it can be changed on its own.
fn parts(changes: Map<String, Value>) -> Vec<Change> {
    let mut parts = Vec::new();
    for (key, value) in changes {
        match value {
            Value::Object(fields) if ["backoff", "token", "timeouts"].contains(&key.as_str()) => {
                parts.extend(fields.into_iter().map(|(field, value)| {
                    let value = without_bound(&key, &field, value);
                    Change { key: key.clone(), field: Some(field), value }
                }));
            }
            value => parts.push(Change { key, field: None, value }),
        }
    }
    parts
}

/// TOML has no null, which is what a policy has where there is no bound.
fn without_bound(key: &str, field: &str, value: Value) -> Value {
    let bounds = [("backoff", "attempts"), ("token", "rejections"), ("timeouts", "token")];
    if bounds.contains(&(key, field)) && value == "none" { Value::Null } else { value }
}

fn applied<'a>(base: &Value, changes: impl Iterator<Item = &'a Change>) -> Value {
    let mut all = base.clone();
    for Change { key, field, value } in changes {
        match field {
            Some(field) => all[key][field] = value.clone(),
            None => all[key] = value.clone(),
        }
    }
    all
}

/// Names the field that makes no policy of the file.
///
/// The base is a policy, so each change is tried on its own, and of rules each one.
fn culprit(base: &Value, changes: &[Change], error: &str) -> String {
    for change in changes {
        let Err(error) = attempt(applied(base, [change].into_iter())) else { continue };
        if let Value::Array(rules) = &change.value
            && change.key == "rules"
            && let Some(text) = bad_rule(base, rules)
        {
            return text;
        }
        return format!("{}: {}", change.name(), in_words(&error));
    }
    let names: Vec<String> = changes.iter().map(Change::name).collect();
    format!("{} together: {}", names.join(", "), in_words(error))
}

/// Names the first rule that cannot be one, or that decides what an earlier one has decided.
fn bad_rule(base: &Value, rules: &[Value]) -> Option<String> {
    // That there are too many is said of all of them.
    if rules.len() > Rules::CAPACITY {
        return None;
    }
    let with = |rules: &[&Value]| {
        let mut all = base.clone();
        all["rules"] = rules.iter().copied().cloned().collect();
        attempt(all)
    };
    for (index, rule) in rules.iter().enumerate() {
        if let Err(error) = with(&[rule]) {
            return Some(format!("rule {}: {}", index + 1, in_words(&error)));
        }
        for (earlier, other) in rules[..index].iter().enumerate() {
            if let Err(error) = with(&[other, rule]) {
                let error = in_words(&error);
                return Some(format!("rules {} and {}: {error}", earlier + 1, index + 1));
            }
        }
    }
    None
}

fn attempt(all: Value) -> Result<Policy, String> {
    serde_json::from_value(all).map_err(|error: serde_json::Error| error.to_string())
}

/// Leaves out the text that stands where no text can: a file with another `token` was meant.
fn without_text(error: &str) -> String {
    match (error.split_once(" string \""), error.rsplit_once("\", expected ")) {
        (Some((before, _)), Some((_, expected))) => format!("{before} text, expected {expected}"),
        _ => error.to_owned(),
    }
}

/// Says in the words of a policy file what is said in those of the language that it is read by.
fn in_words(error: &str) -> String {
    let mut text = without_text(error);
    for (theirs, ours) in [
        ("expected u32", "expected a whole number from 0 to 4294967295 (spans are milliseconds)"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u8", "expected a whole number from 0 to 255"),
        ("unit variant, expected newtype variant", "a name alone, expected { name = .. }"),
        ("unit variant, expected struct variant", "a name alone, expected { name = { .. } }"),
        ("unit variant, expected tuple variant", "a name alone, expected { name = [from, to] }"),
        ("newtype variant, expected unit variant", "{ name = .. }, expected the name alone"),
        ("expected tuple variant", "expected two numbers, such as [4400, 4499]"),
        ("expected tuple of 2 elements", "expected two numbers, such as [4400, 4499]"),
        ("expected fewer elements in array", "expected two, such as [4400, 4499]"),
        ("expected an array of length 8", "expected eight waits; the last one stays"),
        ("expected struct Backoff", "expected a table of its fields"),
        ("expected struct TokenPolicy", "expected a table of its fields"),
        ("expected struct Timeouts", "expected a table of its fields"),
        ("expected struct variant", "expected a table of its fields"),
        ("expected a sequence", "expected a list"),
    ] {
        text = text.replace(theirs, ours);
    }
    text
}

/// The longest policy file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

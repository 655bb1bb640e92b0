//! Frames as they may be shown.

use alloc::format;
use alloc::string::String;

use serde_json::Value;

/// Returns a frame's text with its tokens left out, for a debug mode.
///
/// What stands in a field whose name speaks of a token, a secret, an assertion or an authorization
/// is shown as `..`, and so is a text with a token in a query. Of a frame that is no envelope only the length is shown, and of a body that is
/// no JSON too. Message bodies are shown, so this is for a developer's eyes.
#[must_use]
pub fn redacted(frame: &[u8]) -> String {
    if let Ok(mut whole) = serde_json::from_slice::<Value>(frame)
        && whole.is_array()
    {
        redact(&mut whole);
        return format!("{whole}");
    }
    // A body that is no JSON begins with a comma and its mark.
    let mark = b",--Boundary";
    let at = frame.windows(mark.len()).position(|window| window == mark);
    let meta = at.and_then(|at| serde_json::from_slice::<Value>(frame.get(1..at)?).ok());
    match meta {
        Some(mut meta) => {
            redact(&mut meta);
            format!("[{meta},({} bytes)]", frame.len())
        }
        None => format!("({} bytes)", frame.len()),
    }
}

/// The decoder bounds how deep a value is nested.
fn redact(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_lowercase();
                if SECRET.iter().any(|word| name.contains(word)) {
                    *value = Value::from("..");
                } else {
                    redact(value);
                }
            }
        }
        // An address that carries one, such as that of an attachment or of the gateway.
        Value::String(text) if IN_TEXT.iter().any(|mark| text.to_lowercase().contains(mark)) => {
            *text = String::from("..");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const SECRET: [&str; 6] = ["token", "secret", "assertion", "authorization", "password", "verifier"];
const IN_TEXT: [&str; 4] = ["token=", "wsc=", "assertion=", "bearer "];

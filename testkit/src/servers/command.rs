//! The JSON form of the fault script.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::fault::{Command, Direction, Refusal, STEPS, Silence};

impl Command {
    /// Reads one command object.
    ///
    /// # Errors
    ///
    /// Says in words what is wrong: an unknown command, a missing, mistyped or unknown field.
    pub fn parse(value: Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err("a command is a JSON object".to_owned());
        };
        let mut fields = Fields(fields);
        let name = fields.text("do")?.ok_or("\"do\" is missing")?;
        let command = match name.as_str() {
            "close" => close(&mut fields)?,
            "cut" => Self::Cut { rst: fields.flag("rst")?.unwrap_or(false) },
            "silent" => Self::Silent(silence(&mut fields)?),
            "down" => Self::Down(Duration::from_millis(fields.need("ms", MAX_DOWN_MS)?)),
            "refuse" => Self::Refuse(refusal(&mut fields)?),
            "revoke_tokens" => Self::RevokeTokens,
            "expire_sessions" => Self::ExpireSessions,
            "notify" => Self::Notify {
                n: fields.small("n", MAX_REPEAT)?.unwrap_or(1),
                body: fields.0.remove("body").unwrap_or_else(|| json!({})),
            },
            "lose_acks" => Self::LoseAcks(fields.small("n", u32::MAX)?.unwrap_or(1)),
            "send_text" => Self::SendText(fields.text("text")?.ok_or("\"text\" is missing")?),
            "send_binary" => Self::SendBinary(fields.bytes()?),
            "send_raw" => Self::SendRaw(fields.bytes()?),
            "send_ping" => {
                let data = fields.text("data")?.unwrap_or_default();
                if data.len() > 125 {
                    return Err("\"data\" has more than 125 bytes".to_owned());
                }
                Self::SendPing(Bytes::from(data))
            }
            "send_large" => {
                Self::SendLarge(usize::try_from(fields.need("bytes", MAX_LARGE)?).unwrap_or(0))
            }
            "fail_requests" => Self::FailRequests {
                n: fields.small("n", u32::MAX)?.unwrap_or(1),
                code: fields.code("code")?.unwrap_or(500),
                body: fields.0.remove("body").unwrap_or_else(|| json!("scripted failure")),
            },
            "unknown_ids" => Self::UnknownIds(fields.small("n", u32::MAX)?.unwrap_or(1)),
            "set" => Self::Set {
                key: fields.text("key")?.ok_or("\"key\" is missing")?,
                value: fields.0.remove("value").ok_or("\"value\" is missing")?,
            },
            "state" => Self::State,
            other => return Err(format!("unknown command \"{other}\"")),
        };
        fields.end(&format!("\"{name}\""))?;
        Ok(command)
    }
}

fn close(fields: &mut Fields) -> Result<Command, String> {
    let code = fields.code("code")?.unwrap_or(1000);
    let reason = fields.text("reason")?.unwrap_or_default();
    if reason.len() > 123 {
        return Err("\"reason\" has more than 123 bytes".to_owned());
    }
    Ok(Command::Close { code, reason })
}

fn silence(fields: &mut Fields) -> Result<Silence, String> {
    let direction = match fields.text("direction")?.as_deref() {
        None | Some("both") => Direction::Both,
        Some("to_client") => Direction::ToClient,
        Some("to_server") => Direction::ToServer,
        Some(other) => return Err(format!("unknown direction \"{other}\"")),
    };
    let stall = match fields.text("mode")?.as_deref() {
        None | Some("swallow") => false,
        Some("stall") => true,
        Some(other) => return Err(format!("unknown mode \"{other}\"")),
    };
    if stall && direction == Direction::ToClient {
        return Err("a stall needs the direction to_server or both".to_owned());
    }
    Ok(Silence {
        on: fields.flag("on")?.unwrap_or(true),
        direction,
        stall,
        new: fields.flag("new")?.unwrap_or(false),
    })
}

fn refusal(fields: &mut Fields) -> Result<Refusal, String> {
    let step = fields.text("step")?.ok_or("\"step\" is missing")?;
    if !STEPS.contains(&step.as_str()) {
        return Err(format!("unknown step \"{step}\", not one of {}", STEPS.join(" ")));
    }
    let status = fields.code("status")?;
    // In band some vendors count on from 4000.
    let in_band = ["join", "token", "rest", "subscribe", "history"].contains(&step.as_str());
    match status {
        None | Some(200..=599) => {}
        Some(4000..=4999) if in_band => {}
        Some(_) => return Err("\"status\" is not between 200 and 599".to_owned()),
    }
    let retry_after = match fields.0.remove("retry_after") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => return Err("\"retry_after\" is not text".to_owned()),
    };
    if retry_after.as_ref().is_some_and(|text| http::HeaderValue::from_str(text).is_err()) {
        return Err("\"retry_after\" cannot stand in a header".to_owned());
    }
    Ok(Refusal {
        step,
        times: fields.small("times", u32::MAX)?.unwrap_or(1),
        status,
        retry_after,
        hang: fields.flag("hang")?.unwrap_or(false),
        body: fields.0.remove("body"),
        body_bytes: fields
            .number("body_bytes", MAX_LARGE)?
            .map(|bytes| usize::try_from(bytes).unwrap_or(0)),
        omit: fields.text("omit")?,
    })
}

/// The fields that nobody has asked for yet.
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    /// Nothing may be left that nobody has asked for.
    pub(crate) fn end(&self, place: &str) -> Result<(), String> {
        match self.0.keys().next() {
            Some(left) => Err(format!("unknown field \"{left}\" in {place}")),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("\"{key}\" is not text")),
        }
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, String> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(format!("\"{key}\" is not true or false")),
        }
    }

    pub(crate) fn number(&mut self, key: &str, max: u64) -> Result<Option<u64>, String> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().filter(|number| *number <= max) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("\"{key}\" is not a whole number from 0 to {max}")),
            },
        }
    }

    pub(crate) fn need(&mut self, key: &str, max: u64) -> Result<u64, String> {
        self.number(key, max)?.ok_or_else(|| format!("\"{key}\" is missing"))
    }

    pub(crate) fn small(&mut self, key: &str, max: u32) -> Result<Option<u32>, String> {
        let number = self.number(key, u64::from(max))?;
        Ok(number.map(|number| u32::try_from(number).unwrap_or(max)))
    }

    pub(crate) fn code(&mut self, key: &str) -> Result<Option<u16>, String> {
        let number = self.number(key, u64::from(u16::MAX))?;
        Ok(number.map(|number| u16::try_from(number).unwrap_or(u16::MAX)))
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, String> {
        let text = self.text("base64")?.ok_or("\"base64\" is missing")?;
        STANDARD.decode(text).map(Bytes::from).map_err(|_| "\"base64\" is not base64".to_owned())
    }
}

const MAX_DOWN_MS: u64 = 24 * 60 * 60 * 1000;
const MAX_REPEAT: u32 = 10_000;
const MAX_LARGE: u64 = 64 * 1024 * 1024;

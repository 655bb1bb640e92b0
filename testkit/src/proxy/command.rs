//! The control endpoint of a proxy.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Shared;
use super::rule::{Act, Rule};
use crate::servers::command::Fields;
use crate::servers::control::Execute;

impl Execute for Arc<Shared> {
    async fn execute(&self, command: Value) -> Result<Value, String> {
        let Value::Object(fields) = command else {
            return Err("a command is a JSON object".to_owned());
        };
        let mut fields = Fields(fields);
        let name = fields.text("do")?.ok_or("\"do\" is missing")?;
        let place = format!("\"{name}\"");
        match name.as_str() {
            "rule" => {
                let rule = Rule::read(&mut fields)?;
                fields.end(&place)?;
                let id = self.book.add(rule).ok_or("there are too many rules")?;
                Ok(json!({ "rule": id }))
            }
            "remove" => {
                let id = fields.small("rule", u32::MAX)?.ok_or("\"rule\" is missing")?;
                fields.end(&place)?;
                Ok(json!({ "removed": self.book.remove(id) }))
            }
            "clear" => {
                fields.end(&place)?;
                self.book.clear();
                Ok(json!({ "ok": true }))
            }
            "cut" | "blackhole" | "throttle" | "close" => {
                let act = Act::read(&name, &mut fields)?;
                let only = fields.number("conn", u64::MAX)?;
                fields.end(&place)?;
                Ok(json!({ "connections": self.act(only, &act) }))
            }
            "heal" => {
                let only = fields.number("conn", u64::MAX)?;
                fields.end(&place)?;
                Ok(json!({ "connections": self.each(only, |conn| conn.heal()) }))
            }
            "down" => {
                let span = Duration::from_millis(fields.need("ms", MAX_DOWN_MS)?);
                fields.end(&place)?;
                self.door(Some(span)).await;
                Ok(json!({ "ok": true }))
            }
            "up" => {
                fields.end(&place)?;
                self.door(None).await;
                Ok(json!({ "ok": true }))
            }
            "state" => {
                fields.end(&place)?;
                Ok(self.state().to_json())
            }
            other => Err(format!("unknown command \"{other}\"")),
        }
    }
}

const MAX_DOWN_MS: u64 = 24 * 60 * 60 * 1000;

//! What a peer writes into its close frame.

use alloc::string::String;

use super::Session;
use super::types::Item;
use crate::{Adapter, ConnId};

impl<A: Adapter> Session<A> {
    /// Keeps what the peer wrote into its close frame for the application, without the secrets
    /// that the adapter names now, and those that it named when it dialled. To be called before
    /// the [`Input::Closed`](super::Input::Closed) that it explains.
    pub fn note_reason(&mut self, conn: ConnId, text: &str) {
        if self.machine.is_conn_live(conn) && !text.is_empty() {
            let mut text: String = text.chars().take(Self::REASON_MAX).collect();
            for secret in &self.presented {
                hide(&mut text, secret.expose());
            }
            self.adapter.secrets(&mut |secret| hide(&mut text, secret));
            self.items.push_back(Item::PeerReason { conn, text });
        }
    }
}

/// Replaces every part of a secret that the text holds: a close frame may be too short for all of
/// a token.
fn hide(text: &mut String, secret: &str) {
    let mut from = 0;
    while from < text.len() {
        let shown = part_of(&text[from..], secret);
        if shown > 0 {
            text.replace_range(from..from + shown, HIDDEN);
            from += HIDDEN.len();
        } else {
            from += text[from..].chars().next().map_or(1, char::len_utf8);
        }
    }
}

/// Returns how many bytes of the text's beginning are the secret, or enough of it to matter.
fn part_of(text: &str, secret: &str) -> usize {
    let ends = text.char_indices().map(|(at, char)| at + char.len_utf8());
    let most = ends.take_while(|end| secret.contains(&text[..*end])).last().unwrap_or(0);
    if most >= PART || most >= WHOLE && most == secret.len() { most } else { 0 }
}

const HIDDEN: &str = "..";
/// What is shorter stands in other words, too: a part of a secret, and a whole one.
const PART: usize = 12;
const WHOLE: usize = 6;

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::hide;

    fn hidden(text: &str, secret: &str) -> String {
        let mut text = String::from(text);
        hide(&mut text, secret);
        text
    }

    #[test]
    fn a_secret_and_every_long_part_of_it_is_hidden() {
        let secret = "bearer-1-0123456789abcdef";
        assert_eq!(hidden("token bearer-1-0123456789abcdef is dead", secret), "token .. is dead");
        assert_eq!(hidden("token bearer-1-01234", secret), "token ..");
        assert_eq!(hidden("ä6789abcdef..0123456789ab", secret), "ä6789abcdef....");
        assert_eq!(hidden("bearer-1 is dead", secret), "bearer-1 is dead");
        assert_eq!(hidden("secret, secre", "secret"), ".., secre");
        assert_eq!(hidden("the token is dead", "token"), "the token is dead");
        assert_eq!(hidden("the peer", ""), "the peer");
        assert_eq!(hidden("", secret), "");
    }
}

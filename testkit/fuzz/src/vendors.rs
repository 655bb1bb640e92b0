//! One target for each vendor: a script is played with its adapter.

use redial_core::Secret;
use redial_evolution::codechat::Payload;
use redial_evolution::v2::{ApiKey, Scope};
use redial_evolution::{CodeChat, EvolutionApi};
use redial_genesys::guest::Text;
use redial_genesys::{GuestChat, WebMessaging, web};
use redial_liveperson::{LivePerson, Request};

use crate::{CANARY, Reached, play};

/// LivePerson: frames, the domain lookup, the login and the refresh.
pub fn liveperson(script: &[u8]) -> Reached {
    let make = || {
        let (username, password) = ("bot".into(), Secret::new(CANARY));
        let credentials = redial_liveperson::Credentials::Password { username, password };
        LivePerson::builder("12345678", credentials).build().expect("a configuration")
    };
    play(make, script, |text| Some(Request::publish_text("dialog", text)))
}

/// Genesys guest chat: frames, guest creation, and messages by REST.
pub fn genesys_guest(script: &[u8]) -> Reached {
    let make = || {
        let credentials = redial_genesys::guest::Credentials::OAuth(Secret::new(CANARY));
        GuestChat::builder("org.example.com", credentials).build().expect("a configuration")
    };
    play(make, script, |text| Some(Text::new(text)))
}

/// Genesys Web Messaging: frames, the history and the tokens.
pub fn genesys_web(script: &[u8]) -> Reached {
    let make = || {
        WebMessaging::builder("example.com", "deployment")
            .token(web::session_token(7))
            .build()
            .expect("a configuration")
    };
    play(make, script, |text| Some(web::Outgoing::text(text)))
}

/// Evolution's event sockets, with a token that the application gives again.
pub fn codechat(script: &[u8]) -> Reached {
    let make = || {
        let token = redial_evolution::codechat::Credentials::Token(Secret::new(CANARY));
        CodeChat::builder("ws://example.com", "messages.upsert", token)
            .build()
            .expect("a configuration")
    };
    play(make, script, |text| Payload::new(text).ok())
}

/// Evolution API v2 over Socket.IO. It has nothing to send.
pub fn evolution(script: &[u8]) -> Reached {
    let make = || {
        let scope = Scope::Instance("shop".into());
        EvolutionApi::builder("http://example.com", scope, ApiKey::Key(Secret::new(CANARY)))
            .event("messages.upsert")
            .build()
            .expect("a configuration")
    };
    play(make, script, |_| None)
}

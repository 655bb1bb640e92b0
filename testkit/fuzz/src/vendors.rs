//! One target for each vendor: a script is played with its adapter.

use redial_core::Secret;
use redial_evolution::codechat::Payload;
use redial_evolution::v2::{ApiKey, Scope};
use redial_evolution::{CodeChat, EvolutionApi};
use redial_genesys::guest::Text;
use redial_genesys::{GuestChat, WebMessaging, web};
use redial_liveperson::{LivePerson, Request};
use redial_ringcentral::RingCentral;
use redial_vonage::{Generation, Outgoing, Vonage};

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

/// RingCentral: the hello, envelopes, the OAuth and wstoken exchanges, REST on both ways.
pub fn ringcentral(script: &[u8]) -> Reached {
    let make = || {
        let credentials = redial_ringcentral::Credentials::Jwt(Secret::new(CANARY));
        RingCentral::builder("client", CANARY, credentials)
            .subscribe(["/restapi/v1.0/account/~/extension/~/message-store".to_owned()], None)
            .rest_over_websocket(true)
            .build()
            .expect("a configuration")
    };
    play(make, script, |path| Some(redial_ringcentral::Request::get(path)))
}

/// Vonage's older wire: EIO=3, and `session:login`.
pub fn vonage_v1(script: &[u8]) -> Reached {
    vonage(Generation::V1, script)
}

/// Vonage's newer wire: EIO=4, and the token in the query.
pub fn vonage_v2(script: &[u8]) -> Reached {
    vonage(Generation::V2, script)
}

fn vonage(generation: Generation, script: &[u8]) -> Reached {
    let make = || {
        let token = Secret::new(CANARY);
        Vonage::builder(generation).token(token).build().expect("a configuration")
    };
    play(make, script, |text| Some(Outgoing::request("text", serde_json::json!({ "text": text }))))
}

//! How `connect ringcentral` logs in, and what can be typed.

use serde_json::{Value, json};

use crate::ringcentral::{bare, base, private, serve};
use crate::secrets::nowhere;
use crate::support::{Tool, scratch};

#[test]
fn each_kind_of_login_serves() {
    let code = r#"auth_code={"code":"c1","redirect_uri":"https://app/cb","code_verifier":"a-verifier-of-pkce-has-43-characters-or-more"}"#;
    let sim = serve(&["--set", code, "--set", r#"client=["app","only-for-tests"]"#]);
    let refresh = scratch("refresh");
    let first = bare(&sim).args(["--auth-code", "c1", "--redirect-uri", "https://app/cb"]);
    let first = first.args(["--code-verifier", VERIFIER]).arg("--refresh-token-out").arg(&refresh);
    let mut client = first.start();
    client.expect("online");
    client.shut_down();
    assert!(private(&refresh));
    let token = std::fs::read_to_string(&refresh).unwrap();
    let second = bare(&sim).args(["--refresh-token", &token]);
    let mut client = second.arg("--refresh-token-out").arg(&refresh).start();
    client.expect("online");
    client.shut_down();
    assert_ne!(std::fs::read_to_string(&refresh).unwrap(), token, "each is good once");
    let mut client = bare(&sim).args(["--jwt", "a.b.c"]).start();
    client.expect("online");
    client.shut_down();
    let grants = ["authorization_code", "refresh_token", "jwt-bearer"];
    assert_eq!(sim.state()["login_calls"].as_array().unwrap().len(), 3);
    for (call, grant) in sim.state()["login_calls"].as_array().unwrap().iter().zip(grants) {
        assert_eq!((&call["grant"], &call["status"]), (&json!(grant), &json!(200)));
    }
}

#[test]
fn secrets_come_from_the_environment_too() {
    let sim = serve(&[
        "--set",
        r#"client=["app","the-secret"]"#,
        "--set",
        r#"assertion="the.jwt""#,
        "--set",
        r#"auth_code={"code":"c1","redirect_uri":"https://app/cb","code_verifier":"a-verifier-of-pkce-has-43-characters-or-more"}"#,
    ]);
    let tool = || {
        Tool::new(["connect", "ringcentral", "--json", "--server", base(&sim)])
            .env("REDIAL_CLIENT_ID", "app")
            .env("REDIAL_CLIENT_SECRET", "the-secret")
    };
    let mut client = tool().env("REDIAL_JWT", "the.jwt").start();
    client.expect("online");
    client.shut_down();
    // What is typed counts more.
    let typed = tool().env("REDIAL_JWT", "another.jwt").env("REDIAL_AUTH_CODE", "c1");
    let typed = typed.env("REDIAL_CODE_VERIFIER", VERIFIER);
    let mut client = typed.args(["--redirect-uri", "https://app/cb"]).start();
    client.expect("online");
    client.shut_down();
    assert_eq!(sim.state()["login_calls"][1]["grant"], "authorization_code");
}

#[test]
fn refused_credentials_suspend_the_session_until_there_are_others() {
    let sim = serve(&["--set", r#"assertion="the.jwt""#]);
    let mut client = bare(&sim).args(["--jwt", "another.jwt"]).start();
    let suspended = client.expect("suspended");
    assert_eq!(suspended["reason"], "policy");
    assert_eq!(suspended["cause"]["http"]["step"], "login");
    assert!(suspended["text"].as_str().unwrap().contains("credentials"), "{suspended}");
    client.shut_down();
    assert_eq!(sim.state()["login_calls"].as_array().unwrap().len(), 1, "nothing is hammered");
}

#[test]
fn a_step_that_is_not_there_is_not_told_as_refused_credentials() {
    let sim = serve(&[]);
    sim.control(json!({ "do": "refuse", "step": "wstoken", "times": 1, "status": 404 }));
    let mut client = bare(&sim).args(["--jwt", "a.b.c"]).start();
    let suspended = client.expect("suspended");
    assert_eq!(suspended["text"], "RingCentral refuses: wstoken 404");
    client.shut_down();
}

#[test]
fn an_expired_access_token_is_refreshed_once() {
    let sim = serve(&[]);
    let mut client = crate::ringcentral::connect(&sim).start();
    client.expect_vendor("connectionReady");
    sim.control(json!({ "do": "revoke_tokens" }));
    sim.control(json!({ "do": "cut" }));
    client.expect_vendor("connectionReady");
    client.shut_down();
    let state = sim.state();
    assert_eq!((&state["logins"], &state["refreshes"]), (&json!(1), &json!(1)));
    let statuses: Vec<&Value> =
        state["wstoken_calls"].as_array().unwrap().iter().map(|call| &call["status"]).collect();
    assert_eq!(statuses, [200, 401, 200]);
}

#[test]
fn wrong_usage_gives_2_and_shows_how_it_is_used() {
    let app = ["--client-id", "app", "--client-secret", "canary-secret"];
    let jwt = ["--jwt", "canary-jwt"];
    let server = |server| [&app[..], &jwt, &["--server", server]].concat();
    let usages: [Vec<&str>; 16] = [
        vec![],
        app.to_vec(),
        jwt.to_vec(),
        [&app[..2], &jwt].concat(),
        [&app[..], &jwt, &["--refresh-token", "canary-refresh"]].concat(),
        [&app[..], &jwt, &["--redirect-uri", "https://app/cb"]].concat(),
        [&app[..], &["--auth-code", "canary-code"]].concat(),
        [&app[..], &["--redirect-uri", "https://app/cb"]].concat(),
        [&app[..], &["--jwt", ""]].concat(),
        [&app[..], &["--jwt", "canary\njwt"]].concat(),
        [&app[..], &jwt, &["--subscribe", ""]].concat(),
        [&app[..], &jwt, &["--wsc-token", ""]].concat(),
        [&app[..], &jwt, &["--auto-recover"]].concat(),
        server("ftp://canary"),
        server("https://host/with/path?canary"),
        server(""),
    ];
    for usage in usages {
        let (code, stdout, stderr) = Tool::new(["connect", "ringcentral"]).args(&usage).finish();
        assert_eq!(code, Some(2), "{usage:?}: {stderr}");
        assert!(stdout.is_empty(), "{usage:?}: {stdout}");
        assert!(stderr.contains("connect ringcentral"), "{usage:?}: {stderr}");
        // What was typed as an option's name or address is shown, a credential is not.
        if !usage.contains(&"--server") {
            nowhere(&stderr, "stderr");
        }
    }
}

#[test]
fn help_names_the_variables_and_shows_no_value() {
    let names = [
        "REDIAL_CLIENT_SECRET",
        "REDIAL_JWT",
        "REDIAL_REFRESH_TOKEN",
        "REDIAL_AUTH_CODE",
        "REDIAL_CODE_VERIFIER",
        "REDIAL_WSC_TOKEN",
    ];
    let mut tool = Tool::new(["connect", "ringcentral", "--help"]);
    for name in names {
        tool = tool.env(name, "canary");
    }
    let (code, stdout, _) = tool.finish();
    assert_eq!(code, Some(0));
    for name in names {
        assert!(stdout.contains(name), "{name}");
    }
    nowhere(&stdout, "help");
}

#[test]
fn plain_counts_more_than_the_scheme() {
    let sim = serve(&[]);
    let host = sim.host();
    for server in [host.to_owned(), format!("https://{host}"), format!("http://{host}/")] {
        let tool = Tool::new(["connect", "ringcentral", "--json", "--plain", "--server", &server]);
        let tool = tool.args(["--client-id", "app", "--client-secret", "s", "--jwt", "a.b.c"]);
        let mut client = tool.start();
        client.expect("online");
        client.shut_down();
    }
}

/// As long as PKCE asks for.
const VERIFIER: &str = "a-verifier-of-pkce-has-43-characters-or-more";

//! Lookup and login: what is asked, and what counts as an answer.

use redial_core::http::{HttpResponse, Method, NoAnswer};
use redial_core::{Cause, Input, Span, TokenUse, Wait};
use redial_liveperson::{Builder, ConfigError, Credentials, LivePerson};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, HOST, World, login, lookup, names, password, response_of};

#[test]
fn each_kind_of_credentials_has_its_body() {
    let oauth1 = Credentials::OAuth1 {
        username: "u".into(),
        app_key: "k".into(),
        secret: "s".into(),
        access_token: "t".into(),
        access_token_secret: "ts".into(),
    };
    let oauth2 = Credentials::OAuth2ClientCredentials {
        username: "u".into(),
        client_id: "k".into(),
        client_secret: "s".into(),
    };
    let saml = Credentials::Saml { assertion: "a".into() };
    for (credentials, body) in [
        (password(), json!({ "username": "bot1", "password": "secret-pw" })),
        (
            oauth1,
            json!({ "username": "u", "appKey": "k", "secret": "s", "accessToken": "t",
                    "accessTokenSecret": "ts" }),
        ),
        (
            oauth2,
            json!({ "username": "u", "appKey": "k", "secret": "s", "accessToken": "dummy",
                    "accessTokenSecret": "dummy" }),
        ),
        (saml, json!({ "jwt": "dummy", "assertion": "a" })),
    ] {
        let mut world = World::new(LivePerson::builder(ACCOUNT, credentials));
        world.input(Input::Connect);
        world.answer(200, &lookup());
        let (_, request) = world.http.front().expect("the login").clone();
        assert_eq!(request.method, Method::Post);
        assert_eq!(request.url, format!("http://{HOST}/api/account/{ACCOUNT}/login?v=1.3"));
        assert_eq!(serde_json::from_slice::<Value>(&request.body).expect("JSON"), body);
        world.answer_login();
        world.open();
        assert!(world.session.is_online());
    }
}

#[test]
fn tls_is_the_default_and_everything_in_a_url_is_encoded() {
    let builder = LivePerson::builder("a/c?1", password()).integration("in", "1", "my app");
    let mut world = World::with(redial_core::Session::new(builder.build().expect("good"), 1));
    world.input(Input::Connect);
    let url = "https://adminlogin.liveperson.net/api/account/a%2Fc%3F1/service/baseURI.json\
               ?version=1.0";
    assert_eq!(world.http[0].1.url, url);
    world.answer(200, &lookup());
    assert_eq!(world.http[0].1.url, format!("https://{HOST}/api/account/a%2Fc%3F1/login?v=1.3"));
    let mut login = login(1);
    login["bearer"] = json!("a/b?c#d%e f~-._é");
    world.answer(200, &login);
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    let bearer = "a%2Fb%3Fc%23d%25e%20f~-._%C3%A9";
    let path = format!("ws_api/account/a%2Fc%3F1/messaging/brand/{bearer}");
    let query = "v=2.1&intid=in&intvn=1&appId=my%20app";
    assert_eq!(handshake.url, format!("wss://{HOST}/{path}?{query}"));
}

#[test]
fn the_lookup_holds_for_sixty_seconds() {
    for (after, expected) in [(49_999, "login"), (50_000, "csds")] {
        let mut world = World::online();
        world.run_until(after);
        world.take_wire();
        world.lose(Cause::Close(4401));
        world.run(10_000);
        assert_eq!(names(&world.take_wire()), [(after + 10_000, expected)]);
    }
}

#[test]
fn how_long_a_lookup_holds_can_be_said() {
    let builder = LivePerson::builder(ACCOUNT, password()).lookup_cache(Span::from_secs(5));
    let mut world = World::new(builder);
    world.connect();
    world.take_wire();
    world.lose(Cause::Close(4401));
    world.run(10_000);
    assert_eq!(names(&world.take_wire()), [(10_000, "csds")]);
}

#[test]
fn both_forms_of_the_lookup_are_read_and_the_service_is_chosen() {
    let entry = |service: &str, host: &str| json!({ "service": service, "baseURI": host });
    let login = entry("agentVep", "login.test");
    let ent = entry("asyncMessagingEnt", "ent.test");
    let facade = entry("facadeMsg", "facade.test:8443");
    let plain = || LivePerson::builder(ACCOUNT, password());
    let bearer = || LivePerson::builder(ACCOUNT, Credentials::Bearer("b".into()));
    let cases: [(Builder, Value, &str); 6] = [
        (plain(), json!({ "baseURIs": [login, ent, facade] }), "facade.test:8443"),
        (plain(), json!({ "baseURIs": [login, ent], "unknown": 1 }), "ent.test"),
        (
            plain().service("asyncMessagingEnt"),
            json!({ "baseURIs": [login, ent, facade] }),
            "ent.test",
        ),
        // A list of one may come as its element; one service may come alone.
        (bearer(), json!({ "baseURIs": facade }), "facade.test:8443"),
        (bearer(), facade.clone(), "facade.test:8443"),
        (bearer(), json!([ent]), "ent.test"),
    ];
    for (builder, answer, host) in cases {
        let mut world = World::new(builder);
        world.input(Input::Connect);
        world.answer(200, &answer);
        if !world.http.is_empty() {
            assert!(world.http[0].1.url.starts_with("http://login.test/api/"));
            world.answer_login();
        }
        let (_, handshake) = world.dial.as_ref().expect("a dial");
        assert!(handshake.url.starts_with(&format!("ws://{host}/ws_api/")), "{host}");
    }
}

#[test]
fn a_lookup_that_names_no_usable_host_is_a_failure() {
    let with = |host: Value| {
        json!({ "baseURIs": [
            { "service": "agentVep", "baseURI": host },
            { "service": "facadeMsg", "baseURI": HOST },
        ] })
    };
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let mut bodies: Vec<String> =
        ["", "null", "1", "\"x\"", "[]", "{}", "{", "1e999", &deep].map(str::to_owned).to_vec();
    bodies.push(json!({ "baseURIs": [] }).to_string());
    bodies.push(json!({ "baseURIs": [{ "service": "agentVep", "baseURI": HOST }] }).to_string());
    let hosts = [
        "",
        ":",
        ":80",
        "h:",
        "h:0",
        "h:65536",
        "h:8:0",
        "h:-1",
        "https://h",
        "h/evil",
        "u@h",
        "u:p@h",
        "h?x",
        "h#x",
        "h\\x",
        "h x",
        "h\r\nx",
        "h\u{0}",
        "é.test",
        "h%2fx",
        "[::1",
        "[::1]x",
        "[]",
        "[g::1]",
    ];
    bodies.extend(hosts.map(|host| with(json!(host)).to_string()));
    bodies.push(with(json!("h".repeat(300))).to_string());
    bodies.extend([json!(1), json!(null), json!([HOST])].map(|host| with(host).to_string()));
    for body in bodies {
        let mut world = World::password();
        world.input(Input::Connect);
        world.answer_with(response_of(200, body.clone()));
        let cause = Cause::Http { step: 0, status: 200 };
        assert_eq!(world.wait().map(|wait| wait.2), Some(cause), "{body:.80}");
        assert!(world.http.is_empty() && world.dial.is_none());
        assert_eq!(world.problems().len(), 1);
    }
    for host in ["h", "h.test", "h-1.test:1", "h_x:65535", "10.0.0.1:80", "[::1]", "[fe80::1]:443"]
    {
        let mut world = World::password();
        world.input(Input::Connect);
        world.answer(200, &with(json!(host)));
        assert!(world.http[0].1.url.starts_with(&format!("http://{host}/api/")));
    }
}

#[test]
fn a_login_without_user_or_bearer_is_a_failure() {
    let without = |change: fn(&mut Value)| {
        let mut answer = login(1);
        change(&mut answer);
        answer.to_string()
    };
    for body in [
        without(|answer| answer["config"] = json!({})),
        without(|answer| answer["config"] = json!(null)),
        without(|answer| answer["config"] = json!("x")),
        without(|answer| answer["config"]["userId"] = json!("")),
        without(|answer| answer["config"]["userId"] = json!(7)),
        without(|answer| answer["bearer"] = json!(null)),
        without(|answer| answer["bearer"] = json!("")),
        without(|answer| answer["bearer"] = json!(["x"])),
        without(|answer| answer["bearer"] = json!("x".repeat(10_000))),
        String::new(),
        "<html>".to_owned(),
        "[".repeat(100_000),
        "{\"bearer\":1e999}".to_owned(),
        "{\"bearer\":\"a\",\"bearer\":\"b\"}".to_owned(),
    ] {
        let mut world = World::password();
        world.input(Input::Connect);
        world.answer(200, &lookup());
        world.answer_with(response_of(200, body.clone()));
        let cause = Cause::Http { step: 1, status: 200 };
        let wait = (Span::from_secs(10), TokenUse::Regenerate, cause);
        assert_eq!(world.wait(), Some(wait), "{body:.80}");
        assert_eq!(world.dial, None);
    }
}

#[test]
fn odd_but_complete_logins_are_taken() {
    for change in [
        |answer: &mut Value| answer["sessionTTl"] = json!(""),
        |answer: &mut Value| answer["sessionTTl"] = json!("99999999999999999999999"),
        |answer: &mut Value| answer["sessionTTl"] = json!(-1),
        |answer: &mut Value| answer["sessionTTl"] = json!({}),
        |answer: &mut Value| answer["csrf"] = json!(7),
        |answer: &mut Value| answer["config"]["userPid"] = json!(7),
    ] {
        let mut world = World::password();
        world.input(Input::Connect);
        world.answer(200, &lookup());
        let mut answer = login(1);
        change(&mut answer);
        world.answer(200, &answer);
        world.open();
        assert!(world.session.is_online());
    }
}

#[test]
fn only_2xx_is_success_and_retry_after_is_passed_on() {
    for status in [100, 199, 300, 302, 400, 401, 429, 451, 500, 503, 999] {
        for step in 0..2 {
            let mut world = World::password();
            world.input(Input::Connect);
            if step == 1 {
                world.answer(200, &lookup());
            }
            let retry_after = Some(Span::from_secs(61));
            let body = login(1).to_string();
            world.answer_with(HttpResponse { retry_after, ..response_of(status, body) });
            let wait = (Span::from_secs(61), TokenUse::Regenerate, Cause::Http { step, status });
            assert_eq!(world.wait(), Some(wait));
            world.take_wire();
            world.run(60_999);
            assert_eq!(world.take_wire(), []);
            world.run(1);
            assert_eq!(world.take_wire().len(), 1);
        }
    }
}

#[test]
fn a_429_without_retry_after_waits_longer_than_the_five_seconds_asked_for() {
    let mut world = World::password();
    world.input(Input::Connect);
    world.answer(200, &lookup());
    world.answer(429, &Value::Null);
    assert_eq!(world.wait().map(|wait| wait.0), Some(Span::from_secs(10)));
}

#[test]
fn no_answer_has_its_own_causes() {
    for (why, cause) in
        [(NoAnswer::Network, Cause::Network), (NoAnswer::Timeout, Cause::Timeout(Wait::Token))]
    {
        let mut world = World::password();
        world.input(Input::Connect);
        world.no_answer(why);
        let wait = (Span::from_secs(10), TokenUse::Regenerate, cause);
        assert_eq!(world.wait(), Some(wait));
    }
    // Without the driver's word the session keeps the deadline itself.
    let mut world = World::password();
    world.input(Input::Connect);
    world.run(10_000);
    assert_eq!(names(&world.take_wire()), [(0, "csds"), (10_000, "abort")]);
    assert_eq!(world.wait().map(|wait| wait.2), Some(Cause::Timeout(Wait::Token)));
}

#[test]
fn a_wrong_configuration_is_told() {
    let build = |builder: Builder| builder.build().map(|_| ()).expect_err("wrong");
    let plain = || LivePerson::builder(ACCOUNT, password());
    assert_eq!(build(LivePerson::builder("", password())), ConfigError::Account);
    assert_eq!(build(plain().csds("https://h/x")), ConfigError::Host);
    assert_eq!(build(plain().user_agent("x\r\nevil: 1")), ConfigError::UserAgent);
    let error = build(plain().refresh(Some(Span::ZERO)));
    assert!(matches!(error, ConfigError::Policy(_)));
    assert!(error.to_string().contains("zero"));
}

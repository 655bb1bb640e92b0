//! What goes out and what comes back when all is well.

use redial_auth_http::{Fault, HttpClient, ReqwestClient};
use redial_core::http::{HttpRequest, Method};
use wiremock::matchers::{body_string, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::servers::{RawServer, Reply, client, get, post};

#[tokio::test]
async fn everything_of_a_request_arrives() {
    for verb in [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete] {
        let server = MockServer::start().await;
        Mock::given(method(verb.as_str()))
            .and(path("/v1/token"))
            .and(query_param("grant", "a b"))
            .and(header("x-first", "1"))
            .and(body_string("payload"))
            .respond_with(
                ResponseTemplate::new(201).set_body_string("made").insert_header("X-Id", "7"),
            )
            .expect(1)
            .mount(&server)
            .await;
        let request = HttpRequest {
            method: verb,
            url: format!("{}/v1/token?grant=a%20b", server.uri()),
            headers: vec![("X-First", "1".into())],
            body: "payload".into(),
        };
        let answer = client().perform(request).await.unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("x-id"), Some("7"));
        assert_eq!(&answer.body[..], b"made");
        assert_eq!(answer.retry_after, None);
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(503).set_body_string("later"))
        .mount(&server)
        .await;
    let answer = client().perform(get(server.uri())).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (503, &b"later"[..]));
}

#[tokio::test]
async fn a_header_may_come_twice_and_in_any_bytes() {
    let reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nX-Raw: \xff\xfe\r\n\
        Content-Length: 0\r\n\r\n";
    let server = RawServer::start(Reply::Bytes(reply.to_vec())).await;
    let answer = client().perform(get(server.url("/"))).await.unwrap();
    let cookies: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!(cookies.len(), 2);
    assert_eq!(answer.header("x-raw"), Some("\u{fffd}\u{fffd}"));
}

#[tokio::test]
async fn nothing_is_added_that_names_the_client() {
    let server = RawServer::start(Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())).await;
    client().perform(get(server.url("/p?q=1"))).await.unwrap();
    let head = server.requests().remove(0);
    assert!(head.starts_with("GET /p?q=1 HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    for name in ["accept-encoding", "user-agent", "referer", "cookie"] {
        assert!(!lower.contains(name), "{head}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_made_is_the_callers_fault() {
    let cases = [
        get("not a url"),
        get("ftp://127.0.0.1/"),
        get("http://"),
        HttpRequest { headers: vec![("bad name", "x".into())], ..get("http://127.0.0.1:1/") },
        HttpRequest { headers: vec![("x-a", "a\r\nb: c".into())], ..get("http://127.0.0.1:1/") },
    ];
    for request in cases {
        let error = client().perform(request).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Caller, "{error}");
    }
}

#[tokio::test]
async fn a_client_of_the_application_is_used_as_it_is() {
    let server = RawServer::start(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    let own = reqwest::Client::builder()
        .tls_backend_preconfigured(
            (*redial_auth_http::tls::TlsBuilder::new().build().unwrap()).clone(),
        )
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("application/1")
        .build()
        .unwrap();
    let client = ReqwestClient::builder().client(own).build().unwrap();
    client.perform(get(server.url("/"))).await.unwrap();
    assert!(server.requests()[0].contains("user-agent: application/1"));
}

#[tokio::test]
async fn options_that_contradict_each_other_are_refused() {
    let own = || {
        reqwest::Client::builder()
            .tls_backend_preconfigured(
                (*redial_auth_http::tls::TlsBuilder::new().build().unwrap()).clone(),
            )
            .build()
            .unwrap()
    };
    let tls = redial_auth_http::tls::TlsBuilder::new().build().unwrap();
    let cases = [
        ReqwestClient::builder().client(own()).proxy("http://127.0.0.1:1"),
        ReqwestClient::builder().client(own()).proxy_from_env(),
        ReqwestClient::builder().client(own()).tls(tls.clone()),
        ReqwestClient::builder().tls(tls).root_pem("pem"),
        ReqwestClient::builder().root_pem("no certificate"),
        ReqwestClient::builder().proxy("gopher://127.0.0.1:1"),
        ReqwestClient::builder().proxy("127.0.0.1"),
    ];
    for builder in cases {
        assert_eq!(builder.build().unwrap_err().fault(), Fault::Caller);
    }
}

#[tokio::test]
async fn post_without_a_body_says_so() {
    let server = RawServer::start(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    client().perform(post(server.url("/"), "")).await.unwrap();
    assert!(server.requests()[0].contains("content-length: 0"), "{:?}", server.requests());
}

//! Credentials stay with the origin that they were meant for.

use redial_auth_http::{Fault, HttpClient, ReqwestClient};
use redial_core::http::{HttpRequest, Method};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::servers::{RawServer, Reply, client, get, post};

fn with_credentials(url: String, verb: Method) -> HttpRequest {
    HttpRequest {
        method: verb,
        url,
        headers: vec![
            ("authorization", "Bearer secret".into()),
            ("cookie", "sid=secret".into()),
            ("x-api-key", "secret".into()),
        ],
        body: "password=secret".into(),
    }
}

#[tokio::test]
async fn another_port_is_another_origin_and_gets_nothing() {
    for status in [301, 302, 303, 307, 308] {
        for verb in [Method::Get, Method::Post] {
            let other = RawServer::start(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
            let server = MockServer::start().await;
            Mock::given(path("/start"))
                .respond_with(
                    ResponseTemplate::new(status).insert_header("location", other.url("/steal")),
                )
                .mount(&server)
                .await;
            let request = with_credentials(format!("{}/start", server.uri()), verb);
            let answer = client().perform(request).await.unwrap();
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("location"), Some(&*other.url("/steal")));
            assert_eq!(other.requests(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn another_name_for_the_same_server_is_another_origin() {
    let server = MockServer::start().await;
    let port = server.address().port();
    Mock::given(path("/start"))
        .respond_with(
            ResponseTemplate::new(307)
                .insert_header("location", format!("http://localhost:{port}/steal")),
        )
        .mount(&server)
        .await;
    Mock::given(path("/steal"))
        .respond_with(ResponseTemplate::new(200))
        .expect(0)
        .mount(&server)
        .await;
    let request = with_credentials(format!("http://127.0.0.1:{port}/start"), Method::Post);
    assert_eq!(client().perform(request).await.unwrap().status, 307);
}

#[tokio::test]
async fn a_way_back_from_another_origin_is_not_tried() {
    let server = MockServer::start().await;
    let there = format!("https://{}/there", server.address());
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", there))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(client().perform(get(server.uri())).await.unwrap().status, 302);
}

#[tokio::test]
async fn the_same_origin_gets_everything_again() {
    let server = MockServer::start().await;
    Mock::given(path("/old"))
        .respond_with(ResponseTemplate::new(307).insert_header("location", "/new?x=1"))
        .mount(&server)
        .await;
    Mock::given(path("/new"))
        .and(wiremock::matchers::header("authorization", "Bearer secret"))
        .and(wiremock::matchers::body_string("password=secret"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let request = with_credentials(format!("{}/old", server.uri()), Method::Post);
    assert_eq!(client().perform(request).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_circle_ends_after_five_rounds() {
    let server = MockServer::start().await;
    Mock::given(path("/round"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", "/round"))
        .expect(6)
        .mount(&server)
        .await;
    let answer = client().perform(get(format!("{}/round", server.uri()))).await.unwrap();
    assert_eq!(answer.status, 302);
}

#[tokio::test]
async fn a_location_that_cannot_be_read_is_an_answer() {
    for location in ["http://", "::::", "mailto:a@b"] {
        let reply =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let server = RawServer::start(Reply::Bytes(reply.into_bytes())).await;
        assert_eq!(client().perform(get(server.url("/"))).await.unwrap().status, 302, "{location}");
    }
}

#[tokio::test]
async fn a_foreign_client_that_strayed_is_reported() {
    let other = RawServer::start(Reply::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", other.url("/")))
        .mount(&server)
        .await;
    let own = reqwest::Client::builder()
        .tls_backend_preconfigured(
            (*redial_auth_http::tls::TlsBuilder::new().build().unwrap()).clone(),
        )
        .build()
        .unwrap();
    let client = ReqwestClient::builder().client(own).build().unwrap();
    let error = client.perform(post(server.uri(), "x")).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Caller);
}

//! Tokens that one HTTP exchange gives.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use redial_auth_http::{
    Fault, HttpClient, HttpError, HttpTokenSource, SharedTokenSource, TokenAnswer, TokenRequest,
    TokenSource,
};
use redial_core::http::{HttpRequest, HttpResponse, Method};
use redial_core::{Cause, Secret, Span};

/// Answers with what is next, and keeps what it was asked.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<Vec<HttpResponse>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl HttpClient for Scripted {
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        self.asked.lock().unwrap().push(body);
        // Others get their turn, and join the exchange.
        tokio::task::yield_now().await;
        Ok(self.answers.lock().unwrap().remove(0))
    }
}

#[tokio::test]
async fn the_exchange_is_made_once_for_all_who_share_the_token() {
    let http = scripted([(201, "second"), (201, "third")]);
    let tokens = SharedTokenSource::new(source(http.clone()));
    tokens.offer(Secret::new("first"));
    assert_eq!(tokens.token(TokenRequest::first()).await.unwrap(), "first".into());
    assert!(http.asked.lock().unwrap().is_empty(), "what is there needs no exchange");

    let replace = || tokens.token(TokenRequest::replacing("first".into(), None));
    let (a, b) = tokio::join!(replace(), replace());
    assert_eq!((a.unwrap(), b.unwrap()), ("second".into(), "second".into()));
    // One that comes late has a token that is outdated: the exchange would fail with it.
    assert_eq!(replace().await.unwrap(), "second".into());
    assert_eq!(*http.asked.lock().unwrap(), ["first"]);

    let third = tokens.token(TokenRequest::replacing("second".into(), None)).await;
    assert_eq!(third.unwrap(), "third".into());
    assert_eq!(*http.asked.lock().unwrap(), ["first", "second"]);
}

#[tokio::test]
async fn an_answer_without_a_token_is_the_vendors_fault_and_may_ask_to_wait() {
    let http = scripted([(503, ""), (400, "")]);
    http.answers.lock().unwrap()[0].retry_after = Some(Span::from_secs(7));
    let source = source(http);
    let error = source.token(TokenRequest::replacing("old".into(), None)).await.unwrap_err();
    assert_eq!((error.fault(), error.retry_after()), (Fault::Vendor, Some(Span::from_secs(7))));
    assert_eq!(error.cause(), Cause::Http { step: 0, status: 503 });
    let error = source.token(TokenRequest::replacing("old".into(), None)).await.unwrap_err();
    assert_eq!((error.fault(), error.retry_after()), (Fault::Vendor, None));
    assert_eq!(error.cause(), Cause::Http { step: 0, status: 400 });
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "the answer, status 400, holds no token");
}

#[tokio::test]
async fn without_a_token_to_replace_there_is_no_exchange() {
    let http = scripted([]);
    let error = source(http.clone()).token(TokenRequest::first()).await.unwrap_err();
    assert_eq!((error.fault(), error.cause()), (Fault::Caller, Cause::Network));
    assert!(http.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_exchange_may_lead_to_the_next_but_not_without_end() {
    let on = |answer: &HttpResponse| match answer.status {
        201 => TokenAnswer::from(read(answer)),
        400 => TokenAnswer::AskOn,
        _ => TokenAnswer::None,
    };
    let http = scripted([(400, ""), (201, "new"), (400, ""), (403, "")]);
    let source = HttpTokenSource::new(http.clone(), ask, on).step(3);
    let token = || source.token(TokenRequest::replacing("old".into(), None));
    assert_eq!(token().await.unwrap(), "new".into());
    assert_eq!(token().await.unwrap_err().cause(), Cause::Http { step: 3, status: 403 });
    assert_eq!(http.asked.lock().unwrap().len(), 4);

    let http = scripted([(400, ""); 9]);
    let source = HttpTokenSource::new(http.clone(), ask, on);
    let error = source.token(TokenRequest::replacing("old".into(), None)).await.unwrap_err();
    assert_eq!((error.fault(), error.cause()), (Fault::Caller, Cause::Network));
    assert_eq!(http.asked.lock().unwrap().len(), 4);
}

fn source(http: Scripted) -> impl TokenSource + 'static {
    HttpTokenSource::new(http, ask, read)
}

fn ask(request: &TokenRequest) -> Option<HttpRequest> {
    let old = request.rejected.as_ref()?;
    Some(HttpRequest {
        method: Method::Put,
        url: "http://localhost/refresh".into(),
        headers: Vec::new(),
        body: old.expose().to_owned().into(),
    })
}

fn read(answer: &HttpResponse) -> Option<Secret> {
    let token = String::from_utf8(answer.body.to_vec()).ok()?;
    (answer.status == 201).then(|| Secret::new(token))
}

fn scripted<const N: usize>(answers: [(u16, &'static str); N]) -> Scripted {
    let answers = answers.map(|(status, body)| HttpResponse {
        status,
        headers: Vec::new(),
        body: body.into(),
        retry_after: None,
    });
    Scripted { answers: Arc::new(Mutex::new(answers.into())), asked: Arc::default() }
}

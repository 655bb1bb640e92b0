//! The seam between a driver and whoever speaks HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use redial_core::http::{HttpRequest, HttpResponse};

use crate::HttpError;

/// Performs one HTTP exchange after another.
///
/// The session that asked holds the deadline: when it passes, the driver drops the future, and an
/// implementation must leave nothing behind then. Limits of its own (connect, whole exchange) are a
/// backstop and should be longer than any deadline of a session.
///
/// An answer of any status is a success; an error means that there is no answer. Implementations
/// fill [`HttpResponse::retry_after`], for which [`retry_after_in`](crate::retry_after_in) helps,
/// and give header names in lower case.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Sends `request` and reads the whole answer.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer; the error converts into the
    /// [`NoAnswer`](redial_core::http::NoAnswer) that a session takes.
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}

#[async_trait]
impl<T: HttpClient + ?Sized> HttpClient for Arc<T> {
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        (**self).perform(request).await
    }
}

#[async_trait]
impl<T: HttpClient + ?Sized> HttpClient for Box<T> {
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        (**self).perform(request).await
    }
}

//! The upgrade's one round trip.
//!
//! It is done here and not by tungstenite for four reasons: tungstenite logs the whole request with
//! its tokens; it takes an answer in many small packets for an attack; it refuses
//! `Connection: keep-alive, Upgrade`; and it reads part of a refusal's body into its error.

use std::io;

use redial_auth_http::retry_after_in;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::request::Request;
use crate::error::{DialError, Failure, Stage};

/// Sends the request, reads the answer and returns what came behind it.
pub(super) async fn perform(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &Request,
) -> Result<Vec<u8>, DialError> {
    write(stream, request.head()).await.map_err(network)?;
    let mut buffer = Vec::with_capacity(1024);
    loop {
        let length = read_head(stream, &mut buffer, Stage::Upgrade).await?;
        let rest = buffer.split_off(length);
        match judge(&buffer, request)? {
            Answer::Accepted => return Ok(rest),
            Answer::Interim => buffer = rest,
        }
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), head: &[u8]) -> io::Result<()> {
    stream.write_all(head).await?;
    stream.flush().await
}

/// Reads until `buffer` begins with a whole head, and returns the head's length.
pub(super) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    stage: Stage,
) -> Result<usize, DialError> {
    let mut searched = 0;
    loop {
        if let Some(end) = end_of_head(buffer, searched) {
            return Ok(end);
        }
        if buffer.len() >= HEAD_LIMIT {
            return Err(DialError::vendor(stage, "the head of the answer is too long"));
        }
        // The end may lie across two reads.
        searched = buffer.len().saturating_sub(3);
        let read = stream.read_buf(buffer).await;
        if read.map_err(|error| DialError::network(stage, error))? == 0 {
            return Err(DialError::network(stage, io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
    }
}

fn end_of_head(buffer: &[u8], from: usize) -> Option<usize> {
    let at = buffer[from..].windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(from + at + 4)
}

enum Answer {
    Accepted,
    /// A 1xx before the answer proper.
    Interim,
}

fn judge(head: &[u8], request: &Request) -> Result<Answer, DialError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    if !matches!(answer.parse(head), Ok(httparse::Status::Complete(_))) {
        return Err(DialError::vendor(Stage::Upgrade, "the answer is not HTTP"));
    }
    let status = answer.code.unwrap_or_default();
    let values = |wanted: &'static str| {
        answer
            .headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(wanted))
            .map(|header| header.value.trim_ascii())
    };
    match status {
        SWITCHING_PROTOCOLS => {}
        100..200 => return Ok(Answer::Interim),
        _ => {
            let headers = answer.headers.iter().map(|header| (header.name, header.value));
            let retry_after = retry_after_in(headers);
            return Err(DialError::new(Stage::Upgrade, Failure::Status { status, retry_after }));
        }
    }
    let refuse = |text| Err(DialError::vendor(Stage::Upgrade, text));
    if !values("upgrade").any(|value| has_token(value, b"websocket")) {
        return refuse("the answer does not upgrade to websocket");
    }
    if !values("connection").any(|value| has_token(value, b"upgrade")) {
        return refuse("the answer does not upgrade the connection");
    }
    if !values("sec-websocket-accept").any(|value| request.is_accepted_by(value)) {
        return refuse("the answer does not belong to the key that was sent");
    }
    if values("sec-websocket-extensions").any(|value| !value.is_empty()) {
        return refuse("the answer has an extension that was not offered");
    }
    let mut chosen = values("sec-websocket-protocol");
    let offered = request.subprotocols();
    match (chosen.next(), chosen.next()) {
        (None, _) if offered.is_empty() => Ok(Answer::Accepted),
        (None, _) => refuse("the answer has none of the subprotocols that were offered"),
        (Some(one), None) if offered.iter().any(|name| name.as_bytes() == one) => {
            Ok(Answer::Accepted)
        }
        (Some(_), _) => refuse("the answer has a subprotocol that was not offered"),
    }
}

fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

fn network(error: io::Error) -> DialError {
    DialError::network(Stage::Upgrade, error)
}

const SWITCHING_PROTOCOLS: u16 = 101;
const MAX_HEADERS: usize = 128;
const HEAD_LIMIT: usize = 64 * 1024;

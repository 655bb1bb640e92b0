//! One HTTP/1.1 exchange at a time, by hand: enough for an API that answers with JSON.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write as _};

use redial_core::Timestamp;
use redial_core::http::{HttpRequest, HttpResponse, HttpResult, NoAnswer, retry_after};

use crate::socket;

/// Performs an exchange. It may take a while.
pub(crate) fn exchange(request: &HttpRequest, now: Timestamp) -> HttpResult {
    perform(request, now).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => NoAnswer::Timeout,
        _ => NoAnswer::Network,
    })
}

fn perform(request: &HttpRequest, now: Timestamp) -> Result<HttpResponse> {
    let rest = request.url.strip_prefix("http://").ok_or(ErrorKind::Unsupported)?;
    let (authority, path) = rest.split_once('/').ok_or(ErrorKind::InvalidInput)?;
    let mut stream = socket::connect(authority)?;
    let mut head = format!("{} /{path} HTTP/1.1\r\nhost: {authority}\r\n", request.method.as_str());
    for (name, value) in &request.headers {
        if value.contains(['\r', '\n']) {
            return Err(ErrorKind::InvalidInput.into());
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    read(&mut BufReader::new(stream.take(LIMIT)), now)
}

fn read(stream: &mut impl BufRead, now: Timestamp) -> Result<HttpResponse> {
    let status = line(stream)?;
    let mut words = status.split(' ');
    let version = words.next().filter(|version| version.starts_with("HTTP/1."));
    let status = words.next().and_then(|status| status.parse().ok());
    let (Some(_), Some(status)) = (version, status) else { return Err(malformed()) };
    let mut headers = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = HttpResponse { status, headers, body: Vec::new().into(), retry_after: None };
    let chunked = answer.header("transfer-encoding").is_some_and(|it| it.contains("chunked"));
    let length = answer.header("content-length").map(str::parse::<usize>);
    let body = match length {
        _ if chunked => chunks(stream)?,
        Some(length) => exactly(stream, length.map_err(|_| malformed())?)?,
        None => {
            let mut body = Vec::new();
            stream.read_to_end(&mut body)?;
            body
        }
    };
    let after = answer.header("retry-after");
    answer.retry_after = after.and_then(|it| retry_after(it, answer.header("date"), now));
    answer.body = body.into();
    Ok(answer)
}

fn chunks(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(stream)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed())?;
        if size == 0 {
            return Ok(body);
        }
        body.append(&mut exactly(stream, size)?);
        line(stream)?;
    }
}

fn exactly(stream: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    // What is read is bounded, whatever length is promised.
    stream.take(length as u64).read_to_end(&mut body)?;
    if body.len() == length { Ok(body) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn malformed() -> Error {
    ErrorKind::InvalidData.into()
}

/// The longest answer, with its head.
const LIMIT: u64 = 1 << 20;

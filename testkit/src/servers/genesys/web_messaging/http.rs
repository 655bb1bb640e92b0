//! Upgrade, history, and the deployment's configuration.

use http::Method;
use http::header::ORIGIN;
use serde_json::{Value, json};

use crate::servers::genesys::guest::{bad_handshake, bearer, error, query, too_many};
use crate::servers::genesys::state::{HistoryCall, UpgradeCall, note};
use crate::servers::genesys::{Genesys, Inner};
use crate::servers::http::{handshake_fault, header};
use crate::servers::hub::{Answer, Hub, Reply, Request};

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Route<'a> {
    Socket,
    History,
    Config(&'a str),
    Unknown,
}

impl<'a> Route<'a> {
    fn of(request: &'a Request) -> Self {
        let segments: Vec<_> = request.path.split('/').collect();
        match segments[..] {
            ["", "v1"] => Self::Socket,
            ["", "api", "v2", "webmessaging", "messages"] => Self::History,
            ["", "webdeployments", "v1", "deployments", id, "config.json"] => Self::Config(id),
            _ => Self::Unknown,
        }
    }
}

/// Names the step that a request is.
pub(in crate::servers::genesys) fn step(request: &Request) -> &'static str {
    match Route::of(request) {
        Route::Socket => "upgrade",
        Route::History => "history",
        Route::Config(_) | Route::Unknown => "",
    }
}

impl Genesys {
    /// Records a refusal and gives its body.
    pub(in crate::servers::genesys) fn web_refused(
        &self,
        request: &Request,
        status: Option<u16>,
    ) -> Reply {
        let t_ms = self.wire.now_ms();
        let inner = &mut *self.lock();
        match Route::of(request) {
            Route::Socket => {
                let call = UpgradeCall { t_ms, token: None, status, conn: None };
                note(&mut inner.seen.upgrades, call);
                Reply::empty(status.unwrap_or(200))
            }
            Route::History => {
                let call = HistoryCall { t_ms, page: page(request), status };
                note(&mut inner.seen.histories, call);
                error(status.unwrap_or(200), "error")
            }
            Route::Config(_) | Route::Unknown => error(status.unwrap_or(200), "error"),
        }
    }

    /// Answers a request; `omit` names a field of a history page to leave out.
    pub(in crate::servers::genesys) fn web_answer(
        &self,
        hub: &Hub,
        request: &Request,
        omit: Option<&str>,
    ) -> Answer {
        let inner = &mut *self.lock();
        match Route::of(request) {
            Route::Socket => self.web_upgrade(hub, inner, request),
            Route::History => {
                let t_ms = self.wire.now_ms();
                let mut reply = inner.history(request, t_ms).unwrap_or_else(|refused| refused);
                let fields = reply.body.as_mut().and_then(Value::as_object_mut);
                if let (Some(field), Some(fields)) = (omit, fields) {
                    fields.remove(field);
                }
                let status = Some(reply.status);
                let call = HistoryCall { t_ms, page: page(request), status };
                note(&mut inner.seen.histories, call);
                Answer::Reply(reply)
            }
            Route::Config(id) if inner.has_deployment(id) => {
                let messenger = json!({ "enabled": true, "apps": { "conversations": {} } });
                let config = json!({ "id": id, "version": "1", "messenger": messenger });
                Answer::Reply(Reply::json(200, Some(config)))
            }
            Route::Config(_) => Answer::Reply(error(404, "no such deployment")),
            Route::Unknown => {
                inner.seen.unknown_paths += 1;
                Answer::Reply(error(404, "not found"))
            }
        }
    }

    fn web_upgrade(&self, hub: &Hub, inner: &mut Inner, request: &Request) -> Answer {
        let t_ms = self.wire.now_ms();
        let fault = handshake_fault(request).map(bad_handshake);
        let admitted = match fault {
            Some(reply) => Err(reply),
            None => inner.admit(request, t_ms),
        };
        let conn = admitted.is_ok().then(|| hub.next_conn());
        let status = Some(admitted.as_ref().err().map_or(101, |reply| reply.status));
        note(&mut inner.seen.upgrades, UpgradeCall { t_ms, token: None, status, conn });
        match (admitted, conn) {
            (Ok(()), Some(conn)) => {
                self.opened(inner, conn, None);
                Answer::Upgrade { conn, headers: Vec::new(), then: Vec::new() }
            }
            (Err(reply), _) => Answer::Reply(reply),
            (Ok(()), None) => Answer::Reply(Reply::empty(500)),
        }
    }
}

impl Inner {
    /// Checks deployment, origin and rate of an upgrade.
    fn admit(&mut self, request: &Request, t_ms: u64) -> Result<(), Reply> {
        let deployment = query(request, "deploymentId").filter(|id| !id.is_empty());
        let deployment = deployment.ok_or_else(|| Reply::empty(400))?;
        let origins = &self.settings.origins;
        let origin = header(&request.headers, ORIGIN);
        let welcome = origins.is_empty() || origins.iter().any(|known| known == origin);
        if !welcome || !self.has_deployment(&deployment) {
            return Err(Reply::empty(403));
        }
        let rate = self.settings.connect_rate;
        self.recent.connects.admit(deployment, t_ms, rate).map_err(too_many)
    }

    pub(super) fn has_deployment(&self, id: &str) -> bool {
        let known = &self.settings.deployments;
        known.is_empty() || known.iter().any(|known| known == id)
    }

    /// Gives a page of the history, newest first.
    fn history(&mut self, request: &Request, now_ms: u64) -> Result<Reply, Reply> {
        if request.method != Method::GET {
            return Err(error(405, "method not allowed"));
        }
        let jwt = bearer(request).unwrap_or_default();
        let Some((token, session)) = self.sessions.reader(jwt, now_ms) else {
            return Err(error(401, "the token is not valid"));
        };
        let rate = self.settings.history_rate;
        self.recent.histories.admit(token.to_owned(), now_ms, rate).map_err(too_many)?;
        let page = page(request);
        let size = query(request, "pageSize").and_then(|size| size.parse::<u64>().ok());
        let size = size.unwrap_or(25).clamp(1, 100);
        let total = session.history.len() as u64;
        let skip = usize::try_from((page - 1).saturating_mul(size)).unwrap_or(usize::MAX);
        let entities: Vec<_> =
            session.history.iter().rev().skip(skip).take(size as usize).cloned().collect();
        let mut body = json!({
            "entities": entities, "pageSize": size, "pageNumber": page, "total": total,
            "pageCount": total.div_ceil(size),
        });
        crate::servers::genesys::decorate(&self.settings, &mut body);
        Ok(Reply::json(200, Some(body)))
    }
}

/// Gives the number of the page that is asked for, from 1.
fn page(request: &Request) -> u64 {
    query(request, "pageNumber").and_then(|page| page.parse().ok()).unwrap_or(1).max(1)
}

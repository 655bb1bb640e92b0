//! Subscriptions: one for each session.

use serde_json::{Value, json};

use super::rest::{RestAnswer, RestCall, default_error, rest_error};
use super::session::Subscription;
use super::time::{epoch_ms, iso};
use super::tokens::millis;
use super::{Inner, RingCentral};

impl RingCentral {
    /// Makes a subscription; an earlier one of the same session is gone.
    pub(super) fn create_subscription(&self, inner: &mut Inner, call: &RestCall<'_>) -> RestAnswer {
        let filters = match allowed_filters(inner, call) {
            Ok(filters) => filters,
            Err(answer) => return answer,
        };
        let Some(session) = call.session.and_then(|id| inner.sessions.of(id)) else {
            // Over HTTPS there is no socket that the notifications could come on.
            return RestAnswer::invalid("deliveryMode.transportType");
        };
        let subscription = Subscription {
            id: inner.tokens.uuid(),
            filters,
            created_ms: epoch_ms(),
            until: call.t_ms.saturating_add(millis(inner.settings.subscription_ttl)),
        };
        session.subscription = Some(subscription.clone());
        inner.seen.subscriptions_made += 1;
        RestAnswer::json(200, self.show(inner, &subscription))
    }

    pub(super) fn list_subscriptions(&self, inner: &mut Inner, call: &RestCall<'_>) -> RestAnswer {
        let of_owner = inner.sessions.iter_mut().filter(|session| session.owner == call.owner);
        let all: Vec<_> = of_owner.filter_map(|session| session.subscription.clone()).collect();
        let records: Vec<_> = all.iter().map(|one| self.show(inner, one)).collect();
        let uri = self.uri("/restapi/v1.0/subscription");
        RestAnswer::json(200, json!({ "uri": uri, "records": records }))
    }

    /// Shows, changes or deletes one subscription.
    pub(super) fn subscription(
        &self,
        inner: &mut Inner,
        call: &RestCall<'_>,
        method: &str,
        id: &str,
    ) -> RestAnswer {
        let settings = &inner.settings;
        let found = inner.sessions.holding(id).filter(|session| {
            session.owner == call.owner && session.is_subscribed(call.t_ms, settings)
        });
        let Some(session) = found else { return RestAnswer::not_found("subscriptionId") };
        match method {
            "GET" => {
                let subscription = session.subscription.clone();
                let shown = subscription.map(|subscription| self.show(inner, &subscription));
                RestAnswer::json(200, shown.unwrap_or_default())
            }
            "DELETE" => {
                session.subscription = None;
                inner.seen.subscriptions_deleted += 1;
                RestAnswer::empty(204)
            }
            "PUT" => self.change(inner, call, id),
            _ => RestAnswer::json(405, rest_error("CMN-405", "HTTP method not allowed")),
        }
    }

    /// Renews a subscription; it moves to the session that asks for it.
    fn change(&self, inner: &mut Inner, call: &RestCall<'_>, id: &str) -> RestAnswer {
        let filters = match allowed_filters(inner, call) {
            Ok(filters) => filters,
            Err(answer) => return answer,
        };
        let taken = inner.sessions.holding(id).and_then(|session| session.subscription.take());
        let Some(mut subscription) = taken else {
            return RestAnswer::not_found("subscriptionId");
        };
        subscription.filters = filters;
        subscription.until = call.t_ms.saturating_add(millis(inner.settings.subscription_ttl));
        match call.session.and_then(|id| inner.sessions.of(id)) {
            Some(session) => session.subscription = Some(subscription.clone()),
            None => return RestAnswer::invalid("deliveryMode.transportType"),
        }
        RestAnswer::json(200, self.show(inner, &subscription))
    }

    fn show(&self, inner: &Inner, subscription: &Subscription) -> Value {
        let ttl = millis(inner.settings.subscription_ttl);
        json!({
            "uri": self.uri(&format!("/restapi/v1.0/subscription/{}", subscription.id)),
            "id": subscription.id,
            "creationTime": iso(subscription.created_ms),
            "status": "Active",
            "eventFilters": subscription.filters,
            "expirationTime": iso(epoch_ms().saturating_add(ttl)),
            "expiresIn": (ttl / 1000).saturating_sub(1),
            "deliveryMode": { "transportType": "WebSocket", "encryption": false },
        })
    }
}

/// Reads the filters of a request that may subscribe.
fn allowed_filters(inner: &Inner, call: &RestCall<'_>) -> Result<Vec<String>, RestAnswer> {
    if !inner.settings.subscribe_permission {
        let (code, message) = default_error(403, "subscribe");
        return Err(RestAnswer::json(403, rest_error(code, message)));
    }
    if call.body.pointer("/deliveryMode/transportType") != Some(&json!("WebSocket")) {
        return Err(RestAnswer::invalid("deliveryMode.transportType"));
    }
    let filters = call.body.get("eventFilters").and_then(Value::as_array);
    let texts = filters.map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned));
    let texts: Vec<_> = texts.into_iter().flatten().collect();
    match filters {
        Some(all) if !all.is_empty() && all.len() == texts.len() => Ok(texts),
        _ => Err(RestAnswer::invalid("eventFilters")),
    }
}

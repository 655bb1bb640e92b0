//! What the application sends.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::codec;

/// A request to the messaging service. Its answer is its proof.
///
/// Each request of the vendor's SDK has a constructor; [`Request::new`] makes any other. Where
/// the SDK adds fields that it knows from the login (`agentUserId`, `agentId`, `brandId`), so does
/// the adapter when it writes the request, unless the body has them already. With a ready-made
/// bearer there is no login: without
/// [`Builder::user_id`](crate::Builder::user_id) the fields that name the agent are left out.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub(crate) name: Cow<'static, str>,
    pub(crate) body: Value,
    pub(crate) headers: Option<Value>,
    pub(crate) metadata: Option<Value>,
    pub(crate) encoded_metadata: Option<Value>,
    pub(crate) fill: Fill,
}

/// What the adapter adds to a body when it writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fill {
    Nothing,
    /// `agentUserId`.
    AgentUser,
    /// `agentId` and `brandId`.
    AgentAndBrand,
    /// The agent's id where the list of agents has the participant id.
    AgentIds,
    /// The agent's id as the only one of `agentIds`.
    OwnAgentIds,
    /// `userId` of a change of participants.
    Participant,
}

/// Who the agent is.
#[derive(Clone, Copy)]
pub(crate) struct Agent<'a> {
    pub(crate) account: &'a str,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) user_pid: Option<&'a str>,
}

impl Request {
    /// Makes a request of any type, with exactly this body.
    ///
    /// ```
    /// use redial_liveperson::Request;
    /// use serde_json::json;
    ///
    /// let request = Request::new(".ams.ms.PublishEvent", json!({"dialogId": "d", "event": {}}));
    /// assert_eq!(request.name(), ".ams.ms.PublishEvent");
    /// ```
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, body: Value) -> Self {
        Self {
            name: name.into(),
            body,
            headers: None,
            metadata: None,
            encoded_metadata: None,
            fill: Fill::Nothing,
        }
    }

    /// Asks for the server's time (`getClock`).
    #[must_use]
    pub fn get_clock() -> Self {
        Self::new(GET_CLOCK, json!({}))
    }

    /// Opens a conversation with a consumer (`agentRequestConversation`).
    #[must_use]
    pub fn agent_request_conversation(body: Value) -> Self {
        Self::new(".ams.cm.AgentRequestConversation", with_channel_type(body))
    }

    /// Subscribes to conversations (`subscribeExConversations`), for this connection and, once
    /// it is answered, for those that follow.
    #[must_use]
    pub fn subscribe_ex_conversations(body: Value) -> Self {
        Self::new(".ams.aam.SubscribeExConversations", body).filling(Fill::AgentIds)
    }

    /// Ends a subscription to conversations (`unsubscribeExConversations`).
    #[must_use]
    pub fn unsubscribe_ex_conversations(subscription_id: &str) -> Self {
        Self::new(UNSUBSCRIBE, json!({ "subscriptionId": subscription_id }))
    }

    /// Changes a conversation (`updateConversationField`). A change of participants without a
    /// `userId` is about the agent.
    #[must_use]
    pub fn update_conversation_field(body: Value) -> Self {
        Self::new(".ams.cm.UpdateConversationField", body).filling(Fill::Participant)
    }

    /// Publishes an event to a dialog (`publishEvent`).
    #[must_use]
    pub fn publish_event(dialog_id: &str, event: Value) -> Self {
        Self::new(".ams.ms.PublishEvent", json!({ "dialogId": dialog_id, "event": event }))
    }

    /// Publishes a text to a dialog.
    #[must_use]
    pub fn publish_text(dialog_id: &str, text: &str) -> Self {
        let event = json!({ "type": "ContentEvent", "contentType": "text/plain", "message": text });
        Self::publish_event(dialog_id, event)
    }

    /// Answers an offered conversation (`updateRingState`): `ACCEPTED` or `REJECTED`.
    #[must_use]
    pub fn update_ring_state(ring_id: &str, state: &str) -> Self {
        let body = json!({ "ringId": ring_id, "ringState": state });
        Self::new(".ams.routing.UpdateRingState", body)
    }

    /// Subscribes to offered conversations (`subscribeRoutingTasks`), for this connection and,
    /// once it is answered, for those that follow.
    #[must_use]
    pub fn subscribe_routing_tasks() -> Self {
        let body = with_channel_type(json!({}));
        Self::new(".ams.routing.SubscribeRoutingTasks", body).filling(Fill::AgentAndBrand)
    }

    /// Changes a subscription to offered conversations (`updateRoutingTaskSubscription`).
    #[must_use]
    pub fn update_routing_task_subscription(body: Value) -> Self {
        Self::new(".ams.routing.UpdateRoutingTaskSubscription", body)
    }

    /// Asks who a consumer is (`getUserProfile`). The body is a bare string.
    #[must_use]
    pub fn get_user_profile(user_id: &str) -> Self {
        Self::new(".ams.userprofile.GetUserProfile", Value::from(user_id))
    }

    /// Sets the agent's state (`setAgentState`), for this connection and, once it is answered,
    /// for those that follow.
    #[must_use]
    pub fn set_agent_state(availability: &str) -> Self {
        let body = json!({ "availability": availability });
        Self::new(SET_AGENT_STATE, with_channels(body)).filling(Fill::AgentUser)
    }

    /// Subscribes to the agent's own state (`subscribeAgentsState`), for this connection and,
    /// once it is answered, for those that follow.
    #[must_use]
    pub fn subscribe_agents_state() -> Self {
        Self::new(".ams.routing.SubscribeAgentsState", json!({})).filling(Fill::AgentAndBrand)
    }

    /// Asks for the messages of a dialog after a sequence number (`subscribeMessagingEvents`).
    ///
    /// Nothing of a connection lives on in the next, so an application asks this after each
    /// [`Online`](redial_core::Notice::Online), for each dialog that it knows.
    #[must_use]
    pub fn query_messages(dialog_id: &str, newer_than: u64) -> Self {
        let body = json!({ "dialogId": dialog_id, "newerThanSequence": newer_than });
        Self::new(".ams.ms.QueryMessages", body)
    }

    /// Asks where a file can be fetched (`generateURLForDownloadFile`).
    #[must_use]
    pub fn generate_url_for_download_file(relative_path: &str) -> Self {
        let body = json!({ "relativePath": relative_path });
        Self::new(".ams.ms.GenerateURLForDownloadFile", body)
    }

    /// Asks where a file can be put (`generateURLForUploadFile`).
    #[must_use]
    pub fn generate_url_for_upload_file(file_size: u64, file_type: &str) -> Self {
        let body = json!({ "fileSize": file_size, "fileType": file_type });
        Self::new(".ams.ms.GenerateURLForUploadFile", body)
    }

    /// Asks for a token for downloads (`generateDownloadToken`).
    #[must_use]
    pub fn generate_download_token() -> Self {
        Self::new(".ams.ms.token.GenerateDownloadToken", json!({}))
    }

    /// Adds `headers`.
    #[must_use]
    pub fn with_headers(mut self, headers: Value) -> Self {
        self.headers = Some(headers);
        self
    }

    /// Adds `metadata`: an array of objects with a `type`.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Adds `encodedMetadata`.
    #[must_use]
    pub fn with_encoded_metadata(mut self, encoded: Value) -> Self {
        self.encoded_metadata = Some(encoded);
        self
    }

    /// Returns the type as it stands on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the body, without what the adapter adds.
    #[must_use]
    pub const fn body(&self) -> &Value {
        &self.body
    }

    pub(crate) const fn filling(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    pub(crate) fn extras(&self) -> [codec::Extra<'_>; 3] {
        [
            ("headers", self.headers.as_ref()),
            ("metadata", self.metadata.as_ref()),
            ("encodedMetadata", self.encoded_metadata.as_ref()),
        ]
    }

    /// Returns the body with what the adapter adds.
    pub(crate) fn filled(&self, agent: Agent<'_>) -> Cow<'_, Value> {
        if self.fill == Fill::Nothing {
            return Cow::Borrowed(&self.body);
        }
        let mut body = self.body.clone();
        let id = agent.id();
        match self.fill {
            Fill::Nothing => {}
            Fill::AgentUser => put(&mut body, "agentUserId", id),
            Fill::AgentAndBrand => {
                put(&mut body, "agentId", id);
                put(&mut body, "brandId", Some(agent.account.to_string()));
            }
            Fill::AgentIds => {
                let ids = body.get_mut("agentIds").and_then(Value::as_array_mut);
                if let (Some(ids), Some(pid), Some(id)) = (ids, agent.user_pid, id) {
                    for own in ids.iter_mut().filter(|value| value.as_str() == Some(pid)) {
                        *own = Value::from(id.as_str());
                    }
                }
            }
            Fill::OwnAgentIds => {
                if let (Value::Object(fields), Some(id)) = (&mut body, id) {
                    fields.entry("agentIds").or_insert_with(|| json!([id]));
                }
            }
            Fill::Participant => match body.get_mut("conversationField") {
                Some(Value::Array(fields)) => {
                    fields.iter_mut().for_each(|field| put_participant(field, id.as_deref()));
                }
                Some(field) => put_participant(field, id.as_deref()),
                None => {}
            },
        }
        Cow::Owned(body)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Agent<'_> {
    /// Returns the id that requests name the agent by.
    fn id(self) -> Option<String> {
        self.user_id.map(|user| alloc::format!("{}.{user}", self.account))
    }
}

/// Adds `channels` where there are none.
pub(crate) fn with_channels(mut body: Value) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.entry("channels").or_insert_with(|| json!(["MESSAGING"]));
    }
    body
}

fn with_channel_type(mut body: Value) -> Value {
    put(&mut body, "channelType", Some("MESSAGING".to_string()));
    body
}

fn put(body: &mut Value, key: &str, value: Option<String>) {
    if let (Value::Object(fields), Some(value)) = (body, value) {
        fields.entry(key).or_insert(Value::String(value));
    }
}

fn put_participant(field: &mut Value, id: Option<&str>) {
    if field.get("field").and_then(Value::as_str) == Some("ParticipantsChange") {
        put(field, "userId", id.map(ToString::to_string));
    }
}

pub(crate) const GET_CLOCK: &str = ".GetClock";
pub(crate) const SET_AGENT_STATE: &str = ".ams.routing.SetAgentState";
pub(crate) const UNSUBSCRIBE: &str = ".ams.aam.UnsubscribeExConversations";

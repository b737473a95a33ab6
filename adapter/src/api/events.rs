//! What happens on a customer's accounts, as their apps are told of it ([`crate::live`]).

use super::answers::ListenProblems;
use super::app::{self, App};
use super::problem::{Code, Problem};
use crate::bank::Bank;
use crate::live::{LAST_EVENT_ID, ListenRefused, Listener, Listening, Live, Message};
use axum::extract::State;
use axum::http::HeaderMap;
use std::sync::Arc;

/// What happens on the customer's accounts while it happens, as Server-Sent Events; `data` is an Event. The stream ends
/// with its access token or its login, and when it is not read: come back with the `id` that came last. Listening does
/// not keep a login alive.
#[utoipa::path(
    get, path = "/events", operation_id = "listen", tag = "Events",
    params((
        "Last-Event-ID" = Option<String>, Header,
        description = "The `id` that came last: the stream goes on after it, or begins with `reset` if it can't",
    )),
    responses(
        (status = 200, description = "The stream", body = Message, content_type = "text/event-stream"),
        ListenProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn listen(
    State(bank): State<Arc<Bank>>,
    app: App,
    headers: HeaderMap,
) -> Result<Listening, Problem> {
    let listener = Listener { customer: app.customer(), login: app.login, until: app.until };
    let last = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
    let listening = Live::listen(&bank, listener, last).await;
    listening.map_err(|refused| match refused {
        ListenRefused::TooMany => Code::TooManyStreams.into(),
        ListenRefused::LoginOver => app::not_valid(),
        ListenRefused::Bank(error) => error.into(),
    })
}

//! Problems (RFC 9457): every answer that is none of what was asked for.
//!
//! [`Code`] is the catalogue: documentation, the OpenAPI document and the tests follow from it. A code is stable:
//! programs decide by it, and by nothing of the words beside it. Handlers return a [`Problem`]; the
//! [layer](told) around them writes it down with the names of the request, and makes problems of what the router
//! refuses by itself. Nothing of what was sent is repeated.

use super::json::{Flaw, FlawCode};
use super::rates::Slot;
use super::time::Time;
use crate::audit::{self, Caller};
use crate::bank::Bank;
use crate::clock::UnixNs;
use crate::error::BankError;
use crate::id::{Challenge, Id};
use crate::web::OutcomeUnknown;
use axum::Extension;
use axum::body::Body;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use florin_client::ClientError;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tracing::error;

/// How long a request may take, its body included; less than the edge gives it, whose answers are pages.
const REQUEST_MAX: Duration = Duration::from_secs(14);
/// Seconds after which somebody may try again who was told that it is too much now.
const RETRY_AFTER_S: u64 = 2;

/// Declares the catalogue.
macro_rules! catalogue {
    ($($(#[doc = $doc:literal])+ $name:ident $code:literal $status:literal $title:literal;)*) => {
        /// What can be wrong. Codes are stable.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum Code {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Code {
            /// All of them.
            pub(super) const ALL: &[Code] = &[$(Code::$name),*];

            /// As programs read it.
            pub(super) fn name(self) -> &'static str {
                match self { $(Code::$name => $code),* }
            }

            /// The status that it comes with.
            pub(super) fn status(self) -> StatusCode {
                let status: u16 = match self { $(Code::$name => $status),* };
                StatusCode::from_u16(status).expect("the catalogue has statuses")
            }

            /// As people read it.
            pub(super) fn title(self) -> &'static str {
                match self { $(Code::$name => $title),* }
            }

            /// What it means, and what to do.
            pub(super) fn meaning(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+).trim_ascii()),* }
            }
        }
    };
}

catalogue! {
    /// The body, a parameter or a header is not what the operation takes; `errors` says where. Nothing
    /// happened.
    InvalidRequest "invalid_request" 400 "The request can't be read";
    /// An operation that moves money or makes something needs the header `Idempotency-Key`: 1 to 255
    /// visible characters, the same again when the same is sent again.
    IdempotencyKeyMissing "idempotency_key_missing" 400 "An Idempotency-Key is needed";
    /// The refresh token is none of this key's, or its login is over. Log in again.
    InvalidGrant "invalid_grant" 400 "The refresh token is not valid";
    /// Name, password or code did not match, or it took too long. Which it was is not told. Begin again.
    LoginFailed "login_failed" 401 "That did not match";
    /// The access token is missing, expired or not of this bank, or its login is over.
    InvalidToken "invalid_token" 401 "The access token is not valid";
    /// The header `DPoP` is missing, is no proof for this request and this key, is too old, or was used before.
    /// Make a new one.
    InvalidDpopProof "invalid_dpop_proof" 401 "The DPoP proof is not valid";
    /// A transfer needs a proof that the customer wants just this one: send a code of the second factor to
    /// `POST /v1/challenges/{challenge_id}/verify` within two minutes, then the same transfer with `challenge_id`.
    StepUpRequired "step_up_required" 403 "This needs a code of the second factor";
    /// This is for customers; whoever is logged in is on the bank's staff.
    NotACustomer "not_a_customer" 403 "This is for customers";
    /// This is for the bank's staff; whoever is logged in is a customer.
    NotStaff "not_staff" 403 "This is for the bank's staff";
    /// Whoever is logged in is on the staff, and has none of the roles that this takes.
    RoleMissing "role_missing" 403 "This takes another role";
    /// Whoever asked for something does not approve it, nor does anybody decide about what they ordered.
    SameEyes "same_eyes" 403 "This takes somebody else";
    /// E-mail address, second factor or password were changed, or recovered, less than 24 hours ago: until `not_before`
    /// no beneficiaries are added, and no transfers to others begun that need a proof. Those between the customer's own
    /// accounts go on.
    ContactChangedRecently "contact_changed_recently" 403 "Not within 24 hours of a change";
    /// There is nothing here, or it is another customer's, which is the same to whoever asks.
    NotFound "not_found" 404 "There is nothing here";
    /// Nothing here does that; `Allow` says what does.
    MethodNotAllowed "method_not_allowed" 405 "Not in this way";
    /// An account is suspended or closed.
    AccountNotUsable "account_not_usable" 409 "The account can't be used for this now";
    /// Somebody has asked for it, and nobody has decided yet.
    AlreadyProposed "already_proposed" 409 "Somebody has asked for this already";
    /// Nobody asks for it any more: somebody has decided, or nobody has asked.
    NotProposed "not_proposed" 409 "Nobody asks for this any more";
    /// Only a completed transfer between two accounts of the bank moves its money back.
    NotReversible "not_reversible" 409 "This can't be reversed";
    /// The transfer has moved its money back.
    AlreadyReversed "already_reversed" 409 "This is reversed already";
    /// The customer has accounts that are not closed.
    AccountsOpen "accounts_open" 409 "There are accounts that are not closed";
    /// Everything of the customer must be kept as long as a legal hold stands.
    LegalHoldStands "legal_hold_stands" 409 "A legal hold stands";
    /// What the customer is reached or proved by was changed less than 24 hours ago: no link is sent before.
    ChangedRecently "changed_recently" 409 "Too soon after a change";
    /// Somebody has decided, or the transfer has ended before.
    CaseDecided "case_decided" 409 "The case is decided";
    /// Money is on the account, or held: it is closed when there is none.
    AccountNotEmpty "account_not_empty" 409 "There is money on the account";
    /// The address has become another customer's since the letter was sent: log in with it, or use another.
    AddressTaken "address_taken" 409 "The address is a customer's already";
    /// Something else of the customer was changed at the same time, or their login has ended. Nothing happened: if the
    /// login is not over, send it again.
    ChangedMeanwhile "changed_meanwhile" 409 "Something else was changed at the same time";
    /// The number is among the customer's beneficiaries: `resource_id` says which.
    BeneficiaryExists "beneficiary_exists" 409 "This number is a beneficiary already";
    /// The link of a letter, or what it led to, was used or is too old, or never led anywhere. Which it is is not told.
    /// Begin again.
    LinkIsOver "link_is_over" 410 "This leads nowhere any more";
    /// A body has at most 16 KiB.
    BodyTooLarge "body_too_large" 413 "The body is too large";
    /// Bodies are `application/json` in UTF-8, not compressed.
    UnsupportedMediaType "unsupported_media_type" 415 "The body must be JSON";
    /// There is not enough on the account.
    InsufficientFunds "insufficient_funds" 422 "There is not enough on the account";
    /// Both accounts are the same.
    AccountsMustDiffer "accounts_must_differ" 422 "Both accounts are the same";
    /// Both accounts must have the currency of the amount.
    CurrencyMismatch "currency_mismatch" 422 "The currency is another";
    /// More than the account may send in a day.
    DailyLimitExceeded "daily_limit_exceeded" 422 "This is more than the account may send today";
    /// More than the account may send in a month.
    MonthlyLimitExceeded "monthly_limit_exceeded" 422 "This is more than the account may send this month";
    /// The payee is at another bank, and there is no way to it yet.
    RailUnavailable "rail_unavailable" 422 "Payments to other banks are not possible yet";
    /// The code is wrong, was used before, or too many were tried. Which it is is not told.
    SecondFactorMismatch "second_factor_mismatch" 422 "That code did not match";
    /// Password, code or link did not match, were used before, or too many were tried. Which it was is not told.
    NotProved "not_proved" 422 "That is no proof";
    /// There are as many accounts as a customer may have: close one first.
    TooManyAccounts "too_many_accounts" 422 "There are too many accounts";
    /// There are as many beneficiaries as a customer may have: remove one first.
    TooManyBeneficiaries "too_many_beneficiaries" 422 "There are too many beneficiaries";
    /// A customer has at most 5 devices: remove one first.
    TooManyDevices "too_many_devices" 422 "There are too many devices";
    /// Somebody is to be told in a way that does not reach them: `available` of the notifications says which do. Short
    /// messages need a telephone number that the customer has confirmed, on a page of the bank.
    ChannelUnavailable "channel_unavailable" 422 "This way reaches nobody";
    /// Another request was sent with this Idempotency-Key; `resource_id` says what it came to.
    IdempotencyKeyReused "idempotency_key_reused" 422 "The Idempotency-Key was used for something else";
    /// Too many requests in a minute. `Retry-After` says when to go on.
    RateLimited "rate_limited" 429 "Too many requests";
    /// A customer has at most 8 event streams at a time: end one first.
    TooManyStreams "too_many_streams" 429 "There are too many event streams";
    /// Something is broken on the bank's side. Whether it happened is not known: ask before you repeat it.
    Internal "internal" 500 "Something went wrong on our side";
    /// Too much is going on. Nothing happened: send it again after `Retry-After`.
    Busy "busy" 503 "Too much is going on";
    /// Whether it happened is not known yet. Send the same again after `Retry-After`, with the same
    /// Idempotency-Key: what happened does not happen twice.
    OutcomeUnknown "outcome_unknown" 503 "It is not known yet whether it happened";
}

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) code: Code,
    detail: Option<String>,
    flaw: Option<Box<Flaw>>,
    resource: Option<String>,
    challenge: Option<String>,
    not_before: Option<Box<Time>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Problem {
        Problem {
            code,
            detail: None,
            flaw: None,
            resource: None,
            challenge: None,
            not_before: None,
            headers: Vec::new(),
        }
    }
}

impl Problem {
    /// A body that can't be read, and where.
    pub(super) fn flawed(flaw: Flaw) -> Problem {
        Problem { flaw: Some(Box::new(flaw)), ..Code::InvalidRequest.into() }
    }

    /// A member of a body that can't be what it should be, and why: the words must say nothing that was sent.
    pub(super) fn improper(member: &str, words: &dyn fmt::Display) -> Problem {
        let flaw = Flaw::of(member, FlawCode::InvalidValue);
        Problem::flawed(flaw).because(&format!("`{member}`: {words}."))
    }

    /// The same, in words of its own: they must say nothing that was sent.
    pub(super) fn because(self, detail: &str) -> Problem {
        Problem { detail: Some(String::from(detail)), ..self }
    }

    /// The same, with what it is about.
    pub(super) fn about(self, resource: Option<String>) -> Problem {
        Problem { resource, ..self }
    }

    /// A transfer that needs a proof by this challenge.
    pub(super) fn step_up(challenge: Id<Challenge>) -> Problem {
        Problem { challenge: Some(challenge.to_string()), ..Code::StepUpRequired.into() }
    }

    /// It was tried too often, and may be again in so many seconds.
    pub(super) fn too_often(seconds: u64) -> Problem {
        Problem::from(Code::RateLimited).after(seconds)
    }

    /// What the bank could not do once something had happened: nobody is told that nothing did.
    pub(super) fn half_way(failure: &BankError) -> Problem {
        error!("a request failed half way: {failure}");
        Problem::from(Code::OutcomeUnknown).after(RETRY_AFTER_S)
    }

    /// What can't be done before a time.
    pub(super) fn too_soon(until: UnixNs) -> Problem {
        Problem { not_before: Some(Box::new(until.into())), ..Code::ContactChangedRecently.into() }
    }

    /// The same, with a header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// The same, with the time after which it may be tried again.
    pub(super) fn after(self, seconds: u64) -> Problem {
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

/// What the bank could not do.
impl From<BankError> for Problem {
    fn from(failure: BankError) -> Problem {
        let code = match &failure {
            BankError::Busy | BankError::Contended | BankError::KeysChanged => Code::Busy,
            BankError::Ledger(ClientError::NotSent { .. } | ClientError::Refused { .. }) => {
                Code::Busy
            }
            BankError::Ledger(ClientError::Unknown { .. }) => Code::OutcomeUnknown,
            _ => {
                error!("a request failed: {failure}");
                return Code::Internal.into();
            }
        };
        error!("a request was put off: {failure}");
        Problem::from(code).after(RETRY_AFTER_S)
    }
}

/// Without a body yet: [`told`] writes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.headers_mut().extend(self.headers.iter().cloned());
        response.extensions_mut().insert(self);
        response
    }
}

/// A problem as it is sent (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// Names the kind of problem; its documentation is there.
    #[schema(example = "https://localhost:8443/v1/docs#invalid_request")]
    r#type: String,
    /// What is wrong, for people.
    title: &'static str,
    /// The status of the answer.
    #[schema(example = 400)]
    status: u16,
    /// What it means and what to do, for people.
    detail: String,
    /// What was asked for.
    #[schema(example = "/v1/transactions/transfer")]
    instance: String,
    /// What is wrong, for programs.
    code: Code,
    /// Names the request in the bank's records.
    correlation_id: String,
    /// What is wrong with the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Flaw>,
    /// What there is already: what an earlier request with the same Idempotency-Key made, or the same beneficiary.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_id: Option<String>,
    /// What is to be proved with a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_id: Option<String>,
    /// From when on the same may be sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Time>,
}

/// Writes problems down, those too that the router and the layers within this one make, and what is left of the
/// caller's rate. Whatever is not of the API passes.
pub(crate) async fn told(
    State(bank): State<Arc<Bank>>,
    OriginalUri(uri): OriginalUri,
    caller: Option<Extension<Caller>>,
    mut request: Request,
    next: Next,
) -> Response {
    if !is_for_programs(uri.path()) {
        return next.run(request).await;
    }
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let answered = match names_a_secret(&uri) {
        true => Some(query_is_no_place().into_response()),
        false => timeout(REQUEST_MAX, next.run(request)).await.ok(),
    };
    let overdue = || Problem::from(Code::OutcomeUnknown).after(RETRY_AFTER_S).into_response();
    let mut response = answered.unwrap_or_else(overdue);
    slot.tell(response.headers_mut());
    let Some(problem) = problem_of(&response) else { return response };
    if problem.code == Code::OutcomeUnknown {
        response.extensions_mut().insert(OutcomeUnknown);
    }
    let correlation_id = caller.map(|Extension(caller)| caller.correlation).unwrap_or_default();
    let place = Place { origin: &bank.options.origin, path: uri.path(), correlation_id };
    let body = place.body(problem, response.status());
    write(&mut response, &body);
    response
}

/// The answer to what is no request, too much of one, or comes too slowly, if a program asked: the bank has not seen
/// it, so nothing is on record of it, and the problem's kind is named without the bank's origin.
pub(crate) fn unreadable(path: &str, status: StatusCode) -> Option<Response> {
    if !is_for_programs(path) {
        return None;
    }
    let mut response = status.into_response();
    let problem = problem_of(&response)?;
    let problem = match problem.code {
        Code::InvalidRequest => problem.because(
            "This is no request that the bank reads, too large, or came too slowly. Nothing happened.",
        ),
        _ => problem,
    };
    let place = Place { origin: "", path, correlation_id: audit::correlation() };
    let body = place.body(problem, status);
    write(&mut response, &body);
    Some(response)
}

fn is_for_programs(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Where a problem came up.
struct Place<'a> {
    origin: &'a str,
    path: &'a str,
    correlation_id: String,
}

impl Place<'_> {
    fn body(self, problem: Problem, status: StatusCode) -> ProblemBody {
        let Place { origin, path, correlation_id } = self;
        ProblemBody {
            r#type: format!("{origin}/v1/docs#{}", problem.code.name()),
            title: problem.code.title(),
            status: status.as_u16(),
            detail: problem.detail.unwrap_or_else(|| String::from(problem.code.meaning())),
            instance: String::from(path),
            code: problem.code,
            correlation_id,
            errors: problem.flaw.into_iter().map(|flaw| *flaw).collect(),
            resource_id: problem.resource,
            challenge_id: problem.challenge,
            not_before: problem.not_before.map(|time| *time),
        }
    }
}

/// Query strings are in logs and histories: what must not be there is refused before anything looks at it.
fn names_a_secret(uri: &axum::http::Uri) -> bool {
    const SECRETS: [&str; 4] = ["access_token", "refresh_token", "password", "dpop"];
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut names = pairs.map(|pair| pair.split('=').next().unwrap_or_default());
    names.any(|name| SECRETS.contains(&name.to_ascii_lowercase().as_str()))
}

fn query_is_no_place() -> Problem {
    Problem::from(Code::InvalidRequest)
        .because("Secrets are not taken from the query, and this one should not be used any more.")
}

/// The problem that an answer is, if it is one.
fn problem_of(response: &Response) -> Option<Problem> {
    let told = response.extensions().get::<Problem>().cloned();
    let is_unknown = response.extensions().get::<OutcomeUnknown>().is_some();
    told.or_else(|| {
        Some(match response.status() {
            StatusCode::NOT_FOUND => Code::NotFound.into(),
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed.into(),
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge.into(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType.into(),
            StatusCode::SERVICE_UNAVAILABLE if is_unknown => Code::OutcomeUnknown.into(),
            StatusCode::SERVICE_UNAVAILABLE => Code::Busy.into(),
            status if status.is_client_error() => Code::InvalidRequest.into(),
            status if status.is_server_error() => Code::Internal.into(),
            _ => return None,
        })
    })
}

fn write(response: &mut Response, body: &ProblemBody) {
    *response.status_mut() =
        StatusCode::from_u16(body.status).expect("it was a status a moment ago");
    let text = serde_json::to_vec(body).expect("problems are plain");
    let headers: &mut HeaderMap = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    *response.body_mut() = Body::from(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web;
    use std::collections::BTreeSet;

    /// IN1: prevents a program that is told that nothing happened, and orders what did happen a second time.
    #[test]
    fn what_may_have_happened_is_never_told_as_what_did_not() {
        let lost = || String::from("lost");
        for (error, code) in [
            (ClientError::Unknown { message: lost() }, Code::OutcomeUnknown),
            (ClientError::NotSent { message: lost() }, Code::Busy),
        ] {
            let error = BankError::Ledger(error);
            // By a layer that answers browsers too, and by a handler.
            let answers = [web::failed(&error), Problem::from(error).into_response()];
            for answer in answers {
                assert_eq!(problem_of(&answer).map(|problem| problem.code), Some(code));
                assert!(answer.headers().contains_key(header::RETRY_AFTER));
            }
        }
        for error in [BankError::Busy, ClientError::NotSent { message: lost() }.into()] {
            let problem = Problem::half_way(&error);
            assert_eq!((problem.code, problem.headers.len()), (Code::OutcomeUnknown, 1));
        }
        let code = |answer| problem_of(&answer).map(|problem| problem.code);
        assert_eq!(code(web::overdue()), Some(Code::OutcomeUnknown));
        assert_eq!(code(web::put_off()), Some(Code::Busy));
    }

    /// Prevents: two problems that programs can't tell apart, or one that says nothing.
    #[test]
    fn every_code_has_a_name_a_title_and_a_meaning_of_its_own() {
        let of = |part: fn(Code) -> &'static str| {
            Code::ALL.iter().map(|code| part(*code)).collect::<BTreeSet<_>>()
        };
        for part in [Code::name, Code::title, Code::meaning] {
            assert_eq!(of(part).len(), Code::ALL.len());
        }
        for code in Code::ALL {
            let is_snake = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(code.name().chars().all(is_snake), "{code:?}");
            assert!(400 <= code.status().as_u16(), "{code:?}");
            assert!(!code.meaning().is_empty());
            assert_eq!(serde_json::json!(code), code.name());
        }
    }
}

//! Becoming a customer from an app: an address, a link that comes to it, an authenticator app ([`Registrations`]).
//! Whatever address is sent, the first answer is the same.

use super::answers::{AddressProblems, EnrolProblems, LinkProblems};
use super::json::Body;
use super::problem::{Code, Problem};
use super::secrets::{CodesResponse, EnrolmentResponse, SecretResponse};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{EnrolError, Link, Newcomer, Password, PersonName, Registrations};
use crate::email::Email;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Who wants to be a customer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistrationRequest {
    /// Their first name: one line, all of it visible.
    #[schema(min_length = 1, max_length = 64, example = "Ada")]
    first_name: String,
    /// Their last name.
    #[schema(min_length = 1, max_length = 64, example = "Quill")]
    last_name: String,
    /// Their e-mail address.
    #[schema(example = "ada@example.org")]
    email: String,
    /// The password that they want: 12 characters at least, 512 bytes at most.
    #[schema(format = Password, min_length = 12, max_length = 512)]
    password: String,
}

/// Asks to become a customer. A link comes by mail, for a day; whoever is a customer already is told so in their mail,
/// and nobody else.
#[utoipa::path(
    post, path = "/registrations", operation_id = "register", tag = "Becoming a customer",
    request_body = RegistrationRequest,
    responses(
        (status = 202, description = "Whosever the address is: look into its mail"),
        AddressProblems,
    ),
)]
pub(super) async fn begin(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<RegistrationRequest>,
) -> Result<StatusCode, Problem> {
    let RegistrationRequest { first_name, last_name, email, password } = request;
    let name = |member, text: &str| {
        PersonName::parse(text).map_err(|error| Problem::improper(member, &error))
    };
    let newcomer = Newcomer {
        first_name: name("first_name", &first_name)?,
        last_name: name("last_name", &last_name)?,
        email: Email::parse(&email).map_err(|error| Problem::improper("email", &error))?,
        password: Password::new(password).map_err(|error| Problem::improper("password", &error))?,
    };
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    let Bank { store, clock, passwords, .. } = &*bank;
    Registrations::begin(store, &**clock, passwords, &caller, newcomer).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What the link of a letter carries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkRequest {
    /// What stands after `token=`.
    pub(super) token: String,
}

impl LinkRequest {
    /// The link.
    pub(super) fn link(&self) -> Result<Link, Problem> {
        self.token.parse().map_err(|_| Code::LinkIsOver.into())
    }
}

/// Spends the link of the letter. What is answered leads to the last step, within an hour.
#[utoipa::path(
    post, path = "/registrations/confirm", operation_id = "confirm_registration", tag = "Becoming a customer",
    request_body = LinkRequest,
    responses(
        (status = 200, description = "Set up an authenticator app with this", body = EnrolmentResponse),
        LinkProblems,
    ),
)]
pub(super) async fn confirm(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<LinkRequest>,
) -> Result<Json<EnrolmentResponse>, Problem> {
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    let Bank { store, clock, .. } = &*bank;
    let onward = Registrations::confirm(store, &**clock, &request.link()?).await?;
    let enrolment = Registrations::enrolment(store, &**clock, &onward).await;
    let enrolment = enrolment.map_err(|refused| match refused {
        // The link is spent.
        EnrolError::Bank(error) => Problem::half_way(&error),
        refused => refused.into(),
    })?;
    let authenticator = SecretResponse::of(&bank, &enrolment);
    Ok(Json(EnrolmentResponse { enrolment: onward.to_string(), authenticator }))
}

/// The first code of an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolRequest {
    /// What the step before answered.
    pub(super) enrolment: String,
    /// The code that the new app shows now.
    #[schema(example = "123456")]
    pub(super) code: String,
}

impl EnrolRequest {
    /// What leads to this step.
    pub(super) fn onward(&self) -> Result<Link, Problem> {
        self.enrolment.parse().map_err(|_| Code::LinkIsOver.into())
    }
}

/// Makes the customer, if the code is the new app's. Logging in takes the next code.
#[utoipa::path(
    post, path = "/registrations/enrol", operation_id = "enrol", tag = "Becoming a customer",
    request_body = EnrolRequest,
    responses(
        (status = 201, description = "A customer, with recovery codes to keep", body = CodesResponse),
        EnrolProblems,
    ),
)]
pub(super) async fn enrol(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<EnrolRequest>,
) -> Result<(StatusCode, Json<CodesResponse>), Problem> {
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    let Bank { store, clock, .. } = &*bank;
    let (onward, code) = (request.onward()?, &request.code);
    let codes = Registrations::enrol(store, &**clock, &caller, &onward, code).await?;
    Ok((StatusCode::CREATED, Json(codes.into())))
}

impl From<EnrolError> for Problem {
    fn from(refused: EnrolError) -> Problem {
        match refused {
            EnrolError::NoSuchLink => Code::LinkIsOver.into(),
            EnrolError::NoMatch => Code::SecondFactorMismatch.into(),
            EnrolError::KnownAddress => Code::AddressTaken.into(),
            EnrolError::Bank(error) => error.into(),
        }
    }
}

//! With which problems an operation may answer: part of its description, and held against every answer in the
//! tests.

use super::problem::{Code, ProblemBody};
use std::collections::BTreeMap;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// Whatever is asked for.
const EVER: &[Code] = &[Code::InvalidRequest, Code::Internal, Code::Busy, Code::OutcomeUnknown];
/// Of whoever has to be logged in.
const USER: &[Code] = &[Code::InvalidToken, Code::InvalidDpopProof, Code::RateLimited];
/// Of whoever has to be a customer, and logged in.
const APP: &[Code] =
    &[Code::InvalidToken, Code::InvalidDpopProof, Code::RateLimited, Code::NotACustomer];
/// Of whoever sends a body.
const BODY: &[Code] = &[Code::BodyTooLarge, Code::UnsupportedMediaType];

/// Declares what operations may answer with, beside what they always may.
macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $name:ident: $($codes:expr),+;)*) => {$(
        $(#[doc = $doc])+
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                described(&[EVER, $($codes),+].concat())
            }
        }
    )*};
}

problems! {
    /// Of a login that is begun.
    LoginProblems: BODY, &[Code::RateLimited];
    /// Of a login's second step.
    VerifyProblems: BODY, &[Code::InvalidDpopProof, Code::LoginFailed];
    /// Of another access token.
    RefreshProblems: BODY, &[Code::InvalidDpopProof, Code::InvalidGrant];
    /// Of a logout.
    LogoutProblems: USER;
    /// Of who somebody is: nobody, if they were erased while they asked.
    ProfileProblems: USER, &[Code::NotFound];
    /// Of reading what is always there.
    ReadProblems: APP;
    /// Of what is named in the path, and may not be there.
    NamedProblems: APP, &[Code::NotFound];
    /// Of a stream of events.
    ListenProblems: APP, &[Code::TooManyStreams];
    /// Of a transfer.
    TransferProblems: APP, BODY, &[
        Code::NotFound,
        Code::IdempotencyKeyMissing,
        Code::IdempotencyKeyReused,
        Code::StepUpRequired,
        Code::ContactChangedRecently,
        Code::AccountNotUsable,
        Code::AccountsMustDiffer,
        Code::CurrencyMismatch,
        Code::InsufficientFunds,
        Code::DailyLimitExceeded,
        Code::MonthlyLimitExceeded,
        Code::RailUnavailable,
    ];
    /// Of a proof.
    ChallengeProblems: APP, BODY, &[Code::NotFound, Code::SecondFactorMismatch];
    /// Of a code for a proof.
    ChallengeCodeProblems: APP, &[Code::NotFound, Code::ChannelUnavailable];
    /// Of a new beneficiary.
    BeneficiaryProblems: APP, BODY, &[
        Code::ContactChangedRecently,
        Code::BeneficiaryExists,
        Code::TooManyBeneficiaries,
    ];
    /// Of what a customer is to be told of.
    NotificationProblems: APP, BODY, &[Code::ChannelUnavailable];
    /// Of a device.
    DeviceProblems: APP, BODY, &[Code::TooManyDevices];
}

/// The same by status.
fn described(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), response(&codes))).collect()
}

fn response(codes: &[Code]) -> RefOr<Response> {
    let said = codes.iter().map(|code| format!("`{}`: {}.", code.name(), code.title()));
    let names: Vec<_> = codes.iter().map(|code| code.name()).collect();
    let schema = Ref::from_schema_name(ProblemBody::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new()
        .description(said.collect::<Vec<_>>().join(" "))
        .content("application/problem+json", content)
        .extensions(Some(ExtensionsBuilder::new().add("x-codes", names).build()));
    RefOr::T(response.build())
}

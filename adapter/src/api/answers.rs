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
/// Of whoever has to be on the staff, and logged in.
const STAFF: &[Code] = &[
    Code::InvalidToken,
    Code::InvalidDpopProof,
    Code::RateLimited,
    Code::NotStaff,
    Code::RoleMissing,
];
/// Of whoever has to name what they order.
const NAMED: &[Code] = &[Code::IdempotencyKeyMissing, Code::IdempotencyKeyReused];
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
    /// Of whatever begins with an address, and is answered the same whosever it is.
    AddressProblems: BODY, &[Code::RateLimited];
    /// Of what the link of a letter leads to.
    LinkProblems: BODY, &[Code::RateLimited, Code::LinkIsOver];
    /// Of an address that is to be somebody's.
    ConfirmProblems: BODY, &[Code::RateLimited, Code::LinkIsOver, Code::AddressTaken];
    /// Of a registration's last step.
    EnrolProblems: BODY, &[
        Code::RateLimited,
        Code::LinkIsOver,
        Code::AddressTaken,
        Code::SecondFactorMismatch,
    ];
    /// Of another app in the place of one that was lost.
    FactorProblems: BODY, &[Code::RateLimited, Code::LinkIsOver, Code::SecondFactorMismatch];
    /// Of what a link and something else prove together.
    RecoverProblems: BODY, &[Code::RateLimited, Code::NotProved];
    /// Of what takes password and code once more.
    StepUpProblems: APP, BODY, &[Code::NotProved, Code::ChangedMeanwhile];
    /// Of another name.
    NameProblems: APP, BODY, &[
        Code::NotFound,
        Code::NotProved,
        Code::ChangedMeanwhile,
        Code::AlreadyProposed,
    ];
    /// Of the last step of another app.
    NewFactorProblems: APP, BODY, &[Code::LinkIsOver, Code::SecondFactorMismatch];
    /// Of who somebody is: nobody, if they were erased while they asked.
    ProfileProblems: USER, &[Code::NotFound];
    /// Of reading what is always there.
    ReadProblems: APP;
    /// Of what is named in the path, and may not be there.
    NamedProblems: APP, &[Code::NotFound];
    /// Of ending all logins but one.
    OtherLoginsProblems: APP;
    /// Of a new account.
    OpenProblems: APP, BODY, &[
        Code::IdempotencyKeyMissing,
        Code::IdempotencyKeyReused,
        Code::TooManyAccounts,
    ];
    /// Of closing an account.
    CloseProblems: APP, &[Code::NotFound, Code::AccountNotUsable, Code::AccountNotEmpty];
    /// Of what the staff reads.
    StaffProblems: STAFF;
    /// Of what the staff looks at, and may not be there.
    StaffNamedProblems: STAFF, &[Code::NotFound];
    /// Of what the staff looks for, or does for a customer.
    CareProblems: STAFF, BODY, &[Code::NotFound];
    /// Of a suspension, and of its end.
    SuspendProblems: STAFF, BODY, &[Code::NotFound, Code::AccountNotUsable];
    /// Of what a member of the staff asks another to approve.
    ProposeProblems: STAFF, BODY, NAMED, &[
        Code::NotFound,
        Code::AlreadyProposed,
        Code::NotReversible,
        Code::AlreadyReversed,
        Code::AccountsOpen,
        Code::LegalHoldStands,
    ];
    /// Of an approval.
    ApproveProblems: STAFF, BODY, NAMED, &[
        Code::NotFound,
        Code::SameEyes,
        Code::NotProposed,
        Code::NotReversible,
        Code::AlreadyReversed,
        Code::AccountsOpen,
        Code::LegalHoldStands,
        Code::ChangedRecently,
        Code::AccountNotUsable,
        Code::InsufficientFunds,
    ];
    /// Of turning down what somebody asked for.
    RejectProblems: STAFF, BODY, NAMED, &[Code::NotProposed];
    /// Of deciding a case.
    CaseProblems: STAFF, BODY, NAMED, &[Code::NotFound, Code::SameEyes, Code::CaseDecided];
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
    /// Of a change of what is named in the path.
    ChangeProblems: APP, BODY, &[Code::NotFound];
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

//! What customers are shown once and prove themselves with from then on: the secret of an authenticator app, and
//! recovery codes. No answer with them is kept anywhere.

use crate::bank::Bank;
use crate::customers::{Enrolment, NewCodes};
use serde::Serialize;
use utoipa::ToSchema;

/// What an authenticator app is told.
#[derive(Serialize, ToSchema)]
pub(super) struct SecretResponse {
    /// In base 32, as an app takes it.
    secret: String,
    /// The same as a link and a picture have it, with the bank's name and the customer's address.
    #[schema(example = "otpauth://totp/Bank:ada%40example%2Eorg?secret=…&issuer=Bank")]
    uri: String,
}

impl SecretResponse {
    pub(super) fn of(bank: &Bank, enrolment: &Enrolment) -> SecretResponse {
        let Enrolment { totp, email } = enrolment;
        SecretResponse { secret: totp.base32(), uri: totp.uri(&bank.options.name, email) }
    }
}

/// A secret that waits for its first code.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrolmentResponse {
    /// Sent with that code.
    pub(super) enrolment: String,
    /// What the app is told.
    pub(super) authenticator: SecretResponse,
}

/// New recovery codes. Nobody is told them again.
#[derive(Serialize, ToSchema)]
pub(super) struct CodesResponse {
    /// Each is good once, in the place of a code of the app. None of before is good any more.
    recovery_codes: Vec<String>,
}

impl From<NewCodes> for CodesResponse {
    fn from(codes: NewCodes) -> CodesResponse {
        CodesResponse { recovery_codes: codes.iter().map(ToString::to_string).collect() }
    }
}

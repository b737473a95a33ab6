//! Password and code, shown again by who is logged in, for a change of what they are known or proved by
//! ([`crate::customers::StepUp`]). Whoever has shown them goes on with other tokens, which the answer has; those of
//! before are worth nothing.

use super::problem::{Code, Problem};
use crate::customers::ChangeRefused;
use serde::Deserialize;
use utoipa::ToSchema;

/// What is shown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepUpRequest {
    /// The customer's password.
    #[schema(format = Password)]
    pub(super) password: String,
    /// A code that was not used before.
    #[schema(example = "123456")]
    pub(super) code: String,
}

impl From<ChangeRefused> for Problem {
    fn from(refused: ChangeRefused) -> Problem {
        match refused {
            ChangeRefused::NoMatch => Code::NotProved.into(),
            ChangeRefused::Meanwhile => Code::ChangedMeanwhile.into(),
            ChangeRefused::Bank(error) => error.into(),
        }
    }
}

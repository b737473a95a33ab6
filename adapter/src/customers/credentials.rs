//! What a customer proves themselves with: a password and a second factor.
//!
//! Which code was accepted last lies apart: logging in rewrites no secret.

use super::password::HashedPassword;
use super::totp::TotpSecret;
use crate::id::{Customer, Id};
use crate::store::{Held, Kind, Row};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::TableId;
use serde::{Deserialize, Serialize};

/// The credentials of customers, by their id.
pub enum Credentials {}

/// What is not secret of them.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialsOpen {
    pub(super) user_id: Id<Customer>,
    pub(super) mfa_enabled: bool,
}

/// The secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialsSealed {
    pub(super) password: HashedPassword,
    pub(super) mfa_secret: Option<TotpSecret>,
    /// Whether they have chosen codes by message too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) takes_sms: bool,
}

impl Credentials {
    /// A password and an authenticator app.
    pub(crate) fn with_app(
        user_id: Id<Customer>,
        password: HashedPassword,
        app: TotpSecret,
    ) -> Row<Credentials> {
        Row {
            open: CredentialsOpen { user_id, mfa_enabled: true },
            profile: Held::Known(CredentialsSealed {
                password,
                mfa_secret: Some(app),
                takes_sms: false,
            }),
            statutory: Held::Absent,
        }
    }
}

impl Kind for Credentials {
    const TABLE: TableId = tables::CREDENTIALS;
    type Open = CredentialsOpen;
    type Profile = CredentialsSealed;
    type Statutory = ();

    fn subject(open: &CredentialsOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// The newest code of each customer that was accepted: it and older ones are accepted no more.
pub(crate) enum FactorUses {}

/// Of which step it was.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct FactorUse {
    #[serde(rename = "s")]
    pub(super) totp_step: u64,
}

impl Kind for FactorUses {
    const TABLE: TableId = tables::FACTOR_USES;
    type Open = FactorUse;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &FactorUse) -> Subject {
        Subject::Bank
    }
}

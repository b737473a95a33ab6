//! What it takes for somebody to be a user of the bank, on whichever side of the counter: an address that is theirs alone,
//! a record, and credentials, under keys of their own.

use super::credentials::Credentials;
use super::password::HashedPassword;
use super::record::{
    CustomerEmails, CustomerOpen, Customers, EmailOpen, Identity, KycStatus, Profile, UserKind,
};
use super::totp::TotpSecret;
use crate::audit::Caller;
use crate::clock::Clock;
use crate::email::Email;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Held, Row, Store};
use crate::vault::Indexed;
use florin_ledger::DocumentWrite;
use florin_ledger::document::DocumentCondition;

/// Who becomes a user, whose keys are made.
pub(crate) struct Founder {
    pub(crate) id: Id<Customer>,
    pub(crate) kind: UserKind,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: Email,
    pub(crate) password: HashedPassword,
    pub(crate) totp: TotpSecret,
}

/// What a commit must write for somebody to be a user, but for its audit row. The first is what fails if the address is
/// another's.
pub(crate) async fn founding(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    founder: Founder,
) -> Result<Vec<DocumentWrite>, BankError> {
    let Founder { id, kind, first_name, last_name, email, password, totp } = founder;
    let now = clock.now();
    let address = store.vault().blind().of(Indexed::Email, email.normal());
    let index = Row::<CustomerEmails>::open(EmailOpen { user_id: id });
    let record = Row::<Customers> {
        open: CustomerOpen {
            user_id: id,
            // Who a member of the staff is, whoever runs the bank knows.
            kyc_status: if kind.is_customer() { KycStatus::Pending } else { KycStatus::Verified },
            user_kind: kind,
            is_active: true,
            legal_hold: false,
            erased_at: None,
            created_at: now.into(),
            updated_at: now.into(),
            created_by: caller.customer.map_or(String::from("bank"), |id| id.to_string()),
        },
        profile: Held::Known(Profile {
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            email: String::from(email.written()),
            phone_number: None,
            address: None,
            date_of_birth: None,
        }),
        statutory: Held::Known(Identity { first_name, last_name, national_id_hash: None }),
    };
    let credentials = Credentials::with_app(id, password, totp);
    let (key, absent) = (id.bytes(), DocumentCondition::Absent);
    Ok(vec![
        store.write(&address, &index, absent).await?,
        store.write(&key, &record, absent).await?,
        store.write(&key, &credentials, absent).await?,
    ])
}

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
use crate::entry::{Claim, Entry};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Held, Row, Store};
use florin_ledger::Commit;
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

/// Lets a commit make somebody a user, but for its audit row. What is returned tells whether the address is another's.
pub(crate) async fn founding(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    founder: Founder,
    commit: &mut Commit,
) -> Result<Claim, BankError> {
    let Founder { id, kind, first_name, last_name, email, password, totp } = founder;
    let now = clock.now();
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
    let claim = Entry::<CustomerEmails>::claim(store, &[], email.normal(), &index, commit).await?;
    commit.documents.push(store.write(&key, &record, absent).await?);
    commit.documents.push(store.write(&key, &credentials, absent).await?);
    Ok(claim)
}

//! A customer who is nobody: looked up, opened and hashed wherever somebody tries to log in who is no customer,
//! so that it takes as long as for one who is.

use super::credentials::{Credentials, CredentialsOpen, CredentialsSealed};
use super::password::{Password, Passwords};
use super::record::{CustomerOpen, Customers, Identity, KycStatus, Profile, UserKind};
use super::recovery_code::{self, RecoveryCodes};
use super::totp::TotpSecret;
use crate::audit;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::random;
use crate::store::{Found, Held, Row, Store};
use crate::vault::Subject;
use florin_ledger::Commit;
use florin_ledger::Timestamp;
use florin_ledger::commit::Unmet;
use florin_ledger::document::DocumentCondition;

/// Nobody's id: earlier than any customer's, whose first bits are a time.
pub(super) fn id() -> Id<Customer> {
    Id::from_number(1)
}

/// Makes nobody, if they are not there.
pub(crate) async fn ensure(
    store: &Store,
    passwords: &Passwords,
    now: Timestamp,
) -> Result<(), BankError> {
    let key = id().bytes();
    let found: Option<Found<Credentials>> = store.get(&key).await?;
    if found.is_some() {
        return Ok(());
    }
    store.vault().make_keys(Subject::Customer(id())).await?;
    let nobody = || String::from("nobody");
    let password = data_encoding::HEXLOWER.encode(&random::bytes::<32>());
    let password = Password::new(password).map_err(|error| BankError::odd(&error))?;
    let record = Row::<Customers> {
        open: CustomerOpen {
            user_id: id(),
            user_kind: UserKind::Customer,
            kyc_status: KycStatus::Rejected,
            is_active: false,
            legal_hold: false,
            erased_at: None,
            created_at: now.into(),
            updated_at: now.into(),
            created_by: String::from("bank"),
        },
        profile: Held::Known(Profile {
            first_name: nobody(),
            last_name: nobody(),
            email: nobody(),
            phone_number: None,
            address: None,
            date_of_birth: None,
        }),
        statutory: Held::Known(Identity {
            first_name: nobody(),
            last_name: nobody(),
            national_id_hash: None,
        }),
    };
    let credentials = Row::<Credentials> {
        open: CredentialsOpen { user_id: id(), mfa_enabled: true },
        profile: Held::Known(CredentialsSealed {
            password: passwords.hash(password).await?,
            mfa_secret: Some(TotpSecret::generate()),
            takes_sms: false,
        }),
        statutory: Held::Absent,
    };
    let (_, codes) = recovery_code::made(store, id()).await?;
    let absent = DocumentCondition::Absent;
    let documents = vec![
        store.write(&key, &record, absent).await?,
        store.write(&key, &credentials, absent).await?,
        codes,
    ];
    let commit = Commit { id: audit::commit_id(), documents, ..Commit::default() };
    match store.commit(&commit).await {
        // Another adapter was first.
        Ok(_) | Err(BankError::Unmet(Unmet::Write { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes nobody new recovery codes, if theirs are under a version of the key of blind indexes: they never will.
pub(crate) async fn renew_codes(store: &Store, version: u8) -> Result<(), BankError> {
    let found: Option<Found<RecoveryCodes>> = store.get(&id().bytes()).await?;
    if found.is_some_and(|found| found.row.are_under(version)) {
        let (_, write) = recovery_code::made(store, id()).await?;
        store.client().write_documents(&[write]).await?;
    }
    Ok(())
}

//! Becoming a customer by oneself: an address, then a mailbox, then a second factor.
//!
//! ```text
//!            begin              confirm (the link)          enrol (a code)
//! nobody  ---------->  MAILED  ------------------>  CONFIRMED  ----------->  a customer
//!                        | 24 hours                    | an hour
//!                        +---------> forgotten <-------+
//! ```
//! - A customer begins to exist with the right code: never without a second factor, and an address becomes theirs
//!   only then.
//! - Everything about them is sealed under keys of their own from the first moment on, the letter too. Who does not
//!   come back is forgotten by destroying the keys.
//! - Whoever types an address that is a customer's sees the same, and the same is read, hashed and written: a
//!   registration that no link leads to, and a letter to its owner, who is told that somebody tried.
//! - Each step is a commit that needs the document as it was read, so it takes effect once.

use super::credentials::{FactorUse, FactorUses};
use super::decoy;
use super::founding::{Founder, founding};
use super::link::Link;
use super::name::PersonName;
use super::password::{HashedPassword, Password, Passwords};
use super::record::{CustomerEmails, Customers, UserKind, email_of};
use super::recovery_code::{self, NewCodes};
use super::registration::created;
use super::totp::TotpSecret;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::{Clock, HOUR, UnixNs, after};
use crate::email::Email;
use crate::entry::{Claim, Entry};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::{self, Addressee, Letter, REGISTRATION_LINK};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{Commit, TableId};
use serde::{Deserialize, Serialize};
use tracing::error;

/// How long somebody may take to enrol a second factor.
const ENROLMENT_MAX: u64 = HOUR;
/// A registration that is over is forgotten so much later: no request that began in time is under way any more.
const FORGOTTEN_AFTER: u64 = HOUR;
/// Registrations that are looked at in a row.
const SWEPT_MAX: u32 = 100;
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Why a registration does not go on. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// There is no such registration, it is over, or the link was used. Which it is, is nobody's to know.
    #[error("this link was used, or is too old")]
    NoSuchLink,
    /// The code is none of the app's.
    #[error("the code did not match")]
    NoMatch,
    /// Somebody else has become the customer of this address meanwhile.
    #[error("this address is a customer's by now")]
    KnownAddress,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Who wants to be a customer.
pub struct Newcomer {
    /// Their first name.
    pub first_name: PersonName,
    /// Their last name.
    pub last_name: PersonName,
    /// Their e-mail address.
    pub email: Email,
    /// The password that they chose.
    pub password: Password,
}

/// Registrations that wait, by the id of the customer that will be.
pub enum Registrations {}

/// How far one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Stage {
    Mailed,
    Confirmed,
}

/// What anybody may know of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegistrationOpen {
    user_id: Id<Customer>,
    stage: Stage,
    /// Of what leads to the next step.
    link_hash: String,
    expires_at: UnixNs,
}

/// Who it is.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegistrationSealed {
    /// 1: the address was nobody's.
    is_new: u8,
    first_name: String,
    last_name: String,
    email: String,
    password: HashedPassword,
    mfa_secret: TotpSecret,
}

impl Kind for Registrations {
    const TABLE: TableId = tables::REGISTRATIONS;
    type Open = RegistrationOpen;
    type Profile = RegistrationSealed;
    type Statutory = ();

    fn subject(open: &RegistrationOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// What an authenticator app is told.
pub struct Enrolment {
    /// The secret.
    pub totp: TotpSecret,
    /// Whose it is.
    pub email: String,
}

impl Registrations {
    /// Begins a registration. Whatever the address is, this returns the same way.
    ///
    /// # Errors
    /// [`BankError`]; never because of the address.
    pub async fn begin(
        store: &Store,
        clock: &dyn Clock,
        passwords: &Passwords,
        caller: &Caller,
        newcomer: Newcomer,
    ) -> Result<(), BankError> {
        let Newcomer { first_name, last_name, email, password } = newcomer;
        let password = passwords.hash(password).await?;
        let customer = Id::<Customer>::at(clock.now());
        store.vault().make_keys(Subject::Customer(customer)).await?;
        let link = Link::generate(customer);
        let sealed = RegistrationSealed {
            is_new: 0,
            first_name: String::from(first_name.text()),
            last_name: String::from(last_name.text()),
            email: String::from(email.written()),
            password,
            mfa_secret: TotpSecret::generate(),
        };
        for _ in 0..TRIES_MAX {
            let commit = mailed(store, clock, caller, &email, &link, sealed.clone()).await?;
            match store.commit(&commit).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error),
            }
        }
        Err(BankError::Contended)
    }

    /// Spends the link of a letter: the mailbox is theirs. What is returned leads to the second factor, for an hour.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn confirm(
        store: &Store,
        clock: &dyn Clock,
        link: &Link,
    ) -> Result<Link, EnrolError> {
        let found = find(store, clock, link, Stage::Mailed).await?;
        let onward = Link::generate(link.customer());
        let row = Row::<Registrations> {
            open: RegistrationOpen {
                stage: Stage::Confirmed,
                link_hash: onward.hash(),
                expires_at: after(clock.now(), ENROLMENT_MAX).into(),
                ..found.row.open.clone()
            },
            profile: found.row.profile.clone(),
            statutory: Held::Absent,
        };
        let commit = Commit {
            id: audit::commit_id(),
            documents: vec![store.write(&found.key, &row, found.condition()).await?],
            ..Commit::default()
        };
        match store.commit(&commit).await {
            Ok(_) => Ok(onward),
            Err(BankError::Unmet(_)) => Err(EnrolError::NoSuchLink),
            Err(error) => Err(error.into()),
        }
    }

    /// What an authenticator app is told, once the mailbox is confirmed.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn enrolment(
        store: &Store,
        clock: &dyn Clock,
        link: &Link,
    ) -> Result<Enrolment, EnrolError> {
        let found = find(store, clock, link, Stage::Confirmed).await?;
        let sealed = found.row.profile.known().ok_or(EnrolError::NoSuchLink)?;
        Ok(Enrolment { totp: sealed.mfa_secret, email: sealed.email })
    }

    /// Makes the customer, if the code is the app's. The code is used then: logging in takes the next one. What is
    /// returned is for them to keep: nobody sees it again.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn enrol(
        store: &Store,
        clock: &dyn Clock,
        caller: &Caller,
        link: &Link,
        code: &str,
    ) -> Result<NewCodes, EnrolError> {
        let caller = Caller { customer: Some(link.customer()), ..caller.clone() };
        for _ in 0..TRIES_MAX {
            let found = find(store, clock, link, Stage::Confirmed).await?;
            let (commit, claim, codes) = enrolled(store, clock, &caller, &found, code).await?;
            match store.commit(&commit).await {
                Ok(_) => return Ok(codes),
                Err(BankError::Unmet(unmet)) if claim.is_taken(&commit, &unmet) => {
                    return Err(EnrolError::KnownAddress);
                }
                // Another form of the same was first, and the link leads nowhere any more; or the bank's keys changed.
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BankError::Contended.into())
    }

    /// Forgets registrations that nobody came back to. Returns how many.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn sweep(store: &Store, clock: &dyn Clock) -> Result<usize, BankError> {
        let over = clock.now().0.saturating_sub(FORGOTTEN_AFTER);
        let mut scan =
            DocumentScan { table: Self::TABLE, limit: SWEPT_MAX, ..DocumentScan::default() };
        let mut forgotten = 0;
        loop {
            let page = store.client().scan_documents(&scan).await?;
            for document in &page.items {
                let open = match store.open_part::<Registrations>(document) {
                    Ok(open) => open,
                    // One that can't be read is in the way of no other: nobody is kept because of it.
                    Err(failure) => {
                        error!("a registration is not swept: {failure}");
                        continue;
                    }
                };
                if over <= open.expires_at.0 {
                    continue;
                }
                // The keys first: whoever stops in between comes here again.
                store.vault().unmake_keys(Subject::Customer(open.user_id)).await?;
                let deletion = florin_ledger::DocumentWrite {
                    table: Self::TABLE,
                    key: document.key.clone(),
                    condition: DocumentCondition::Version(document.version),
                    ..florin_ledger::DocumentWrite::default()
                };
                store.client().write_documents(&[deletion]).await?;
                forgotten += 1;
            }
            let Some(next) = page.next else { return Ok(forgotten) };
            scan.after = Some(next);
        }
    }
}

/// The registration of a link, if it is at this stage and not over.
async fn find(
    store: &Store,
    clock: &dyn Clock,
    link: &Link,
    stage: Stage,
) -> Result<Found<Registrations>, EnrolError> {
    let found: Option<Found<Registrations>> = store.get(&link.customer().bytes()).await?;
    let found = found.ok_or(EnrolError::NoSuchLink)?;
    let open = &found.row.open;
    let is_new = found.row.profile.as_known().is_some_and(|sealed| sealed.is_new == 1);
    let is_good = link.is_of(&open.link_hash)
        && open.stage == stage
        && clock.now().0 < open.expires_at.0
        && is_new;
    if is_good { Ok(found) } else { Err(EnrolError::NoSuchLink) }
}

/// The commit that makes the customer of a registration, if the code is the app's.
async fn enrolled(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    found: &Found<Registrations>,
    code: &str,
) -> Result<(Commit, Claim, NewCodes), EnrolError> {
    let customer = found.row.open.user_id;
    let sealed = found.row.profile.as_known().cloned().ok_or(EnrolError::NoSuchLink)?;
    let email = Email::parse(&sealed.email);
    let email = email.map_err(|_| BankError::Damaged(tables::REGISTRATIONS))?;
    let step = sealed.mfa_secret.step_of(code.trim(), clock.now());
    let totp_step = step.ok_or(EnrolError::NoMatch)?;
    let founder = Founder {
        id: customer,
        kind: UserKind::Customer,
        first_name: sealed.first_name,
        last_name: sealed.last_name,
        email,
        password: sealed.password,
        totp: sealed.mfa_secret,
    };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    let claim = founding(store, clock, caller, founder, &mut commit).await?;
    let used = Row::<FactorUses>::open(FactorUse { totp_step });
    let used = store.write(&customer.bytes(), &used, DocumentCondition::Absent).await?;
    let (codes, kept) = recovery_code::made(store, customer).await?;
    commit.documents.extend([used, kept, found.deletion()]);
    commit.documents.push(audit::row(store, clock, caller, created(customer)).await?);
    Ok((commit, claim, codes))
}

/// The commit that begins a registration, with the letter of it.
async fn mailed(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    email: &Email,
    link: &Link,
    sealed: RegistrationSealed,
) -> Result<Commit, BankError> {
    let (now, customer) = (clock.now(), link.customer());
    let known = Entry::<CustomerEmails>::find(store, &[], email.normal()).await?.into_found();
    let owner = known.as_ref().map_or_else(decoy::id, |known| known.row.open.user_id);
    // Asked of the ledger each time, so that it takes as long for everybody.
    store.vault().forget(owner);
    let owners: Option<Found<Customers>> = store.get(&owner.bytes()).await?;
    let (may_be_sent, budget) = notify::take(store, email, now).await?;
    let (letter, addressee) = if known.is_some() {
        // As it is on record: what was typed may differ, and be another's mailbox.
        let to = owners.as_ref().and_then(email_of);
        (Letter::AddressIsKnown, Addressee { customer: owner, to })
    } else {
        let letter = Letter::ConfirmAddress { token: link.to_string() };
        (letter, Addressee { customer, to: Some(email.clone()) })
    };
    let addressee = Addressee { to: addressee.to.filter(|_| may_be_sent), ..addressee };
    let row = Row::<Registrations> {
        open: RegistrationOpen {
            user_id: customer,
            stage: Stage::Mailed,
            link_hash: link.hash(),
            expires_at: after(now, REGISTRATION_LINK).into(),
        },
        profile: Held::Known(RegistrationSealed { is_new: u8::from(known.is_none()), ..sealed }),
        statutory: Held::Absent,
    };
    let act = Act {
        action: Action::Create,
        entity: "REGISTRATION",
        entity_id: customer.to_string(),
        subject: Subject::Bank,
        old: None,
        new: None,
    };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.documents = vec![
        store.write(&customer.bytes(), &row, DocumentCondition::Absent).await?,
        budget,
        notify::put(store, now, &addressee, letter).await?,
        audit::row(store, clock, caller, act).await?,
    ];
    Ok(commit)
}

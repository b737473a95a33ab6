//! Logging in: a password, then a code.
//!
//! Whoever asks learns nothing until both were tried: every step reads, writes and hashes the same for a name
//! that is nobody's, a wrong password and a locked name, and the answer is one. When a name is locked, whose it is hears
//! of it by mail ([`super::lockout`]).
//!
//! 1. [`begin`](LoginAttempts::begin) counts the attempt ([`super::counter`]), hashes the password and keeps
//!    what came of it under the hash of a token that the browser gets.
//! 2. [`finish`](LoginAttempts::finish) spends the token: the commit that deletes it takes effect once, so a
//!    hundred codes at the same time are one. With it come the login, that the code is used, of the app, from paper
//!    ([`super::factor`]) or sent by message ([`super::sms_factor`]), and the audit row.

use super::counter::{self, Counted};
use super::credentials::Credentials;
use super::decoy;
use super::factor::{Accepted, Factors};
use super::familiar::{self, Device, DeviceMark, Met};
use super::lockout::Lock;
use super::password::{PASSWORD_BYTES_MAX, Passwords};
use super::record::{CustomerEmails, Customers, email_of};
use super::session::{LoginSession, Sessions, Token};
use super::sms_factor::SentCode;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::{Clock, UnixNs, after};
use crate::email::Email;
use crate::entry::Entry;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::LOGIN_CODE;
use crate::random;
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::{BLIND_BYTES, Indexed, Subject};
use florin_ledger::commit::{Precondition, Unmet};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{DocumentWrite, Position, TableId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// How long a code may take.
const PATIENCE: u64 = LOGIN_CODE;
const TOKEN_BYTES: usize = 32;

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Name, password or code is wrong, the name is locked, or too much time has passed. Which it is, is
    /// nobody's to know.
    #[error("that did not match")]
    NoMatch,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Who gets the login.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// A browser that may be known again by its mark. The login that it had before is over then.
    Browser(Option<&'a Token>, Option<&'a DeviceMark>),
    /// An app of the bank that has the key with this thumbprint.
    App(&'a str),
}

/// What a browser shows with the code.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt([u8; TOKEN_BYTES]);

impl Attempt {
    pub(super) fn key(&self) -> [u8; TOKEN_BYTES] {
        *blake3::hash(&self.0).as_bytes()
    }

    /// What a code that is sent for it is called.
    pub(super) fn name_of_code(&self) -> String {
        format!("login {}", data_encoding::BASE64.encode(&self.key()))
    }
}

/// Nothing: it is a secret.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt(..)")
    }
}

/// As a cookie carries it.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}

impl FromStr for Attempt {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Attempt, LoginError> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Attempt).ok_or(LoginError::NoMatch)
    }
}

/// Logins that wait for their code.
pub enum LoginAttempts {}

/// What is not secret of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct AttemptOpen {
    /// The blind index of the name, in base 64: what it is called on record.
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "e")]
    pub(super) expires_at: UnixNs,
}

/// What came of the password. Every attempt has as many bytes.
#[derive(Clone, Serialize, Deserialize)]
pub struct AttemptSealed {
    /// Who it is, or nobody.
    #[serde(rename = "u")]
    pub(super) user_id: Id<Customer>,
    /// 1: the password was right.
    #[serde(rename = "r")]
    pub(super) is_right: u8,
    /// The version of the credentials that it was looked at with, as text: others spend it.
    #[serde(rename = "v")]
    pub(super) credentials: String,
    /// Of the code that was sent, or that would have been; empty as long as nobody asked for one.
    #[serde(rename = "c", default)]
    pub(super) code_hash: String,
}

impl Kind for LoginAttempts {
    const TABLE: TableId = tables::LOGIN_ATTEMPTS;
    type Open = AttemptOpen;
    type Profile = AttemptSealed;
    type Statutory = ();

    fn subject(_: &AttemptOpen) -> Subject {
        Subject::Bank
    }
}

/// A version in as many bytes as any other.
pub(super) fn version_text(version: Position) -> String {
    format!("{:020}:{:020}", version.epoch, version.lsn.0)
}

impl LoginAttempts {
    /// Tries a password; what came of it shows with the code.
    ///
    /// # Errors
    /// [`BankError`]; never because of what was typed.
    pub async fn begin(
        store: &Store,
        clock: &dyn Clock,
        passwords: &Passwords,
        caller: &Caller,
        email: &str,
        password: Zeroizing<String>,
    ) -> Result<Attempt, BankError> {
        let waiting = passwords.queue()?;
        // Whatever is no address is one name: nobody has a counter for each way to write another's.
        let email = Email::parse(email).ok();
        let normal = email.as_ref().map_or("", Email::normal);
        let name = store.vault().blind().of(Indexed::LoginIdentifier, normal);
        let counted = counter::count(store, normal, clock.now()).await?;
        let found = Entry::<CustomerEmails>::find(store, &[], normal).await?.into_found();
        let customer = found.map_or_else(decoy::id, |found| found.row.open.user_id);
        store.vault().forget(customer);
        if let Counted::Last { until } = counted {
            let act = act_on_name(&name, Action::LoginLocked);
            let lock = Lock { owner: customer, typed: email.as_ref(), until };
            lock.tell(store, clock, caller, &act).await?;
        }
        let credentials: Option<Found<Credentials>> = store.get(&customer.bytes()).await?;
        let version = credentials.as_ref().map_or(Position::NONE, |found| found.version);
        let hash = credentials.and_then(|found| found.row.profile.known()).map(|it| it.password);
        let is_sound = counted != Counted::Locked && password.len() <= PASSWORD_BYTES_MAX;
        let password = if is_sound { password } else { Zeroizing::default() };
        let is_right = passwords.is_of(waiting, password, hash).await?;
        let is_right = is_right && is_sound && customer != decoy::id();

        let attempt = Attempt(random::bytes());
        let expires = after(clock.now(), PATIENCE);
        let row = Row::<LoginAttempts> {
            open: AttemptOpen {
                name: data_encoding::BASE64.encode(&name),
                expires_at: expires.into(),
            },
            profile: Held::Known(AttemptSealed {
                user_id: customer,
                is_right: u8::from(is_right),
                credentials: version_text(version),
                code_hash: String::new(),
            }),
            statutory: Held::Absent,
        };
        let write = store.write(&attempt.key(), &row, DocumentCondition::Absent).await?;
        let write = DocumentWrite { expires, ..write };
        match store.client().write_documents(&[write]).await?.first() {
            Some(WriteResult::Written(_)) => Ok(attempt),
            other => Err(BankError::odd(&other)),
        }
    }

    /// Tries a code; with the right one, after the right password, the customer is in.
    ///
    /// # Errors
    /// [`LoginError::NoMatch`], whatever it is that does not match.
    pub async fn finish(
        store: &Store,
        clock: &dyn Clock,
        caller: &Caller,
        attempt: &Attempt,
        code: &str,
        holder: Holder<'_>,
    ) -> Result<(Token, LoginSession), LoginError> {
        let found: Option<Found<LoginAttempts>> = store.get(&attempt.key()).await?;
        let found = found.ok_or(LoginError::NoMatch)?;
        let now = clock.now();
        let damaged = || BankError::Damaged(tables::LOGIN_ATTEMPTS);
        let sealed = found.row.profile.as_known().ok_or_else(damaged)?;
        let factors = Factors::of(store, sealed.user_id).await?;
        let profile: Option<Found<Customers>> = store.get(&sealed.user_id.bytes()).await?;
        let is_active = profile.as_ref().is_some_and(|profile| profile.row.open.is_active);
        let email = profile.as_ref().and_then(email_of);
        let credentials = factors.credentials.as_ref();
        let unchanged = credentials.map(Found::unchanged).into_iter();
        let unchanged = unchanged.chain(profile.as_ref().map(Found::unchanged)).collect();
        let in_time = now.0 < found.row.open.expires_at.0;
        let is_current =
            credentials.is_some_and(|found| version_text(found.version) == sealed.credentials);
        let meant_for = attempt.name_of_code();
        let sent = SentCode { meant_for: &meant_for, hash: &sealed.code_hash };
        let accepted = Accepted::AppOrRecoveryCode;
        let good = factors.good_or_sent(store, now, code, accepted, Some(sent));
        match good.filter(|_| is_current && sealed.is_right == 1 && is_active && in_time) {
            Some(good) => {
                let mut spent = factors.spending(store, clock, good).await?;
                // It is by this address that they were found.
                spent.extend(email.iter().flat_map(|it| counter::forget(store, it.normal())));
                let auth_method = good.auth_method();
                let proved = Proved { customer: sealed.user_id, unchanged, spent, auth_method };
                login(store, clock, caller, &found, proved, holder).await
            }
            None => Err(refuse(store, clock, caller, &found).await),
        }
    }
}

/// Who has proved themselves, by what, and what spends the code that it took and forgets the attempts before.
struct Proved {
    customer: Id<Customer>,
    unchanged: Vec<Precondition>,
    spent: Vec<DocumentWrite>,
    auth_method: &'static str,
}

async fn login(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    attempt: &Found<LoginAttempts>,
    proved: Proved,
    holder: Holder<'_>,
) -> Result<(Token, LoginSession), LoginError> {
    let Proved { customer, unchanged, spent, auth_method } = proved;
    let (app, before, device) = match holder {
        Holder::Browser(before, mark) => (None, before, mark.map(Device::Browser)),
        Holder::App(key) => (Some(key), None, Some(Device::App(key))),
    };
    let now = clock.now();
    let Met { device_since, write } =
        familiar::meet(store, now, customer, device, caller.country).await?;
    let begun = Sessions::begin(store, customer, now, auth_method, app, device_since).await?;
    let (token, session, writes) = begun;
    let caller =
        Caller { customer: Some(customer), login: Some(session.session_id), ..caller.clone() };
    let mut commit = audit::commit_of(store, &caller, audit::commit_id()).await?;
    commit.preconditions = unchanged;
    commit.documents.extend(writes);
    commit.documents.extend(write);
    commit.documents.extend(before.into_iter().flat_map(|token| Sessions::end(&token.key())));
    commit.documents.push(attempt.deletion());
    commit.documents.extend(spent);
    let act = Act {
        action: Action::Login,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: Some(serde_json::json!({ "by": auth_method })),
    };
    commit.documents.push(audit::row(store, clock, &caller, act).await?);
    match store.commit(&commit).await {
        Ok(_) => Ok((token, session)),
        // Another code was tried with the same token, the same code with another, or what it was proved by is
        // not what it was.
        Err(BankError::Unmet(Unmet::Write { .. } | Unmet::Document { .. })) => {
            Err(LoginError::NoMatch)
        }
        Err(error) => Err(error.into()),
    }
}

/// Spends the token and puts on record that it came to nothing.
async fn refuse(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    attempt: &Found<LoginAttempts>,
) -> LoginError {
    let refused = async {
        let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        // Whatever was sent for it meanwhile.
        let condition = DocumentCondition::Any;
        commit.documents.push(DocumentWrite { condition, ..attempt.deletion() });
        let act = act_on_name(&name_of(attempt)?, Action::LoginFailed);
        commit.documents.push(audit::row(store, clock, caller, act).await?);
        store.commit(&commit).await
    };
    match refused.await {
        Ok(_) | Err(BankError::Unmet(_)) => LoginError::NoMatch,
        Err(error) => error.into(),
    }
}

/// Something that happened to whoever has a name, or nobody.
pub(super) fn act_on_name(name: &[u8; BLIND_BYTES], action: Action) -> Act {
    Act {
        action,
        entity: "USER",
        // Which name it was is nobody's but the bank's.
        entity_id: String::from("unknown"),
        subject: Subject::Bank,
        old: None,
        new: Some(serde_json::json!({"name": data_encoding::BASE64.encode(name)})),
    }
}

pub(super) fn name_of(attempt: &Found<LoginAttempts>) -> Result<[u8; BLIND_BYTES], BankError> {
    let name = data_encoding::BASE64.decode(attempt.row.open.name.as_bytes()).ok();
    let name = name.and_then(|name| name.try_into().ok());
    name.ok_or(BankError::Damaged(tables::LOGIN_ATTEMPTS))
}

//! Logins: what a browser, or an app of the bank, has once a customer has proved who they are.
//!
//! - A login is over after twelve hours, after five minutes without use, and when the customer says so;
//!   every request reads it, so the end takes effect at once, in every adapter.
//! - Who has the token has the login, so it is stored only as a hash. A login of an app is bound to a key that
//!   never leaves the app: its token is nothing without that, and nothing to a browser.
//! - Whoever proves themselves again goes on under another token, and the one of before is nobody's.
//! - When it was last used is a document of its own, written once a minute at most. Looking whether a login is over
//!   is not using it.
//! - A customer has so many logins at the same time: whoever begins one more ends the oldest. So one commit can end
//!   them all.

use super::record::{Customers, UserKind};
use crate::clock::{Clock, HOUR, MINUTE, UnixNs, after};
use crate::error::BankError;
use crate::id::{Customer, Id, Login};
use crate::random;
use crate::store::{Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{Document, DocumentKey, DocumentWrite, TableId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest login.
pub(super) const LONGEST: u64 = 12 * HOUR;
/// The longest that it is not used.
pub(super) const IDLE_MAX: u64 = 5 * MINUTE;
/// Logins of a customer at the same time.
const LOGINS_MAX: usize = 100;
/// Logins of a customer that are looked for: more than can be begun at the same moment beyond those.
pub(super) const LOGINS_READ_MAX: u32 = 400;
/// Uses within this are not written.
const USE_WRITTEN_EVERY: u64 = MINUTE;
/// Logins that are looked at in one read.
const SEEN_AT_ONCE: usize = 100;
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// What a browser shows: whose login it is, and a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    customer: Id<Customer>,
    secret: [u8; SECRET_BYTES],
}

impl Token {
    fn generate(customer: Id<Customer>) -> Token {
        Token { customer, secret: random::bytes() }
    }

    /// Under which key the ledger has its login.
    #[must_use]
    pub fn key(&self) -> LoginKey {
        let hash = blake3::hash(&self.secret);
        let (hash, _) = hash.as_bytes().split_first_chunk().expect("a hash is longer");
        LoginKey { customer: self.customer, hash: *hash }
    }

    /// What forms that belong to the login are told apart by.
    #[must_use]
    pub fn form_secret(&self) -> [u8; SECRET_BYTES] {
        blake3::derive_key("florin bank 1 forms of a login", &self.secret)
    }
}

/// Nothing: it is a secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// As a cookie carries it.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.customer.bytes()[..], &self.secret].concat();
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }
}

/// No token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no token")]
pub struct NotAToken;

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Token, NotAToken> {
        let bytes =
            data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotAToken)?;
        let (customer, secret) = bytes.split_first_chunk::<ID_BYTES>().ok_or(NotAToken)?;
        let customer = Id::from_number(u128::from_be_bytes(*customer));
        Ok(Token { customer, secret: secret.try_into().map_err(|_| NotAToken)? })
    }
}

/// Under which key the ledger has a login: rises by customer, so that a customer's logins lie together. It is no
/// secret: the token does not follow from it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginKey {
    customer: Id<Customer>,
    hash: [u8; ID_BYTES],
}

impl LoginKey {
    /// Whose login it is.
    pub(super) fn user(&self) -> Id<Customer> {
        self.customer
    }

    fn bytes(&self) -> Vec<u8> {
        [self.customer.bytes(), self.hash].concat()
    }

    /// Whose login it is.
    pub(crate) fn customer(&self) -> Id<Customer> {
        self.customer
    }

    /// The login whose document was deleted; `None` if it was no login's.
    pub(crate) fn of_deleted(table: TableId, key: &[u8]) -> Option<LoginKey> {
        if table == Logins::TABLE { LoginKey::from_bytes(key) } else { None }
    }

    fn from_bytes(bytes: &[u8]) -> Option<LoginKey> {
        let (customer, hash) = bytes.split_first_chunk::<ID_BYTES>()?;
        let customer = Id::from_number(u128::from_be_bytes(*customer));
        Some(LoginKey { customer, hash: hash.try_into().ok()? })
    }
}

#[cfg(test)]
impl LoginKey {
    /// One of many, for tests of what is done with them.
    pub(crate) fn numbered(customer: Id<Customer>, number: u8) -> LoginKey {
        LoginKey { customer, hash: [number; ID_BYTES] }
    }
}

impl From<LoginKey> for String {
    fn from(key: LoginKey) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&key.bytes())
    }
}

impl TryFrom<String> for LoginKey {
    type Error = NotAToken;

    fn try_from(text: String) -> Result<LoginKey, NotAToken> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes());
        bytes.ok().and_then(|bytes| LoginKey::from_bytes(&bytes)).ok_or(NotAToken)
    }
}

/// Logins.
pub(super) enum Logins {}

/// A login.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LoginSession {
    #[serde(rename = "s")]
    pub session_id: Id<Login>,
    #[serde(rename = "u")]
    pub user_id: Id<Customer>,
    #[serde(rename = "a")]
    pub auth_method: String,
    #[serde(rename = "c")]
    pub created_at: UnixNs,
    #[serde(rename = "e")]
    pub expires_at: UnixNs,
    /// The thumbprint of the key that it is bound to, if an app has it and no browser.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<String>,
    /// Since when the customer logs in with this device, if that is known.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub device_since: Option<UnixNs>,
}

impl Kind for Logins {
    const TABLE: TableId = tables::LOGINS;
    type Open = LoginSession;
    type Profile = ();
    type Statutory = ();

    fn subject(open: &LoginSession) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// When logins were last used.
pub(super) enum LoginUses {}

/// When a login was last used, give or take a minute.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct LoginUse {
    #[serde(rename = "a")]
    pub last_accessed_at: UnixNs,
}

impl Kind for LoginUses {
    const TABLE: TableId = tables::LOGIN_USES;
    type Open = LoginUse;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &LoginUse) -> Subject {
        Subject::Bank
    }
}

/// A login as it was found.
pub struct Found {
    /// The login.
    pub session: LoginSession,
    /// Whether it is a customer's.
    pub user_kind: UserKind,
    /// That it is not over, nor its customer another: for whatever is decided by it.
    pub unchanged: [Precondition; 2],
}

/// Logins of a bank.
#[derive(Clone, Debug)]
pub struct Sessions;

impl Sessions {
    /// A new login, of a browser, or of the app with a key: its token, itself, and what a commit must write for it
    /// to be. If there are too many, the oldest are over then.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn begin(
        store: &Store,
        customer: Id<Customer>,
        now: Timestamp,
        auth_method: &str,
        app: Option<&str>,
        device_since: Option<UnixNs>,
    ) -> Result<(Token, LoginSession, Vec<DocumentWrite>), BankError> {
        let token = Token::generate(customer);
        let key = token.key().bytes();
        let expires = after(now, LONGEST);
        let session = LoginSession {
            session_id: Id::at(now),
            user_id: customer,
            auth_method: String::from(auth_method),
            created_at: now.into(),
            expires_at: expires.into(),
            dpop_jkt: app.map(String::from),
            device_since,
        };
        let row = Row::<Logins>::open(session.clone());
        let login = store.write(&key, &row, DocumentCondition::Absent).await?;
        let login = DocumentWrite { expires, ..login };
        let mut writes = vec![login, use_write(store, &key, now).await?];
        writes.extend(too_many(store, customer).await?);
        Ok((token, session, writes))
    }

    /// The same login under another token, so that whoever has the one of before has nothing: the token, and what a commit
    /// must write for it to be.
    ///
    /// # Errors
    /// [`BankError`].
    pub(super) async fn renewed(
        store: &Store,
        now: Timestamp,
        before: &LoginKey,
        login: &LoginSession,
    ) -> Result<(Token, [DocumentWrite; 4]), BankError> {
        let token = Token::generate(login.user_id);
        let key = token.key().bytes();
        let row = Row::<Logins>::open(login.clone());
        let write = store.write(&key, &row, DocumentCondition::Absent).await?;
        let write = DocumentWrite { expires: login.expires_at.into(), ..write };
        let used = use_write(store, &key, now).await?;
        let [ended, unused] = Sessions::end(before);
        Ok((token, [write, used, ended, unused]))
    }

    /// The login of a browser's token, if it has one that is not over, of a customer who may log in; a member of
    /// the staff is no customer. That it was used now is written down, if that was a minute ago.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn find(
        store: &Store,
        clock: &dyn Clock,
        token: &Token,
    ) -> Result<Option<Found>, BankError> {
        let found = Sessions::find_user(store, clock, token).await?;
        Ok(found.filter(|found| found.user_kind.is_customer()))
    }

    /// The same of whoever it is, for who tells customers and staff apart.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn find_user(
        store: &Store,
        clock: &dyn Clock,
        token: &Token,
    ) -> Result<Option<Found>, BankError> {
        Sessions::find_of(store, clock, &token.key(), None).await
    }

    /// The login in the app that has a key, in the same way, of whoever it is.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn find_app(
        store: &Store,
        clock: &dyn Clock,
        key: &LoginKey,
        app: &str,
    ) -> Result<Option<Found>, BankError> {
        Sessions::find_of(store, clock, key, Some(app)).await
    }

    /// The same, and a document of another kind that is asked for at the same time.
    ///
    /// # Errors
    /// [`BankError`].
    pub(crate) async fn find_app_beside(
        store: &Store,
        clock: &dyn Clock,
        key: &LoginKey,
        app: &str,
        beside: DocumentKey,
    ) -> Result<(Option<Found>, Option<Document>), BankError> {
        let mut keys = Vec::with_capacity(Seen::DOCUMENTS + 1);
        keys.extend(Seen::keys(key));
        keys.push(beside);
        let mut documents = store.client().documents(&keys).await?;
        let beside = documents.pop().flatten();
        let seen = Seen::one(store, clock.now(), key, &documents)?;
        Ok((Sessions::used(store, clock, key, Some(app), seen).await?, beside))
    }

    /// The login of a browser's token as [`Sessions::find_user`] finds it, without using it: for what a page asks by
    /// itself while nobody is there.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn look_at_user(
        store: &Store,
        clock: &dyn Clock,
        token: &Token,
    ) -> Result<Option<Found>, BankError> {
        let seen = Seen::of(store, clock, &[token.key()]).await?.pop().flatten();
        Ok(seen.filter(|seen| seen.found.session.dpop_jkt.is_none()).map(|seen| seen.found))
    }

    /// Until when logins are good that nobody uses; `None` for one that is over. In their order; uses none of them.
    ///
    /// # Errors
    /// [`BankError`].
    pub(crate) async fn good_until(
        store: &Store,
        clock: &dyn Clock,
        logins: &[LoginKey],
    ) -> Result<Vec<Option<Timestamp>>, BankError> {
        let mut good_until = Vec::with_capacity(logins.len());
        for logins in logins.chunks(SEEN_AT_ONCE) {
            let seen = Seen::of(store, clock, logins).await?;
            good_until.extend(seen.into_iter().map(|seen| seen.map(|seen| seen.good_until())));
        }
        Ok(good_until)
    }

    async fn find_of(
        store: &Store,
        clock: &dyn Clock,
        login: &LoginKey,
        app: Option<&str>,
    ) -> Result<Option<Found>, BankError> {
        let seen = Seen::of(store, clock, std::slice::from_ref(login)).await?.pop().flatten();
        Sessions::used(store, clock, login, app, seen).await
    }

    /// A login that was seen, if it is the browser's or the app's that has it, used now.
    async fn used(
        store: &Store,
        clock: &dyn Clock,
        login: &LoginKey,
        app: Option<&str>,
        seen: Option<Seen>,
    ) -> Result<Option<Found>, BankError> {
        let Some(seen) = seen.filter(|seen| seen.found.session.dpop_jkt.as_deref() == app) else {
            return Ok(None);
        };
        let now = clock.now();
        if USE_WRITTEN_EVERY <= now.0.saturating_sub(seen.last_accessed_at.0) {
            let write = use_write(store, &login.bytes(), now).await?;
            store.client().write_documents(&[write]).await?;
        }
        Ok(Some(seen.found))
    }

    /// What a commit must write for every login of a customer to be over.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn end_all(
        store: &Store,
        customer: Id<Customer>,
    ) -> Result<Vec<DocumentWrite>, BankError> {
        let scan = DocumentScan {
            table: Logins::TABLE,
            prefix: customer.bytes().to_vec(),
            keys_only: true,
            limit: LOGINS_READ_MAX,
            ..DocumentScan::default()
        };
        let logins = store.client().scan_documents(&scan).await?.items;
        Ok(logins.iter().flat_map(|login| over(&login.key)).collect())
    }

    /// What a commit must write for a login to be over.
    #[must_use]
    pub fn end(login: &LoginKey) -> [DocumentWrite; 2] {
        over(&login.bytes())
    }
}

/// What a commit must write for the login under a key to be over.
pub(super) fn over(key: &[u8]) -> [DocumentWrite; 2] {
    [Logins::TABLE, LoginUses::TABLE].map(|table| DocumentWrite {
        table,
        key: key.to_vec(),
        ..DocumentWrite::default()
    })
}

/// What a commit must write so that a customer may have one login more.
async fn too_many(store: &Store, customer: Id<Customer>) -> Result<Vec<DocumentWrite>, BankError> {
    let prefix = customer.bytes().to_vec();
    let scan = DocumentScan { prefix, limit: LOGINS_READ_MAX, ..DocumentScan::default() };
    let mut logins = store.scan::<Logins>(scan).await?.found;
    logins.sort_by_key(|login| login.row.open.created_at);
    let count = (logins.len() + 1).saturating_sub(LOGINS_MAX);
    Ok(logins.iter().take(count).flat_map(|login| over(&login.key)).collect())
}

/// A login that is not over, as it was found.
struct Seen {
    found: Found,
    last_accessed_at: UnixNs,
}

impl Seen {
    /// Documents that say how a login stands.
    const DOCUMENTS: usize = 3;

    fn keys(login: &LoginKey) -> [DocumentKey; Seen::DOCUMENTS] {
        [
            DocumentKey { table: Logins::TABLE, key: login.bytes() },
            DocumentKey { table: LoginUses::TABLE, key: login.bytes() },
            DocumentKey { table: Customers::TABLE, key: login.customer.bytes().to_vec() },
        ]
    }

    /// Logins, in their order; `None` for one that is over.
    async fn of(
        store: &Store,
        clock: &dyn Clock,
        logins: &[LoginKey],
    ) -> Result<Vec<Option<Seen>>, BankError> {
        let keys: Vec<_> = logins.iter().flat_map(Seen::keys).collect();
        let documents = store.client().documents(&keys).await?;
        let documents = documents.chunks_exact(Seen::DOCUMENTS);
        let now = clock.now();
        logins
            .iter()
            .zip(documents)
            .map(|(login, found)| Seen::one(store, now, login, found))
            .collect()
    }

    fn one(
        store: &Store,
        now: Timestamp,
        login: &LoginKey,
        documents: &[Option<Document>],
    ) -> Result<Option<Seen>, BankError> {
        let [Some(found), Some(used), Some(customer)] = documents else { return Ok(None) };
        let session = store.open_part::<Logins>(found)?;
        let LoginUse { last_accessed_at } = store.open_part::<LoginUses>(used)?;
        let user = store.open_part::<Customers>(customer)?;
        let unchanged = [unchanged(Logins::TABLE, found), unchanged(Customers::TABLE, customer)];
        let is_theirs = session.user_id == login.customer;
        let found = Found { session, user_kind: user.user_kind, unchanged };
        let seen = Seen { found, last_accessed_at };
        let is_good = user.is_active && is_theirs && now < seen.good_until();
        Ok(is_good.then_some(seen))
    }

    /// When it is over if nobody uses it.
    fn good_until(&self) -> Timestamp {
        let idle = after(self.last_accessed_at.into(), IDLE_MAX);
        idle.min(self.found.session.expires_at.into())
    }
}

fn unchanged(table: TableId, document: &Document) -> Precondition {
    Precondition::Document { table, key: document.key.clone(), version: document.version }
}

async fn use_write(store: &Store, key: &[u8], now: Timestamp) -> Result<DocumentWrite, BankError> {
    let row = Row::<LoginUses>::open(LoginUse { last_accessed_at: now.into() });
    let write = store.write(key, &row, DocumentCondition::Any).await?;
    Ok(DocumentWrite { expires: after(now, HOUR), ..write })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a cookie that is read as another's, or a panic over one that somebody made up.
    #[test]
    fn a_token_reads_as_it_was_written_and_nothing_else_is_one() {
        let token = Token::generate(Id::from_number(7));
        let text = token.to_string();
        assert!(text.parse::<Token>() == Ok(token));
        for length in 0..text.len() {
            assert!(text[..length].parse::<Token>().is_err(), "{length}");
        }
        assert!(format!("{text}AAAA").parse::<Token>().is_err());
        assert!("../../etc/passwd".parse::<Token>().is_err());
    }
}

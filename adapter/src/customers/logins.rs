//! The logins of a customer, for them to look at and to end.
//!
//! What is ended is over at once, in every adapter: each request reads its login. Who ends logins must have one that
//! is not over itself, so a stolen one that was ended ends nobody's.

use super::session::{
    IDLE_MAX, LOGINS_READ_MAX, LoginKey, LoginSession, LoginUses, Logins, Sessions, over,
};
use crate::audit::{self, Act, Action, Caller};
use crate::clock::{Clock, UnixNs};
use crate::error::BankError;
use crate::id::{Customer, Id, Login};
use crate::store::{Kind, Store};
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::document::DocumentScan;
use florin_ledger::{DocumentKey, DocumentWrite};

/// A login that is not over.
#[derive(Clone)]
pub struct LoginInUse {
    /// The login.
    pub session: LoginSession,
    /// When it was last used, give or take a minute.
    pub last_accessed_at: UnixNs,
    key: Vec<u8>,
}

impl LoginInUse {
    /// What a commit must write for it to be over.
    #[must_use]
    pub fn ending(&self) -> [DocumentWrite; 2] {
        over(&self.key)
    }
}

/// Which logins to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// This one.
    One(Id<Login>),
    /// All but this one.
    AllBut(Id<Login>),
}

impl Ending {
    fn includes(self, login: Id<Login>) -> bool {
        match self {
            Ending::One(one) => login == one,
            Ending::AllBut(one) => login != one,
        }
    }
}

/// The logins of a customer that are not over, the newest first.
///
/// # Errors
/// [`BankError`].
pub async fn logins_of(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
) -> Result<Vec<LoginInUse>, BankError> {
    let scan = DocumentScan {
        table: Logins::TABLE,
        prefix: customer.bytes().to_vec(),
        limit: LOGINS_READ_MAX,
        ..DocumentScan::default()
    };
    let found = store.scan::<Logins>(scan).await?.found;
    let use_key = |key: &[u8]| DocumentKey { table: LoginUses::TABLE, key: key.to_vec() };
    let keys: Vec<_> = found.iter().map(|login| use_key(&login.key)).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let uses = store.client().documents(&keys).await?;
    let now = clock.now().0;
    let mut logins = Vec::with_capacity(found.len());
    for (login, used) in found.into_iter().zip(uses) {
        let Some(used) = used else { continue };
        let last_accessed_at = store.open_part::<LoginUses>(&used)?.last_accessed_at;
        let session = login.row.open;
        let is_over =
            session.expires_at.0 <= now || IDLE_MAX <= now.saturating_sub(last_accessed_at.0);
        if !is_over {
            logins.push(LoginInUse { session, last_accessed_at, key: login.key });
        }
    }
    logins.sort_by_key(|login| std::cmp::Reverse(login.session.created_at));
    Ok(logins)
}

/// What a commit must write for logins of a customer to be over.
///
/// # Errors
/// [`BankError`].
pub(super) async fn endings(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    ending: Ending,
) -> Result<Vec<DocumentWrite>, BankError> {
    let mut logins = logins_of(store, clock, customer).await?;
    logins.retain(|login| ending.includes(login.session.session_id));
    Ok(logins.iter().flat_map(LoginInUse::ending).collect())
}

/// Ends logins of a customer, if `authority` holds. Returns how many, once they are over for good.
///
/// # Errors
/// [`BankError::Unmet`] if the authority does not hold any more; [`BankError`].
pub async fn end_logins(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    authority: &[Precondition],
    customer: Id<Customer>,
    ending: Ending,
) -> Result<usize, BankError> {
    let mut logins = logins_of(store, clock, customer).await?;
    logins.retain(|login| ending.includes(login.session.session_id));
    if logins.is_empty() {
        return Ok(0);
    }
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.preconditions = authority.to_vec();
    for login in &logins {
        commit.documents.extend(login.ending());
    }
    let ended: Vec<_> = logins.iter().map(|login| login.session.session_id).collect();
    let act = Act {
        action: Action::Logout,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: Some(serde_json::json!({ "logins": ended })),
        new: None,
    };
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    store.commit(&commit).await?;
    Ok(logins.len())
}

/// Ends the login that somebody asks with. Returns when it is over for good.
///
/// # Errors
/// [`BankError`].
pub async fn log_out(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    login: &LoginKey,
) -> Result<(), BankError> {
    let user = login.user();
    let act = Act {
        action: Action::Logout,
        entity: "USER",
        entity_id: user.to_string(),
        subject: Subject::Customer(user),
        old: None,
        new: None,
    };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.documents.extend(Sessions::end(login));
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    store.commit(&commit).await.map(drop)
}

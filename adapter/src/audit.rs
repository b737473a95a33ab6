//! The audit trail: who did what, in the commit that did it.
//!
//! An audit row is a document of an append-only table, keyed by an id that rises with time. What happened
//! and by whom is open; where from, and what was there before and after, is sealed as long as the law says.

use crate::clock::{Clock, UnixNs};
use crate::error::BankError;
use crate::id::{Audit, Customer, Id, Login};
use crate::packed::{hexadecimal, pack};
use crate::random;
use crate::risk::Country;
use crate::store::{Held, Kind, Row, Store};
use crate::tables;
use crate::vault::{Indexed, Part, Place, Subject};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, CommitId, DocumentWrite, TableId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What somebody did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Made something.
    Create,
    /// Changed something.
    Update,
    /// Took something away.
    Delete,
    /// Logged in.
    Login,
    /// Tried to log in.
    LoginFailed,
    /// Tried so often that the name is locked.
    LoginLocked,
    /// Logged out.
    Logout,
    /// Asked for what they may not have or do: nothing happened.
    Refused,
    /// Moved money, or tried to.
    Transaction,
    /// Looked at what is another's: a member of the staff.
    Read,
}

/// Who asks, and from where: what is known of a request before anything of it is looked at.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The customer, once logged in.
    pub customer: Option<Id<Customer>>,
    /// The login.
    pub login: Option<Id<Login>>,
    /// Names the request; made by the bank.
    pub correlation: String,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// In which country that is, if the bank can tell.
    pub country: Option<Country>,
}

impl Caller {
    /// The bank itself: what no request asked for.
    #[must_use]
    pub fn bank() -> Caller {
        Caller {
            customer: None,
            login: None,
            correlation: correlation(),
            address: None,
            country: None,
        }
    }
}

/// A new correlation id.
#[must_use]
pub fn correlation() -> String {
    data_encoding::HEXLOWER.encode(&random::bytes::<16>())
}

/// What an audit row is about, and what is put beside it.
#[derive(Clone, Debug)]
pub struct Act {
    /// What was done.
    pub action: Action,
    /// To what: `USER`, `ACCOUNT`, `TRANSACTION`.
    pub entity: &'static str,
    /// Its id.
    pub entity_id: String,
    /// Whose it is: under whose keys the sealed part is.
    pub subject: Subject,
    /// What was there before, as JSON.
    pub old: Option<serde_json::Value>,
    /// What is there now, as JSON.
    pub new: Option<serde_json::Value>,
}

/// Audit rows.
pub enum AuditTrail {}

/// The open part.
#[derive(Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct AuditOpen {
    #[serde(rename = "t")]
    pub entity_type: String,
    #[serde(rename = "e")]
    pub entity_id: String,
    #[serde(rename = "a")]
    pub action_type: Action,
    #[serde(rename = "u", skip_serializing_if = "Option::is_none", default)]
    pub user_id: Option<Id<Customer>>,
    #[serde(rename = "s", skip_serializing_if = "Option::is_none", default)]
    pub session_id: Option<Id<Login>>,
    #[serde(rename = "c", with = "hexadecimal")]
    pub correlation_id: String,
    #[serde(rename = "m")]
    pub timestamp: UnixNs,
    /// Whose keys seal the rest; the bank's if nobody's.
    #[serde(rename = "k", skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<Id<Customer>>,
}

/// The sealed part.
#[derive(Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct AuditSealed {
    #[serde(rename = "i", skip_serializing_if = "Option::is_none", default)]
    pub ip_address_hash: Option<String>,
    #[serde(rename = "o", skip_serializing_if = "Option::is_none", default)]
    pub old_values: Option<serde_json::Value>,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none", default)]
    pub new_values: Option<serde_json::Value>,
}

impl Kind for AuditTrail {
    const TABLE: TableId = tables::AUDIT_TRAIL;
    type Open = AuditOpen;
    type Profile = ();
    type Statutory = AuditSealed;

    fn subject(open: &AuditOpen) -> Subject {
        open.subject.map_or(Subject::Bank, Subject::Customer)
    }
}

/// The audit row of an act.
///
/// # Errors
/// [`BankError`].
pub async fn row(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    act: Act,
) -> Result<DocumentWrite, BankError> {
    let now = clock.now();
    let id = Id::<Audit>::at(now);
    let hash = caller.address.map(|address| {
        let key = store.vault().blind().of(Indexed::Address, &address.to_string());
        data_encoding::BASE64.encode(&key[..17])
    });
    let subject = match act.subject {
        Subject::Bank => None,
        Subject::Customer(customer) => Some(customer),
    };
    let row = Row::<AuditTrail> {
        open: AuditOpen {
            entity_type: String::from(act.entity),
            entity_id: act.entity_id,
            action_type: act.action,
            user_id: caller.customer,
            session_id: caller.login,
            correlation_id: caller.correlation.clone(),
            timestamp: now.into(),
            subject,
        },
        profile: Held::Absent,
        statutory: Held::Known(AuditSealed {
            ip_address_hash: hash,
            old_values: act.old,
            new_values: act.new,
        }),
    };
    store.write(&id.bytes(), &row, DocumentCondition::Absent).await
}

/// A commit of a caller, with its actor context.
///
/// # Errors
/// [`BankError`].
pub async fn commit_of(store: &Store, caller: &Caller, id: CommitId) -> Result<Commit, BankError> {
    #[derive(Serialize)]
    struct Actor<'a> {
        #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
        user: Option<Id<Customer>>,
        #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
        session: Option<Id<Login>>,
        #[serde(rename = "c", serialize_with = "hexadecimal::serialize")]
        correlation: &'a str,
    }
    let actor =
        Actor { user: caller.customer, session: caller.login, correlation: &caller.correlation };
    let plain = pack(&actor);
    let key = id.0.to_be_bytes();
    let place = Place { table: tables::ACTORS, key: &key };
    let actor = store.vault().seal(Subject::Bank, Part::Statutory, place, &plain).await?;
    Ok(Commit { id, actor, ..Commit::default() })
}

/// A new id for a commit.
#[must_use]
pub fn commit_id() -> CommitId {
    CommitId((u128::from_le_bytes(random::bytes()) >> 1) | 1)
}

//! Orders of the staff that may come twice and get one answer: what an order came to is kept under the name that the
//! member's program gave it, sealed as the member's; if it was done, in the commit that did it.
//!
//! Pages give no names: what they ask for twice is there already, or is asked for by somebody else.

use super::clerk::Clerk;
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::clock::after;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::payments::{KEPT_FOR, RequestKey};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// Orders, by whose they are and the key that was chosen for them.
pub enum StaffRequests {}

/// Whose it is.
#[derive(Clone, Serialize, Deserialize)]
pub struct StaffRequest {
    user_id: Id<Customer>,
}

/// What was asked, and what came of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StaffRequestSealed {
    /// As a hash, in base 64.
    meaning: String,
    /// Why it was refused; `None` if it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

impl Kind for StaffRequests {
    const TABLE: TableId = tables::STAFF_REQUESTS;
    type Open = StaffRequest;
    type Profile = ();
    type Statutory = StaffRequestSealed;

    fn subject(open: &StaffRequest) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// What an order came to before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Before {
    /// It was done.
    Done,
    /// It was refused, for this reason.
    Refused(String),
    /// Something else was ordered under this name.
    Another,
}

/// An order of a member, as it is told from others.
#[derive(Clone, Debug)]
pub struct Order {
    by: Id<Customer>,
    key: Vec<u8>,
    meaning: String,
}

impl Order {
    /// The order of a member under a name, and what it means.
    #[must_use]
    pub fn new(clerk: &Clerk, request: RequestKey, meaning: &str) -> Order {
        let by = clerk.id();
        Order {
            by,
            key: format!("{by} {request}").into_bytes(),
            meaning: data_encoding::BASE64.encode(blake3::hash(meaning.as_bytes()).as_bytes()),
        }
    }

    /// What it came to before, if it did.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn before(&self, store: &Store) -> Result<Option<Before>, BankError> {
        let found: Option<Found<StaffRequests>> = store.get(&self.key).await?;
        let Some(found) = found else { return Ok(None) };
        let sealed = found.row.statutory.known();
        let sealed = sealed.ok_or(BankError::Damaged(StaffRequests::TABLE))?;
        Ok(Some(match sealed.refusal {
            _ if sealed.meaning != self.meaning => Before::Another,
            Some(refusal) => Before::Refused(refusal),
            None => Before::Done,
        }))
    }

    /// The write that keeps that it was done: once.
    pub(super) async fn done(&self, bank: &Bank) -> Result<DocumentWrite, BankError> {
        self.write(bank, None).await
    }

    /// Keeps why it was refused. Returns when that is durable.
    ///
    /// # Errors
    /// [`BankError::Unmet`] if the same is kept already, or the member may not order anything any more; [`BankError`].
    pub async fn refuse(&self, bank: &Bank, clerk: &Clerk, refusal: &str) -> Result<(), BankError> {
        let Bank { store, clock, .. } = bank;
        let act = Act {
            action: Action::Refused,
            entity: "STAFF",
            entity_id: self.by.to_string(),
            subject: Subject::Customer(self.by),
            old: None,
            new: Some(serde_json::json!({ "refused": refusal })),
        };
        let mut commit = clerk.commit(store).await?;
        commit.documents = vec![
            self.write(bank, Some(String::from(refusal))).await?,
            audit::row(store, &**clock, clerk.caller(), act).await?,
        ];
        store.commit(&commit).await.map(drop)
    }

    async fn write(
        &self,
        bank: &Bank,
        refusal: Option<String>,
    ) -> Result<DocumentWrite, BankError> {
        let row = Row::<StaffRequests> {
            open: StaffRequest { user_id: self.by },
            profile: Held::Absent,
            statutory: Held::Known(StaffRequestSealed { meaning: self.meaning.clone(), refusal }),
        };
        let write = bank.store.write(&self.key, &row, DocumentCondition::Absent).await?;
        Ok(DocumentWrite { expires: after(bank.clock.now(), KEPT_FOR), ..write })
    }
}

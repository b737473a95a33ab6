//! What requests about accounts that may come twice came to: written in the commit of what they came to, so that
//! a double click, a page sent again after an error and a second window are one. Of a program's request a refusal is
//! kept too.

use crate::clock::{Clock, after};
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::payments::{KEPT_FOR, RequestKey};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// A request, as it is told from others.
pub(super) struct Request {
    key: Vec<u8>,
    meaning: String,
}

/// Requests, by what they are for, who asked, and the key that they chose.
pub(super) enum AccountRequests {}

/// What it came to.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct CameTo {
    /// Whose account it is.
    pub user_id: Id<Customer>,
    /// `None` if it was refused: there is no account of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account_id: Option<Id<Account>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction_id: Option<Id<Transaction>>,
}

/// What was asked.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    /// As a hash, in base 64.
    meaning: String,
}

impl Kind for AccountRequests {
    const TABLE: TableId = tables::ACCOUNT_REQUESTS;
    type Open = CameTo;
    type Profile = ();
    type Statutory = Asked;

    fn subject(open: &CameTo) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Something else was asked by the same request, and came to this.
pub(super) struct AnotherBefore(pub CameTo);

impl Request {
    /// A request of somebody for something, and what it means.
    pub(super) fn new(what: &str, by: Id<Customer>, key: RequestKey, meaning: &str) -> Request {
        Request {
            key: format!("{what} {by} {key}").into_bytes(),
            meaning: data_encoding::BASE64.encode(blake3::hash(meaning.as_bytes()).as_bytes()),
        }
    }

    /// What it came to before, if it did.
    pub(super) async fn before(
        &self,
        store: &Store,
    ) -> Result<Option<Result<CameTo, AnotherBefore>>, BankError> {
        let found: Option<Found<AccountRequests>> = store.get(&self.key).await?;
        Ok(found.map(|found| {
            let asked = found.row.statutory.as_known();
            let is_same = asked.is_some_and(|asked| asked.meaning == self.meaning);
            if is_same { Ok(found.row.open) } else { Err(AnotherBefore(found.row.open)) }
        }))
    }

    /// The write that keeps what it came to: once.
    pub(super) async fn kept(
        &self,
        store: &Store,
        clock: &dyn Clock,
        came_to: CameTo,
    ) -> Result<DocumentWrite, BankError> {
        let row = Row::<AccountRequests> {
            open: came_to,
            profile: Held::Absent,
            statutory: Held::Known(Asked { meaning: self.meaning.clone() }),
        };
        let write = store.write(&self.key, &row, DocumentCondition::Absent).await?;
        Ok(DocumentWrite { expires: after(clock.now(), KEPT_FOR), ..write })
    }
}

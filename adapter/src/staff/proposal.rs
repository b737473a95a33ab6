//! What takes four eyes: one member of the staff asks for it, another approves it.
//!
//! - A proposal is a document, one for each matter, as long as nobody has decided. Whoever approves deletes it, in
//!   the commit that does what was asked: of two who approve at the same time, one does.
//! - Whoever decides says which proposal they have seen: one that was taken back, and made again with other words, is
//!   another.
//! - A customer asks for a change of their own name; whoever approves it must say which proposal they have seen.
//! - Who asked is in the document, whose version is a condition of that commit. That it is somebody else who
//!   approves is what [`FourEyes`] is: it can't be had of one and the same, nor read.

use super::clerk::{Clerk, Forbidden};
use super::role::Role;
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::{Clock, UnixNs};
use crate::error::BankError;
use crate::id::{Customer, Id, Proposed, Transaction};
use crate::line::{self, REASON_CHARACTERS_MAX};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::commit::{Precondition, Unmet};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{Commit, DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// Proposals that are shown at once.
const PAGE: u32 = 200;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    /// That a transfer moves its money back.
    Reversal(Id<Transaction>),
    /// That a customer is forgotten.
    Erasure(Id<Customer>),
    /// That a customer who has lost theirs may set up another second factor.
    FactorRecovery(Id<Customer>),
    /// That a customer is called otherwise.
    NameChange(Id<Customer>),
}

impl Matter {
    /// The key of its proposal.
    fn key(self) -> Vec<u8> {
        match self {
            Matter::Reversal(transaction) => [&[1][..], &transaction.bytes()].concat(),
            Matter::Erasure(customer) => [&[2][..], &customer.bytes()].concat(),
            Matter::FactorRecovery(customer) => [&[3][..], &customer.bytes()].concat(),
            Matter::NameChange(customer) => [&[4][..], &customer.bytes()].concat(),
        }
    }

    /// Who of the staff asks for it.
    #[must_use]
    pub fn makers(self) -> &'static [Role] {
        match self {
            Matter::Reversal(_) => &[Role::Operations],
            Matter::Erasure(_) => &[Role::Admin, Role::Support],
            Matter::FactorRecovery(_) | Matter::NameChange(_) => &[Role::Support],
        }
    }

    /// Who approves it.
    #[must_use]
    pub fn checkers(self) -> &'static [Role] {
        match self {
            Matter::Reversal(_) => &[Role::Operations, Role::Admin],
            Matter::Erasure(_) | Matter::FactorRecovery(_) | Matter::NameChange(_) => {
                &[Role::Admin]
            }
        }
    }

    /// What it is called on record.
    fn name(self) -> &'static str {
        match self {
            Matter::Reversal(_) => "reversal",
            Matter::Erasure(_) => "erasure",
            Matter::FactorRecovery(_) => "factor_recovery",
            Matter::NameChange(_) => "name_change",
        }
    }

    fn entity(self) -> (&'static str, String) {
        match self {
            Matter::Reversal(transaction) => ("TRANSACTION", transaction.to_string()),
            Matter::Erasure(customer)
            | Matter::FactorRecovery(customer)
            | Matter::NameChange(customer) => ("USER", customer.to_string()),
        }
    }
}

/// Two members of the staff, of whom one asked and the other approved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Pair", into = "Pair")]
pub struct FourEyes {
    maker: Id<Customer>,
    checker: Id<Customer>,
}

/// As it is stored.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Pair {
    maker: Id<Customer>,
    checker: Id<Customer>,
}

/// Somebody who approves what they asked for themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("you asked for this yourself: somebody else must approve it")]
pub struct SameEyes;

impl FourEyes {
    /// Who asked, and who approves.
    ///
    /// # Errors
    /// [`SameEyes`].
    pub fn new(maker: Id<Customer>, checker: Id<Customer>) -> Result<FourEyes, SameEyes> {
        if maker == checker { Err(SameEyes) } else { Ok(FourEyes { maker, checker }) }
    }

    /// Who approved.
    #[must_use]
    pub fn checker(&self) -> Id<Customer> {
        self.checker
    }
}

impl TryFrom<Pair> for FourEyes {
    type Error = SameEyes;

    fn try_from(Pair { maker, checker }: Pair) -> Result<FourEyes, SameEyes> {
        FourEyes::new(maker, checker)
    }
}

impl From<FourEyes> for Pair {
    fn from(FourEyes { maker, checker }: FourEyes) -> Pair {
        Pair { maker, checker }
    }
}

/// Proposals that nobody has decided.
pub enum Proposals {}

/// What is asked for, and by whom.
#[derive(Clone, Serialize, Deserialize)]
pub struct Proposal {
    /// What.
    pub matter: Matter,
    /// The customer whom it concerns.
    pub user_id: Id<Customer>,
    /// Who asked: a member of the staff, or the customer.
    pub maker: Id<Customer>,
    /// When.
    pub proposed_at: UnixNs,
    /// Tells it from another about the same matter; those of before this was so have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal_id: Option<Id<Proposed>>,
}

/// Why, and what is asked for of it that is personal.
#[derive(Clone, Serialize, Deserialize)]
pub struct ProposalReason {
    /// In the maker's own words.
    pub reason: String,
    /// What the customer is to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<WantedName>,
}

/// What a customer is to be called.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct WantedName {
    pub first_name: String,
    pub last_name: String,
}

/// What a member of the staff wants another to approve.
pub(crate) struct Wish<'a> {
    /// What.
    pub(crate) matter: Matter,
    /// The customer whom it concerns.
    pub(crate) user_id: Id<Customer>,
    /// Why.
    pub(crate) reason: &'a str,
    /// What the customer is to be called, if it is about that.
    pub(crate) name: Option<WantedName>,
    /// What must be as it was.
    pub(crate) unchanged: Vec<Precondition>,
    /// What is written with it.
    pub(crate) beside: Vec<DocumentWrite>,
}

/// What somebody approves.
pub(crate) struct Approval {
    /// Who asked, and who approves.
    pub(crate) eyes: FourEyes,
    /// What the customer is to be called, if it is about that.
    pub(crate) name: Option<WantedName>,
    /// The commit of what was asked, as far as it is about that: it takes the proposal away, if it still is as it was
    /// read.
    pub(crate) commit: Commit,
}

impl Kind for Proposals {
    const TABLE: TableId = tables::STAFF_PROPOSALS;
    type Open = Proposal;
    type Profile = ();
    type Statutory = ProposalReason;

    fn subject(open: &Proposal) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Why nothing is asked for, approved or rejected. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum ProposalRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// It takes somebody else.
    #[error("{0}")]
    SameEyes(#[from] SameEyes),
    /// Somebody has asked for it.
    #[error("somebody has asked for this already")]
    AlreadyProposed,
    /// Nobody has asked for it, or somebody has decided.
    #[error("nobody asks for this any more")]
    NoSuchProposal,
    /// Nobody would know why.
    #[error("say why, in at most {REASON_CHARACTERS_MAX} characters, all of them visible")]
    Reason,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Asks for something that another must approve. Returns when that is durable.
///
/// # Errors
/// [`ProposalRefused`]; [`BankError::Unmet`] if something has changed that must be as it was.
pub(crate) async fn propose(
    bank: &Bank,
    clerk: &Clerk,
    Wish { matter, user_id, reason, name, unchanged, beside }: Wish<'_>,
) -> Result<(), ProposalRefused> {
    clerk.needs(matter.makers())?;
    let reason = String::from(line::reason(reason).ok_or(ProposalRefused::Reason)?);
    let Bank { store, clock, .. } = bank;
    let mut commit = clerk.commit(store).await?;
    commit.preconditions.extend(unchanged);
    let sealed = ProposalReason { reason, name };
    // First, so that what is unmet names it.
    ask(store, &**clock, clerk.caller(), matter, user_id, sealed, &mut commit).await?;
    commit.documents.extend(beside);
    commit.documents.extend(clerk.kept());
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        Err(BankError::Unmet(Unmet::Write { index: 0, .. })) => {
            Err(ProposalRefused::AlreadyProposed)
        }
        Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => Err(Forbidden.into()),
        Err(error) => Err(error.into()),
    }
}

/// Adds to a commit that somebody asks for something, if nobody does.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn ask(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    matter: Matter,
    user_id: Id<Customer>,
    sealed: ProposalReason,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let now = clock.now();
    let maker = caller.customer.ok_or_else(|| BankError::odd(&"nobody asks"))?;
    let proposal_id = Some(Id::at(now));
    let row = Row::<Proposals> {
        open: Proposal { matter, user_id, maker, proposed_at: now.into(), proposal_id },
        profile: Held::Absent,
        statutory: Held::Known(sealed),
    };
    let act = act(matter, user_id, None, "PROPOSED", None);
    commit.documents.extend([
        store.write(&matter.key(), &row, DocumentCondition::Absent).await?,
        audit::row(store, clock, caller, act).await?,
    ]);
    Ok(())
}

/// What is asked for of a matter, if somebody does.
///
/// # Errors
/// [`BankError`].
pub async fn proposal(
    store: &Store,
    matter: Matter,
) -> Result<Option<Found<Proposals>>, BankError> {
    store.get(&matter.key()).await
}

/// What waits for somebody to decide: reversals first, oldest transactions first.
///
/// # Errors
/// [`BankError`].
pub async fn proposals(store: &Store) -> Result<Vec<Found<Proposals>>, BankError> {
    let scan = DocumentScan { limit: PAGE, ..DocumentScan::default() };
    Ok(store.scan::<Proposals>(scan).await?.found)
}

/// What somebody approves that another has asked for.
///
/// # Errors
/// [`ProposalRefused`].
pub(crate) async fn approval(
    bank: &Bank,
    clerk: &Clerk,
    matter: Matter,
) -> Result<Approval, ProposalRefused> {
    clerk.needs(matter.checkers())?;
    let Bank { store, clock, .. } = bank;
    let found = seen(store, clerk, matter).await?;
    let Proposal { user_id, maker, .. } = found.row.open;
    let eyes = FourEyes::new(maker, clerk.id())?;
    let act = act(matter, user_id, Some("PROPOSED"), "APPROVED", Some(maker));
    let mut commit = clerk.commit(store).await?;
    commit.documents =
        vec![found.deletion(), audit::row(store, &**clock, clerk.caller(), act).await?];
    commit.documents.extend(clerk.kept());
    let name = found.row.statutory.as_known().and_then(|sealed| sealed.name.clone());
    Ok(Approval { eyes, name, commit })
}

/// The proposal that a member decides about, if it is there still.
async fn seen(
    store: &Store,
    clerk: &Clerk,
    matter: Matter,
) -> Result<Found<Proposals>, ProposalRefused> {
    let found = proposal(store, matter).await?;
    let found = found.filter(|found| match (matter, found.row.open.proposal_id) {
        // Of which name it is about nobody is mistaken.
        (Matter::NameChange(_), id) => clerk.names(id),
        (_, id) => clerk.has_seen(id),
    });
    found.ok_or(ProposalRefused::NoSuchProposal)
}

/// Turns down what somebody asked for; whoever asked may do so too. Returns when that is durable.
///
/// # Errors
/// [`ProposalRefused`].
pub async fn reject(bank: &Bank, clerk: &Clerk, matter: Matter) -> Result<(), ProposalRefused> {
    let Bank { store, clock, .. } = bank;
    if !clerk.may(matter.checkers()) && !clerk.may(matter.makers()) {
        return Err(Forbidden.into());
    }
    let found = seen(store, clerk, matter).await?;
    let Proposal { user_id, maker, .. } = found.row.open;
    if maker != clerk.id() {
        clerk.needs(matter.checkers())?;
    }
    let act = act(matter, user_id, Some("PROPOSED"), "REJECTED", Some(maker));
    let mut commit: Commit = clerk.commit(store).await?;
    let gone: DocumentWrite = found.deletion();
    commit.documents = vec![gone, audit::row(store, &**clock, clerk.caller(), act).await?];
    commit.documents.extend(clerk.kept());
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => Err(Forbidden.into()),
        Err(error) if error.is_stale() => Err(ProposalRefused::NoSuchProposal),
        Err(error) => Err(error.into()),
    }
}

fn act(
    matter: Matter,
    user_id: Id<Customer>,
    old: Option<&str>,
    new: &str,
    maker: Option<Id<Customer>>,
) -> Act {
    let (entity, entity_id) = matter.entity();
    let name = matter.name();
    Act {
        action: Action::Update,
        entity,
        entity_id,
        subject: Subject::Customer(user_id),
        old: old.map(|state| serde_json::json!({name: state, "maker": maker})),
        new: Some(serde_json::json!({name: new})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 60 of the threat table: a document that says one member did both is damaged, not believed.
    #[test]
    fn two_eyes_are_not_four_wherever_they_are_read() {
        let (one, other) = (Id::<Customer>::from_number(7), Id::from_number(8));
        assert_eq!(FourEyes::new(one, one), Err(SameEyes));
        let eyes = FourEyes::new(one, other).unwrap();
        let text = serde_json::to_string(&eyes).unwrap();
        assert_eq!(serde_json::from_str::<FourEyes>(&text).unwrap(), eyes);
        let forged = text.replace(&other.to_string(), &one.to_string());
        assert!(serde_json::from_str::<FourEyes>(&forged).is_err());
    }
}

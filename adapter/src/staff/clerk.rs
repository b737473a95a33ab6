//! A member of the staff who is logged in, and asks for something.

use super::order::Order;
use super::role::{Role, Roles};
use crate::audit::{self, Caller};
use crate::bank::Bank;
use crate::customers::{FoundLogin, UserKind};
use crate::error::BankError;
use crate::id::{Customer, Id, Proposed};
use crate::store::{Store, is_one_of};
use florin_ledger::commit::{Precondition, Unmet};
use florin_ledger::{Commit, DocumentWrite};

/// Who asks. Had from a login alone, so that whatever is done in a member's name needs that the login is not
/// over and their roles are what they were: that is what `authority` says, and every commit of theirs has it.
#[derive(Clone, Debug)]
pub struct Clerk {
    caller: Caller,
    id: Id<Customer>,
    roles: Roles,
    authority: Vec<Precondition>,
    /// What keeps, in the commit of what they order, that it was done; `None` if the order has no name.
    kept: Option<DocumentWrite>,
    /// The proposal that they decide about; `None` if whatever is asked for will do.
    seen: Option<Id<Proposed>>,
}

/// A member of the staff without the role that something takes. Nothing happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this takes another role than yours")]
pub struct Forbidden;

impl Clerk {
    /// The member of a login; `None` if it is a customer's.
    #[must_use]
    pub fn of(found: FoundLogin, caller: Caller) -> Option<Clerk> {
        let UserKind::Staff(roles) = found.user_kind else { return None };
        let id = found.session.user_id;
        let caller = Caller { customer: Some(id), login: Some(found.session.session_id), ..caller };
        Some(Clerk { caller, id, roles, authority: found.unchanged.into(), kept: None, seen: None })
    }

    /// The same member, ordering something under a name.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn ordering(self, bank: &Bank, order: &Order) -> Result<Clerk, BankError> {
        Ok(Clerk { kept: Some(order.done(bank).await?), ..self })
    }

    /// The same member, who decides about the proposal that they have seen, and about no other.
    #[must_use]
    pub fn seeing(self, seen: Option<Id<Proposed>>) -> Clerk {
        Clerk { seen, ..self }
    }

    /// Whether this is what they decide about.
    pub(super) fn has_seen(&self, proposed: Option<Id<Proposed>>) -> bool {
        self.seen.is_none() || self.seen == proposed
    }

    /// Whether this is what they have said that they decide about.
    pub(super) fn names(&self, proposed: Option<Id<Proposed>>) -> bool {
        self.seen.is_some() && self.seen == proposed
    }

    /// What the commit of their order writes beside it, so that the same again is not done again.
    pub(crate) fn kept(&self) -> Option<DocumentWrite> {
        self.kept.clone()
    }

    /// Their id.
    #[must_use]
    pub fn id(&self) -> Id<Customer> {
        self.id
    }

    /// What is known of the request.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What they may do.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Whether they have one of these roles.
    #[must_use]
    pub fn may(&self, roles: &[Role]) -> bool {
        self.roles.has_any(roles)
    }

    /// The same, for who can't go on without.
    ///
    /// # Errors
    /// [`Forbidden`].
    pub fn needs(&self, roles: &[Role]) -> Result<(), Forbidden> {
        if self.may(roles) { Ok(()) } else { Err(Forbidden) }
    }

    /// A commit of theirs, that needs that they may do anything.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn commit(&self, store: &Store) -> Result<Commit, BankError> {
        let mut commit = audit::commit_of(store, &self.caller, audit::commit_id()).await?;
        commit.preconditions.extend(self.authority.iter().cloned());
        Ok(commit)
    }

    /// Whether what is unmet of a commit is that they may do anything at all: their login is over, or their
    /// roles have changed.
    #[must_use]
    pub fn has_lost(&self, commit: &Commit, unmet: &Unmet) -> bool {
        is_one_of(commit, unmet, &self.authority)
    }
}

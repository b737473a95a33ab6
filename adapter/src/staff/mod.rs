//! The staff: users of a kind of their own, who look after customers and their accounts.
//!
//! - A member has roles and no accounts; a customer has accounts and no roles. Neither gets to the other's pages.
//! - What a member does needs, in its commit, that their login stands and that their roles are what they were.
//! - What takes four eyes is asked for by one and approved by another; a document in which both are the same
//!   can't be written, and is damaged where it is read.

pub mod care;
mod clerk;
mod member;
mod order;
mod proposal;
mod role;

pub use clerk::{Clerk, Forbidden};
pub use member::{
    Member, MemberRefused, NewMember, StaffDirectory, add, change_roles, members, new_password,
    remove,
};
pub use order::{Before, Order, StaffRequests};
pub(crate) use proposal::{Approval, Wish, approval, ask, propose};
pub use proposal::{
    FourEyes, Matter, Proposal, ProposalReason, ProposalRefused, Proposals, SameEyes, WantedName,
    proposal, proposals, reject,
};
pub use role::{NoSuchRole, Role, Roles};

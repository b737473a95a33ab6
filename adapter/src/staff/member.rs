//! Who is on the staff: made, changed and let go by whoever runs the bank.
//!
//! A member is a row of USERS that says so, with keys and credentials as customers have them, so that they log in
//! by the same pages and are counted by the same counters. An address is one user's: nobody is both.

use super::role::{Role, Roles};
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::customers::{
    Credentials, CustomerEmails, CustomerOpen, Customers, FactorUses, Founder, Password, Sessions,
    TotpSecret, UserKind, founding, user_of_email,
};
use crate::email::Email;
use crate::entry;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::line::is_line;
use crate::random;
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{Commit, DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;
/// Members that are read at once.
const PAGE: u32 = 100;
/// Characters of a name.
const NAME_CHARACTERS_MAX: usize = 100;

/// Who is to be on the staff.
pub struct NewMember {
    /// Their address.
    pub email: Email,
    /// Their name.
    pub name: String,
    /// What they may do; one role at least.
    pub roles: Roles,
    /// What they log in with.
    pub password: Password,
    /// Their second factor.
    pub totp: TotpSecret,
}

/// A member, as others see them.
#[derive(Clone, Debug)]
pub struct Member {
    /// Their id.
    pub id: Id<Customer>,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// What they may do.
    pub roles: Roles,
}

/// Why somebody is not made, changed or let go. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum MemberRefused {
    /// Without a role there is nothing that they may do.
    #[error("a member of the staff has one role at least")]
    NoRole,
    /// The name is empty, too long, or not one line of what can be seen.
    #[error("a name has between 1 and {NAME_CHARACTERS_MAX} characters, all of them visible")]
    Name,
    /// The address is a customer's, or another member's.
    #[error("this address is somebody's already")]
    KnownAddress,
    /// Nobody on the staff has this address.
    #[error("nobody on the staff has this address")]
    NoSuchMember,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Who is on the staff, by id.
pub enum StaffDirectory {}

/// Nothing but the key.
#[derive(Serialize, Deserialize)]
pub struct StaffOpen {
    pub user_id: Id<Customer>,
}

impl Kind for StaffDirectory {
    const TABLE: TableId = tables::STAFF;
    type Open = StaffOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &StaffOpen) -> Subject {
        Subject::Bank
    }
}

/// Makes a member of the staff, with keys of their own. Returns when that is durable.
///
/// # Errors
/// [`MemberRefused`].
pub async fn add(
    bank: &Bank,
    caller: &Caller,
    new: NewMember,
) -> Result<Id<Customer>, MemberRefused> {
    if !new.roles.has_any(&Role::ALL) {
        return Err(MemberRefused::NoRole);
    }
    let name = new.name.trim();
    if name.is_empty() || !is_line(name, NAME_CHARACTERS_MAX) {
        return Err(MemberRefused::Name);
    }
    let Bank { store, clock, passwords, .. } = bank;
    let member = Id::<Customer>::at(clock.now());
    let subject = Subject::Customer(member);
    let password = passwords.hash(new.password).await?;
    store.vault().make_keys(subject).await?;
    let (first_name, last_name) = name.rsplit_once(' ').unwrap_or(("", name));
    let founder = Founder {
        id: member,
        kind: UserKind::Staff(new.roles.clone()),
        first_name: String::from(first_name),
        last_name: String::from(last_name),
        email: new.email,
        password,
        totp: new.totp,
    };
    let listed = Row::<StaffDirectory>::open(StaffOpen { user_id: member });
    let act = act(member, Action::Create, None, Some(&new.roles));
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    let claim = founding(store, &**clock, caller, founder, &mut commit).await?;
    commit.documents.extend([
        store.write(&member.bytes(), &listed, DocumentCondition::Absent).await?,
        audit::row(store, &**clock, caller, act).await?,
    ]);
    match store.commit(&commit).await {
        Ok(_) => Ok(member),
        Err(BankError::Unmet(unmet)) if claim.is_taken(&commit, &unmet) => {
            store.vault().unmake_keys(subject).await?;
            Err(MemberRefused::KnownAddress)
        }
        Err(error) => Err(error.into()),
    }
}

/// A password to begin with: 80 random bits.
#[must_use]
pub fn new_password() -> String {
    data_encoding::BASE32_NOPAD.encode(&random::bytes::<10>()).to_lowercase()
}

/// Everybody who is on the staff, oldest first.
///
/// # Errors
/// [`BankError`].
pub async fn members(store: &Store) -> Result<Vec<Member>, BankError> {
    let (mut members, mut after) = (Vec::new(), None);
    loop {
        let scan = DocumentScan { after, limit: PAGE, ..DocumentScan::default() };
        let page = store.scan::<StaffDirectory>(scan).await?;
        let found = store.all(page.found.into_iter().map(|listed| listed.key)).await?;
        members.extend(found.iter().filter_map(member_of));
        after = page.next;
        if after.is_none() {
            return Ok(members);
        }
    }
}

fn member_of(found: &Found<Customers>) -> Option<Member> {
    let UserKind::Staff(roles) = &found.row.open.user_kind else { return None };
    let profile = found.row.profile.as_known()?;
    Some(Member {
        id: found.row.open.user_id,
        name: String::from(format!("{} {}", profile.first_name, profile.last_name).trim()),
        email: profile.email.clone(),
        roles: roles.clone(),
    })
}

/// Gives a member other roles than they have. Their logins are over then.
///
/// # Errors
/// [`MemberRefused`].
pub async fn change_roles(
    bank: &Bank,
    caller: &Caller,
    email: &Email,
    roles: &Roles,
) -> Result<(), MemberRefused> {
    if !roles.has_any(&Role::ALL) {
        return Err(MemberRefused::NoRole);
    }
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let found = member(store, email).await?;
        let changed = CustomerOpen {
            user_kind: UserKind::Staff(roles.clone()),
            updated_at: clock.now().into(),
            ..found.row.open.clone()
        };
        let commit = change(bank, caller, &found, changed, Action::Update).await?;
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// Lets a member go: nothing logs them in any more, and the address is free. What they did stays on record.
///
/// # Errors
/// [`MemberRefused`].
pub async fn remove(bank: &Bank, caller: &Caller, email: &Email) -> Result<(), MemberRefused> {
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let found = member(store, email).await?;
        let key = found.key.clone();
        let changed = CustomerOpen {
            is_active: false,
            updated_at: clock.now().into(),
            ..found.row.open.clone()
        };
        let mut commit = change(bank, caller, &found, changed, Action::Delete).await?;
        let gone = |table, key| DocumentWrite { table, key, ..DocumentWrite::default() };
        entry::take_away::<CustomerEmails>(store, &[], email.normal(), &mut commit).await?;
        for table in [Credentials::TABLE, FactorUses::TABLE, StaffDirectory::TABLE] {
            commit.documents.push(gone(table, key.clone()));
        }
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

async fn member(store: &Store, email: &Email) -> Result<Found<Customers>, MemberRefused> {
    let found = user_of_email(store, email).await?;
    let found = found.filter(|found| matches!(found.row.open.user_kind, UserKind::Staff(_)));
    found.ok_or(MemberRefused::NoSuchMember)
}

/// The commit that writes a member's row anew and ends their logins.
async fn change(
    bank: &Bank,
    caller: &Caller,
    found: &Found<Customers>,
    changed: CustomerOpen,
    action: Action,
) -> Result<Commit, BankError> {
    let Bank { store, clock, .. } = bank;
    let member = changed.user_id;
    let roles = |open: &CustomerOpen| match &open.user_kind {
        UserKind::Staff(roles) if open.is_active => Some(roles.clone()),
        UserKind::Staff(_) | UserKind::Customer => None,
    };
    let (before, after) = (roles(&found.row.open), roles(&changed));
    let act = act(member, action, before.as_ref(), after.as_ref());
    let row = Row::<Customers> {
        open: changed,
        profile: found.row.profile.clone(),
        statutory: found.row.statutory.clone(),
    };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.documents.push(store.write(&found.key, &row, found.condition()).await?);
    commit.documents.extend(Sessions::end_all(store, member).await?);
    commit.documents.push(audit::row(store, &**clock, caller, act).await?);
    Ok(commit)
}

fn act(member: Id<Customer>, action: Action, old: Option<&Roles>, new: Option<&Roles>) -> Act {
    let said = |roles: &Roles| serde_json::json!({"roles": roles});
    Act {
        action,
        entity: "STAFF",
        entity_id: member.to_string(),
        subject: Subject::Customer(member),
        old: old.map(said),
        new: new.map(said),
    }
}

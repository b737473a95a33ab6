//! Whether a key may ask what it asks, and what it sees of the answer.
//!
//! Checked before a request reaches the engine. Of a batch every event is looked at, so that
//! nothing gets in by the side of what is allowed. A transfer that settles a hold may leave its
//! ledger to the hold, which only the engine knows; a limited key must name it, and then the engine
//! refuses one that is not the hold's. Questions that name an account, not a ledger, are answered
//! as if accounts beyond the limit did not exist.

use crate::key::ClientKey;
use crate::ledger::{Found, Ledger, Read};
use crate::own_tables::OwnTables;
use crate::question::{Question, Work};
use crate::refusal_sink::{Forbidden, Resource};
use florin_core::request::{Reply, Request};
use florin_core::{Error, ErrorKind};
use florin_ledger::commit_bytes::PreconditionView;
use florin_ledger::{Account, AccountId, LedgerId, TableId, Transfer};
use florin_wire::{Operation, Role};
use std::sync::{Arc, mpsc};

/// An id that no account has: asking about it is how an account beyond the limit is answered, so
/// that it can't be told from one that does not exist.
const NOBODY: AccountId = AccountId(u128::MAX);

/// Whether a key may ask for this.
///
/// # Errors
/// What it lacks. Nothing of the request happens then.
pub(crate) fn check(key: &ClientKey, question: &Question) -> Result<(), Box<Forbidden>> {
    let Question { work, own_tables, .. } = question;
    // What is no operation is refused as such.
    let Some(operation) = Operation::from_number(question.operation) else { return Ok(()) };
    let forbidden = |role, resource| {
        Box::new(Forbidden { key: key.key, key_name: key.name.clone(), operation, role, resource })
    };
    let role = match allowing_role(key, operation, work) {
        Ok(Some(role)) => role,
        Ok(None) => return Ok(()),
        Err(lacking) => return Err(forbidden(lacking, None)),
    };
    if let Some(role) = role_for_own_tables(key, *own_tables) {
        return Err(forbidden(role, None));
    }
    match resource_beyond(key, work) {
        Some(resource) => Err(forbidden(role, Some(resource))),
        None => Ok(()),
    }
}

/// The role by which a key may ask for an operation, `None` if everyone may; or the one it lacks.
fn allowing_role(key: &ClientKey, operation: Operation, work: &Work) -> Result<Option<Role>, Role> {
    let Some(first) = operation.roles().first() else { return Ok(None) };
    let role = operation.roles().iter().find(|role| key.roles.contains(**role));
    // Whoever runs the server needs no right to move money for it, nor to look at any.
    let operates = || key.roles.contains(Role::Operate) && is_within_own_tables(work);
    match role {
        Some(role) => Ok(Some(*role)),
        None if operates() => Ok(Some(Role::Operate)),
        None => Err(*first),
    }
}

/// Whether a request concerns documents of the system's own tables, and nothing else.
fn is_within_own_tables(work: &Work) -> bool {
    let concerns_more = match work {
        Work::Submit(Request::Commit(commit) | Request::DryRun(commit))
        | Work::Read(Read::DryRunAsOf(commit, _)) => {
            let view = commit.view();
            let is_other = |it| !matches!(it, PreconditionView::Document { .. });
            !view.accounts.is_empty()
                || !view.transfers.is_empty()
                || view.events().len() != 0
                || view.preconditions().any(is_other)
        }
        _ => false,
    };
    let tables = tables_of(work);
    !concerns_more && !tables.is_empty() && tables.iter().all(|table| *table < TableId::FIRST_FREE)
}

/// The role that a key lacks for a table of the system's that the request writes to. Who could write
/// there without it would let itself in as somebody else, or move the cursor of another's payments.
fn role_for_own_tables(key: &ClientKey, own_tables: OwnTables) -> Option<Role> {
    let needed = |table: TableId| match table {
        TableId::CONSUMERS => Role::Stream,
        _ => Role::Operate,
    };
    let lacking = |table: TableId| {
        let role = needed(table);
        let has_it = key.roles.contains(role) || key.roles.contains(Role::Operate);
        (!has_it).then_some(role)
    };
    own_tables.iter().find_map(lacking)
}

/// The first thing that a request concerns and a key's limits leave out.
fn resource_beyond(key: &ClientKey, work: &Work) -> Option<Resource> {
    let is_limited = key.limits.ledgers.is_some() || key.limits.tables.is_some();
    if is_limited && is_about_everything(key, work) {
        return Some(Resource::Everything);
    }
    // Commits are read for it, so it is not asked for nothing.
    if key.limits.tables.is_some()
        && let Some(table) = tables_of(work).into_iter().find(|table| !key.reaches_table(table.0))
    {
        return Some(Resource::Table(table));
    }
    key.limits.ledgers.as_ref()?;
    let beyond = |ledger: LedgerId| !key.reaches_ledger(ledger) || ledger == LedgerId(0);
    let one = |ledger| beyond(ledger).then_some(Resource::Ledger(ledger));
    let of_events = |mut ledgers: Box<dyn Iterator<Item = LedgerId> + '_>| {
        let (event_index, ledger) = ledgers.by_ref().enumerate().find(|(_, it)| beyond(*it))?;
        Some(Resource::EventLedger { event_index, ledger })
    };
    match work {
        Work::Submit(Request::CreateAccounts(batch)) => {
            of_events(Box::new(batch.events().map(|account| account.ledger)))
        }
        Work::Submit(Request::CreateTransfers(batch)) => {
            of_events(Box::new(batch.events().map(|transfer| transfer.ledger)))
        }
        Work::Submit(Request::Commit(commit) | Request::DryRun(commit))
        | Work::Read(Read::DryRunAsOf(commit, _)) => {
            let view = commit.view();
            let accounts = view.accounts.iter().map(|account| Account::from(account).ledger);
            let transfers = view.transfers.iter().map(|it| Transfer::from(it).ledger);
            of_events(Box::new(accounts)).or_else(|| of_events(Box::new(transfers)))
        }
        Work::Submit(Request::TrialBalance(ledger)) => one(*ledger),
        Work::Read(Read::QueryAccounts(filter) | Read::QueryTransfers(filter)) => {
            one(filter.ledger)
        }
        // Answered within the limit, by `Sight`; documents belong to no ledger.
        Work::Submit(Request::LookupAccounts(_))
        | Work::Read(
            Read::LookupTransfers(_)
            | Read::AccountTransfers(_)
            | Read::AccountBalances(_)
            | Read::BalanceAsOf(_)
            | Read::Documents(_)
            | Read::ScanDocuments(_)
            | Read::DocumentHistory(_)
            | Read::Tables
            | Read::Reached(_)
            | Read::TreeHead(_)
            | Read::Inclusion(_)
            | Read::Consistency(_)
            | Read::Receipt(_)
            | Read::BalanceProof(_)
            | Read::CaptureBalances
            | Read::LogOrigin
            | Read::Replication,
        ) => None,
        // A stream that could not be subscribed to can't be fed either.
        Work::Subscribe(_)
        | Work::Credit(_)
        | Work::Unsubscribe(_)
        | Work::Keyring(_)
        | Work::Copy(_)
        | Work::Group(_)
        | Work::Follow(_)
        | Work::Acknowledge(_) => None,
        Work::Submit(
            Request::Status
            | Request::WriteDocuments(_)
            | Request::InsertUnique(_)
            | Request::DeclareTable(..)
            | Request::RecordRefusal(_),
        )
        | Work::Await(_)
        | Work::Refuse(_) => None,
    }
}

/// Whether a request may concern ledgers and tables that can't be told from it: no key with limits
/// may ask it. A stream shows the whole log, and so does a copy of it, a proof any record; the keyring has the keys of
/// all customers. A commit's
/// preconditions on balances and holds would tell a key that is limited to ledgers about accounts of
/// others.
fn is_about_everything(key: &ClientKey, work: &Work) -> bool {
    match work {
        Work::Subscribe(_)
        | Work::Keyring(_)
        | Work::Copy(_)
        | Work::Follow(_)
        | Work::Read(
            Read::Inclusion(_) | Read::Receipt(_) | Read::BalanceProof(_) | Read::LogOrigin,
        ) => true,
        Work::Submit(Request::Commit(commit) | Request::DryRun(commit))
        | Work::Read(Read::DryRunAsOf(commit, _)) => {
            let view = commit.view();
            let mut preconditions = view.preconditions();
            key.limits.ledgers.is_some()
                && preconditions.any(|it| !matches!(it, PreconditionView::Document { .. }))
        }
        _ => false,
    }
}

/// The tables whose documents a request reads, needs or writes.
fn tables_of(work: &Work) -> Vec<TableId> {
    match work {
        Work::Submit(Request::Commit(commit) | Request::DryRun(commit))
        | Work::Read(Read::DryRunAsOf(commit, _)) => {
            let view = commit.view();
            let needed = view.preconditions().filter_map(|it| match it {
                PreconditionView::Document { table, .. } => Some(table),
                PreconditionView::Balance { .. } | PreconditionView::HoldPending { .. } => None,
            });
            needed.chain(view.documents().map(|write| write.table)).collect()
        }
        Work::Submit(Request::WriteDocuments(batch)) => {
            batch.writes().iter().map(|write| write.table).collect()
        }
        Work::Submit(Request::InsertUnique(unique)) => vec![unique.table],
        Work::Submit(Request::DeclareTable(table, _)) => vec![*table],
        Work::Read(Read::Documents(keys)) => keys.iter().map(|key| key.table).collect(),
        Work::Read(Read::ScanDocuments(scan)) => vec![scan.table],
        Work::Read(Read::DocumentHistory(asked)) => vec![asked.key.table],
        _ => Vec::new(),
    }
}

/// What a key sees of answers.
#[derive(Clone, Debug)]
pub(crate) struct Sight(Option<Arc<ClientKey>>);

impl Sight {
    /// Of a key; of everything without one.
    pub(crate) fn of(key: Option<&Arc<ClientKey>>) -> Sight {
        Sight(key.filter(|key| key.limits.ledgers.is_some()).cloned())
    }

    /// An answer of the engine without what lies beyond.
    pub(crate) fn dim(&self, mut reply: Reply) -> Reply {
        if let Reply::LookedUpAccounts(accounts) = &mut reply {
            for account in accounts {
                account.take_if(|account| !self.reaches(account.ledger));
            }
        }
        reply
    }

    /// Answers a question about history without what lies beyond. Blocks.
    pub(crate) fn read<L: Ledger>(&self, ledger: &L, mut read: Read) -> Result<Found, Error> {
        if let Some(account) = account_asked(&mut read)
            && !self.reaches_account(ledger, *account)?
        {
            *account = NOBODY;
        }
        let mut found = ledger.read(&read)?;
        if let Found::Transfers(transfers) = &mut found {
            for transfer in transfers {
                transfer.take_if(|transfer| !self.reaches(transfer.ledger));
            }
        }
        Ok(found)
    }

    fn reaches(&self, ledger: LedgerId) -> bool {
        self.0.as_ref().is_none_or(|key| key.reaches_ledger(ledger))
    }

    /// An account never changes its ledger, so what is found now holds for whatever is read later.
    fn reaches_account<L: Ledger>(&self, ledger: &L, id: AccountId) -> Result<bool, Error> {
        if self.0.is_none() {
            return Ok(true);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        ledger.submit(Request::LookupAccounts(vec![id]), move |reply| {
            // The receiver waits below.
            let _ = sender.send(reply);
        });
        match receiver.recv() {
            Ok(Ok(Reply::LookedUpAccounts(accounts))) => {
                Ok(accounts.iter().flatten().any(|account| self.reaches(account.ledger)))
            }
            Ok(Ok(_)) => unreachable!("an engine answers a question with its own reply"),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::Stopped, "the engine has stopped")),
        }
    }
}

/// The account that a question is about.
fn account_asked(read: &mut Read) -> Option<&mut AccountId> {
    match read {
        Read::AccountTransfers(filter) | Read::AccountBalances(filter) => {
            Some(&mut filter.account_id)
        }
        Read::BalanceAsOf(asked) => Some(&mut asked.account_id),
        Read::LookupTransfers(_)
        | Read::QueryAccounts(_)
        | Read::QueryTransfers(_)
        | Read::Documents(_)
        | Read::ScanDocuments(_)
        | Read::DocumentHistory(_)
        | Read::Tables
        | Read::DryRunAsOf(..)
        | Read::Reached(_)
        | Read::TreeHead(_)
        | Read::Inclusion(_)
        | Read::Consistency(_)
        | Read::Receipt(_)
        | Read::BalanceProof(_)
        | Read::CaptureBalances
        | Read::LogOrigin
        | Read::Replication => None,
    }
}

//! Captures of all balances: a root of the tree of all accounts as of a position, put on record behind it as a
//! document of [`TableId::BALANCES`] (`florin-proof`, `capture.rs`).
//!
//! - The root follows from the log before its position: whoever has the log derives it again. The tree itself is
//!   kept in memory only, of the newest two that somebody wanted, and is derived again where it is missing.
//! - One is derived at a time, on the thread of who wants it.
//! - A root on record that the log does not give is an error of the server and an alarm, and proves nothing.

use super::Tree;
use super::accounts::{AccountsThen, patiently};
use super::prover::{PATIENCE, nothing};
use crate::commits::WriteBatch;
use crate::driver::inbox::Task;
use crate::driver::promise::{Promise, stopped};
use crate::error::{Error, ErrorKind};
use crate::request::{Reply, Request};
use florin_ledger::document::{DocumentScan, WriteResult};
use florin_ledger::{AccountId, Document, DocumentKey, DocumentWrite, Lsn, Position, TableId};
use florin_proof::{BalanceProof, Capture};
use std::collections::VecDeque;
use std::slice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// Trees of accounts in memory.
const KEPT_MAX: usize = 2;
/// Documents looked at together for one that is a capture: all are, but for what older versions let in.
const SCAN_DOCUMENTS: u32 = 16;

/// The trees that are in memory.
#[derive(Default)]
pub(super) struct Captures {
    kept: Mutex<Kept>,
    /// A derivation has ended.
    done: Condvar,
}

#[derive(Default)]
struct Kept {
    trees: VecDeque<(Capture, Arc<AccountsThen>)>,
    is_deriving: bool,
}

/// The right to derive, until it is dropped.
struct Deriving<'a>(&'a Captures);

impl Drop for Deriving<'_> {
    fn drop(&mut self) {
        self.0.kept().is_deriving = false;
        self.0.done.notify_all();
    }
}

impl Captures {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree of a capture if it is here, or the right to derive one; waits for it a moment.
    fn find_or_begin(
        &self,
        capture: Option<&Capture>,
    ) -> Result<Result<Arc<AccountsThen>, Deriving<'_>>, Error> {
        let find = |kept: &Kept| {
            let found = kept.trees.iter().find(|(of, _)| Some(of) == capture);
            found.map(|(_, tree)| Arc::clone(tree))
        };
        let is_waiting = |kept: &mut Kept| kept.is_deriving && find(kept).is_none();
        let waited = self.done.wait_timeout_while(self.kept(), PATIENCE, is_waiting);
        let (mut kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = find(&kept) {
            return Ok(Ok(tree));
        }
        if kept.is_deriving {
            let message = "a tree of all accounts is being derived: ask again";
            return Err(Error::new(ErrorKind::NotYet, message));
        }
        kept.is_deriving = true;
        Ok(Err(Deriving(self)))
    }

    fn keep(&self, capture: Capture, tree: &Arc<AccountsThen>) {
        let mut kept = self.kept();
        kept.trees.push_back((capture, Arc::clone(tree)));
        if KEPT_MAX < kept.trees.len() {
            // The newest stays: it is the one that is asked for.
            let newest = kept.trees.iter().map(|(of, _)| of.position).max();
            let old = kept.trees.iter().position(|(of, _)| Some(of.position) != newest);
            kept.trees.remove(old.expect("of several one is older"));
        }
    }
}

impl Tree {
    /// Captures all balances as they are now, and puts the root on record.
    pub(super) fn capture(&self) -> Result<Capture, Error> {
        let Err(deriving) = self.captures.find_or_begin(None)? else {
            unreachable!("no tree is of no capture")
        };
        let (tree, position) = AccountsThen::now(&self.reads)?;
        let tree = Arc::new(tree);
        let (accounts, root) = (tree.tree.size(), tree.tree.root());
        let capture = Capture { position, accounts, root };
        self.record(&capture)?;
        self.captures.keep(capture, &tree);
        drop(deriving);
        Ok(capture)
    }

    /// The tree of a capture that is on record.
    pub(super) fn accounts_then(&self, capture: &Capture) -> Result<Arc<AccountsThen>, Error> {
        let _deriving = match self.captures.find_or_begin(Some(capture))? {
            Ok(tree) => return Ok(tree),
            Err(deriving) => deriving,
        };
        let Capture { position, accounts, root } = *capture;
        if patiently(&self.reads, || self.reads.accounts_so_far())?.1 < accounts {
            return Err(differs(capture));
        }
        let tree = Arc::new(AccountsThen::derive(&self.reads, position, accounts)?);
        if tree.tree.root() != root {
            return Err(differs(capture));
        }
        self.captures.keep(*capture, &tree);
        Ok(tree)
    }

    /// The newest capture at or before a position, and where it is recorded.
    pub(super) fn newest_capture(&self, at: Option<Lsn>) -> Result<Option<(Capture, Lsn)>, Error> {
        // The key after that of the position itself.
        let after = at.map(|at| [&at.0.to_be_bytes()[..], &[0]].concat());
        let mut scan = DocumentScan {
            table: TableId::BALANCES,
            after,
            reversed: true,
            limit: SCAN_DOCUMENTS,
            ..DocumentScan::default()
        };
        loop {
            let page = self.reads.scan_documents(&scan)?;
            let capture = |document: &Document| {
                let value = document.value.as_deref().unwrap_or_default();
                let capture = Capture::of_document(&document.key, value)?;
                let recorded = document.version.lsn;
                (capture.position <= recorded).then_some((capture, recorded))
            };
            if let Some(found) = page.items.iter().find_map(capture) {
                return Ok(Some(found));
            }
            scan.after = page.next;
            if scan.after.is_none() {
                return Ok(None);
            }
        }
    }

    /// The captures that were recorded behind a position, in the order of that. One of a position that had not come yet
    /// is among them: nothing gives it.
    pub(super) fn captures_since(&self, since: Lsn) -> Result<Vec<(Capture, Lsn)>, Error> {
        let mut scan = DocumentScan {
            table: TableId::BALANCES,
            limit: SCAN_DOCUMENTS,
            ..DocumentScan::default()
        };
        let mut found = Vec::new();
        loop {
            let page = self.reads.scan_documents(&scan)?;
            found.extend(page.items.iter().filter_map(|document| {
                let value = document.value.as_deref().unwrap_or_default();
                let capture = Capture::of_document(&document.key, value)?;
                (since < document.version.lsn).then_some((capture, document.version.lsn))
            }));
            scan.after = page.next;
            if scan.after.is_none() {
                break;
            }
        }
        found.sort_by_key(|(_, recorded)| *recorded);
        Ok(found)
    }

    /// Compares a capture on record with what the log gives.
    pub(super) fn compare(&self, capture: &Capture, recorded: Lsn) -> Result<(), Error> {
        if recorded < capture.position {
            return Err(differs(capture));
        }
        self.accounts_then(capture).map(drop)
    }

    /// Proves what an account was at the newest capture, or at the newest one at or before a position.
    pub(super) fn balance(&self, account: AccountId, at: Position) -> Result<BalanceProof, Error> {
        let key = self.key()?.public();
        self.reads.wait_for(at, Duration::ZERO)?;
        let newest = self.newest_capture(at.is_some().then_some(at.lsn))?;
        let (capture, recorded) = newest.ok_or_else(|| {
            nothing(String::from(
                "no balances were captured by then: capture them with `florin proof capture`",
            ))
        })?;
        let then = self.accounts_then(&capture)?;
        let found = then.find(&self.reads, account)?.ok_or_else(|| differs(&capture))?;
        let inclusion = self.inclusion(recorded, None)?;
        let proof =
            BalanceProof { capture: inclusion, account, places: found.places, state: found.state };
        match proof.verify(&key) {
            Ok(proved) if proved == capture => Ok(proof),
            _ => Err(differs(&capture)),
        }
    }

    /// Returns when it is durable.
    fn record(&self, capture: &Capture) -> Result<(), Error> {
        let DocumentKey { table, key } = Capture::key_of(capture.position);
        let value = Some(capture.value().to_vec());
        let write = DocumentWrite { table, key, value, ..DocumentWrite::default() };
        let reply = patiently(&self.reads, || {
            let request = Request::WriteDocuments(WriteBatch::new(slice::from_ref(&write))?);
            let (sender, receiver) = mpsc::sync_channel(1);
            let promise = Promise::new(move |reply| drop(sender.send(reply)));
            self.reads.inbox().submit(Task::Request(request, promise));
            receiver.recv().unwrap_or_else(|_| Err(stopped()))
        })?;
        let Reply::Written(results) = reply else {
            unreachable!("writes are answered by results");
        };
        match results[..] {
            [WriteResult::Written(_)] => Ok(()),
            // Of the same position one is on record: the same, if nothing was written in between.
            [WriteResult::AppendOnly(_)] => match self.newest_capture(Some(capture.position))? {
                Some((recorded, _)) if recorded == *capture => Ok(()),
                _ => Err(differs(capture)),
            },
            _ => unreachable!("a capture's record breaks no other rule"),
        }
    }
}

fn differs(capture: &Capture) -> Error {
    Error::corrupt(format!(
        "the log does not give the balances whose root is on record for {}: no proof of them is given; stop, run \
         `florin verify`, and ask a standby",
        capture.position
    ))
}

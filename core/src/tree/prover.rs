//! Answers with heads, proofs and receipts, on the caller's thread. Nothing leaves that a verifier would
//! refuse: each proof is verified before it is handed out.

use super::Tree;
use super::edge::Edge;
use super::nodes::Stored;
use super::scan::{frame_after, leaf_at};
use crate::database::Database;
use crate::driver::promise::stopped;
use crate::error::{Error, ErrorKind};
use crate::runs::RunKind;
use crate::shipping::{Replication, SynchronyStanding};
use florin_ledger::{AccountId, Commit, CommitOutcome, DocumentKey, Lsn, Position, Subject};
use florin_proof::path::is_consistent;
use florin_proof::receipt::ON_OWN_DISK;
use florin_proof::tree::{consistency_path, inclusion_path, root};
use florin_proof::{
    BalanceProof, Capture, ConsistencyProof, Hash, InclusionProof, Receipt, SignedHead,
    SignedReceipt, SigningKey, TreeHead,
};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// How long who asks for a proof waits for the tree to come past the record.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether a wait is in vain.
const LOOK: Duration = Duration::from_millis(100);

impl Database {
    fn tree(&self) -> Result<Arc<Tree>, Error> {
        let none = || nothing(String::from("this database was opened without its tree of proofs"));
        self.open_tree().ok_or_else(none)?.tree()
    }

    /// Waits until everything that is durable now is in the tree, and full tiles are in files. For whoever
    /// wants a proof of it right away, and for tests.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the database was opened without its tree; [`ErrorKind::Io`] if the disk
    /// refuses; [`ErrorKind::Stopped`].
    pub fn await_tree(&self) -> Result<(), Error> {
        self.tree()?.wait_until_built()
    }

    /// The signed head of the tree of so many leaves; `None`: of the newest. Memory only for the newest,
    /// some records are read for an older one. Waits a second at most for a tree that has fewer: a standby's
    /// may be a moment behind the one that named the size.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the database was opened without its tree or without a signing key, or if
    /// no frame ends behind that leaf; [`ErrorKind::NotYet`] for a size that the tree does not have yet.
    pub fn tree_head(&self, size: Option<u64>) -> Result<SignedHead, Error> {
        self.tree()?.signed_head(size)
    }

    /// That a record is in the tree of so many leaves; `None`: in the newest. Waits a second at most for
    /// the tree to come past the record. Reads the record's frame and some of the tree: milliseconds.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] as [`Database::tree_head`], and if there is no such record or that tree ends
    /// before it; [`ErrorKind::NotYet`]: ask again; [`ErrorKind::Corrupt`] if tree and log disagree.
    pub fn prove_inclusion(
        &self,
        subject: &Subject,
        size: Option<u64>,
    ) -> Result<InclusionProof, Error> {
        let tree = self.tree()?;
        let lsn = tree.locate(self, subject)?;
        tree.inclusion(lsn, size)
    }

    /// That the tree of `first` leaves is the beginning of that of `second`; `None`: of the newest.
    ///
    /// # Errors
    /// As [`Database::prove_inclusion`].
    pub fn prove_consistency(
        &self,
        first: u64,
        second: Option<u64>,
    ) -> Result<ConsistencyProof, Error> {
        self.tree()?.consistency(first, second)
    }

    /// Captures all balances as they are now: puts the root of the tree of all accounts on record, for proofs of
    /// balances. Returns when that is durable. O(accounts) on the caller's thread; commits go on meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the database was opened without its tree; [`ErrorKind::NotYet`] while another is
    /// being captured or derived again; as [`Database::commit`].
    pub fn capture_balances(&self) -> Result<Capture, Error> {
        self.tree()?.capture()
    }

    /// What an account was when all balances were captured last, or last at or before a position if one is given;
    /// or that it was not open then. Reads some records of the log, and for a capture whose tree is not in memory
    /// all accounts: seconds if there are millions.
    ///
    /// # Errors
    /// As [`Database::prove_inclusion`]; [`ErrorKind::Invalid`] too if no balances were captured by then;
    /// [`ErrorKind::Corrupt`] if the log does not give the root that is on record.
    pub fn prove_balance(&self, account: AccountId, at: Position) -> Result<BalanceProof, Error> {
        self.tree()?.balance(account, at)
    }

    /// The signed promise that a record is in the log, durably, and on how many standbys. Waits for nothing: the
    /// tree need not have come past it. Reads the record's frame.
    ///
    /// # Errors
    /// As [`Database::prove_inclusion`].
    pub fn receipt(&self, subject: &Subject) -> Result<SignedReceipt, Error> {
        let tree = self.tree()?;
        let lsn = tree.locate(self, subject)?;
        tree.receipt(lsn, || self.replication())
    }

    /// That receipts can be given: nobody must learn after a commit that there is none of it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the database was opened without its tree or without a signing key;
    /// [`ErrorKind::Stopped`].
    pub fn check_receipts(&self) -> Result<(), Error> {
        self.tree()?.key().map(drop)
    }

    /// The receipt of an outcome that was told; `None` if nothing is on record of it, or if its record can't be
    /// read at this moment: it has taken effect all the same, and [`Database::receipt`] may be asked again.
    #[must_use]
    pub fn receipt_of(&self, outcome: &CommitOutcome) -> Option<SignedReceipt> {
        let position = match outcome {
            CommitOutcome::Done(done) => done.position,
            CommitOutcome::Refused(refused) => refused.position,
            CommitOutcome::Unmet(_) | CommitOutcome::ExistsWithDifferentDigest(_) => return None,
        };
        let is_recorded = position != Position::NONE;
        is_recorded.then(|| self.receipt(&Subject::Position(position)).ok()).flatten()
    }

    /// Commits, as [`Database::commit`], and gives the receipt of its outcome ([`Database::receipt_of`]). Costs one
    /// signature and a look at the record's frame beside the commit, on the caller's thread; other commits wait
    /// for neither.
    ///
    /// # Errors
    /// As [`Database::commit`]; and as [`Database::check_receipts`], then nothing has taken effect.
    pub fn commit_with_receipt(
        &self,
        commit: &Commit,
    ) -> Result<(CommitOutcome, Option<SignedReceipt>), Error> {
        self.check_receipts()?;
        let outcome = self.commit(commit)?;
        let receipt = self.receipt_of(&outcome);
        Ok((outcome, receipt))
    }
}

impl Tree {
    /// Where the record of a subject is.
    fn locate(&self, database: &Database, subject: &Subject) -> Result<Lsn, Error> {
        let of_id = |kind, id, what: &str| {
            let lsn = self.reads.find(kind, vec![id])?.into_iter().next().flatten();
            lsn.ok_or_else(|| nothing(format!("there is no {what} with the id {id}")))
        };
        match subject {
            Subject::Transfer(id) => of_id(RunKind::TransferIds, id.0, "transfer"),
            Subject::Commit(id) => of_id(RunKind::CommitIds, id.0, "commit"),
            Subject::Document(key) => self.locate_document(database, key),
            Subject::Position(position) => {
                self.reads.wait_for(*position, Duration::ZERO)?;
                Ok(position.lsn)
            }
        }
    }

    fn locate_document(&self, database: &Database, key: &DocumentKey) -> Result<Lsn, Error> {
        let document = database.documents(std::slice::from_ref(key))?.into_iter().next().flatten();
        let none = || nothing(String::from("there is no such document: name its last position"));
        let Position { lsn, .. } = document.ok_or_else(none)?.version;
        Ok(lsn)
    }

    pub(super) fn key(&self) -> Result<&SigningKey, Error> {
        self.key.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                "this database was opened without a signing key: make one with `florin proof key` and \
                 open it again",
            )
        })
    }

    fn signed_head(&self, size: Option<u64>) -> Result<SignedHead, Error> {
        let key = self.key()?;
        if let Some(size) = size {
            drop(self.edge_after(|edge| edge.size() < size));
        }
        let edge = self.edge_now()?;
        let head = self.head(&mut Stored::new(self, &edge), size)?;
        Ok(head.sign(key))
    }

    pub(super) fn inclusion(&self, lsn: Lsn, size: Option<u64>) -> Result<InclusionProof, Error> {
        let key = self.key()?;
        self.wait_past(lsn)?;
        let edge = self.edge_now()?;
        let mut stored = Stored::new(self, &edge);
        let leaf = leaf_at(&self.reads, lsn)?.bytes;
        let index = stored.index_of(lsn)?.ok_or_else(|| disagree(lsn))?;
        let head = self.head(&mut stored, size)?;
        if head.size <= index {
            return Err(nothing(format!(
                "leaf {index} is not in the tree of {} leaves: ask for a newer one",
                head.size
            )));
        }
        let path = inclusion_path(&mut stored, index, head.size)?;
        let proof = InclusionProof { head: head.sign(key), index, path, leaf };
        match proof.verify(&key.public()) {
            Ok(_) => Ok(proof),
            Err(_) => Err(disagree(lsn)),
        }
    }

    fn consistency(&self, first: u64, second: Option<u64>) -> Result<ConsistencyProof, Error> {
        let key = self.key()?;
        let edge = self.edge_now()?;
        let mut stored = Stored::new(self, &edge);
        let second = self.head(&mut stored, second)?;
        if second.size < first {
            let message =
                format!("{first} leaves are more than {}: name the older first", second.size);
            return Err(nothing(message));
        }
        let first = self.head(&mut stored, Some(first))?;
        let path = consistency_path(&mut stored, first.size, second.size)?;
        let proof = ConsistencyProof { first: first.sign(key), second: second.sign(key), path };
        match proof.verify(&key.public()) {
            Ok(()) => Ok(proof),
            Err(_) => Err(disagree(first.lsn)),
        }
    }

    /// Asked once it is known to be durable and told: how replication stands.
    fn receipt(
        &self,
        lsn: Lsn,
        replication: impl FnOnce() -> Replication,
    ) -> Result<SignedReceipt, Error> {
        let key = self.key()?;
        let leaf = leaf_at(&self.reads, lsn)?;
        let durable = self.reads.durable().get();
        let (end, _) = frame_after(self.reads.log(), leaf.before, lsn, durable)?;
        let (standbys, standbys_demanded) = standbys_of(replication().synchrony(), end.lsn);
        let receipt = Receipt {
            birth: self.reads.log().identity().incarnation,
            life: self.life_of(leaf.epoch)?,
            lsn: end.lsn,
            chain: end.chain,
            durable: ON_OWN_DISK,
            standbys,
            standbys_demanded,
            leaf: leaf.bytes,
        };
        Ok(receipt.sign(key))
    }

    /// The head of the tree of so many leaves.
    fn head(&self, stored: &mut Stored<'_>, size: Option<u64>) -> Result<TreeHead, Error> {
        let newest = stored.edge.size();
        let size = size.unwrap_or(newest);
        if size == 0 {
            return Err(nothing(String::from("a tree has a leaf at least")));
        }
        if newest < size {
            let message = format!("the tree has {newest} leaves, not {size} yet: ask again");
            return Err(Error::new(ErrorKind::NotYet, message));
        }
        let (log, durable) = (self.reads.log(), self.reads.durable().get());
        let (epoch, time, end) = match stored.edge.last {
            Some(last) if size == newest => (last.epoch, last.time, last.end),
            _ => {
                let lsn = stored.leaf(size - 1)?.lsn;
                let leaf = log.record(lsn, durable).map_err(Error::from)?;
                let before = log.position_before_record(lsn)?;
                let (end, has_more) = frame_after(log, before, lsn, durable)?;
                if has_more {
                    return Err(nothing(format!(
                        "no frame ends behind leaf {}: a head has the size of another head",
                        size - 1
                    )));
                }
                (leaf.epoch, leaf.time, end)
            }
        };
        Ok(TreeHead {
            birth: log.identity().incarnation,
            life: self.life_of(epoch)?,
            epoch,
            size,
            lsn: end.lsn,
            time,
            chain: end.chain,
            root: self.checked_root(stored, size)?,
        })
    }

    /// The root of the first `size` leaves, after a second opinion: nothing is signed that came out wrong.
    fn checked_root(&self, stored: &mut Stored<'_>, size: u64) -> Result<Hash, Error> {
        let edge = stored.edge;
        let (newest_size, newest) = (edge.size(), root(stored, edge.size())?);
        assert_eq!(Some(newest), edge.second_opinion(), "two ways to the root of one tree");
        if size == newest_size {
            return Ok(newest);
        }
        // An older root is of files too, and is the beginning of the newest or is not signed.
        let older = root(stored, size)?;
        let path = consistency_path(stored, size, newest_size)?;
        if !is_consistent((size, older), (newest_size, newest), &path) {
            return Err(disagree(stored.leaf(size - 1)?.lsn));
        }
        Ok(older)
    }

    /// The edge as it is now, once it has come past all that was there at the opening.
    fn edge_now(&self) -> Result<Edge, Error> {
        let is_before = |edge: &Edge| edge.scanned < self.opened || edge.last.is_none();
        let edge = self.edge_after(is_before);
        if !is_before(&edge) && edge.scanned <= self.reads.durable().get() {
            return Ok(edge.clone());
        }
        self.check_builds()?;
        let message = format!(
            "the tree has come to {}, and not to {} yet, where the log was opened: ask again",
            edge.scanned, self.opened
        );
        Err(Error::new(ErrorKind::NotYet, message))
    }

    /// The edge once it is no more before something, or patience or the thread has ended.
    fn edge_after(&self, is_before: impl Fn(&Edge) -> bool) -> MutexGuard<'_, Edge> {
        let is_waiting = |edge: &mut Edge| is_before(edge) && !self.is_ended();
        let waited = self.moved.wait_timeout_while(self.edge(), PATIENCE, is_waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// That somebody still builds.
    fn check_builds(&self) -> Result<(), Error> {
        if self.is_ended() { Err(stopped()) } else { Ok(()) }
    }

    /// Waits until everything that is durable now is in the tree, and its full tiles are files.
    fn wait_until_built(&self) -> Result<(), Error> {
        let durable = self.reads.durable().get();
        let mut edge = self.edge();
        while edge.scanned < durable || self.shape.tile_blocks() <= edge.blocks.len() {
            if self.is_stuck.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Io, "the disk refuses the tree of proofs"));
            }
            if self.reads.durable().has_failed() {
                return Err(stopped());
            }
            self.check_builds()?;
            let waited = self.moved.wait_timeout(edge, LOOK);
            (edge, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until the tree has come past a record.
    fn wait_past(&self, lsn: Lsn) -> Result<(), Error> {
        let is_before = |edge: &Edge| edge.scanned <= lsn || edge.last.is_none();
        let edge = self.edge_after(is_before);
        if !is_before(&edge) {
            return Ok(());
        }
        self.check_builds()?;
        let message = format!(
            "the tree has come to {}, and not past {lsn} yet: ask again, or for a receipt",
            edge.scanned
        );
        Err(Error::new(ErrorKind::NotYet, message))
    }
}

/// How many standbys have everything before `end`, at least, and how many must before it is told.
fn standbys_of(standing: &SynchronyStanding, end: Lsn) -> (u16, u16) {
    let limited = |count| u16::try_from(count).unwrap_or(u16::MAX);
    let demanded = limited(usize::try_from(standing.synchrony.standbys).unwrap_or(usize::MAX));
    let nodes = standing.synchrony.nodes.as_ref();
    let counts = |node: &u128| nodes.is_none_or(|nodes| nodes.contains(node));
    let having = standing.replicas.iter().filter(|it| end <= it.acknowledged && counts(&it.node));
    let having = having.count();
    // What is told was acknowledged by as many, unless answers go without; one that was may have gone since.
    let is_told_by_all = !standing.is_degraded && end <= standing.released;
    let least = if is_told_by_all { demanded } else { 0 };
    (limited(having).max(least), demanded)
}

pub(super) fn nothing(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

fn disagree(lsn: Lsn) -> Error {
    Error::corrupt(format!(
        "the tree of proofs and the log disagree about what lies at {lsn}: run `florin rebuild`"
    ))
}

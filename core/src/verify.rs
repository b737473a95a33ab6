//! Verification: everything is derived again from the log, from its first byte, and compared with
//! what is stored.
//!
//! 1. every block's tag and hash, the chain through all of them, and the zeros between them;
//! 2. every record fits those before it: previous postings, holds, balances, waypoints;
//! 3. debits equal credits on every ledger, pending and posted, summed afresh over the accounts;
//! 4. every page, hold and run of the checkpoint carries its checksum, and the accounts, holds, ids
//!    and documents that opening would load equal those of the log;
//! 5. every root of all balances that is on record is that of the balances before its position;
//! 6. every bucket of the keyring opens, and there are as many keys as its root says.
//!
//! Nothing is written: all is read through an overlay that would keep changes in memory. Ids are
//! compared by count and by a sum of hashes, and checked to be unique by reading the runs in order,
//! so that memory does not grow with the number of transfers.

mod locked;

use crate::derived::Derived;
use crate::disk::Disk;
use crate::disk::os::OsDisk;
use crate::disk::overlay::Overlay;
use crate::documents::DocumentIndex;
use crate::engine::{IndexKey, for_each_key};
use crate::error::{Error, ErrorKind};
use crate::keyring::{self, KeyringStatus};
use crate::log::recovery::judge_end;
use crate::log::{End, FrameView, Identity, LogReader, ReadError, identify};
use crate::opening::{Checkpoint, check_key, load};
use crate::runs::{Index, RunError, RunKind};
use crate::sealing;
use crate::tree::{CaptureCheck, TreeCheck};
use florin_keys::KeyEncryptionKey;
use florin_ledger::query::TrialBalance;
use florin_ledger::record::{DocumentChange, DocumentRecord, Record};
use florin_ledger::{Ledger, LedgerId, Lsn, TableId};
use std::path::Path;
use std::sync::Arc;

/// How far a verification has come, in bytes of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Read so far.
    pub position: Lsn,
}

/// What was verified, and what does not hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VerifyReport {
    /// Names the database; one that was restored has another. Without the key of an encrypted one, what
    /// it was born with.
    pub incarnation: u128,
    /// Openings for writing.
    pub epoch: u64,
    /// The end of the log.
    pub end: Lsn,
    /// Whether a write that was never answered lies torn behind the end; the next opening clears it.
    pub is_torn: bool,
    /// Frames read.
    pub frames_count: u64,
    /// Records applied.
    pub records_count: u64,
    /// Accounts.
    pub accounts_count: u64,
    /// Transfers.
    pub transfers_count: u64,
    /// Live holds.
    pub holds_count: u64,
    /// The position of the checkpoint that was compared; `None` if there is none.
    pub checkpoint: Option<Lsn>,
    /// The sums of each ledger, added afresh; `None` if one of them exceeds 2^128 - 1.
    pub ledgers: Vec<(LedgerId, Option<TrialBalance>)>,
    /// BLAKE3 of accounts, holds and totals as derived from the log.
    pub digest: [u8; 32],
    /// Whether the database is encrypted and its key was not given: checksums, places and the chain
    /// of everything stored were verified, contents were not.
    pub is_locked: bool,
    /// What the keyring holds, if there is one and the key was given.
    pub keyring: Option<KeyringStatus>,
    /// What does not hold, in words that say what to do. Empty: everything holds.
    pub findings: Vec<String>,
}

/// Verifies the database in a directory that no process has open. Reads everything; memory as for
/// opening it twice. `key`: that of an encrypted database; without it, what takes no key is verified
/// ([`VerifyReport::is_locked`]).
///
/// # Errors
/// [`ErrorKind::Unusable`] if it is open elsewhere or no database, [`ErrorKind::Io`]. What does not
/// hold is a finding, not an error.
pub fn verify(
    directory: &Path,
    key: Option<&dyn KeyEncryptionKey>,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, Error> {
    if !directory.is_dir() {
        return Err(no_database(directory));
    }
    let mut disk: Arc<dyn Disk> = Arc::new(OsDisk::open(directory)?);
    if key.is_some() {
        disk = sealing::unlock(disk, key)?;
    }
    let mut report = verify_on(&disk, progress)?.ok_or_else(|| no_database(directory))?;
    if let Some(key) = key {
        verify_keyring(&disk, key, &mut report)?;
    }
    Ok(report)
}

/// Verifies the database on any disk; `None` if there is none. An encrypted one may have been
/// unlocked.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(
    disk: &Arc<dyn Disk>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<VerifyReport>, Error> {
    let disk: Arc<dyn Disk> = Arc::new(Overlay::new(disk.clone()));
    let Some(identity) = identify(disk.as_ref())? else { return Ok(None) };
    if identity.is_sealed && disk.database_key().is_none() {
        return locked::verify(&disk, identity, progress).map(Some);
    }
    check_key(disk.as_ref(), identity)?;
    let mut report = VerifyReport { incarnation: identity.incarnation, ..VerifyReport::default() };
    let checkpoint = load(&disk, identity)?;
    let mut verification = Verification::new(checkpoint, &mut report);
    verification.read(&disk, identity, &mut report, progress)?;
    verification.conclude(&mut report)?;
    Ok(Some(report))
}

/// Verifies the keyring of a database that was unlocked with this key.
///
/// # Errors
/// [`ErrorKind::Io`]. What does not hold is a finding.
pub fn verify_keyring(
    disk: &Arc<dyn Disk>,
    key: &dyn KeyEncryptionKey,
    report: &mut VerifyReport,
) -> Result<(), Error> {
    let Some(database_key) = disk.database_key() else { return Ok(()) };
    match keyring::verify(disk.clone(), key, database_key) {
        Ok(keyring) => report.keyring = keyring,
        Err(error) if error.kind() == ErrorKind::Io => return Err(error),
        Err(error) => report.findings.push(error.to_string()),
    }
    Ok(())
}

/// Two derivations side by side: one from the log alone, one from the checkpoint on.
struct Verification {
    from_log: Derived,
    stored: Option<Stored>,
    /// Of the keys that the log has entered so far.
    keys: KeySums,
    /// `None` if the tree of proofs has no files.
    tree: Option<TreeCheck>,
    captures: CaptureCheck,
}

/// What opening would load.
struct Stored {
    derived: Derived,
    /// Where the checkpoint is; `derived` goes on from there.
    position: Lsn,
    /// What the runs of the checkpoint must have.
    keys_at_checkpoint: Option<KeySums>,
    rows_position: Lsn,
}

impl Verification {
    fn new(checkpoint: Checkpoint, report: &mut VerifyReport) -> Verification {
        let stored = match checkpoint {
            Checkpoint::None => None,
            Checkpoint::Damaged => {
                report.findings.push(
                    "the checkpoint or one of its runs is damaged: run `florin rebuild`".to_owned(),
                );
                None
            }
            Checkpoint::Loaded(loaded) => {
                let derived = *loaded;
                let (position, rows_position) = (derived.position.lsn, derived.rows_position);
                report.checkpoint = Some(position);
                Some(Stored { derived, position, keys_at_checkpoint: None, rows_position })
            }
        };
        let keys = KeySums::default();
        let captures = CaptureCheck::default();
        Verification { from_log: Derived::genesis(), stored, keys, tree: None, captures }
    }

    /// Reads the whole log, applying it to both derivations.
    fn read(
        &mut self,
        disk: &Arc<dyn Disk>,
        identity: Identity,
        report: &mut VerifyReport,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let reader = LogReader::new(disk.clone(), identity);
        self.tree = TreeCheck::begin(disk, identity)?;
        let witnesses: Vec<Lsn> = self.stored.iter().map(|stored| stored.rows_position).collect();
        let mut frames = reader.frames(self.from_log.position, Lsn(u64::MAX));
        loop {
            self.meet_checkpoint();
            let Some(frame) = frames.next()? else { break };
            report.frames_count += 1;
            if let Err(error) = self.apply(&frame, &reader, report) {
                report.findings.push(error.to_string());
                return Ok(());
            }
            progress(Progress { position: self.from_log.position.lsn });
        }
        match judge_end(&reader, &frames, &witnesses)? {
            End::Clean { .. } => {}
            End::Torn { .. } => report.is_torn = true,
            End::Corrupt(lost) => report.findings.push(lost.to_string()),
        }
        Ok(())
    }

    fn apply(
        &mut self,
        frame: &FrameView<'_>,
        reader: &LogReader,
        report: &mut VerifyReport,
    ) -> Result<(), Error> {
        let replays = self
            .stored
            .as_ref()
            .is_some_and(|stored| stored.derived.position.lsn <= self.from_log.position.lsn);
        self.from_log.apply_to_ledger(frame)?;
        if replays && let Some(stored) = &mut self.stored {
            stored.derived.apply_to_ledger(frame)?;
        }
        if let Some(tree) = &mut self.tree {
            tree.frame(frame, reader, &self.from_log.ledger)?;
        }
        report.findings.extend(self.captures.frame(frame, reader, &self.from_log.ledger)?);
        for stored in frame.records_with_payloads() {
            let (stored, payload) = stored.map_err(ReadError::from)?;
            report.records_count += 1;
            for_each_key(&stored.record, |kind, key| self.keys.add(kind, key, stored.lsn.0));
            if let Record::Document(document) = &stored.record {
                self.keys.change_document(document, stored.lsn, &payload);
            }
        }
        Ok(())
    }

    /// Keeps the sums at the position of the checkpoint.
    fn meet_checkpoint(&mut self) {
        if let Some(stored) = &mut self.stored
            && stored.derived.position.lsn == self.from_log.position.lsn
            && stored.keys_at_checkpoint.is_none()
        {
            stored.keys_at_checkpoint = Some(self.keys.clone());
        }
    }

    fn conclude(&mut self, report: &mut VerifyReport) -> Result<(), Error> {
        let ledger = &self.from_log.ledger;
        report.end = self.from_log.position.lsn;
        report.epoch = self.from_log.epoch;
        if let Some(life) = self.from_log.life {
            report.incarnation = life.incarnation;
        }
        report.accounts_count = ledger.accounts_count();
        report.transfers_count = ledger.transfers_count();
        report.holds_count = ledger.holds_count();
        report.digest = digest(ledger);
        if let Err(unbalanced) = ledger.check_balance() {
            report
                .findings
                .push(format!("the books do not balance: {unbalanced:?}: restore a backup"));
        }
        for id in ledger.ledgers() {
            report.ledgers.push((id, ledger.trial_balance(id)));
        }
        if report.findings.is_empty()
            && let Some(stored) = &self.stored
        {
            stored.compare(report)?;
        }
        if let Some(tree) = self.tree.take() {
            report.findings.extend(tree.findings());
        }
        Ok(())
    }
}

impl Stored {
    fn compare(&self, report: &mut VerifyReport) -> Result<(), Error> {
        let position = self.position;
        if digest(&self.derived.ledger) != report.digest {
            report.findings.push(format!(
                "the checkpoint of {position} and the log disagree about accounts or holds: run \
                 `florin rebuild`"
            ));
        }
        let Some(expected) = &self.keys_at_checkpoint else {
            report.findings.push(format!(
                "the checkpoint is at {position}, where no frame of the log ends: run `florin \
                 rebuild`"
            ));
            return Ok(());
        };
        let mut found = KeySums::default();
        for index in self.derived.indexes.all() {
            match found.add_runs(index) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    report.findings.push(error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = found.add_documents(&self.derived.indexes.documents.index) {
            report.findings.push(Error::from(error).to_string());
            return Ok(());
        }
        if found != *expected {
            report.findings.push(
                "the runs and the log disagree about ids or documents: run `florin rebuild`"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// The number of keys of each kind and the sum of the hashes of their entries: the same in
/// whatever order they come.
#[derive(Clone, PartialEq, Eq, Default)]
struct KeySums([(u64, u128); RunKind::ALL.len()]);

impl KeySums {
    fn add(&mut self, kind: RunKind, key: u128, value: u64) {
        let (count, sum) = self.of(kind);
        *count += 1;
        *sum = sum.wrapping_add(entry_hash(&key.to_le_bytes(), value));
    }

    /// Takes out the value that a document had, and puts in the one that it has.
    fn change_document(&mut self, record: &DocumentRecord, lsn: Lsn, payload: &[u8]) {
        let place = IndexKey::of(record.table, &payload[..usize::from(record.key_bytes)]);
        let (count, sum) = self.of(RunKind::Documents);
        if record.replaces {
            *count = count.wrapping_sub(1);
            *sum = sum.wrapping_sub(entry_hash(place.bytes(), record.previous.0));
        }
        if record.change == DocumentChange::Put {
            *count = count.wrapping_add(1);
            *sum = sum.wrapping_add(entry_hash(place.bytes(), lsn.0));
        }
    }

    /// Adds every document that the runs have. Expiries are not compared: those that have passed may
    /// or may not be there.
    fn add_documents(&mut self, index: &DocumentIndex) -> Result<(), RunError> {
        let (count, sum) = self.of(RunKind::Documents);
        index.visit(|place, entry| {
            if IndexKey::split(place).0 != TableId::EXPIRIES {
                *count += 1;
                *sum = sum.wrapping_add(entry_hash(place, entry.lsn.0));
            }
        })
    }

    fn of(&mut self, kind: RunKind) -> &mut (u64, u128) {
        &mut self.0[usize::from(kind.number() - 1)]
    }

    /// Adds every entry of an index's runs, in order of keys, and checks that no key comes twice.
    fn add_runs(&mut self, index: &Index) -> Result<(), Error> {
        let mut last = None;
        for entry in index.runs().entries() {
            let entry = entry?;
            if last.is_some_and(|last| entry.key <= last) {
                return Err(Error::corrupt(format!(
                    "the key {} of {:?} is in two runs: run `florin rebuild`",
                    entry.key,
                    index.kind()
                )));
            }
            last = Some(entry.key);
            self.add(index.kind(), entry.key, entry.value);
        }
        Ok(())
    }
}

fn entry_hash(key: &[u8], value: u64) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&value.to_le_bytes());
    hasher.update(key);
    let hash = hasher.finalize();
    let (half, _) = hash.as_bytes().split_first_chunk::<16>().expect("a hash has 32 bytes");
    u128::from_le_bytes(*half)
}

fn digest(ledger: &Ledger) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    ledger.digest_into(&mut |bytes| {
        hasher.update(bytes);
    });
    hasher.finalize().into()
}

fn no_database(directory: &Path) -> Error {
    Error::new(
        ErrorKind::Unusable,
        format!("{} holds no database of florin: name its data directory", directory.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings are read by operators, not by whoever knows the types.
    #[test]
    fn a_checkpoint_that_differs_is_named_by_its_position() {
        let stored = Stored {
            derived: Derived::genesis(),
            position: Lsn(4_304),
            keys_at_checkpoint: Some(KeySums::default()),
            rows_position: Lsn(4_304),
        };
        let mut report = VerifyReport { checkpoint: Some(Lsn(4_304)), ..VerifyReport::default() };
        stored.compare(&mut report).expect("nothing is read");
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
        assert!(report.findings[0].starts_with("the checkpoint of 4304 and the log disagree"));
    }
}

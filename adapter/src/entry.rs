//! What is found by a value: documents under blind indexes, while there are one or two versions of their key.
//!
//! - **A look-up reads every version that is in use**, and in the same breath, last, the document that says which these
//!   are. What is put under another version goes from older to newer, so what is there is found, whenever it moves.
//! - **A claim needs that nothing is under any of them**, in the commit that writes it, and that the versions in use are
//!   as they were seen: one value is never two people's, whichever version each adapter writes and however they race.
//! - **What is written is under the newest**, and then under no other.

use crate::audit;
use crate::error::BankError;
use crate::store::{Found, Kind, Row, Store, key_of};
use crate::vault::{BlindIndex, Indexed, Seen};
use florin_ledger::commit::{Precondition, Unmet};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{Commit, DocumentKey, DocumentWrite, Position, Timestamp};

/// Changes of keys that happen during one look-up.
const TRIES_MAX: usize = 4;

/// Documents whose keys are blind indexes, after some bytes that say whose they are, or none.
pub(crate) trait Blind: Kind {
    /// What they are indexes of.
    const INDEXED: Indexed;
    /// Bytes of the key before the index.
    const PREFIX_BYTES: usize = 0;
}

/// Such documents that stay, and so are put under a new version of the key.
pub(crate) trait Rekeyed: Blind {
    /// What a document is found by, from what it leads to; `None` if nothing says it any more.
    fn value(
        store: &Store,
        found: &Found<Self>,
    ) -> impl Future<Output = Result<Option<String>, BankError>> + Send
    where
        Self: Sized;
}

/// What there is under the versions of a value's blind index.
pub(crate) struct Entry<K: Kind> {
    /// In order of the versions; the last is what is written.
    under: Vec<(Vec<u8>, Option<Found<K>>)>,
    seen: Seen,
}

impl<K: Blind> Entry<K> {
    /// Looks a value up, after what says whose it is.
    ///
    /// # Errors
    /// [`BankError::KeysChanged`]; [`BankError`].
    pub(crate) async fn find(
        store: &Store,
        prefix: &[u8],
        value: &str,
    ) -> Result<Entry<K>, BankError> {
        assert_eq!(prefix.len(), K::PREFIX_BYTES, "keys of a table are made alike");
        let blind = store.vault().blind();
        for _ in 0..TRIES_MAX {
            let seen = blind.seen();
            let keys = blind.in_use(&seen, K::INDEXED, value);
            let keys: Vec<_> = keys.iter().map(|key| [prefix, key].concat()).collect();
            let mut asked: Vec<DocumentKey> = keys.iter().cloned().map(key_of::<K>).collect();
            asked.push(BlindIndex::asks());
            let mut answers = store.documents(&asked).await?;
            let tree = answers.pop().flatten();
            if !blind.sees(&seen, tree.as_ref())? {
                continue;
            }
            let mut under = Vec::with_capacity(keys.len());
            for (key, document) in keys.into_iter().zip(answers) {
                under.push((key, store.found(document).await?));
            }
            return Ok(Entry { under, seen });
        }
        Err(BankError::Contended)
    }

    /// Lets a commit take a value that is nobody's.
    ///
    /// # Errors
    /// [`BankError`]; never because it is somebody's, which the commit finds out.
    pub(crate) async fn claim(
        store: &Store,
        prefix: &[u8],
        value: &str,
        row: &Row<K>,
        commit: &mut Commit,
    ) -> Result<Claim, BankError> {
        let mut entry = Entry::<K>::find(store, prefix, value).await?;
        // Whatever was found: it is the commit that must find nothing.
        entry.under.iter_mut().for_each(|(_, found)| *found = None);
        let (write, older) = entry.writes(store, row, Timestamp::NONE).await?;
        commit.documents.push(write);
        commit.preconditions.extend(older.absent.clone());
        commit.preconditions.push(entry.seen.unchanged());
        let (key, _) = entry.under.pop().expect("a version is in use");
        Ok(Claim { written: key_of::<K>(key), absent: older.absent })
    }

    /// What was found.
    pub(crate) fn found(&self) -> Option<&Found<K>> {
        self.all().next_back()
    }

    /// The same without the rest.
    pub(crate) fn into_found(self) -> Option<Found<K>> {
        self.under.into_iter().rev().find_map(|(_, found)| found)
    }

    /// Everything that was found, in order of the versions: more than one where a document counts, and is begun anew.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Found<K>> {
        self.under.iter().filter_map(|(_, found)| found.as_ref())
    }

    /// Lets a commit write a document in the place of what was found, if that is as it was.
    ///
    /// # Errors
    /// [`BankError`].
    pub(crate) async fn put(
        &self,
        store: &Store,
        row: &Row<K>,
        expires: Timestamp,
        commit: &mut Commit,
    ) -> Result<(), BankError> {
        let (write, older) = self.writes(store, row, expires).await?;
        commit.documents.push(write);
        commit.documents.extend(older.gone);
        commit.preconditions.extend(older.absent);
        commit.preconditions.push(self.seen.unchanged());
        Ok(())
    }

    /// Writes a document in the place of what was found by itself; whether that was as it was.
    ///
    /// # Errors
    /// [`BankError`].
    pub(crate) async fn replace(
        &self,
        store: &Store,
        row: &Row<K>,
        expires: Timestamp,
    ) -> Result<bool, BankError> {
        if self.under.len() != 1 {
            let mut commit = Commit { id: audit::commit_id(), ..Commit::default() };
            self.put(store, row, expires, &mut commit).await?;
            return match store.commit(&commit).await {
                Ok(_) => Ok(true),
                Err(error) if error.is_stale() => Ok(false),
                Err(error) => Err(error),
            };
        }
        // A write alone is a quarter of the log. What is written under a version that is the older one by now is read
        // with the newer.
        let (write, _) = self.writes(store, row, expires).await?;
        match store.client().write_documents(&[write]).await?.first() {
            Some(WriteResult::Written(_)) => Ok(true),
            Some(WriteResult::Stale(_)) => Ok(false),
            other => Err(BankError::odd(&other)),
        }
    }

    /// The write under the newest version, and what must become of the older ones.
    async fn writes(
        &self,
        store: &Store,
        row: &Row<K>,
        expires: Timestamp,
    ) -> Result<(DocumentWrite, Older), BankError> {
        let ((key, newest), older) = self.under.split_last().expect("a version is in use");
        let condition = newest.as_ref().map_or(DocumentCondition::Absent, Found::condition);
        let write = store.write(key, row, condition).await?;
        let mut becomes = Older::default();
        for (key, found) in older {
            match found {
                Some(found) => becomes.gone.push(found.deletion()),
                None => becomes.absent.push(Precondition::Document {
                    table: K::TABLE,
                    key: key.clone(),
                    version: Position::NONE,
                }),
            }
        }
        Ok((DocumentWrite { expires, ..write }, becomes))
    }
}

/// What a commit does about the older versions.
#[derive(Default)]
struct Older {
    gone: Vec<DocumentWrite>,
    absent: Vec<Precondition>,
}

/// The versions in use, as they are now.
///
/// # Errors
/// [`BankError::KeysChanged`]; [`BankError`].
pub(crate) async fn seen_now(store: &Store) -> Result<Seen, BankError> {
    for _ in 0..TRIES_MAX {
        let seen = store.vault().blind().seen();
        let [tree] = store.ask([BlindIndex::asks()]).await?;
        if store.vault().blind().sees(&seen, tree.as_ref())? {
            return Ok(seen);
        }
    }
    Err(BankError::Contended)
}

/// Lets a commit take a value away, under whichever version it is. That none has come meanwhile is a condition of it.
///
/// # Errors
/// [`BankError::KeysChanged`]: it may be under a version that this adapter has not; [`BankError`].
pub(crate) async fn take_away<K: Blind>(
    store: &Store,
    prefix: &[u8],
    value: &str,
    commit: &mut Commit,
) -> Result<(), BankError> {
    commit.preconditions.push(seen_now(store).await?.unchanged());
    commit.documents.extend(gone::<K>(store, prefix, value));
    Ok(())
}

/// The writes that take a value away, under whichever version this adapter has: for what nobody is found by.
pub(crate) fn gone<K: Blind>(store: &Store, prefix: &[u8], value: &str) -> Vec<DocumentWrite> {
    let keys = store.vault().blind().everywhere(K::INDEXED, value);
    let gone = |key| DocumentWrite { table: K::TABLE, key, ..DocumentWrite::default() };
    keys.iter().map(|key| gone([prefix, key].concat())).collect()
}

/// A value that a commit takes.
pub(crate) struct Claim {
    written: DocumentKey,
    absent: Vec<Precondition>,
}

impl Claim {
    /// Whether what is unmet of the commit is that the value is somebody's already.
    pub(crate) fn is_taken(&self, commit: &Commit, unmet: &Unmet) -> bool {
        match *unmet {
            Unmet::Write { index, .. } => {
                let write =
                    usize::try_from(index).ok().and_then(|index| commit.documents.get(index));
                let DocumentKey { table, key } = &self.written;
                write.is_some_and(|write| write.table == *table && write.key == *key)
            }
            _ => crate::store::is_one_of(commit, unmet, &self.absent),
        }
    }
}

//! Which document expires next. All expiries are keys of the index of documents, in order of time;
//! the next few are here, in memory.
//!
//! Invariant: every expiry up to `read_to` that has not passed is in `upcoming`; what is behind is in
//! the index alone. Expiries pass in order of time, so whatever is due before `passed` is done with.
//! An expiry may be stale, because its document was written again or deleted: whoever carries it out
//! looks.

use super::documents::IndexKey;
use crate::documents::{DocumentIndex, KeyOrder, KeyRange};
use crate::runs::RunError;
use florin_ledger::{Lsn, TableId, Timestamp};
use std::collections::BTreeMap;

/// Expiries in memory.
const UPCOMING_MAX: usize = 8_192;
/// Expiries read from the index at once.
const READ_KEYS: usize = 1_024;

/// When, and the document's key in the index.
type Due = (Timestamp, Box<[u8]>);

/// The expiries that come next.
#[derive(Debug)]
pub(crate) struct Expiries {
    upcoming: BTreeMap<Due, Lsn>,
    /// `None`: every expiry that there is has been read.
    read_to: Option<Due>,
    passed: Timestamp,
}

impl Expiries {
    /// None read yet; those due before `passed` are done with.
    pub(crate) fn unread_from(passed: Timestamp) -> Expiries {
        let read_to = Some((passed, Box::default()));
        Expiries { upcoming: BTreeMap::new(), read_to, passed }
    }

    /// Whatever was due before this is done with.
    pub(crate) fn passed(&self) -> Timestamp {
        self.passed
    }

    /// Takes note of a document that expires.
    pub(crate) fn add(&mut self, due: Timestamp, place: &[u8], lsn: Lsn) {
        let key = (due, Box::from(place));
        if self.read_to.as_ref().is_none_or(|end| key <= *end) {
            self.upcoming.insert(key, lsn);
        }
        if UPCOMING_MAX < self.upcoming.len() {
            self.upcoming.pop_last();
            self.read_to = self.upcoming.last_key_value().map(|(key, _)| key.clone());
        }
    }

    /// Takes note of an expiry that was carried out.
    pub(crate) fn pass(&mut self, due: Timestamp) {
        self.passed = self.passed.max(due);
    }

    /// When the next one is due, at the earliest; `None` if none is known to come. Exact once
    /// [`Expiries::read`] has nothing to read.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.upcoming.first_key_value().map(|((due, _), _)| *due)
    }

    /// Whether the next one must be read from the index before it can be told.
    pub(crate) fn is_unread(&self) -> bool {
        self.upcoming.is_empty() && self.read_to.is_some()
    }

    /// Takes the next one, if it is due at or before an instant: the document's key in the index, the
    /// position that it had when it was given its time, and that time.
    pub(crate) fn take_due(&mut self, until: Timestamp) -> Option<(Box<[u8]>, Lsn, Timestamp)> {
        let entry = self.upcoming.first_entry().filter(|entry| entry.key().0 <= until)?;
        let ((due, place), lsn) = entry.remove_entry();
        Some((place, lsn, due))
    }

    /// Reads the next few from the index if none is left. Reads a block of each run.
    ///
    /// # Errors
    /// A run that can't be read.
    pub(crate) fn read(&mut self, index: &DocumentIndex) -> Result<(), RunError> {
        while self.is_unread() {
            let Some((due, place)) = self.read_to.take() else { break };
            let table = KeyRange::prefix(&TableId::EXPIRIES.0.to_be_bytes());
            let last = IndexKey::of_expiry(due, &place);
            // The key that says no more than a time sorts before all others of that time.
            let range = table.after(last.bytes(), KeyOrder::Rising);
            let page = index.scan(range, KeyOrder::Rising, READ_KEYS).page();
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    self.read_to = Some((due, place));
                    return Err(error);
                }
            };
            for (key, entry) in page.keys.iter() {
                let (due, place) = IndexKey::split_expiry(key);
                self.upcoming.insert((due, Box::from(place)), entry.lsn);
            }
            self.read_to = page.next.map(|next| {
                let (due, place) = IndexKey::split_expiry(&next);
                (due, Box::from(place))
            });
        }
        Ok(())
    }
}

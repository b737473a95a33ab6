//! What the engine answers to readers: positions, names, and pages of the account table.

use super::Engine;
use super::ask::{AccountPosition, Answer, Ask, DocumentPlace, RowSums};
use super::documents::IndexKey;
use super::past::find_in_memory;
use crate::documents::DocumentLookup;
use crate::error::Error;
use crate::limits::SCAN_ACCOUNTS_MAX;
use crate::runs::{Index, RunKind};
use florin_ledger::query::{AccountPage, Cursor, Page, QueryFilter};
use florin_ledger::{Account, AccountId, Code, LedgerId, Slot, TableId, Timestamp};

impl Engine {
    /// Answers a question. Takes the bytes of documents that come with it from `room`.
    pub(crate) fn answer(&self, ask: &Ask, room: &mut usize) -> Result<Answer, Error> {
        Ok(match ask {
            Ask::Account(id) => {
                Answer::Account(self.ledger.slot(*id).and_then(|slot| self.position_at(slot)))
            }
            Ask::AccountAt(slot) => Answer::Account(self.position_at(*slot)),
            Ask::AccountsAt(slots) => {
                let account = |slot| self.position_at(slot).ok_or_else(|| no_account(slot));
                let accounts: Result<_, _> = slots.iter().copied().map(account).collect();
                Answer::AccountsAt(accounts?)
            }
            Ask::Rows { from, count } => Answer::Rows(self.row_sums(*from, *count)),
            Ask::Runs => Answer::Runs(self.run_names().collect()),
            Ask::Find(kind, keys) => {
                let index = self.index(*kind);
                let found = keys.iter().map(|key| find_in_memory(index, *key)).collect();
                Answer::Found(found, index.runs().clone())
            }
            Ask::Names(slots) => Answer::Names(self.names_of(slots)?),
            Ask::Accounts(filter) => Answer::Accounts(self.account_page(filter)),
            Ask::End => Answer::End(self.log.applied),
            Ask::Documents(places) => {
                let found = places.iter().map(|place| self.document(place, room)).collect();
                Answer::Documents(found, self.past.indexes.documents.index.runs().clone())
            }
            Ask::Places(places) => {
                let found = places.iter().map(|place| self.document_place(place)).collect();
                Answer::Documents(found, self.past.indexes.documents.index.runs().clone())
            }
            Ask::Scan(table, range, order, limit) => {
                let documents = &self.past.indexes.documents;
                let scan = || Box::new(documents.index.scan(range.clone(), *order, *limit));
                Answer::Scan((!documents.options(*table).volatile).then(scan))
            }
            Ask::Tables => {
                let tables = self.past.indexes.documents.tables.iter();
                Answer::Tables(tables.map(|(table, options)| (*table, *options)).collect())
            }
        })
    }

    fn index(&self, kind: RunKind) -> &Index {
        let indexes = self.past.indexes.all();
        indexes.into_iter().find(|index| index.kind() == kind).expect("there is one of each kind")
    }

    /// Whether all that an answer speaks of is known to be durable: then nothing needs to be waited for. Asked of
    /// documents alone, which are read far more often than they are written; of anything else the answer is no.
    pub(crate) fn is_durable(&self, ask: &Ask, answer: &Answer) -> bool {
        let (Ask::Documents(keys) | Ask::Places(keys), Answer::Documents(places, _)) =
            (ask, answer)
        else {
            return false;
        };
        keys.iter().zip(places).all(|(key, place)| match place {
            DocumentPlace::Indexed(found) => self.is_found_durable(*found),
            DocumentPlace::Recent(position, ..) => self.past.is_durable(position.lsn),
            // The log has nothing of it but that its table is volatile.
            DocumentPlace::Volatile(_) => {
                let (table, _) = IndexKey::split(key);
                let declaration = IndexKey::of(TableId::DECLARATIONS, &table.0.to_be_bytes());
                self.is_found_durable(self.past.indexes.documents.index.lookup(declaration.bytes()))
            }
        })
    }

    fn is_found_durable(&self, found: DocumentLookup) -> bool {
        match found {
            DocumentLookup::Found(entry) => self.past.is_durable(entry.lsn),
            // What memory does not know was written long ago, if ever.
            DocumentLookup::Absent | DocumentLookup::Unknown => true,
        }
    }

    /// What memory knows of a document, and itself if it was written lately; takes its bytes from `room`.
    fn document(&self, place: &[u8], room: &mut usize) -> DocumentPlace {
        let found = self.document_place(place);
        match found {
            DocumentPlace::Indexed(DocumentLookup::Found(entry)) if !entry.is_deleted => {
                self.past.recent_document(entry.lsn, room).unwrap_or(found)
            }
            found => found,
        }
    }

    /// What memory knows of where a document is.
    fn document_place(&self, place: &[u8]) -> DocumentPlace {
        let documents = &self.past.indexes.documents;
        let (table, _) = IndexKey::split(place);
        if documents.options(table).volatile {
            let kept = self.volatile.get(place, self.next_tick).cloned();
            return DocumentPlace::Volatile(kept.map(|kept| (self.log.epoch, kept)));
        }
        DocumentPlace::Indexed(documents.index.lookup(place))
    }

    fn position_at(&self, slot: Slot) -> Option<AccountPosition> {
        AccountPosition::of(&self.ledger, slot)
    }

    fn row_sums(&self, from: Slot, count: u32) -> RowSums {
        let end = u64::from(from.0.saturating_add(count)).min(self.ledger.accounts_count());
        let end = u32::try_from(end).expect("slots are 32 bits").max(from.0);
        // Requests of this very turn are in the rows already, and their records in the open frame.
        let open_end = self.past.open.as_ref().map(|frame| frame.reached());
        RowSums {
            sums: self.ledger.sums_of(from.0..end),
            count: end - from.0,
            accounts_count: self.ledger.accounts_count(),
            at: open_end.unwrap_or(self.log.applied),
            frame_end: self.log.applied,
        }
    }

    fn names_of(&self, slots: &[Slot]) -> Result<Vec<AccountId>, Error> {
        let name = |slot: &Slot| match self.ledger.row(*slot) {
            Some(row) => Ok(row.id),
            None => Err(no_account(*slot)),
        };
        slots.iter().map(name).collect()
    }

    /// A page of accounts in order of timestamp, which is the order of slots. Looks at a bounded
    /// number of rows.
    fn account_page(&self, filter: &QueryFilter) -> AccountPage {
        let (low, high) = self.slots_in_time(filter);
        let cursor = filter.cursor.map(|cursor| u64::try_from(cursor.0).unwrap_or(u64::MAX));
        let (low, high) = match (filter.reversed, cursor) {
            (_, None) => (low, high),
            (false, Some(next)) => (low.max(next), high),
            (true, Some(next)) => (low, high.min(next.saturating_add(1))),
        };
        let limit = usize::try_from(filter.limit).expect("u32 fits usize");
        let mut items = Vec::new();
        let mut next_cursor = None;
        let slots_count = high.saturating_sub(low);
        for (looked_at, step) in (0..slots_count).enumerate() {
            let slot = if filter.reversed { high - 1 - step } else { low + step };
            if looked_at == SCAN_ACCOUNTS_MAX || items.len() == limit {
                next_cursor = Some(Cursor(u128::from(slot)));
                break;
            }
            items.extend(self.account_in(slot).filter(|account| matches(filter, account)));
        }
        Page { items, next_cursor }
    }

    /// The slots whose timestamps lie within the filter's: timestamps rise with slots.
    fn slots_in_time(&self, filter: &QueryFilter) -> (u64, u64) {
        let count = self.ledger.accounts_count();
        let first_not_before = |time: Timestamp| {
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                let is_before =
                    self.account_in(middle).is_some_and(|account| account.timestamp < time);
                if is_before { low = middle + 1 } else { high = middle }
            }
            low
        };
        let high = match filter.timestamp_max {
            Timestamp::NONE => count,
            latest => latest.after_ticks(1).map_or(count, first_not_before),
        };
        (first_not_before(filter.timestamp_min), high)
    }

    fn account_in(&self, slot: u64) -> Option<Account> {
        self.ledger.account_at(Slot(u32::try_from(slot).ok()?))
    }
}

fn no_account(slot: Slot) -> Error {
    Error::corrupt(format!(
        "the log names an account at slot {slot}, there is none: run `florin rebuild`"
    ))
}

fn matches(filter: &QueryFilter, account: &Account) -> bool {
    (filter.ledger == LedgerId(0) || filter.ledger == account.ledger)
        && (filter.code == Code(0) || filter.code == account.code)
        && (filter.user_data_128 == 0 || filter.user_data_128 == account.user_data_128)
        && (filter.user_data_64 == 0 || filter.user_data_64 == account.user_data_64)
        && (filter.user_data_32 == 0 || filter.user_data_32 == account.user_data_32)
}

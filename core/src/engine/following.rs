//! The engine of a standby: applies what another decided, with the functions that recovery uses, and
//! decides nothing.

use super::Engine;
use crate::error::Error;
use crate::limits::{DOCUMENT_RECENT_BYTES_MAX, RECENT_KEYS_MAX};
use crate::log::{FrameView, ReadError};
use florin_ledger::record::Record;

/// Keys that one frame may enter into an index: a frame is a few megabytes of records.
const FRAME_KEYS_MAX: usize = RECENT_KEYS_MAX / 4;
/// Memory that the keys of one frame's documents may take.
const FRAME_DOCUMENT_BYTES_MAX: usize = DOCUMENT_RECENT_BYTES_MAX / 4;

impl Engine {
    /// Whether the indexes take whatever the next frame enters. If not, runs are being written.
    pub(crate) fn has_room_to_follow(&self) -> bool {
        let documents = &self.past.indexes.documents.index;
        self.indexes_have_room(FRAME_KEYS_MAX) && !documents.is_full(0, FRAME_DOCUMENT_BYTES_MAX)
    }

    /// Applies a frame that is durable here and follows what was applied.
    ///
    /// # Errors
    /// A record that can't be read or contradicts those before it, or a frame that makes money. The state is
    /// of no use then.
    ///
    /// # Panics
    /// If the frame does not follow, or is not known to be durable.
    pub(crate) fn follow(&mut self, frame: &FrameView<'_>) -> Result<(), Error> {
        let after = frame.after();
        assert!(self.past.open.is_none(), "who follows decides nothing");
        assert_eq!(frame.sequence(), self.log.sequence, "frames are applied in order");
        assert!(after.lsn <= self.past.durable(), "what is applied is durable here");
        for stored in frame.records_with_payloads() {
            let (stored, payload) = stored.map_err(ReadError::from)?;
            self.ledger.apply(stored.lsn, stored.time, &stored.record).map_err(|what| {
                contradiction(&format!(
                    "the record at {} contradicts those before it: {what}",
                    stored.lsn
                ))
            })?;
            match stored.record {
                Record::Life(life) => self.log.life = life,
                Record::Epoch(epoch) => {
                    self.log.epoch = epoch.epoch;
                    self.enter_epoch(stored.lsn);
                }
                _ => {}
            }
            self.past.indexes.enter(stored.lsn, &stored.record, &payload);
        }
        if !self.ledger.take_moved().is_balanced() {
            let start = frame.start();
            return Err(contradiction(&format!("the frame at {start} makes or loses money")));
        }
        self.conserved_frames += 1;
        let last = self.ledger.last_recorded();
        self.next_tick = last.after_ticks(1).expect("recorded time is before 2262");
        self.log.next = self.log.geometry.place_after(after.lsn);
        self.log.sequence = after.sequence;
        self.log.applied = after.lsn;
        self.log.is_witnessed = frame.records_count() == 0;
        Ok(())
    }

    /// BLAKE3 of accounts, holds and totals as of [`Engine::applied`], between two turns. O(accounts).
    pub(crate) fn digest(&self) -> [u8; 32] {
        assert!(self.past.open.is_none(), "a digest is of a position between two frames");
        let mut hasher = blake3::Hasher::new();
        // Rows come in pieces of a few bytes; hashing is fast in large ones.
        let mut gathered = Vec::with_capacity(DIGEST_BYTES + 256);
        self.ledger.digest_into(&mut |bytes| {
            gathered.extend_from_slice(bytes);
            if DIGEST_BYTES <= gathered.len() {
                hasher.update(&gathered);
                gathered.clear();
            }
        });
        hasher.update(&gathered);
        hasher.finalize().into()
    }

    /// Accounts and holds that a digest reads.
    pub(crate) fn digest_items(&self) -> u64 {
        self.ledger.accounts_count() + self.ledger.holds_count()
    }
}

/// Bytes hashed at once.
const DIGEST_BYTES: usize = 64 << 10;

fn contradiction(what: &str) -> Error {
    Error::corrupt(format!(
        "{what}: this copy stopped following; copy the log anew into an empty directory"
    ))
}

// Runs are planned when half of the memory is full: a frame that finds no room never waits in vain.
const _: () = assert!(FRAME_KEYS_MAX <= RECENT_KEYS_MAX / 2);
const _: () = assert!(FRAME_DOCUMENT_BYTES_MAX <= DOCUMENT_RECENT_BYTES_MAX / 2);

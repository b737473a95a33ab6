//! Tiles that somebody needs and that can't be read. The tree's thread derives them again, one at a time: it
//! alone writes files of the tree, and no reader's thread hashes a million leaves.

use super::number::TileNumber;
use crate::driver::promise::stopped;
use crate::error::{Error, ErrorKind};
use crate::limits::TREE_WANTED_MAX;
use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Who waits for which tile.
#[derive(Default)]
pub(super) struct Wanted {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    wants: VecDeque<Want>,
    /// Nobody derives anything any more.
    is_ended: bool,
}

struct Want {
    number: TileNumber,
    answer: SyncSender<Result<(), Error>>,
}

impl Wanted {
    /// Asks for a tile, and waits until it can be read.
    ///
    /// # Errors
    /// [`ErrorKind::NotYet`] if that takes longer than until a moment; it is derived all the same, unless
    /// too many wait. [`ErrorKind::Stopped`]; what went wrong when it was derived.
    pub(super) fn wait_for(&self, number: TileNumber, until: Instant) -> Result<(), Error> {
        let (answer, answered) = mpsc::sync_channel(1);
        {
            let mut queue = self.queue();
            if queue.is_ended {
                return Err(stopped());
            }
            if TREE_WANTED_MAX <= queue.wants.len() {
                return Err(not_yet(number));
            }
            queue.wants.push_back(Want { number, answer });
        }
        match answered.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(done) => done,
            Err(RecvTimeoutError::Timeout) => Err(not_yet(number)),
            Err(RecvTimeoutError::Disconnected) => Err(stopped()),
        }
    }

    /// The tile that was asked for first.
    pub(super) fn first(&self) -> Option<TileNumber> {
        self.queue().wants.front().map(|want| want.number)
    }

    /// Tells all who wait for a tile what has become of it.
    pub(super) fn settle(&self, number: TileNumber, done: &Result<(), Error>) {
        self.queue().wants.retain(|want| {
            if want.number == number {
                // Who has waited too long does not listen.
                let _ = want.answer.try_send(done.clone());
            }
            want.number != number
        });
    }

    /// Nobody will be answered any more.
    pub(super) fn end(&self) {
        let mut queue = self.queue();
        queue.is_ended = true;
        queue.wants.clear();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_yet(TileNumber(number): TileNumber) -> Error {
    let message = format!("file {number} of the tree of proofs is being derived again: ask again");
    Error::new(ErrorKind::NotYet, message)
}

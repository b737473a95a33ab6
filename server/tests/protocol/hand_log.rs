//! A log that grows when the test says so: transfers, one to a block, numbered from 1.

use crate::harness::{EPOCH, transfer};
use florin_core::{Error, ErrorKind};
use florin_ledger::stream::{BatchEnd, BatchWriter, ItemContent};
use florin_ledger::{
    Lsn, Position, StreamCursor, StreamFilter, StreamItem, StreamStart, Timestamp,
};
use florin_server::ledger::{Found, LogStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

type Watcher = Box<dyn Fn() + Send + Sync>;

/// How many transfers there are.
#[derive(Default)]
pub(crate) struct HandLog {
    count: AtomicU64,
    watchers: Mutex<Vec<Watcher>>,
    /// Readers that have not ended.
    pub(crate) readers: Arc<AtomicUsize>,
}

/// A reader of it.
pub(crate) struct HandStream {
    log: Arc<HandLog>,
    seen: u64,
}

impl HandLog {
    pub(crate) fn grow(&self, count: u64) {
        self.count.fetch_add(count, Ordering::SeqCst);
        self.watchers.lock().unwrap().iter().for_each(|watcher| watcher());
    }

    pub(crate) fn durable_end(&self) -> Lsn {
        Lsn(self.count.load(Ordering::SeqCst))
    }

    pub(crate) fn position(&self) -> Position {
        match self.count.load(Ordering::SeqCst) {
            0 => Position::NONE,
            count => Position { epoch: EPOCH, lsn: Lsn(count - 1) },
        }
    }

    pub(crate) fn reached(&self, position: Position) -> Result<Found, Error> {
        if position.lsn < self.durable_end() {
            return Ok(Found::Reached);
        }
        let kind = if position.epoch < EPOCH { ErrorKind::Fork } else { ErrorKind::NotYet };
        Err(Error::new(kind, "not here"))
    }

    pub(crate) fn on_durable(&self, risen: impl Fn() + Send + Sync + 'static) {
        self.watchers.lock().unwrap().push(Box::new(risen));
    }

    pub(crate) fn subscribe(
        self: &Arc<HandLog>,
        start: StreamStart,
        _: StreamFilter,
    ) -> Result<HandStream, Error> {
        let count = self.count.load(Ordering::SeqCst);
        let seen = match start {
            StreamStart::Begin => 0,
            StreamStart::End => count,
            StreamStart::After(cursor) if count < cursor.lsn.0 => {
                return Err(Error::new(ErrorKind::NotYet, "not so far"));
            }
            StreamStart::After(cursor) if cursor != cursor_at(cursor.lsn.0) => {
                return Err(Error::new(ErrorKind::Fork, "another log"));
            }
            StreamStart::After(cursor) => cursor.lsn.0,
            StreamStart::Time(_) => return Err(Error::new(ErrorKind::Gone, "moved away")),
        };
        self.readers.fetch_add(1, Ordering::SeqCst);
        Ok(HandStream { log: Arc::clone(self), seen })
    }
}

pub(crate) fn cursor_at(number: u64) -> StreamCursor {
    let hash = [u8::try_from(number % 251).unwrap(); 32];
    StreamCursor { epoch: 1, lsn: Lsn(number), hash }
}

impl LogStream for HandStream {
    fn next(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let count = self.log.count.load(Ordering::SeqCst);
        let mut writer = BatchWriter::new(Vec::new(), bytes_max);
        while self.seen < count {
            let number = self.seen + 1;
            let item = StreamItem {
                cursor: cursor_at(number),
                time: Timestamp(number),
                ends_commit: true,
                content: ItemContent::Transfer(transfer(u128::from(number))),
            };
            if !writer.push(&item) {
                break;
            }
            self.seen = number;
        }
        let (cursor, durable) = (cursor_at(self.seen), Lsn(count));
        let is_live = self.seen == count;
        Ok(writer.finish(BatchEnd { cursor, time: Timestamp(self.seen), durable, is_live }))
    }
}

impl Drop for HandStream {
    fn drop(&mut self) {
        self.log.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

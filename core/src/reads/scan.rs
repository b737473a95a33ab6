//! Scans of the log: questions about transfers that no index answers. A scan looks at a bounded
//! number of records per request and says where to go on. Transfers lie in the log in order of
//! their timestamps, imported ones too, so a range of time is a range of the log.

use super::{Found, cursor_at, time_of};
use crate::error::{Error, ErrorKind};
use crate::limits::SCAN_RECORDS_MAX;
use crate::log::{FramePosition, LogReader, ReadError};
use florin_ledger::query::{Cursor, QueryFilter};
use florin_ledger::record::{Record, TransferRecord};
use florin_ledger::{Code, LedgerId, Lsn, Timestamp};
use std::collections::VecDeque;

/// Refuses a filter that no index answers, unless the caller accepts a scan.
///
/// # Errors
/// [`ErrorKind::Invalid`] says how to accept it.
pub(super) fn check_is_allowed(filter: &QueryFilter) -> Result<(), Error> {
    let is_indexed = filter.ledger == LedgerId(0)
        && filter.code == Code(0)
        && filter.user_data_128 == 0
        && filter.user_data_64 == 0
        && filter.user_data_32 == 0;
    if is_indexed || filter.scan {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        "no index answers this filter: set \"scan\" to true to look at everything within the \
         times given, some records per request",
    ))
}

/// A page of the transfers before `end`, in order of timestamp. A cursor is the timestamp of the
/// last transfer that was looked at, and `from` lies before that one; without a cursor, before all
/// that are wanted.
pub(super) fn transfers(
    log: &LogReader,
    from: FramePosition,
    end: Lsn,
    filter: &QueryFilter,
) -> Result<(Vec<Found>, Option<Cursor>), Error> {
    if filter.reversed {
        newest_first(log, from, end, filter)
    } else {
        oldest_first(log, from, end, filter)
    }
}

fn oldest_first(
    log: &LogReader,
    from: FramePosition,
    end: Lsn,
    filter: &QueryFilter,
) -> Result<(Vec<Found>, Option<Cursor>), Error> {
    let limit = usize::try_from(filter.limit).expect("u32 fits usize");
    let seen = filter.cursor.map_or(Timestamp::NONE, time_of);
    let mut last = seen;
    let mut found = Vec::new();
    let mut looked_at = 0;
    let mut frames = log.frames(from, end);
    while let Some(frame) = frames.next()? {
        for stored in frame.records() {
            let stored = stored.map_err(ReadError::from)?;
            let Record::Transfer(record) = stored.record else { continue };
            let timestamp = Found { record, time: stored.time }.timestamp();
            if timestamp <= seen {
                continue;
            }
            if is_past(filter, timestamp) {
                return Ok((found, None));
            }
            if found.len() == limit || looked_at == SCAN_RECORDS_MAX {
                return Ok((found, Some(cursor_at(last))));
            }
            looked_at += 1;
            last = timestamp;
            if matches(filter, &record, timestamp) {
                found.push(Found { record, time: stored.time });
            }
        }
    }
    frames.check_whole()?;
    Ok((found, None))
}

fn newest_first(
    log: &LogReader,
    from: FramePosition,
    end: Lsn,
    filter: &QueryFilter,
) -> Result<(Vec<Found>, Option<Cursor>), Error> {
    let geometry = log.identity().geometry;
    let limit = usize::try_from(filter.limit).expect("u32 fits usize");
    let newest = geometry.segment_before(end);
    let (seen, segment) = match filter.cursor {
        // The frame that follows a position may be the first of the next segment.
        Some(cursor) => (time_of(cursor), newest.min(geometry.segment(from.lsn) + 1)),
        None => (Timestamp(u64::MAX), newest),
    };
    let mut scan =
        Backwards { log, end, filter, seen, found: Vec::new(), oldest: seen, looked_at: 0 };
    for segment in (0..=segment).rev() {
        scan.read_segment(segment, limit + 1)?;
        if limit < scan.found.len() {
            scan.found.truncate(limit);
            let last = scan.found.last().map(|found| cursor_at(found.timestamp()));
            return Ok((scan.found, last));
        }
        if scan.oldest < filter.timestamp_min {
            break;
        }
        if SCAN_RECORDS_MAX <= scan.looked_at {
            return Ok((scan.found, Some(cursor_at(scan.oldest))));
        }
    }
    Ok((scan.found, None))
}

/// A scan from the newest transfer back. The log is read forwards, so it goes segment by segment,
/// and keeps the last matches of each.
struct Backwards<'scan> {
    log: &'scan LogReader,
    end: Lsn,
    filter: &'scan QueryFilter,
    /// Only what is earlier is wanted.
    seen: Timestamp,
    /// Newest first.
    found: Vec<Found>,
    /// Of the transfers that were looked at.
    oldest: Timestamp,
    looked_at: usize,
}

impl Backwards<'_> {
    /// Adds the newest matches of a segment, until there are `count_max`.
    fn read_segment(&mut self, segment: u64, count_max: usize) -> Result<(), Error> {
        let geometry = self.log.identity().geometry;
        let start = self.log.position_before(geometry.first_place(segment))?;
        let mut newest = VecDeque::new();
        // A segment may end early: that shows in the frame that follows, so the scan goes on to it.
        let mut frames = self.log.frames(start, self.end);
        while let Some(frame) = frames.next()? {
            if geometry.lsn(segment + 1, 0) <= frame.start() {
                break;
            }
            for stored in frame.records() {
                let stored = stored.map_err(ReadError::from)?;
                let Record::Transfer(record) = stored.record else { continue };
                let found = Found { record, time: stored.time };
                let timestamp = found.timestamp();
                if self.seen <= timestamp {
                    break;
                }
                self.looked_at += 1;
                self.oldest = self.oldest.min(timestamp);
                if matches(self.filter, &record, timestamp) {
                    newest.push_back(found);
                }
                if count_max - self.found.len() < newest.len() {
                    newest.pop_front();
                }
            }
        }
        frames.check_whole()?;
        self.found.extend(newest.into_iter().rev());
        Ok(())
    }
}

fn is_past(filter: &QueryFilter, timestamp: Timestamp) -> bool {
    filter.timestamp_max != Timestamp::NONE && filter.timestamp_max < timestamp
}

fn matches(filter: &QueryFilter, record: &TransferRecord, timestamp: Timestamp) -> bool {
    filter.timestamp_min <= timestamp
        && !is_past(filter, timestamp)
        && (filter.ledger == LedgerId(0) || filter.ledger == record.ledger)
        && (filter.code == Code(0) || filter.code == record.code)
        && (filter.user_data_128 == 0 || filter.user_data_128 == record.user_data_128)
        && (filter.user_data_64 == 0 || filter.user_data_64 == record.user_data_64)
        && (filter.user_data_32 == 0 || filter.user_data_32 == record.user_data_32)
}

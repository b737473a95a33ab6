//! Scans of the log: questions about transfers that no index answers. A scan looks at a bounded
//! number of records per request and says where to go on. Transfers lie in the log in order of
//! their timestamps, imported ones too, so a range of time is a range of the log.

use super::Found;
use super::posting::timestamp_of;
use crate::error::{Error, ErrorKind};
use crate::limits::SCAN_RECORDS_MAX;
use crate::log::{FramePosition, Frames, LogReader, ReadError};
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

/// A page of the transfers before `end`, in order of timestamp.
pub(super) fn transfers(
    log: &LogReader,
    end: Lsn,
    filter: &QueryFilter,
) -> Result<(Vec<Found>, Option<Cursor>), Error> {
    if filter.reversed { newest_first(log, end, filter) } else { oldest_first(log, end, filter) }
}

/// Where a page starts: at a record, read from the start of its frame.
#[derive(Clone, Copy)]
struct Place {
    frame: Lsn,
    record: Lsn,
}

impl Place {
    fn of(cursor: Cursor) -> Place {
        let half = |bits: u128| Lsn(u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0));
        Place { frame: half(cursor.0 >> 64), record: half(cursor.0) }
    }

    fn cursor(self) -> Cursor {
        Cursor(u128::from(self.frame.0) << 64 | u128::from(self.record.0))
    }
}

fn oldest_first(
    log: &LogReader,
    end: Lsn,
    filter: &QueryFilter,
) -> Result<(Vec<Found>, Option<Cursor>), Error> {
    let limit = usize::try_from(filter.limit).expect("u32 fits usize");
    let (from, first) = match filter.cursor.map(Place::of) {
        Some(place) => (position_before(log, place.frame)?, place.record),
        None => {
            (log.find_time(filter.timestamp_min, end)?.unwrap_or(FramePosition::GENESIS), Lsn(0))
        }
    };
    let mut found = Vec::new();
    let mut looked_at = 0;
    let mut frames = log.frames(from, end);
    while let Some(frame) = frames.next()? {
        for stored in frame.records() {
            let stored = stored.map_err(ReadError::from)?;
            let Record::Transfer(record) = stored.record else { continue };
            if stored.lsn < first {
                continue;
            }
            let timestamp = timestamp_of(&record, stored.time);
            if is_past(filter, timestamp) {
                return Ok((found, None));
            }
            if found.len() == limit || looked_at == SCAN_RECORDS_MAX {
                let place = Place { frame: frame.start(), record: stored.lsn };
                return Ok((found, Some(place.cursor())));
            }
            looked_at += 1;
            if matches(filter, &record, timestamp) {
                found.push(Found { record, time: stored.time });
            }
        }
    }
    check_whole(&frames)?;
    Ok((found, None))
}

fn newest_first(
    log: &LogReader,
    end: Lsn,
    filter: &QueryFilter,
) -> Result<(Vec<Found>, Option<Cursor>), Error> {
    let geometry = log.identity().geometry;
    let limit = usize::try_from(filter.limit).expect("u32 fits usize");
    let mut before = filter.cursor.map_or(end, |cursor| Place::of(cursor).record).min(end);
    let mut found = Vec::new();
    let mut looked_at = 0;
    for segment in (0..=geometry.segment_before(before)).rev() {
        let newest =
            segment_matches(log, segment, before, filter, limit - found.len(), &mut looked_at)?;
        let is_too_early = newest.is_too_early;
        found.extend(newest.matches.into_iter().rev().map(|(_, found)| found));
        before = newest.rest_before;
        if is_too_early || segment == 0 && before <= geometry.first_place(0) {
            return Ok((found, None));
        }
        if found.len() == limit || SCAN_RECORDS_MAX <= looked_at {
            let place = Place { frame: Lsn(0), record: before };
            return Ok((found, Some(place.cursor())));
        }
    }
    Ok((found, None))
}

/// The newest matches of one segment.
struct SegmentMatches {
    matches: VecDeque<(Lsn, Found)>,
    /// What lies at or after this was looked at, or is not wanted.
    rest_before: Lsn,
    /// Whether the segment begins before everything wanted.
    is_too_early: bool,
}

fn segment_matches(
    log: &LogReader,
    segment: u64,
    before: Lsn,
    filter: &QueryFilter,
    limit: usize,
    looked_at: &mut usize,
) -> Result<SegmentMatches, Error> {
    let geometry = log.identity().geometry;
    let first_place = geometry.first_place(segment);
    let mut newest =
        SegmentMatches { matches: VecDeque::new(), rest_before: first_place, is_too_early: false };
    let segment_end = before.min(geometry.lsn(segment + 1, 0));
    let mut frames = log.frames(position_before(log, first_place)?, segment_end);
    while let Some(frame) = frames.next()? {
        for stored in frame.records() {
            let stored = stored.map_err(ReadError::from)?;
            let Record::Transfer(record) = stored.record else { continue };
            if before <= stored.lsn {
                break;
            }
            *looked_at += 1;
            let timestamp = timestamp_of(&record, stored.time);
            newest.is_too_early |= timestamp < filter.timestamp_min;
            if !matches(filter, &record, timestamp) {
                continue;
            }
            newest.matches.push_back((stored.lsn, Found { record, time: stored.time }));
            if limit < newest.matches.len() {
                newest.matches.pop_front();
                newest.rest_before = newest.matches.front().map_or(before, |(lsn, _)| *lsn);
                newest.is_too_early = false;
            }
        }
    }
    check_whole(&frames)?;
    Ok(newest)
}

/// A scan up to a durable position meets no damage, or the log is corrupt.
fn check_whole(frames: &Frames) -> Result<(), Error> {
    match frames.stopped() {
        None => Ok(()),
        Some(damage) => Err(ReadError::from(damage).into()),
    }
}

/// The position before a frame that a cursor names.
fn position_before(log: &LogReader, frame: Lsn) -> Result<FramePosition, Error> {
    log.position_before(frame).map_err(|error| match error {
        ReadError::NoRecord { .. } | ReadError::Beyond { .. } => Error::new(
            ErrorKind::Invalid,
            "the cursor is not one that this database gave: start again without one",
        ),
        error => error.into(),
    })
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

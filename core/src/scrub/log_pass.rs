//! The log from its first frame to the durable position: every block's tag and hash, the chain
//! through all of them, the zeros between them, and that every record can be read. From the disk,
//! not from the system's cache, where the file can be told to forget it.

use super::{Check, Eyes, Halt, Progress};
use crate::error::Error;
use crate::log::{FramePosition, Frames, ReadError};
use florin_ledger::Lsn;

/// One pass after the other; the place is kept in memory only.
#[derive(Debug, Default)]
pub(super) struct LogPass {
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    frames: Frames,
    /// The durable position when the pass began.
    target: Lsn,
    /// The segment that was told to forget its cached bytes last.
    segment: Option<u64>,
}

/// Bytes of frames read in one step, more or less: a frame is never split. A fraction of a millisecond
/// of a processor that others wait for.
const STEP_BYTES: u64 = 128 << 10;

impl LogPass {
    /// Where the pass is.
    pub(super) fn position(&self) -> Lsn {
        let genesis = FramePosition::GENESIS.lsn;
        self.under_way.as_ref().map_or(genesis, |pass| pass.frames.position().lsn)
    }

    pub(super) fn step(&mut self, eyes: &Eyes) -> Result<Progress, Halt> {
        let mut pass = match self.under_way.take() {
            Some(pass) => pass,
            None => {
                let target = eyes.durable.get();
                let frames = eyes.log.frames(FramePosition::GENESIS, target);
                UnderWay { frames, target, segment: None }
            }
        };
        let mut bytes = 0;
        let mut reached = pass.frames.position().lsn;
        while bytes < STEP_BYTES {
            pass.read_afresh(eyes);
            let damage = match pass.frames.next() {
                Ok(Some(frame)) => {
                    reached = frame.after().lsn;
                    bytes += frame.stored_bytes();
                    let unreadable = frame.records().find_map(Result::err);
                    if let Some(damage) = unreadable {
                        report(eyes, damage.lsn, damage.into());
                    }
                    continue;
                }
                Ok(None) if pass.target <= reached => {
                    return Ok(Progress { bytes, is_pass_over: true });
                }
                Ok(None) => pass.frames.check_whole().err(),
                Err(error) => Some(error),
            };
            if !pass.pass_over(eyes, damage) {
                return Ok(Progress { bytes, is_pass_over: true });
            }
            reached = pass.frames.position().lsn;
            bytes += 1;
        }
        self.under_way = Some(pass);
        Ok(Progress { bytes, is_pass_over: false })
    }
}

impl UnderWay {
    /// Lets the system forget what it has cached of the segment that comes next: a page that is
    /// still in memory says nothing about the disk.
    fn read_afresh(&mut self, eyes: &Eyes) {
        let segment = eyes.log.identity().geometry.segment(self.frames.position().lsn);
        if self.segment != Some(segment) {
            eyes.log.forget_cached(segment);
            self.segment = Some(segment);
        }
    }

    /// Reports damage and goes on with the next segment; `false` if there is none before the target.
    fn pass_over(&mut self, eyes: &Eyes, damage: Option<ReadError>) -> bool {
        let at = self.frames.position().lsn;
        let mut lost = at;
        if let Some(damage) = damage {
            if let ReadError::Corrupt(corruption) = &damage {
                lost = corruption.lsn.max(at);
            }
            report(eyes, lost, damage);
        }
        let geometry = eyes.log.identity().geometry;
        let mut number = geometry.segment(lost) + 1;
        // What follows damage can't be tied to what comes before; each segment begins anew.
        loop {
            let start = geometry.first_place(number);
            if self.target <= start {
                return false;
            }
            match eyes.log.position_before(start) {
                Ok(position) => {
                    self.frames = eyes.log.frames(position, self.target);
                    return true;
                }
                Err(error) => {
                    report(eyes, start, error);
                    number += 1;
                }
            }
        }
    }
}

fn report(eyes: &Eyes, position: Lsn, damage: ReadError) {
    let damage = Error::from(damage);
    let message = format!("{damage}: run `florin verify`, then restore a backup");
    eyes.report(Check::Log, Some(position), &message);
}

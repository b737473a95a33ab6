//! The runs that the indexes of ids and of documents consist of: every page's tag, the order of keys, the
//! number of entries; header, index, filter and footer by opening the file again.

use super::{Check, Eyes, Halt, Progress};
use crate::disk::{Access, Disk};
use crate::documents::{DocumentRun, KeyOrder, KeyRange, RunCursor};
use crate::engine::ask::{Answer, Ask};
use crate::runs::{Entries, Run, RunError, RunKind, RunName};
use std::io;
use std::sync::Arc;

/// One pass after the other, over the runs that there are when it begins.
#[derive(Debug, Default)]
pub(super) struct RunsPass {
    is_under_way: bool,
    /// Runs that are still to be read. By name: a pass takes hours, and one that is merged away
    /// meanwhile is to be gone.
    waiting: Vec<RunName>,
    reading: Option<Reading>,
}

/// Where a run is being read.
#[derive(Debug)]
struct Reading {
    entries: AnyEntries,
    /// Of an entry in its block, more or less.
    entry_bytes: u64,
}

#[derive(Debug)]
enum AnyEntries {
    Keys(Entries),
    Documents(Box<RunCursor>),
}

/// Entries read in one step.
const STEP_ENTRIES: u64 = 4_096;

impl RunsPass {
    pub(super) fn step(&mut self, eyes: &Eyes) -> Result<Progress, Halt> {
        if !self.is_under_way {
            self.waiting = match eyes.ask(Ask::Runs)? {
                Answer::Runs(runs) => runs,
                _ => unreachable!("runs are answered by runs"),
            };
            self.is_under_way = true;
        }
        if let Some(reading) = &mut self.reading {
            let (bytes, is_over) = reading.go_on(eyes);
            if is_over {
                self.reading = None;
            }
            return Ok(Progress { bytes, is_pass_over: false });
        }
        let Some(run) = self.waiting.pop() else {
            self.is_under_way = false;
            return Ok(Progress { bytes: 0, is_pass_over: true });
        };
        let bytes = match Reading::begin(run, eyes.disk.as_ref()) {
            Ok((reading, bytes)) => {
                self.reading = Some(reading);
                bytes
            }
            // Merged into another since the pass began.
            Err(RunError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                eyes.report(Check::Runs, None, &error.to_string());
                0
            }
        };
        Ok(Progress { bytes, is_pass_over: false })
    }
}

impl Reading {
    /// Opens a run, which reads all that is no block; says how many bytes that were.
    fn begin(name: RunName, disk: &dyn Disk) -> Result<(Reading, u64), RunError> {
        let io = |source| RunError::Io { name, source };
        disk.open(&name.path(), Access::Read).map_err(io)?.forget_cached();
        let (entries, opened_bytes, file_bytes, entries_count) = match name.kind {
            RunKind::Documents => {
                let run = Arc::new(DocumentRun::open(disk, name)?);
                let mut cursor = run.cursor(&KeyRange::all(), KeyOrder::Rising);
                cursor.load()?;
                let entries = AnyEntries::Documents(Box::new(cursor));
                (entries, run.memory_bytes(), run.file_bytes(), run.entries_count())
            }
            _ => {
                let run = Arc::new(Run::open(disk, name)?);
                let entries = AnyEntries::Keys(run.entries());
                (entries, run.memory_bytes(), run.file_bytes(), run.entries_count())
            }
        };
        let opened_bytes = u64::try_from(opened_bytes).expect("it fits memory");
        let entry_bytes = file_bytes.saturating_sub(opened_bytes) / entries_count.max(1);
        Ok((Reading { entries, entry_bytes }, opened_bytes))
    }

    /// Reads some entries; says how many bytes those were, and whether there are no more.
    fn go_on(&mut self, eyes: &Eyes) -> (u64, bool) {
        for entries_count in 0..STEP_ENTRIES {
            match self.entries.next() {
                Some(Ok(())) => {}
                ended => {
                    if let Some(Err(error)) = ended {
                        eyes.report(Check::Runs, None, &error.to_string());
                    }
                    return (entries_count * self.entry_bytes, true);
                }
            }
        }
        (STEP_ENTRIES * self.entry_bytes, false)
    }
}

impl Iterator for AnyEntries {
    type Item = Result<(), RunError>;

    fn next(&mut self) -> Option<Result<(), RunError>> {
        match self {
            AnyEntries::Keys(entries) => entries.next().map(|read| read.map(drop)),
            AnyEntries::Documents(cursor) => {
                cursor.current()?;
                Some(cursor.advance())
            }
        }
    }
}

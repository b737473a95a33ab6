//! The runs that the indexes of ids consist of: every page's tag, the order of keys, the number of
//! entries; header, index, filter and footer by opening the file again.

use super::{Check, Eyes, Halt, Progress};
use crate::engine::ask::{Answer, Ask};
use crate::runs::{Entries, Run, RunError};
use std::io;
use std::sync::Arc;

/// One pass after the other, over the runs that there are when it begins.
#[derive(Debug, Default)]
pub(super) struct RunsPass {
    is_under_way: bool,
    /// Runs that are still to be read.
    waiting: Vec<Arc<Run>>,
    entries: Option<Entries>,
}

/// Entries read in one step.
const STEP_ENTRIES: u64 = 32_768;
/// Bytes of an entry on disk, more or less.
const ENTRY_BYTES: u64 = 25;

impl RunsPass {
    pub(super) fn step(&mut self, eyes: &Eyes) -> Result<Progress, Halt> {
        if !self.is_under_way {
            self.waiting = match eyes.ask(Ask::Runs)? {
                Answer::Runs(sets) => sets.iter().flat_map(|set| set.runs().to_vec()).collect(),
                _ => unreachable!("runs are answered by runs"),
            };
            self.is_under_way = true;
        }
        let mut bytes = 0;
        let entries = match &mut self.entries {
            Some(entries) => entries,
            None => {
                let Some(run) = self.waiting.pop() else {
                    self.is_under_way = false;
                    return Ok(Progress { bytes, is_pass_over: true });
                };
                run.forget_cached();
                // What is not a block: the entries read those.
                match Run::open(eyes.disk.as_ref(), run.name()) {
                    Ok(opened) => bytes += u64::try_from(opened.memory_bytes()).unwrap_or(u64::MAX),
                    // Merged into another since the pass began.
                    Err(RunError::Io { source, .. })
                        if source.kind() == io::ErrorKind::NotFound =>
                    {
                        return Ok(Progress { bytes, is_pass_over: false });
                    }
                    Err(error) => eyes.report(Check::Runs, None, &error.to_string()),
                }
                self.entries.insert(run.entries())
            }
        };
        let mut entries_count = 0;
        while entries_count < STEP_ENTRIES {
            match entries.next() {
                Some(Ok(_)) => entries_count += 1,
                Some(Err(error)) => {
                    eyes.report(Check::Runs, None, &error.to_string());
                    self.entries = None;
                    break;
                }
                None => {
                    self.entries = None;
                    break;
                }
            }
        }
        bytes = bytes.saturating_add(entries_count * ENTRY_BYTES);
        Ok(Progress { bytes, is_pass_over: false })
    }
}

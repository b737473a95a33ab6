//! What the operating system counts about a process, from `/proc`.

use std::fs;
use std::time::Duration;

/// A process, by what `/proc` calls it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Process {
    directory: String,
}

impl Process {
    /// This process.
    pub(crate) fn current() -> Process {
        Process { directory: String::from("/proc/self") }
    }

    /// Another process.
    pub(crate) fn numbered(id: u32) -> Process {
        Process { directory: format!("/proc/{id}") }
    }

    /// The most memory it ever had resident, in bytes; `None` where there is no `/proc`.
    pub(crate) fn memory_peak_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("{}/status", self.directory)).ok()?;
        let kibibytes = number_after(&status, "VmHWM:")?;
        Some(kibibytes * 1_024)
    }

    /// Processor time it has used, all threads together.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("{}/stat", self.directory)).ok()?;
        let ticks = cpu_ticks(&stat)?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        Some(Duration::from_nanos(ticks * 1_000_000_000 / ticks_per_second.max(1)))
    }

    /// Bytes it has had written to disks, what is still cached included.
    pub(crate) fn written_bytes(&self) -> Option<u64> {
        let io = fs::read_to_string(format!("{}/io", self.directory)).ok()?;
        number_after(&io, "\nwrite_bytes:")
    }
}

/// User and system ticks of a stat line. The name before them is in parentheses and may hold
/// anything, spaces and parentheses included.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The state is the third field of the line; user time the 14th, system time the 15th.
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, after) = text.split_once(name)?;
    after.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 1100 23 0 0 20";
        assert_eq!(cpu_ticks(stat), Some(1_123));
        assert_eq!(cpu_ticks("42 (florin) S 1"), None);
    }

    #[test]
    fn write_bytes_is_not_cancelled_write_bytes() {
        let io = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(number_after(io, "\nwrite_bytes:"), Some(4_096));
    }

    #[test]
    fn this_process_is_seen() {
        let process = Process::current();
        assert!(process.memory_peak_bytes().is_some_and(|bytes| 100_000 < bytes));
        assert!(process.cpu().is_some());
        assert_eq!(Process::numbered(u32::MAX).memory_peak_bytes(), None);
    }
}

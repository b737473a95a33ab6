//! A drill: a backup is restored where nobody uses it, and everything that follows from its log is derived
//! twice and compared. What was not tried does not work.

use super::{Progress, Restored, Restoring, Store, restore};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use florin_ledger::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// What a drill came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DrillReport {
    /// The backup that was tried.
    pub name: String,
    /// How long it took until a bank was there that had proved itself: the time to recover.
    pub recovery_time: Duration,
    /// How old what was recorded last is: what would be lost if the bank were lost now. Nothing, if the
    /// backup is ahead of the clock.
    pub recovery_point: Duration,
    /// What was restored; `None` if it was not.
    pub restored: Option<Restored>,
    /// What does not hold. Empty: the backup can be relied on.
    pub findings: Vec<String>,
}

/// Restores a backup into an empty directory, which is good for nothing afterwards, and measures it.
///
/// # Errors
/// [`ErrorKind::Unusable`] and [`ErrorKind::Invalid`] as [`restore`]: nothing was tried. Everything else
/// is a finding.
pub fn drill(
    store: &Arc<dyn Store>,
    disk: Arc<dyn Disk>,
    restoring: &Restoring<'_>,
    promised: Promised,
    clock: &dyn Clock,
    progress: &mut dyn FnMut(Progress),
) -> Result<DrillReport, Error> {
    let (started, now) = (clock.elapsed(), clock.now());
    let result = restore(store, disk, restoring, progress);
    let recovery_time = clock.elapsed().saturating_sub(started);
    let mut findings = Vec::new();
    let restored = match result {
        Ok(restored) => Some(restored),
        Err(error) if matches!(error.kind(), ErrorKind::Unusable | ErrorKind::Invalid) => {
            return Err(error);
        }
        Err(error) => {
            findings.push(error.to_string());
            None
        }
    };
    let time = restored.as_ref().map_or(Timestamp::NONE, |restored| restored.manifest.time);
    let recovery_point = Duration::from_nanos(now.0.saturating_sub(time.0));
    if promised.time.is_some_and(|promised| promised < recovery_time) {
        findings.push(format!("recovery took {} s, longer than promised", recovery_time.as_secs()));
    }
    if restored.is_some() && promised.point.is_some_and(|promised| promised < recovery_point) {
        findings.push(format!(
            "what was recorded last is {} s old, older than promised: see why there is no newer backup",
            recovery_point.as_secs()
        ));
    }
    let name = restoring.name.to_owned();
    Ok(DrillReport { name, recovery_time, recovery_point, restored, findings })
}

/// What the bank has promised; `None`: nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Promised {
    /// How long recovery takes at most.
    pub time: Option<Duration>,
    /// How much is lost at most.
    pub point: Option<Duration>,
}

//! A drill: a backup is restored where nobody uses it, and everything that follows from its log is derived
//! twice and compared. What was not tried does not work.

use super::restore::{LACKS_KEYRING, proved};
use super::{Progress, Restored, Restoring, Store};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// What a drill came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DrillReport {
    /// The backup that was tried.
    pub name: String,
    /// How long it took until a bank was there that had proved itself: the time to recover.
    pub recovery_time: Duration,
    /// How long ago the backup was made: what was recorded since would be lost if the bank were lost now. Nothing, if the
    /// backup is ahead of the clock; `None` if nothing was restored.
    pub recovery_point: Option<Duration>,
    /// What was restored; `None` if it was not.
    pub restored: Option<Restored>,
    /// What does not hold. Empty: the backup can be relied on.
    pub findings: Vec<String>,
}

/// Restores a backup into an empty directory, which is good for nothing afterwards, and measures it.
///
/// # Errors
/// [`ErrorKind::Unusable`] and [`ErrorKind::Invalid`] as [`super::restore`]: nothing was tried. Everything else
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
    // The mark stays: what is left of a drill opens nowhere.
    let result = proved(store, disk, restoring, progress);
    let recovery_time = clock.elapsed().saturating_sub(started);
    let mut findings = Vec::new();
    let restored = match result {
        Ok((restored, _)) => Some(restored),
        Err(error) if matches!(error.kind(), ErrorKind::Unusable | ErrorKind::Invalid) => {
            return Err(error);
        }
        Err(error) => {
            findings.push(error.to_string());
            None
        }
    };
    if restored.as_ref().is_some_and(|restored| restored.lacks_keyring) {
        findings.push(String::from(LACKS_KEYRING));
    }
    // A bank that records nothing for an hour loses nothing that a backup of this minute does not have.
    let recovery_point = restored.as_ref().map(|Restored { manifest, .. }| {
        Duration::from_nanos(now.0.saturating_sub(manifest.knows_until().0))
    });
    if promised.time.is_some_and(|promised| promised < recovery_time) {
        findings.push(format!("recovery took {} s, longer than promised", recovery_time.as_secs()));
    }
    if let (Some(promised), Some(point)) = (promised.point, recovery_point)
        && promised < point
    {
        findings.push(format!(
            "the backup is {} s old, older than promised: see why there is no newer one",
            point.as_secs()
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

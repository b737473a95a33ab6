//! What does not hold. A finding stays until a whole pass of its check has not met it again, so one
//! that was repaired goes by itself, and one that stays is reported once.

use super::Check;
use crate::event::{Event, Observer};
use crate::metrics::ScrubMetrics;
use florin_ledger::Lsn;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Something stored that is not as it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which check met it.
    pub check: Check,
    /// Where in the log, if it is there.
    pub position: Option<Lsn>,
    /// What, and what to do: lower case, no full stop.
    pub message: String,
}

/// Findings of one check that are kept; more are only counted.
pub(super) const KEPT_MAX: usize = 64;

/// What was found and still holds.
pub(crate) struct Findings {
    kept: Mutex<BTreeMap<Check, Kept>>,
    metrics: Arc<ScrubMetrics>,
    observer: Observer,
}

#[derive(Default)]
struct Kept {
    last_pass: Vec<Finding>,
    this_pass: Vec<Finding>,
}

impl Kept {
    /// Those of this pass, and those of the last that this one has not come to yet.
    fn all(&self) -> impl Iterator<Item = &Finding> {
        let is_met = |finding: &&Finding| !self.this_pass.contains(finding);
        self.this_pass.iter().chain(self.last_pass.iter().filter(is_met))
    }
}

impl Findings {
    pub(crate) fn new(metrics: Arc<ScrubMetrics>, observer: Observer) -> Findings {
        Findings { kept: Mutex::default(), metrics, observer }
    }

    pub(super) fn report(&self, finding: Finding) {
        let check = finding.check;
        let is_new = self.change(check, |kept| {
            let is_new = !kept.all().any(|known| *known == finding);
            if kept.this_pass.len() < KEPT_MAX && !kept.this_pass.contains(&finding) {
                kept.this_pass.push(finding.clone());
            }
            is_new
        });
        if is_new {
            self.metrics.found(check);
            self.observer.tell(&Event::Finding(finding));
        }
    }

    pub(super) fn pass_ended(&self, check: Check) {
        self.change(check, |kept| kept.last_pass = std::mem::take(&mut kept.this_pass));
    }

    /// Everything that was found and still holds, as far as it is kept.
    pub(crate) fn all(&self) -> Vec<Finding> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values().flat_map(Kept::all).cloned().collect()
    }

    fn change<T>(&self, check: Check, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.entry(check).or_default();
        let changed = change(kept);
        self.metrics.stand(check, u64::try_from(kept.all().count()).expect("few are kept"));
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Observer;
    use std::sync::mpsc;

    fn finding(position: u64) -> Finding {
        let message = String::from("damaged");
        Finding { check: Check::Log, position: Some(Lsn(position)), message }
    }

    /// Prevents: an alarm a minute for one bad sector, or one that never ends after the repair.
    #[test]
    fn a_finding_is_told_once_and_stays_until_a_pass_does_not_meet_it() {
        let (sender, told) = mpsc::channel();
        let sender = Mutex::new(sender);
        let observer = Observer::new(move |event| {
            if let Event::Finding(finding) = event {
                sender.lock().unwrap().send(finding.clone()).unwrap();
            }
        });
        let metrics = Arc::new(ScrubMetrics::default());
        let findings = Findings::new(Arc::clone(&metrics), observer);
        for _ in 0..3 {
            findings.report(finding(7));
            findings.report(finding(7));
            assert_eq!(findings.all(), [finding(7)]);
            findings.pass_ended(Check::Log);
            assert_eq!(findings.all(), [finding(7)]);
        }
        findings.report(finding(9));
        findings.pass_ended(Check::Log);
        assert_eq!(findings.all(), [finding(9)]);
        findings.pass_ended(Check::Log);
        assert_eq!(findings.all(), []);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [finding(7), finding(9)]);
    }

    /// Prevents: a disk that fails everywhere fills the memory with findings.
    #[test]
    fn what_is_kept_is_bounded() {
        let findings = Findings::new(Arc::default(), Observer::default());
        for position in 0..10 * u64::try_from(KEPT_MAX).unwrap() {
            findings.report(finding(position));
        }
        assert_eq!(findings.all().len(), KEPT_MAX);
    }
}

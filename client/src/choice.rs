//! Which of several servers is taken, and what it comes to if none is.
//!
//! - Only a primary is taken: whoever reads from one server and writes to another would not find what it
//!   wrote.
//! - One that has just said that it decides nothing is taken only if no other server claims to decide: its
//!   own claim is older than that.
//! - Of two that claim to decide, the better one is; the claim of an old primary that came back does not
//!   win because it is named first.

use crate::failure::Failure;
use florin_wire::Refusal;
use florin_wire::replication::ReplicationStatus;

/// A server that claims to decide.
pub(crate) struct Candidate<C> {
    /// Of its address.
    pub(crate) index: usize,
    pub(crate) connection: C,
    pub(crate) status: ReplicationStatus,
}

/// The server to take; `declined` is the address of the one that has just said that it decides nothing.
pub(crate) fn choose<C>(
    candidates: Vec<Candidate<C>>,
    declined: Option<usize>,
) -> Option<Candidate<C>> {
    let mut chosen = None::<Candidate<C>>;
    for candidate in candidates {
        let is_better = chosen.as_ref().is_none_or(|chosen| {
            match (Some(chosen.index) == declined, Some(candidate.index) == declined) {
                (true, false) => true,
                (false, true) => false,
                _ if better(&candidate.status, &chosen.status) => true,
                _ => !better(&chosen.status, &candidate.status) && candidate.index < chosen.index,
            }
        });
        if is_better {
            chosen = Some(candidate);
        }
    }
    chosen
}

/// Whether one primary is rather the one that decides than another: that of the later term; outside a group there are
/// none, and it is that with the longer log.
pub(crate) fn better(one: &ReplicationStatus, other: &ReplicationStatus) -> bool {
    (other.term, other.synced) < (one.term, one.synced)
}

/// What it comes to that no server was taken, each for its own reason. It may pass if one of the reasons
/// may.
pub(crate) fn none_taken(addresses: &str, failures: Vec<(&str, Failure)>) -> Failure {
    let may_pass = failures.iter().any(|(_, failure)| failure.may_pass());
    let kind = failures.iter().find_map(|(_, failure)| match failure {
        Failure::Refused(refusal) => Some(refusal.kind),
        _ => None,
    });
    let reasons: Vec<_> = failures
        .into_iter()
        .map(|(address, failure)| {
            let reason = failure.message();
            if reason.contains(address) { reason } else { format!("{address}: {reason}") }
        })
        .collect();
    let message = format!("none of {addresses} is a primary to speak to: {}", reasons.join("; "));
    match kind {
        _ if may_pass => Failure::NotSent(message),
        Some(kind) => Failure::Refused(Refusal::without_effect(kind, message)),
        None => Failure::Hopeless(message),
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, better, choose, none_taken};
    use crate::failure::Failure;
    use florin_ledger::Lsn;
    use florin_wire::replication::ReplicationStatus;
    use florin_wire::{Refusal, RefusalKind};

    /// The old primary's log may be the longer one: what lies at its end nobody was told.
    #[test]
    fn the_later_term_wins_whatever_lies_in_the_logs() {
        let primary = |term, synced| ReplicationStatus {
            term,
            synced: Lsn(synced),
            ..ReplicationStatus::default()
        };
        assert!(better(&primary(2, 5), &primary(1, 9)));
        assert!(!better(&primary(1, 9), &primary(2, 5)));
        assert!(!better(&primary(2, 5), &primary(2, 5)));
    }

    /// The index that is chosen of servers whose logs are so long, in the order in which they answered.
    fn chosen(answered: &[(usize, u64)], declined: Option<usize>) -> Option<usize> {
        let candidate = |&(index, synced): &(usize, u64)| Candidate {
            index,
            connection: (),
            status: ReplicationStatus { synced: Lsn(synced), ..ReplicationStatus::default() },
        };
        let candidates = answered.iter().map(candidate).collect();
        choose(candidates, declined).map(|candidate| candidate.index)
    }

    /// Whoever writes to an old primary that came back loses it all when that follows the new one.
    #[test]
    fn the_better_claim_wins_whoever_answers_first() {
        assert_eq!(chosen(&[], None), None);
        assert_eq!(chosen(&[(2, 5)], None), Some(2));
        assert_eq!(chosen(&[(0, 5), (1, 9)], None), Some(1));
        assert_eq!(chosen(&[(1, 9), (0, 5)], None), Some(1));
        // As good as each other: the one that is named first, whoever is faster.
        assert_eq!(chosen(&[(1, 5), (0, 5)], None), Some(0));
        assert_eq!(chosen(&[(0, 5), (1, 5)], None), Some(0));
    }

    #[test]
    fn whoever_declined_is_taken_only_if_nobody_else_decides() {
        assert_eq!(chosen(&[(0, 9), (1, 5)], Some(0)), Some(1));
        assert_eq!(chosen(&[(1, 5), (0, 9)], Some(0)), Some(1));
        assert_eq!(chosen(&[(0, 9)], Some(0)), Some(0));
    }

    #[test]
    fn what_may_pass_at_one_server_may_pass() {
        let not_sent = || Failure::NotSent(String::from("can't connect to a:1: refused"));
        let hopeless = || Failure::Hopeless(String::from("not believed"));
        let refused =
            |kind| Failure::Refused(Refusal::without_effect(kind, String::from("no such key")));
        let none = |failures: [Failure; 2]| {
            let [a, b] = failures;
            none_taken("a:1, b:1", vec![("a:1", a), ("b:1", b)])
        };
        let expect = "none of a:1, b:1 is a primary to speak to: can't connect to a:1: refused; \
                      b:1: not believed";
        assert_eq!(none([not_sent(), hopeless()]), Failure::NotSent(String::from(expect)));
        let Failure::Refused(refusal) = none([hopeless(), refused(RefusalKind::Unauthenticated)])
        else {
            unreachable!("nobody will let it in");
        };
        assert_eq!(refusal.kind, RefusalKind::Unauthenticated);
        assert!(matches!(none([hopeless(), hopeless()]), Failure::Hopeless(_)));
        assert!(matches!(none([refused(RefusalKind::Busy), hopeless()]), Failure::NotSent(_)));
    }
}

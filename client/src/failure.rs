//! How one attempt at a call fails, and what several failures come to.

use crate::error::ClientError;
use florin_wire::{Effect, Refusal, RefusalKind};

/// How one attempt failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// Nothing was sent; another attempt may fare better.
    NotSent(String),
    /// Nothing was sent, and no attempt will fare better.
    Hopeless(String),
    /// The server refused.
    Refused(Refusal),
    /// It was sent, and no answer came.
    Lost(String),
}

impl Failure {
    /// What became of the attempt, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Failure::NotSent(_) | Failure::Hopeless(_) => "not sent",
            Failure::Refused(refusal) => refusal.kind.name(),
            Failure::Lost(_) => "lost",
        }
    }

    /// Whether another attempt may fare better, at the same server.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Failure::NotSent(_) | Failure::Lost(_) => true,
            Failure::Hopeless(_) => false,
            Failure::Refused(refusal) => matches!(
                refusal.kind,
                RefusalKind::Busy | RefusalKind::Stopped | RefusalKind::RateLimited
            ),
        }
    }

    /// Whether the server itself says that another one decides, or soon may.
    pub(crate) fn points_elsewhere(&self) -> bool {
        let Failure::Refused(refusal) = self else { return false };
        matches!(refusal.kind, RefusalKind::Standby | RefusalKind::Stopped)
    }

    /// Whether nobody who decides was asked.
    pub(crate) fn asked_nobody(&self) -> bool {
        match self {
            Failure::NotSent(_) => true,
            Failure::Refused(refusal) => refusal.kind == RefusalKind::Standby,
            Failure::Hopeless(_) | Failure::Lost(_) => false,
        }
    }

    /// For people.
    pub(crate) fn message(self) -> String {
        match self {
            Failure::NotSent(message) | Failure::Hopeless(message) | Failure::Lost(message) => {
                message
            }
            Failure::Refused(Refusal { kind, message, .. }) => {
                format!("refused ({kind}): {message}")
            }
        }
    }
}

/// What the attempts at one call have come to so far.
#[derive(Debug)]
pub(crate) struct Fate {
    writes: bool,
    /// The first attempt that may have taken effect without our knowing. From then on only an
    /// answer settles what happened: a refusal of a later attempt says nothing about this one.
    lost: Option<String>,
}

impl Fate {
    /// The fate of a call that was not tried yet, and that changes something or not.
    pub(crate) fn new(writes: bool) -> Fate {
        Fate { writes, lost: None }
    }

    /// Notes a failed attempt; whether another is worth trying.
    pub(crate) fn note(&mut self, failure: &Failure) -> bool {
        match failure {
            Failure::NotSent(_) | Failure::Hopeless(_) => {}
            Failure::Lost(message) => self.lose(message),
            Failure::Refused(refusal) => {
                if refusal.effect == Effect::Unknown {
                    self.lose(&refusal.message);
                }
            }
        }
        failure.may_pass()
    }

    /// Whether an attempt so far may have taken effect without our knowing.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// What the caller is told after the last attempt.
    pub(crate) fn end(self, last: Failure) -> ClientError {
        match (self.lost, last) {
            (Some(lost), Failure::Lost(message)) if lost == message => {
                ClientError::Unknown { message }
            }
            (
                Some(lost),
                Failure::NotSent(last) | Failure::Hopeless(last) | Failure::Lost(last),
            ) => ClientError::Unknown { message: format!("{lost}; then {last}") },
            (Some(lost), Failure::Refused(refusal)) if lost == refusal.message => {
                ClientError::Unknown { message: lost }
            }
            (Some(lost), Failure::Refused(Refusal { kind, message, .. })) => {
                ClientError::Unknown { message: format!("{lost}; then {kind}: {message}") }
            }
            (None, Failure::NotSent(message) | Failure::Hopeless(message)) => {
                ClientError::NotSent { message }
            }
            (None, Failure::Lost(message)) if self.writes => ClientError::Unknown { message },
            (None, Failure::Lost(message)) => ClientError::NotSent {
                message: format!("the answer to a read was lost: {message}"),
            },
            (None, Failure::Refused(Refusal { kind, message, .. })) => {
                ClientError::Refused { kind, message }
            }
        }
    }

    fn lose(&mut self, message: &str) {
        if self.writes && self.lost.is_none() {
            self.lost = Some(String::from(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Fate};
    use crate::error::ClientError;
    use florin_wire::{Effect, Refusal, RefusalKind};

    fn end(writes: bool, failures: &[Failure]) -> &'static str {
        let mut fate = Fate::new(writes);
        for failure in failures {
            fate.note(failure);
        }
        match fate.end(failures.last().unwrap().clone()) {
            ClientError::NotSent { .. } => "not sent",
            ClientError::Refused { .. } => "refused",
            ClientError::Unknown { .. } => "unknown",
        }
    }

    /// A caller that is told "refused" pays again under a new id; if the lost attempt took
    /// effect, the money moves twice.
    #[test]
    fn after_a_loss_only_an_answer_settles() {
        let not_sent = || Failure::NotSent(String::from("no route"));
        let lost = || Failure::Lost(String::from("reset"));
        let refused =
            |kind, effect| Failure::Refused(Refusal { kind, effect, message: String::from("no") });
        let busy = || refused(RefusalKind::Busy, Effect::None);
        let stopped = || refused(RefusalKind::Stopped, Effect::Unknown);

        assert_eq!(end(true, &[not_sent()]), "not sent");
        assert_eq!(end(true, &[busy()]), "refused");
        assert_eq!(end(true, &[busy(), not_sent()]), "not sent");
        assert_eq!(end(true, &[lost()]), "unknown");
        assert_eq!(end(true, &[lost(), busy()]), "unknown");
        assert_eq!(end(true, &[lost(), not_sent()]), "unknown");
        assert_eq!(end(true, &[stopped()]), "unknown");
        assert_eq!(end(true, &[stopped(), busy()]), "unknown");
        // A read has nothing to settle.
        assert_eq!(end(false, &[lost()]), "not sent");
        assert_eq!(end(false, &[lost(), busy()]), "refused");
        assert_eq!(end(false, &[lost(), not_sent()]), "not sent");
    }
}

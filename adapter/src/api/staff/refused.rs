//! What a program of the staff is told of a refusal.

use super::super::problem::{Code, Problem};
use crate::accounts::SuspendRefused;
use crate::customers::{EraseRefused, FactorRecoveryRefused};
use crate::payments::ReversalRefused;
use crate::payments::review::DecideRefused;
use crate::staff::care::CareRefused;
use crate::staff::{Forbidden, ProposalRefused, SameEyes};

impl From<Forbidden> for Problem {
    fn from(_: Forbidden) -> Problem {
        Code::RoleMissing.into()
    }
}

impl From<SameEyes> for Problem {
    fn from(_: SameEyes) -> Problem {
        Code::SameEyes.into()
    }
}

impl From<CareRefused> for Problem {
    fn from(refused: CareRefused) -> Problem {
        match refused {
            CareRefused::Forbidden(refused) => refused.into(),
            CareRefused::NoSuchCustomer => Code::NotFound.into(),
            CareRefused::Reason => Problem::improper("reason", &refused),
            CareRefused::Bank(error) => error.into(),
        }
    }
}

impl From<SuspendRefused> for Problem {
    fn from(refused: SuspendRefused) -> Problem {
        match refused {
            SuspendRefused::Forbidden(refused) => refused.into(),
            SuspendRefused::NoSuchAccount => Code::NotFound.into(),
            SuspendRefused::Closed => Code::AccountNotUsable.into(),
            SuspendRefused::Reason => Problem::improper("reason", &refused),
            SuspendRefused::Bank(error) => error.into(),
        }
    }
}

impl From<ProposalRefused> for Problem {
    fn from(refused: ProposalRefused) -> Problem {
        match refused {
            ProposalRefused::Forbidden(refused) => refused.into(),
            ProposalRefused::SameEyes(refused) => refused.into(),
            ProposalRefused::AlreadyProposed => Code::AlreadyProposed.into(),
            ProposalRefused::NoSuchProposal => Code::NotProposed.into(),
            ProposalRefused::Reason => Problem::improper("reason", &refused),
            ProposalRefused::Bank(error) => error.into(),
        }
    }
}

impl From<ReversalRefused> for Problem {
    fn from(refused: ReversalRefused) -> Problem {
        match refused {
            ReversalRefused::Forbidden(refused) => refused.into(),
            ReversalRefused::SameEyes(refused) => refused.into(),
            ReversalRefused::NoSuchTransaction => Code::NotFound.into(),
            ReversalRefused::NotReversible => Code::NotReversible.into(),
            ReversalRefused::AlreadyReversed => Code::AlreadyReversed.into(),
            ReversalRefused::InsufficientFunds => Code::InsufficientFunds.into(),
            ReversalRefused::Closed => Code::AccountNotUsable.into(),
            ReversalRefused::Proposal(refused) => refused.into(),
            ReversalRefused::Bank(error) => error.into(),
        }
    }
}

impl From<EraseRefused> for Problem {
    fn from(refused: EraseRefused) -> Problem {
        match refused {
            EraseRefused::NoSuchCustomer => Code::NotFound.into(),
            EraseRefused::OpenAccounts => Code::AccountsOpen.into(),
            EraseRefused::LegalHold => Code::LegalHoldStands.into(),
            EraseRefused::Proposal(refused) => refused.into(),
            EraseRefused::Bank(error) => error.into(),
        }
    }
}

impl From<FactorRecoveryRefused> for Problem {
    fn from(refused: FactorRecoveryRefused) -> Problem {
        match refused {
            FactorRecoveryRefused::NoSuchCustomer => Code::NotFound.into(),
            FactorRecoveryRefused::TooSoon => Code::ChangedRecently.into(),
            FactorRecoveryRefused::Proposal(refused) => refused.into(),
            FactorRecoveryRefused::Bank(error) => error.into(),
        }
    }
}

impl From<DecideRefused> for Problem {
    fn from(refused: DecideRefused) -> Problem {
        match refused {
            DecideRefused::Forbidden(refused) => refused.into(),
            DecideRefused::NoSuchCase => Code::NotFound.into(),
            DecideRefused::Decided => Code::CaseDecided.into(),
            DecideRefused::Own => Code::SameEyes.into(),
            DecideRefused::Bank(error) => error.into(),
        }
    }
}

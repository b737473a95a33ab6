//! What the staff is answered: the page again with what was wrong, or where it goes on.

use crate::accounts::{CashRefused, LimitRefused, SuspendRefused};
use crate::customers::{EraseRefused, FactorRecoveryRefused, NameChangeRefused};
use crate::error::BankError;
use crate::money::NotAnAmount;
use crate::payments::ReversalRefused;
use crate::payments::parked::ResumeRefused;
use crate::payments::review::DecideRefused;
use crate::staff::ProposalRefused;
use crate::staff::care::CareRefused;
use crate::web::pages::{self, Problem};
use crate::web::session::no_such;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

/// Why something was not done, by what whoever asked is answered.
pub(super) enum Refusal {
    /// They may not: 403.
    Forbidden,
    /// There is no such thing: 404.
    NoSuch,
    /// What is in the way, for the page to say: 422.
    Said(String),
    /// It could not be tried.
    Failed(BankError),
}

impl From<CareRefused> for Refusal {
    fn from(refused: CareRefused) -> Refusal {
        match refused {
            CareRefused::Forbidden(_) => Refusal::Forbidden,
            CareRefused::NoSuchCustomer => Refusal::NoSuch,
            CareRefused::Bank(error) => Refusal::Failed(error),
            CareRefused::Reason => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<SuspendRefused> for Refusal {
    fn from(refused: SuspendRefused) -> Refusal {
        match refused {
            SuspendRefused::Forbidden(_) => Refusal::Forbidden,
            SuspendRefused::NoSuchAccount => Refusal::NoSuch,
            SuspendRefused::Bank(error) => Refusal::Failed(error),
            refused => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<CashRefused> for Refusal {
    fn from(refused: CashRefused) -> Refusal {
        match refused {
            CashRefused::Forbidden(_) => Refusal::Forbidden,
            CashRefused::NoSuchAccount => Refusal::NoSuch,
            CashRefused::Bank(error) => Refusal::Failed(error),
            refused => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<ProposalRefused> for Refusal {
    fn from(refused: ProposalRefused) -> Refusal {
        match refused {
            ProposalRefused::Forbidden(_) | ProposalRefused::SameEyes(_) => Refusal::Forbidden,
            ProposalRefused::Bank(error) => Refusal::Failed(error),
            refused => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<ReversalRefused> for Refusal {
    fn from(refused: ReversalRefused) -> Refusal {
        match refused {
            ReversalRefused::Forbidden(_) | ReversalRefused::SameEyes(_) => Refusal::Forbidden,
            ReversalRefused::NoSuchTransaction => Refusal::NoSuch,
            ReversalRefused::Bank(error) => Refusal::Failed(error),
            refused => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<EraseRefused> for Refusal {
    fn from(refused: EraseRefused) -> Refusal {
        match refused {
            EraseRefused::NoSuchCustomer => Refusal::NoSuch,
            EraseRefused::Proposal(refused) => refused.into(),
            EraseRefused::Bank(error) => Refusal::Failed(error),
            refused => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<FactorRecoveryRefused> for Refusal {
    fn from(refused: FactorRecoveryRefused) -> Refusal {
        match refused {
            FactorRecoveryRefused::NoSuchCustomer => Refusal::NoSuch,
            FactorRecoveryRefused::Proposal(refused) => refused.into(),
            FactorRecoveryRefused::Bank(error) => Refusal::Failed(error),
            refused => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<NameChangeRefused> for Refusal {
    fn from(refused: NameChangeRefused) -> Refusal {
        match refused {
            NameChangeRefused::NoSuchCustomer => Refusal::NoSuch,
            NameChangeRefused::Proposal(refused) => refused.into(),
            NameChangeRefused::Bank(error) => Refusal::Failed(error),
            refused => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<DecideRefused> for Refusal {
    fn from(refused: DecideRefused) -> Refusal {
        match refused {
            DecideRefused::Forbidden(_) | DecideRefused::Own => Refusal::Forbidden,
            DecideRefused::NoSuchCase => Refusal::NoSuch,
            DecideRefused::Bank(error) => Refusal::Failed(error),
            DecideRefused::Decided => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<ResumeRefused> for Refusal {
    fn from(refused: ResumeRefused) -> Refusal {
        match refused {
            ResumeRefused::Forbidden(_) => Refusal::Forbidden,
            ResumeRefused::Bank(error) => Refusal::Failed(error),
            ResumeRefused::NotParked => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<LimitRefused> for Refusal {
    fn from(refused: LimitRefused) -> Refusal {
        match refused {
            LimitRefused::Forbidden(_) => Refusal::Forbidden,
            LimitRefused::NoSuchAccount => Refusal::NoSuch,
            LimitRefused::Bank(error) => Refusal::Failed(error),
            LimitRefused::TooLarge => Refusal::Said(refused.to_string()),
        }
    }
}

impl From<NotAnAmount> for Refusal {
    fn from(refused: NotAnAmount) -> Refusal {
        Refusal::Said(refused.to_string())
    }
}

impl From<BankError> for Refusal {
    fn from(error: BankError) -> Refusal {
        Refusal::Failed(error)
    }
}

impl Refusal {
    /// The answer, where there is no page to say it on.
    pub(super) fn answer(self) -> Response {
        match self {
            Refusal::Forbidden => pages::problem(Problem::Forbidden),
            Refusal::NoSuch | Refusal::Said(_) => no_such(),
            Refusal::Failed(error) => pages::failed(&error),
        }
    }
}

/// The page that it was asked from, again: with what is wrong, or as it is now.
pub(super) async fn answered<R: Into<Refusal>>(
    path: &str,
    done: Result<(), R>,
    again: impl AsyncFnOnce(String) -> Result<Response, Refusal>,
) -> Response {
    let refusal = match done {
        Ok(()) => return Redirect::to(path).into_response(),
        Err(refused) => refused.into(),
    };
    match refusal {
        Refusal::Said(problem) => match again(problem).await {
            Ok(page) => (StatusCode::UNPROCESSABLE_ENTITY, page).into_response(),
            Err(refusal) => refusal.answer(),
        },
        refusal => refusal.answer(),
    }
}

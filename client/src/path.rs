//! Where a client's calls go, and how often.

use crate::backoff;
use crate::call::Call;
#[cfg(feature = "embedded")]
use crate::embedded::Embedded;
use crate::error::ClientError;
use crate::failure::{Failure, Fate};
use crate::link::Link;
use florin_ledger::Position;
use florin_wire::RefusalKind;
use tokio::time::{Instant, sleep};
use tracing::{Instrument, debug_span};

/// Where a client's calls go.
pub(crate) enum Path {
    /// To a server.
    Tcp(Box<Link>),
    /// To an engine in this process.
    #[cfg(feature = "embedded")]
    Embedded(Embedded),
}

/// What a call was answered.
pub(crate) struct Asked<A> {
    pub(crate) answer: A,
    /// An attempt before may have taken effect: the answer speaks of both.
    pub(crate) after_loss: bool,
}

impl Path {
    /// The newest position that an answer named.
    pub(crate) fn reached(&self) -> Position {
        match self {
            Path::Tcp(link) => link.reached(),
            #[cfg(feature = "embedded")]
            Path::Embedded(embedded) => embedded.reached(),
        }
    }

    /// Asks until there is an answer, no hope of one, or no time or attempt left. Asking again is
    /// safe where nothing changes or ids make a request take effect once; anything else is not asked
    /// again once an attempt may have taken effect.
    ///
    /// Whoever answers has reached the position `after`.
    pub(crate) async fn ask<C: Call>(
        &self,
        call: &C,
        after: Position,
        attempts_max: u32,
        deadline: Instant,
    ) -> Result<Asked<C::Answer>, ClientError> {
        let span = debug_span!("florin", call = C::OPERATION.name());
        self.ask_in_span(call, after, attempts_max, deadline).instrument(span).await
    }

    async fn ask_in_span<C: Call>(
        &self,
        call: &C,
        after: Position,
        attempts_max: u32,
        deadline: Instant,
    ) -> Result<Asked<C::Answer>, ClientError> {
        let mut fate = Fate::new(C::OPERATION.writes());
        let (mut pauses, mut attempts) = (0, 0);
        loop {
            let failure = match self.attempt(call, after, deadline).await {
                Ok(answer) => return Ok(Asked { answer, after_loss: fate.is_lost() }),
                Err(failure) => failure,
            };
            let pause = backoff::pause(pauses);
            pauses += 1;
            // While nobody decides, only the deadline says how long to look for somebody who does.
            if !(self.leads_to_several() && failure.asked_nobody()) {
                attempts += 1;
            }
            let may_pass = fate.note(&failure) || self.is_decided_elsewhere(&failure);
            let worth_another = may_pass && !self.has_ended(&failure);
            let may_ask = C::OPERATION.may_be_repeated() || !fate.is_lost();
            let has_time = attempts < attempts_max && Instant::now() + pause < deadline;
            if !worth_another || !may_ask || !has_time {
                return Err(fate.end(failure));
            }
            sleep(pause).await;
        }
    }

    /// Whether nobody is left to ask: a server that stopped is started again, an engine in this
    /// process is not.
    fn has_ended(&self, failure: &Failure) -> bool {
        let comes_back = match self {
            Path::Tcp(_) => true,
            #[cfg(feature = "embedded")]
            Path::Embedded(_) => false,
        };
        let stopped =
            matches!(failure, Failure::Refused(refusal) if refusal.kind == RefusalKind::Stopped);
        stopped && !comes_back
    }

    /// Whether a server was asked that decides nothing, while others are named that may.
    fn is_decided_elsewhere(&self, failure: &Failure) -> bool {
        self.leads_to_several() && failure.points_elsewhere()
    }

    fn leads_to_several(&self) -> bool {
        match self {
            Path::Tcp(link) => link.leads_to_several(),
            #[cfg(feature = "embedded")]
            Path::Embedded(_) => false,
        }
    }

    async fn attempt<C: Call>(
        &self,
        call: &C,
        after: Position,
        deadline: Instant,
    ) -> Result<C::Answer, Failure> {
        match self {
            Path::Tcp(link) => link.attempt(call, after, deadline).await,
            #[cfg(feature = "embedded")]
            Path::Embedded(embedded) => embedded.attempt(call, after, deadline).await,
        }
    }
}

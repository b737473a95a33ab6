//! The scrubber: reads again, in the background and at a bounded rate, what is stored, and compares
//! it with what must hold. Everything it finds is a figure, an event and a finding of
//! [`crate::Database::metrics`]; nothing it finds stops the engine.
//!
//! Four checks take turns, a bounded piece each, pass after pass: the [log](log_pass) from its first
//! frame to the durable position; the [runs](runs_pass) of ids and of documents;
//! [accounts](accounts_pass), one after the other, recomputed from the log; the
//! [trial balance](trial_pass) of every ledger.
//!
//! Invariants:
//! - it writes nothing, and reads only what is durable;
//! - the engine answers it cheap questions, as it does readers, and never waits for it;
//! - [`Scrubber::step`] takes time as an argument and says how long to wait: the thread around it
//!   does nothing else.

mod accounts_pass;
mod findings;
mod log_pass;
mod pace;
mod runs_pass;
#[cfg(test)]
mod tests;
mod trial_pass;

pub use findings::Finding;

pub(crate) use findings::Findings;

use crate::clock::{Clock, SystemClock};
use crate::disk::Disk;
use crate::driver::durable::Durable;
use crate::driver::inbox::{Inbox, Task};
use crate::driver::promise::Promise;
use crate::engine::ask::{Answer, Ask};
use crate::error::ErrorKind;
use crate::log::LogReader;
use crate::metrics::ScrubMetrics;
use accounts_pass::AccountsPass;
use florin_ledger::Lsn;
use log_pass::LogPass;
use pace::Pace;
use runs_pass::RunsPass;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use trial_pass::TrialPass;

/// What is checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Check {
    /// Every byte of the log.
    Log,
    /// Every page of the runs of ids and of documents.
    Runs,
    /// The balances of account after account.
    Accounts,
    /// Debits against credits on every ledger.
    TrialBalance,
}

impl Check {
    /// Every check, in the order of their turns.
    pub const ALL: &'static [Check] =
        &[Check::Log, Check::Runs, Check::Accounts, Check::TrialBalance];

    /// The name that figures carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Check::Log => "log",
            Check::Runs => "runs",
            Check::Accounts => "accounts",
            Check::TrialBalance => "trial_balance",
        }
    }

    pub(crate) fn index(self) -> usize {
        Check::ALL.iter().position(|check| *check == self).expect("all checks are listed")
    }

    /// How long a pass begins after the one before began, at least: a small database is not read
    /// over and over.
    fn interval(self) -> Duration {
        match self {
            Check::Log | Check::Runs | Check::Accounts => Duration::from_secs(60),
            Check::TrialBalance => Duration::from_secs(10),
        }
    }
}

/// What the checks look through.
pub(crate) struct Eyes {
    /// A reader of its own: what others have in their cache was read some other time.
    pub(crate) log: LogReader,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) durable: Arc<Durable>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) findings: Arc<Findings>,
    pub(crate) metrics: Arc<ScrubMetrics>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Why a step was not done.
#[derive(Debug)]
enum Halt {
    /// The engine is gone.
    Stopped,
    /// Not now.
    Later,
}

/// What a step did.
#[derive(Debug)]
struct Progress {
    /// What it counts against the rate.
    bytes: u64,
    is_pass_over: bool,
}

/// What to do after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// So many bytes were read.
    Pay(u64),
    /// Nothing is due for so long.
    Sleep(Duration),
    /// The engine is gone.
    End,
}

/// The four checks and whose turn it is.
pub(crate) struct Scrubber {
    eyes: Eyes,
    log: LogPass,
    runs: RunsPass,
    accounts: AccountsPass,
    trial: TrialPass,
    schedule: Vec<Turn>,
    /// The check whose turn is next.
    next: usize,
}

/// When a check goes on.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    due: Duration,
    /// When its pass began, while one is under way.
    began: Option<Duration>,
}

/// How long a check that could not go on is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Eyes {
    /// Asks the engine, as readers do. What it answers is about something durable.
    fn ask(&self, ask: Ask) -> Result<Answer, Halt> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The receiver waits below for exactly this answer.
        let promise = Promise::new(move |answer| drop(sender.send(answer)));
        self.inbox.submit(Task::Ask(ask, promise));
        let answer = receiver.recv().expect("a promise answers even when it is dropped");
        answer.map_err(|error| match error.kind() {
            ErrorKind::Stopped => Halt::Stopped,
            _ => Halt::Later,
        })
    }

    fn report(&self, check: Check, position: Option<Lsn>, message: &str) {
        self.findings.report(Finding { check, position, message: message.to_owned() });
    }
}

impl Scrubber {
    pub(crate) fn new(eyes: Eyes) -> Scrubber {
        Scrubber {
            eyes,
            log: LogPass::default(),
            runs: RunsPass::default(),
            accounts: AccountsPass::default(),
            trial: TrialPass::default(),
            schedule: vec![Turn::default(); Check::ALL.len()],
            next: 0,
        }
    }

    /// Does a piece of the check whose turn it is.
    pub(crate) fn step(&mut self, now: Duration) -> Next {
        let turns = (0..Check::ALL.len()).map(|turn| (self.next + turn) % Check::ALL.len());
        let Some(index) = turns.into_iter().find(|index| self.schedule[*index].due <= now) else {
            let due = self.schedule.iter().map(|turn| turn.due).min().expect("there are checks");
            return Next::Sleep(due.saturating_sub(now));
        };
        self.next = (index + 1) % Check::ALL.len();
        let check = Check::ALL[index];
        let began = *self.schedule[index].began.get_or_insert(now);
        let stepped = match check {
            Check::Log => self.log.step(&self.eyes),
            Check::Runs => self.runs.step(&self.eyes),
            Check::Accounts => self.accounts.step(&self.eyes),
            Check::TrialBalance => self.trial.step(&self.eyes),
        };
        self.eyes.metrics.log_is_at(self.log.position());
        match stepped {
            Err(Halt::Stopped) => Next::End,
            Err(Halt::Later) => {
                self.schedule[index].due = now + RETRY_AFTER;
                Next::Pay(0)
            }
            Ok(Progress { bytes, is_pass_over }) => {
                self.eyes.metrics.read(check, bytes);
                if is_pass_over {
                    self.schedule[index] = Turn { due: began + check.interval(), began: None };
                    self.eyes.findings.pass_ended(check);
                    self.eyes.metrics.pass_ended(check, self.eyes.clock.elapsed());
                }
                Next::Pay(bytes)
            }
        }
    }

    /// Steps at a bounded rate until told to stop, or the engine is gone.
    pub(crate) fn run(mut self, bytes_per_second: u64, stopping: &Receiver<()>) {
        // Of its own: the database's may stand still, and a rate needs time that passes.
        let clock = SystemClock::new();
        let mut pace = Pace::new(bytes_per_second);
        loop {
            let wait = match self.step(clock.elapsed()) {
                Next::Pay(bytes) => pace.wait_after(bytes, clock.elapsed()),
                Next::Sleep(wait) => wait,
                Next::End => return,
            };
            match stopping.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

//! A database on a simulated disk, beside what it must say: the naive model of the rules predicts
//! every answer to the nanosecond, the book keeps what was acknowledged.

use crate::book::Book;
use crate::clock::HandClock;
use crate::events::Step;
use crate::keys::TestKey;
use crate::model::Model;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::request::{AccountBatch, Reply, Request, Status, TransferBatch};
use florin_core::{Database, Error, Options, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::{
    Account, AccountId, AccountResult, EventResult, Timestamp, Transfer, TransferResult,
};
use std::sync::{Arc, mpsc};

/// Where the clock of a test starts.
pub(crate) const START: Timestamp = Timestamp(1_000_000);

/// Small segments, small slices, and checkpoints so often that most crashes meet one.
pub(crate) fn options() -> Options {
    Options {
        segment_bytes: 8 << 20,
        preparer: PreparerOptions {
            slice_bytes: 128 << 10,
            reserve_bytes: 32 << 10,
            free_bytes_min: 0,
        },
        checkpoint_bytes: 4 << 10,
        ..Options::default()
    }
}

/// Opens the bank; an encrypted one with its key.
pub(crate) fn open(disk: &SimulatedDisk, clock: &Arc<HandClock>) -> Result<Database, Error> {
    let is_encrypted = disk.contents(sealing::FILE_NAME).is_some();
    let key: Option<Arc<dyn KeyEncryptionKey>> =
        if is_encrypted { Some(Arc::new(TestKey::A)) } else { None };
    Database::open_on(Arc::new(disk.clone()), clock.clone(), Options { key, ..options() })
}

/// A disk on which the bank will be encrypted.
pub(crate) fn encrypted_disk() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    sealing::create(&disk, &TestKey::A).expect("an empty disk");
    disk
}

/// What the bank must say between two steps.
#[derive(Clone)]
pub(crate) struct Books {
    pub(crate) model: Model,
    pub(crate) book: Book,
    /// What the hand clock shows.
    pub(crate) clock: u64,
}

/// What must be answered to a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Accounts(Vec<AccountResult>),
    Transfers(Vec<TransferResult>),
    /// Time passed; nothing to answer.
    None,
}

impl Books {
    pub(crate) fn new() -> Books {
        // The first tick is the epoch's.
        let model = Model::starting_at(START.0 + 1);
        Books { model, book: Book::default(), clock: START.0 }
    }

    /// What must be answered to a step; the books are then as after it.
    pub(crate) fn predict(&mut self, step: &Step) -> Answer {
        self.model.clock = self.model.clock.max(self.clock);
        let began = self.model.clock;
        match step {
            Step::Accounts(events) => {
                let results = results(self.model.create_accounts(events));
                self.book.enter_accounts(events, &results);
                Answer::Accounts(results)
            }
            Step::Transfers(events) => {
                let results = results(self.model.create_transfers(events));
                self.book.enter_transfers(events, &results, began);
                Answer::Transfers(results)
            }
            Step::Wait { nanoseconds } => {
                self.clock = self.model.clock + nanoseconds;
                self.expire();
                Answer::None
            }
            Step::Expire { .. } => {
                self.expire();
                Answer::None
            }
        }
    }

    /// The clock shows this, and the last record of all is from then.
    fn reopened(&mut self, clock: u64, last: Timestamp) {
        self.clock = clock;
        self.model.clock = (last.0 + 1).max(clock);
        self.expire();
        self.model.clock = last.0 + 1;
    }

    /// What is due now has expired, by itself.
    pub(crate) fn expire(&mut self) {
        self.model.clock = self.model.clock.max(self.clock);
        self.book.expire(self.model.clock);
        self.model.expire(usize::MAX);
        self.book.expire(self.model.clock);
    }
}

fn results<S>(answers: Vec<(S, u64)>) -> Vec<EventResult<S>> {
    let result = |(status, stamp)| EventResult { status, timestamp: Timestamp(stamp) };
    answers.into_iter().map(result).collect()
}

pub(crate) struct Bank {
    pub(crate) disk: SimulatedDisk,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) database: Database,
    pub(crate) books: Books,
    /// Operations of the disk until the database was open.
    pub(crate) opened_at: usize,
}

impl Bank {
    /// A new bank on an empty disk.
    pub(crate) fn new() -> Bank {
        let bank = Bank::found(SimulatedDisk::new());
        bank.expect("an empty disk takes a database")
    }

    /// A new bank on this disk, which may refuse.
    pub(crate) fn found(disk: SimulatedDisk) -> Result<Bank, Error> {
        let clock = Arc::new(HandClock::at(START.0));
        let database = open(&disk, &clock)?;
        let opened_at = disk.operations_count();
        Ok(Bank { disk, clock, database, books: Books::new(), opened_at })
    }

    /// A bank that was there before.
    pub(crate) fn reopen(disk: SimulatedDisk, clock: u64, books: Books) -> Result<Bank, Error> {
        let clock = Arc::new(HandClock::at(clock));
        let database = open(&disk, &clock)?;
        let opened_at = disk.operations_count();
        let mut bank = Bank { disk, clock, database, books, opened_at };
        bank.try_synchronise()?;
        Ok(bank)
    }

    /// Learns where time stands. What was refused took ticks that no record tells of, so some time
    /// passes first.
    pub(crate) fn synchronise(&mut self) {
        self.try_synchronise().expect("an open bank has a status");
    }

    fn try_synchronise(&mut self) -> Result<(), Error> {
        let last = self.database.status()?.timestamp.0;
        self.clock.pass_until(self.clock.nanoseconds().max(last) + 10_000_000);
        let last = self.database.status()?.timestamp;
        self.books.reopened(self.clock.nanoseconds(), last);
        Ok(())
    }

    /// Closes the bank in order and opens it again.
    pub(crate) fn restart(self) -> Bank {
        self.database.close().expect("a healthy bank closes");
        let clock = self.clock.nanoseconds();
        Bank::reopen(self.disk, clock, self.books).expect("a closed bank opens")
    }

    /// The power fails and comes back; only what was synced is certain.
    pub(crate) fn power_cut(self, seed: u64) -> Bank {
        let disk = self.disk.crash_image(self.disk.operations_count(), seed);
        let clock = self.clock.nanoseconds();
        Bank::reopen(disk, clock, self.books).expect("an acknowledged state opens")
    }

    pub(crate) fn status(&self) -> Status {
        self.database.status().expect("an open bank has a status")
    }

    /// Carries out steps; every answer must be the predicted one. Returns the books before each
    /// step and after the last. The mark of a step is its number.
    pub(crate) fn play(&mut self, steps: &[Step], in_flight: usize) -> Vec<Books> {
        let mut history = vec![self.books.clone()];
        let mut owed = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let expected = self.books.predict(step);
            history.push(self.books.clone());
            if expected != Answer::None {
                owed.push((number, expected, self.submit(number, step)));
            }
            if expected_none(step) || in_flight <= owed.len() {
                owed.drain(..).for_each(assert_paid);
            }
            if expected_none(step) {
                self.clock.pass_until(self.books.clock);
                self.status();
            }
        }
        owed.into_iter().for_each(assert_paid);
        history
    }

    /// Carries out one step; the books follow only if it was answered.
    pub(crate) fn step(&mut self, number: usize, step: &Step) -> Result<(), Error> {
        let mut after = self.books.clone();
        let expected = after.predict(step);
        if expected == Answer::None {
            self.clock.pass_until(after.clock);
            self.database.status()?;
        } else {
            let reply = self.submit(number, step).recv().expect("every request is answered");
            assert_eq!(answer(reply?), expected, "step {number}");
        }
        self.books = after;
        Ok(())
    }

    fn submit(&self, number: usize, step: &Step) -> mpsc::Receiver<Result<Reply, Error>> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let disk = self.disk.clone();
        let mark = u64::try_from(number).expect("a small number");
        self.database.submit(request(step), move |reply| {
            if reply.is_ok() {
                disk.mark(mark);
            }
            // Nobody waits any more if the test has failed.
            drop(sender.send(reply));
        });
        receiver
    }

    pub(crate) fn create_accounts(&mut self, events: &[Account]) -> Vec<AccountResult> {
        match self.carry_out(&Step::Accounts(events.to_vec())) {
            Answer::Accounts(results) => results,
            _ => unreachable!("accounts are answered by results"),
        }
    }

    pub(crate) fn create_transfers(&mut self, events: &[Transfer]) -> Vec<TransferResult> {
        match self.carry_out(&Step::Transfers(events.to_vec())) {
            Answer::Transfers(results) => results,
            _ => unreachable!("transfers are answered by results"),
        }
    }

    fn carry_out(&mut self, step: &Step) -> Answer {
        let expected = self.books.predict(step);
        let reply = self.submit(0, step).recv().expect("every request is answered");
        assert_eq!(answer(reply.expect("a healthy bank answers")), expected);
        expected
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, nanoseconds: u64) {
        self.step(0, &Step::Wait { nanoseconds }).expect("a healthy bank answers");
    }

    /// Time passes until the next tick is this.
    pub(crate) fn wait_until(&mut self, tick: u64) {
        self.wait(tick - self.books.model.clock.max(self.books.clock));
    }

    pub(crate) fn account(&self, id: u128) -> Account {
        let accounts = self.database.lookup_accounts(&[AccountId(id)]);
        accounts.expect("a healthy bank answers")[0].expect("the account is open")
    }
}

fn expected_none(step: &Step) -> bool {
    matches!(step, Step::Wait { .. } | Step::Expire { .. })
}

fn assert_paid((number, expected, reply): (usize, Answer, mpsc::Receiver<Result<Reply, Error>>)) {
    let reply = reply.recv().expect("every request is answered");
    assert_eq!(answer(reply.expect("a healthy bank answers")), expected, "step {number}");
}

pub(crate) fn request(step: &Step) -> Request {
    match step {
        Step::Accounts(events) => {
            Request::CreateAccounts(AccountBatch::new(events).expect("a small batch"))
        }
        Step::Transfers(events) => {
            Request::CreateTransfers(TransferBatch::new(events).expect("a small batch"))
        }
        Step::Wait { .. } | Step::Expire { .. } => Request::Status,
    }
}

fn answer(reply: Reply) -> Answer {
    match reply {
        Reply::Accounts(results) => Answer::Accounts(results),
        Reply::Transfers(results) => Answer::Transfers(results),
        _ => Answer::None,
    }
}

//! What a checkpoint is told of holds. Prevents a checkpoint that has lost a hold or kept one that is
//! over, and memory that grows with every hold ever placed when no checkpoint asks for a long time.

use florin_ledger::record::{Record, RefusalRecord};
use florin_ledger::{
    Account, AccountId, Amount, Code, CreateTransferStatus, Hold, Journal, Ledger, LedgerId, Lsn,
    PastHold, PastTransfer, Ticks, Timestamp, Transfer, TransferFlags, TransferId,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What is told may be twice what there is to tell, and this.
const SLACK: usize = 1_024;

#[derive(Clone, Debug)]
enum Step {
    Place {
        count: usize,
    },
    /// Voids live holds from the oldest or the newest on.
    Void {
        count: usize,
        oldest: bool,
    },
    PlaceAndVoid {
        rounds: usize,
    },
    /// Chains that void and place holds and fail.
    Fail {
        rounds: usize,
        oldest: bool,
    },
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..300_usize).prop_map(|count| Step::Place { count }),
        (1..300_usize, any::<bool>()).prop_map(|(count, oldest)| Step::Void { count, oldest }),
        (1..1_500_usize).prop_map(|rounds| Step::PlaceAndVoid { rounds }),
        (1..1_000_usize, any::<bool>()).prop_map(|(rounds, oldest)| Step::Fail { rounds, oldest }),
        Just(Step::Take),
    ];
    prop::collection::vec(step, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_told_mirrors_the_live_holds_and_is_bounded(steps in steps()) {
        let mut day = Day::begin();
        for step in steps.iter().chain([&Step::Take]) {
            match *step {
                Step::Place { count } => (0..count).for_each(|_| day.place()),
                Step::Void { count, oldest } => (0..count).for_each(|_| day.void(oldest)),
                Step::PlaceAndVoid { rounds } => (0..rounds).for_each(|_| {
                    day.place();
                    day.void(false);
                }),
                Step::Fail { rounds, oldest } => (0..rounds).for_each(|_| day.fail(oldest)),
                Step::Take => day.take()?,
            }
        }
    }
}

struct Day {
    ledger: Ledger,
    ticks: Ticks,
    log: Positions,
    ids_count: u128,
    live: BTreeSet<TransferId>,
    live_when_taken: BTreeSet<TransferId>,
    /// What a checkpoint made of all that it was told.
    mirror: BTreeMap<Lsn, Hold>,
}

impl Day {
    fn begin() -> Day {
        let mut day = Day {
            ledger: Ledger::new(),
            ticks: Ticks::starting_at(Timestamp(1_000)),
            log: Positions { next: Lsn(64), chain_start: None },
            ids_count: 0,
            live: BTreeSet::new(),
            live_when_taken: BTreeSet::new(),
            mirror: BTreeMap::new(),
        };
        let account =
            |id| Account { id, ledger: LedgerId(840), code: Code(1), ..Account::default() };
        let accounts = [AccountId(1), AccountId(2)].map(account);
        let mut results = Vec::new();
        day.ledger.create_accounts(
            accounts.into_iter(),
            &mut day.ticks,
            &mut day.log,
            &mut results,
        );
        day
    }

    fn place(&mut self) {
        let hold = self.new_hold();
        assert_eq!(self.post(vec![hold]), [CreateTransferStatus::Created]);
        self.live.insert(hold.id);
    }

    fn void(&mut self, oldest: bool) {
        let Some(hold) = self.live_at_end(oldest) else { return };
        let void = self.new_void(hold);
        assert_eq!(self.post(vec![void]), [CreateTransferStatus::Created]);
        self.live.remove(&hold);
    }

    fn fail(&mut self, oldest: bool) {
        let mut chain = vec![self.new_hold()];
        chain.push(self.new_void(chain[0].id));
        if let Some(hold) = self.live_at_end(oldest) {
            chain.push(self.new_void(hold));
        }
        for event in &mut chain {
            event.flags = event.flags.with(TransferFlags::LINKED);
        }
        chain.push(Transfer { ledger: LedgerId(1), ..self.new_hold() });
        assert!(!self.post(chain).contains(&CreateTransferStatus::Created));
    }

    fn take(&mut self) -> Result<(), TestCaseError> {
        let changed = self.ledger.take_changed_holds();
        let differing_count = self.live.symmetric_difference(&self.live_when_taken).count();
        prop_assert!(changed.len() <= 2 * differing_count + SLACK, "{} told", changed.len());
        for (lsn, hold) in changed {
            match hold {
                Some(hold) => self.mirror.insert(lsn, hold),
                None => self.mirror.remove(&lsn),
            };
        }
        let mirrored: BTreeSet<TransferId> = self.mirror.values().map(|hold| hold.id).collect();
        prop_assert_eq!(&mirrored, &self.live);
        prop_assert_eq!(mirrored.len(), self.mirror.len());
        for (lsn, hold) in &self.mirror {
            prop_assert_eq!(self.ledger.hold_at(*lsn), Some(hold));
        }
        self.live_when_taken.clone_from(&self.live);
        Ok(())
    }

    fn live_at_end(&self, oldest: bool) -> Option<TransferId> {
        if oldest { self.live.first().copied() } else { self.live.last().copied() }
    }

    fn new_hold(&mut self) -> Transfer {
        self.ids_count += 1;
        Transfer {
            id: TransferId(self.ids_count),
            debit_account_id: AccountId(1),
            credit_account_id: AccountId(2),
            amount: Amount(10),
            ledger: LedgerId(840),
            code: Code(1),
            flags: TransferFlags::PENDING,
            ..Transfer::default()
        }
    }

    fn new_void(&mut self, hold: TransferId) -> Transfer {
        self.ids_count += 1;
        Transfer {
            id: TransferId(self.ids_count),
            pending_id: hold,
            flags: TransferFlags::VOID_PENDING_TRANSFER,
            ..Transfer::default()
        }
    }

    fn post(&mut self, events: Vec<Transfer>) -> Vec<CreateTransferStatus> {
        let mut results = Vec::new();
        let events = events.into_iter();
        self.ledger.create_transfers(events, &mut self.ticks, &mut self.log, &mut results);
        results.into_iter().map(|result| result.status).collect()
    }
}

/// A log that keeps nothing: no event of these days looks back.
struct Positions {
    next: Lsn,
    chain_start: Option<Lsn>,
}

impl Journal for Positions {
    fn past_transfer(&self, _ledger: &Ledger, _id: TransferId) -> PastTransfer {
        PastTransfer::Unknown
    }

    fn past_hold(&self, _ledger: &Ledger, id: TransferId) -> PastHold {
        unreachable!("hold {id} is not live")
    }

    fn has_transfer_at(&self, _timestamp: Timestamp) -> bool {
        false
    }

    fn append(&mut self, _time: Timestamp, _record: &Record) -> Lsn {
        let lsn = self.next;
        self.next = Lsn(lsn.0 + 112);
        lsn
    }

    fn append_refusal(&mut self, _time: Timestamp, _refusal: RefusalRecord) -> Option<Lsn> {
        None
    }

    fn chain_begin(&mut self) {
        self.chain_start = Some(self.next);
    }

    fn chain_keep(&mut self) {
        self.chain_start = None;
    }

    fn chain_undo(&mut self) {
        self.next = self.chain_start.take().expect("a chain is open");
    }
}

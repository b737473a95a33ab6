//! Work for a server, and what it must have come to: requests that are whole or absent, and a
//! clerk who knows what the books say if they are.

use crate::chance::Chance;
use florin_client::{Client, ClientError, ClientOptions};
use florin_ledger::record::Balances;
use florin_ledger::{
    Account, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Transfer, TransferFlags,
    TransferId, TransferResult,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

pub(crate) const LEDGER: LedgerId = LedgerId(840);
pub(crate) const ACCOUNTS: std::ops::RangeInclusive<u128> = 1..=12;
/// Nobody has opened this account.
const NOBODY: AccountId = AccountId(999);
/// Requests in flight on one connection.
const IN_FLIGHT: usize = 8;

/// A transfer, and how it must be answered.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) transfer: Transfer,
    /// The first time.
    first: CreateTransferStatus,
    /// Any time after the first.
    again: CreateTransferStatus,
}

impl Line {
    fn new(transfer: Transfer) -> Line {
        Line { transfer, first: CreateTransferStatus::Created, again: CreateTransferStatus::Exists }
    }

    /// Whether a repetition is answered with the first timestamp.
    pub(crate) fn exists(&self) -> bool {
        self.again == CreateTransferStatus::Exists
    }

    /// Whether there is a transfer if the request took effect.
    pub(crate) fn creates(&self) -> bool {
        self.first == CreateTransferStatus::Created
    }
}

/// How a request ended for the one who asked.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// With a result for each line.
    Answered(Vec<TransferResult>),
    /// Nothing happened, he was told.
    Nothing,
    /// It may have taken effect or not.
    Unknown,
}

/// One request, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) lines: Vec<Line>,
    pub(crate) end: End,
}

impl Order {
    pub(crate) fn transfers(&self) -> Vec<Transfer> {
        self.lines.iter().map(|line| line.transfer).collect()
    }

    /// Whether results say that the request takes effect now, for the first time; `false` if it
    /// had before.
    ///
    /// # Panics
    /// If they say that a part of it had.
    pub(crate) fn is_first(&self, results: &[TransferResult]) -> bool {
        let statuses: Vec<CreateTransferStatus> =
            results.iter().map(|result| result.status).collect();
        let firsts: Vec<CreateTransferStatus> = self.lines.iter().map(|line| line.first).collect();
        let agains: Vec<CreateTransferStatus> = self.lines.iter().map(|line| line.again).collect();
        assert!(
            statuses == firsts || statuses == agains,
            "a request took effect in part: {statuses:?}, not {firsts:?} nor {agains:?}"
        );
        statuses == firsts
    }
}

/// Where orders come from: each is unlike any other, whatever happens to it.
pub(crate) struct Orders {
    chance: Chance,
    ids: Ids,
}

/// Ids as clients choose them: counted upwards, downwards, or thrown.
enum Ids {
    Rising(u128),
    Falling(u128),
    Random,
}

impl Orders {
    /// Those of one client; `number` tells clients apart, over the whole test.
    pub(crate) fn of_client(number: u64, mut chance: Chance) -> Orders {
        let own = u128::from(number) << 64;
        let ids = match chance.below(3) {
            0 => Ids::Rising(own),
            1 => Ids::Falling(own + (1 << 32)),
            _ => Ids::Random,
        };
        Orders { chance, ids }
    }

    pub(crate) fn next(&mut self) -> Order {
        let lines = match self.chance.below(5) {
            0 => self.chain(),
            1 => self.holds(),
            2 => self.broken(),
            _ => {
                // Now and then so many that they take many blocks of the log.
                let count = if self.chance.once_in(12) { 1_500 } else { 64 };
                (0..=self.chance.below(count)).map(|_| Line::new(self.transfer())).collect()
            }
        };
        Order { lines, end: End::Unknown }
    }

    fn chain(&mut self) -> Vec<Line> {
        let count = 2 + self.chance.below(8);
        let mut lines: Vec<Line> = (0..count).map(|_| Line::new(self.transfer())).collect();
        link(&mut lines);
        // What exists can't be created, and breaks its chain.
        for line in lines.iter_mut().skip(1) {
            line.again = CreateTransferStatus::LinkedEventFailed;
        }
        lines
    }

    /// Holds, each posted in part in the same request, and one left open.
    fn holds(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        for _ in 0..=self.chance.below(4) {
            let hold = Transfer { flags: TransferFlags::PENDING, ..self.transfer() };
            let post = Transfer {
                id: self.id(),
                pending_id: hold.id,
                amount: Amount(1 + u128::from(self.chance.next()) % hold.amount.0),
                flags: TransferFlags::POST_PENDING_TRANSFER,
                ..Transfer::default()
            };
            lines.extend([Line::new(hold), Line::new(post)]);
        }
        lines.push(Line::new(Transfer { flags: TransferFlags::PENDING, ..self.transfer() }));
        lines
    }

    /// A good transfer, one whose failure is remembered, and a chain that such a one breaks.
    fn broken(&mut self) -> Vec<Line> {
        let mut chain: Vec<Line> = (0..3).map(|_| Line::new(self.transfer())).collect();
        link(&mut chain);
        for member in &mut chain {
            member.first = CreateTransferStatus::LinkedEventFailed;
            member.again = CreateTransferStatus::LinkedEventFailed;
        }
        let mut lines = vec![Line::new(self.transfer()), Line::new(self.transfer())];
        lines.append(&mut chain);
        for at in [1, 3] {
            lines[at].transfer.debit_account_id = NOBODY;
            lines[at].first = CreateTransferStatus::DebitAccountNotFound;
            lines[at].again = CreateTransferStatus::IdAlreadyFailed;
        }
        lines
    }

    fn transfer(&mut self) -> Transfer {
        let debit = 1 + u128::from(self.chance.below(12));
        let credit = 1 + (debit + u128::from(self.chance.below(11))) % 12;
        Transfer {
            id: self.id(),
            debit_account_id: AccountId(debit),
            credit_account_id: AccountId(credit),
            amount: Amount(1 + u128::from(self.chance.below(1_000))),
            ledger: LEDGER,
            code: Code(1),
            ..Transfer::default()
        }
    }

    fn id(&mut self) -> TransferId {
        let id = match &mut self.ids {
            Ids::Rising(last) => {
                *last += 1;
                *last
            }
            Ids::Falling(last) => {
                *last -= 1;
                *last
            }
            Ids::Random => u128::from(self.chance.next()) << 64 | u128::from(self.chance.next()),
        };
        TransferId(id)
    }
}

/// All or nothing: every member but the last leads to the next.
fn link(lines: &mut [Line]) {
    let (_, leading) = lines.split_last_mut().expect("a chain has members");
    for line in leading {
        line.transfer.flags = line.transfer.flags.with(TransferFlags::LINKED);
    }
}

/// A client that asks once and says how it ended.
pub(crate) async fn connect(address: &str) -> Client {
    let options = ClientOptions {
        attempts_max: 1,
        deadline: Duration::from_secs(60),
        ..ClientOptions::default()
    };
    Client::connect(address, options).await.expect("a server that is ready lets clients in")
}

/// Opens the accounts that the orders are about.
pub(crate) async fn open_accounts(client: &Client) {
    let open =
        |id| Account { id: AccountId(id), ledger: LEDGER, code: Code(10), ..Account::default() };
    let accounts: Vec<Account> = ACCOUNTS.map(open).collect();
    let results = client.create_accounts(&accounts).await.expect("accounts are opened");
    assert!(results.iter().all(|result| result.status.name() == "created"), "{results:?}");
}

/// What happens while a load runs, one message for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Asked,
    Answered,
}

/// Keeps a connection busy until the server goes away; every order that was made, with its end.
pub(crate) async fn keep_busy(
    client: Client,
    mut orders: Orders,
    events: UnboundedSender<Event>,
) -> Vec<Order> {
    let mut asked = JoinSet::new();
    let mut ended = Vec::new();
    let mut goes_on = true;
    loop {
        while goes_on && asked.len() < IN_FLIGHT {
            let (client, order) = (client.clone(), orders.next());
            let _ = events.send(Event::Asked);
            asked.spawn(async move { ask(&client, order).await });
        }
        let Some(order) = asked.join_next().await else { return ended };
        let order = order.expect("asking does not panic");
        goes_on &= matches!(order.end, End::Answered(_));
        let _ = events.send(Event::Answered);
        ended.push(order);
    }
}

/// Asks once.
pub(crate) async fn ask(client: &Client, mut order: Order) -> Order {
    order.end = match client.create_transfers(&order.transfers()).await {
        Ok(results) => End::Answered(results),
        Err(ClientError::NotSent { .. } | ClientError::Refused { .. }) => End::Nothing,
        Err(ClientError::Unknown { .. }) => End::Unknown,
    };
    order
}

/// What the books must say once everything given to them has taken effect, once.
#[derive(Default)]
pub(crate) struct Books {
    balances: BTreeMap<AccountId, Balances>,
    pub(crate) transfers_count: u64,
}

impl Books {
    pub(crate) fn post(&mut self, order: &Order) {
        for line in order.lines.iter().filter(|line| line.creates()) {
            self.transfers_count += 1;
            let transfer = &line.transfer;
            if transfer.flags.contains(TransferFlags::POST_PENDING_TRANSFER) {
                let hold = order.lines.iter().find(|line| line.transfer.id == transfer.pending_id);
                let hold = &hold.expect("posts follow their holds").transfer;
                self.release(hold);
                self.move_money(hold, transfer.amount);
            } else if transfer.flags.contains(TransferFlags::PENDING) {
                self.reserve(transfer);
            } else {
                self.move_money(transfer, transfer.amount);
            }
        }
    }

    /// An account's balances.
    pub(crate) fn of(&self, id: AccountId) -> Balances {
        self.balances.get(&id).copied().unwrap_or_default()
    }

    fn account(&mut self, id: AccountId) -> &mut Balances {
        self.balances.entry(id).or_default()
    }

    fn reserve(&mut self, hold: &Transfer) {
        self.account(hold.debit_account_id).debits_pending.0 += hold.amount.0;
        self.account(hold.credit_account_id).credits_pending.0 += hold.amount.0;
    }

    fn release(&mut self, hold: &Transfer) {
        self.account(hold.debit_account_id).debits_pending.0 -= hold.amount.0;
        self.account(hold.credit_account_id).credits_pending.0 -= hold.amount.0;
    }

    fn move_money(&mut self, between: &Transfer, amount: Amount) {
        self.account(between.debit_account_id).debits_posted.0 += amount.0;
        self.account(between.credit_account_id).credits_posted.0 += amount.0;
    }
}

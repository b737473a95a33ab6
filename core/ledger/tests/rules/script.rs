//! A bank's day in lines of text. Each line is one event and the answer it must get, or a look at
//! what came of it:
//!
//! ```text
//! account 1 debits_must_not_exceed_credits -> created
//! transfer 10 from=1 to=2 amount=500       -> exceeds_credits
//! hold 11 from=2 to=1 amount=5 timeout=60  -> created at 1003
//! post 12 of=11 amount=3                   -> created
//! void 13 of=11                            -> pending_transfer_already_posted
//! wait 60s
//! balance 1 debits 0+0 credits 0+3         # pending+posted
//! closed 1
//! records account transfer expiry failed   # the whole log
//! ```
//! Each event is a batch of its own but for those between `together` and `end`. What a line leaves
//! out: ledger 840, code 10; from 1, to 2, amount 10; in a post the whole hold; in a void nothing.

use crate::bank::Bank;
use florin_ledger::record::{Balances, Record};
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, CreateAccountStatus, CreateTransferStatus,
    EventResult, LedgerId, Ticks, Timestamp, Transfer, TransferFlags, TransferId,
};
use std::collections::BTreeSet;

/// Runs a script on an empty bank; every answer must be the one that the script expects.
pub(crate) fn check(script: &str) -> Reached {
    let mut run = Run { bank: Bank::new(), reached: Reached::default(), batch: None };
    for (number, line) in (1..).zip(script.lines()) {
        let line = line.split('#').next().unwrap_or("").trim();
        if !line.is_empty() {
            run.line(&format!("line {number}: {line}"), line);
        }
    }
    assert!(run.batch.is_none(), "a batch without an end");
    run.reached
}

/// The answers that a script got.
#[derive(Default)]
pub(crate) struct Reached {
    pub(crate) accounts: BTreeSet<CreateAccountStatus>,
    pub(crate) transfers: BTreeSet<CreateTransferStatus>,
}

struct Run {
    bank: Bank,
    reached: Reached,
    /// The lines of a batch whose end has not come.
    batch: Option<Vec<(String, Event, String)>>,
}

#[derive(Clone, Copy)]
enum Event {
    Account(Account),
    Transfer(Transfer),
}

impl Run {
    fn line(&mut self, place: &str, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "together" => self.batch = Some(Vec::new()),
            "end" => {
                let batch = self.batch.take().expect(place);
                self.execute(&batch);
            }
            "wait" => self.bank.wait(duration(rest)),
            "clock" => self.bank.ticks = Ticks::starting_at(Timestamp(narrow(rest))),
            "expire" => {
                assert_eq!(self.bank.expire_due(usize::MAX), narrow::<usize>(rest), "{place}")
            }
            "balance" => self.balance(place, rest),
            "closed" => assert!(self.is_closed(rest), "{place}"),
            "open" => assert!(!self.is_closed(rest), "{place}"),
            "records" => self.records(place, rest),
            _ => {
                let (event, answer) = line.split_once("->").expect(place);
                let event = (place.to_owned(), event_of(event), answer.trim().to_owned());
                match &mut self.batch {
                    Some(batch) => batch.push(event),
                    None => self.execute(&[event]),
                }
            }
        }
    }

    fn execute(&mut self, batch: &[(String, Event, String)]) {
        let accounts: Vec<Account> =
            batch.iter().filter_map(|(_, event, _)| event.account()).collect();
        let transfers: Vec<Transfer> =
            batch.iter().filter_map(|(_, event, _)| event.transfer()).collect();
        assert!(accounts.is_empty() || transfers.is_empty(), "a batch is of one kind");
        let account_results = self.bank.create_accounts(&accounts);
        let transfer_results = self.bank.create_transfers(&transfers);
        self.reached.accounts.extend(account_results.iter().map(|result| result.status));
        self.reached.transfers.extend(transfer_results.iter().map(|result| result.status));
        let accounts = account_results.iter().map(|result| named(result, result.status.name()));
        let transfers = transfer_results.iter().map(|result| named(result, result.status.name()));
        for ((place, _, expected), got) in batch.iter().zip(accounts.chain(transfers)) {
            let got = if expected.contains(" at ") { got.1 } else { got.0 };
            assert_eq!(got, *expected, "{place}");
        }
    }

    fn balance(&self, place: &str, rest: &str) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [id, "debits", debits, "credits", credits] = words[..] else { panic!("{place}") };
        let sums = |words: &str| {
            let (pending, posted) = words.split_once('+').expect("pending+posted");
            (Amount(number(pending)), Amount(number(posted)))
        };
        let account = self.bank.ledger.account(AccountId(number(id))).expect(place);
        let got = Balances {
            debits_pending: account.debits_pending,
            debits_posted: account.debits_posted,
            credits_pending: account.credits_pending,
            credits_posted: account.credits_posted,
        };
        let (debits_pending, debits_posted) = sums(debits);
        let (credits_pending, credits_posted) = sums(credits);
        let expected = Balances { debits_pending, debits_posted, credits_pending, credits_posted };
        assert_eq!(got, expected, "{place}");
    }

    fn is_closed(&self, id: &str) -> bool {
        let account = self.bank.ledger.account(AccountId(number(id))).expect("an account");
        account.flags.contains(AccountFlags::CLOSED)
    }

    fn records(&self, place: &str, rest: &str) {
        let kinds = self.bank.log.entries.iter().map(|entry| match entry.record {
            Record::Epoch(_) => "epoch",
            Record::Life(_) => "life",
            Record::Account(_) => "account",
            Record::Transfer(_) => "transfer",
            Record::Expiry(_) => "expiry",
            Record::Failed(_) => "failed",
            Record::Waypoint(_) => "waypoint",
            Record::Document(_)
            | Record::Event(_)
            | Record::Commit(_)
            | Record::Refusal(_)
            | Record::Part(_) => "no rule's",
        });
        let expected: Vec<&str> = rest.split_whitespace().collect();
        assert_eq!(kinds.collect::<Vec<_>>(), expected, "{place}");
    }
}

/// An answer without and with its timestamp.
fn named<Status>(result: &EventResult<Status>, name: &str) -> (String, String) {
    (name.to_owned(), format!("{name} at {}", result.timestamp))
}

impl Event {
    fn account(&self) -> Option<Account> {
        if let Event::Account(account) = self { Some(*account) } else { None }
    }

    fn transfer(&self) -> Option<Transfer> {
        if let Event::Transfer(transfer) = self { Some(*transfer) } else { None }
    }
}

fn event_of(text: &str) -> Event {
    let mut words = text.split_whitespace();
    let kind = words.next().expect("a kind of event");
    let id = number(words.next().expect("an id"));
    let mut event = match kind {
        "account" => Event::Account(Account {
            id: AccountId(id),
            ledger: LedgerId(840),
            code: Code(10),
            ..Account::default()
        }),
        "transfer" | "hold" => Event::Transfer(Transfer {
            debit_account_id: AccountId(1),
            credit_account_id: AccountId(2),
            amount: Amount(10),
            ledger: LedgerId(840),
            code: Code(10),
            flags: if kind == "hold" { TransferFlags::PENDING } else { TransferFlags::NONE },
            ..transfer(id)
        }),
        "post" => Event::Transfer(Transfer {
            amount: Amount::MAX,
            flags: TransferFlags::POST_PENDING_TRANSFER,
            ..transfer(id)
        }),
        "void" => Event::Transfer(Transfer {
            flags: TransferFlags::VOID_PENDING_TRANSFER,
            ..transfer(id)
        }),
        _ => panic!("no such line: {text}"),
    };
    for word in words {
        match &mut event {
            Event::Account(account) => account_word(account, word),
            Event::Transfer(transfer) => transfer_word(transfer, word),
        }
    }
    event
}

fn transfer(id: u128) -> Transfer {
    Transfer { id: TransferId(id), ..Transfer::default() }
}

fn account_word(account: &mut Account, word: &str) {
    let Some((key, value)) = word.split_once('=') else {
        let named = AccountFlags::NAMES.iter().find(|(_, name)| *name == word);
        account.flags = account.flags.with(named.expect(word).0);
        return;
    };
    match key {
        "debits_pending" => account.debits_pending = Amount(number(value)),
        "debits_posted" => account.debits_posted = Amount(number(value)),
        "credits_pending" => account.credits_pending = Amount(number(value)),
        "credits_posted" => account.credits_posted = Amount(number(value)),
        "user_data_128" => account.user_data_128 = number(value),
        "user_data_64" => account.user_data_64 = narrow(value),
        "user_data_32" => account.user_data_32 = narrow(value),
        "reserved" => account.reserved = narrow(value),
        "ledger" => account.ledger = LedgerId(narrow(value)),
        "code" => account.code = Code(narrow(value)),
        "bits" => account.flags = account.flags.with(AccountFlags(narrow(value))),
        "timestamp" => account.timestamp = Timestamp(narrow(value)),
        _ => panic!("no such field: {word}"),
    }
}

fn transfer_word(transfer: &mut Transfer, word: &str) {
    let Some((key, value)) = word.split_once('=') else {
        let named = TransferFlags::NAMES.iter().find(|(_, name)| *name == word);
        transfer.flags = transfer.flags.with(named.expect(word).0);
        return;
    };
    match key {
        "from" => transfer.debit_account_id = AccountId(number(value)),
        "to" => transfer.credit_account_id = AccountId(number(value)),
        "amount" => transfer.amount = Amount(number(value)),
        "of" => transfer.pending_id = TransferId(number(value)),
        "user_data_128" => transfer.user_data_128 = number(value),
        "user_data_64" => transfer.user_data_64 = narrow(value),
        "user_data_32" => transfer.user_data_32 = narrow(value),
        "timeout" => transfer.timeout = narrow(value),
        "ledger" => transfer.ledger = LedgerId(narrow(value)),
        "code" => transfer.code = Code(narrow(value)),
        "bits" => transfer.flags = transfer.flags.with(TransferFlags(narrow(value))),
        "timestamp" => transfer.timestamp = Timestamp(narrow(value)),
        _ => panic!("no such field: {word}"),
    }
}

fn duration(text: &str) -> u64 {
    match text.strip_suffix("ns") {
        Some(nanoseconds) => narrow(nanoseconds),
        None => narrow::<u64>(text.strip_suffix('s').expect("s or ns")) * 1_000_000_000,
    }
}

fn narrow<N: TryFrom<u128, Error: std::fmt::Debug>>(text: &str) -> N {
    N::try_from(number(text)).expect(text)
}

/// Decimal, or `max` for 2^128-1, or `max-N`.
fn number(text: &str) -> u128 {
    match text.strip_prefix("max") {
        Some("") => u128::MAX,
        Some(less) => u128::MAX - number(less.strip_prefix('-').expect(text)),
        None => text.replace('_', "").parse().expect(text),
    }
}

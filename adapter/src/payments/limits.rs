//! What an account may send in a day and in a month, as postings: what the ledger does not have room for can't be
//! sent, however many adapters ask at the same time.
//!
//! - An account has a limit account for each span, made when it first sends something, on a ledger of their own. What
//!   is credited to it is allowed; what is held or posted against it is sent. The ledger lets nothing be held that is
//!   not allowed.
//! - A hold of money and the holds of its limits are one commit, the money's first, with one timeout: they are posted,
//!   voided and expire together.
//! - A document says which day and month, in the bank's time zone, the limits count for. The first order of a later
//!   one grants what was used again. Periods never move back, whatever an adapter's clock says; what is held over
//!   midnight keeps counting.

use super::hold::{Holding, Round};
use crate::accounts::{AccountOpen, chart};
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Account, Id, Transaction};
use crate::store::{Found, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::commit::{BalanceField, Precondition};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{
    AccountFlags, AccountId, Amount, Commit, Timestamp, Transfer, TransferFlags, TransferId,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

const CONTEXT: &str = "florin bank 1 limits of an account";

/// How long a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Span {
    /// From midnight to midnight.
    Day,
    /// From the first to the last.
    Month,
}

impl Span {
    pub(super) const ALL: [Span; 2] = [Span::Day, Span::Month];

    /// The period that a time is in: sorts as time goes.
    fn period(self, time: Timestamp, zone: &TimeZone) -> String {
        let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
        let date = time.to_zoned_datetime(zone.clone()).date();
        match self {
            Span::Day => date.strftime("%Y-%m-%d").to_string(),
            Span::Month => date.strftime("%Y-%m").to_string(),
        }
    }

    fn of_account(self, account: &AccountOpen) -> u64 {
        match self {
            Span::Day => account.daily_limit_cents,
            Span::Month => account.monthly_limit_cents,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Span::Day => "day",
            Span::Month => "month",
        }
    }

    /// The limit account of a customer's account.
    pub(super) fn account_id(self, account: Id<Account>) -> AccountId {
        AccountId(derived(&account.bytes(), self))
    }

    /// What is held against it together with a hold of money.
    pub(super) fn hold_id(self, money: u128) -> TransferId {
        TransferId(derived(&money.to_be_bytes(), self))
    }
}

/// A number that follows from another; neither zero nor 2^128-1, which are no ids.
fn derived(bytes: &[u8], span: Span) -> u128 {
    let bytes = blake3::derive_key(CONTEXT, &[bytes, span.name().as_bytes()].concat());
    let (half, _) = bytes.split_first_chunk::<16>().expect("it has 32 bytes");
    (u128::from_be_bytes(*half) >> 1) | 1
}

/// What limits count for. The key is the account's id.
pub(super) enum Limits {}

/// See [`Limits`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LimitsOpen {
    account_id: Id<Account>,
    day: Granted,
    month: Granted,
}

/// What is granted for a period.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Granted {
    period: String,
    limit_cents: u64,
}

impl LimitsOpen {
    fn of(&self, span: Span) -> &Granted {
        match span {
            Span::Day => &self.day,
            Span::Month => &self.month,
        }
    }
}

impl Kind for Limits {
    const TABLE: florin_ledger::TableId = tables::ACCOUNT_LIMITS;
    type Open = LimitsOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &LimitsOpen) -> Subject {
        Subject::Bank
    }
}

/// What a hold needs to count against the limits of its account.
pub(super) struct Room(Commit);

impl Room {
    /// Adds it to the commit of the hold, which has the money's hold already. The transfers of the commit are the
    /// money's hold, those of the limits, and what grants them.
    pub(super) fn join(self, commit: &mut Commit) {
        commit.preconditions.extend(self.0.preconditions);
        commit.accounts.extend(self.0.accounts);
        commit.transfers.extend(self.0.transfers);
        commit.documents.extend(self.0.documents);
    }
}

/// What a limit account has.
#[derive(Clone, Copy, Default)]
struct Balance {
    allowed: u128,
    posted: u128,
    pending: u128,
}

/// An order that is looked at.
pub(super) struct Sending<'a> {
    pub(super) source: &'a AccountOpen,
    pub(super) holding: Holding,
    /// What the limits count for, if something was sent before, and the [limit accounts](limit_accounts) of then.
    pub(super) limits: Option<&'a Found<Limits>>,
    pub(super) limit_accounts: [Option<florin_ledger::Account>; 2],
}

/// The limit accounts of a customer's account, in the order of [`Span::ALL`].
pub(super) fn limit_accounts(account: Id<Account>) -> [AccountId; 2] {
    Span::ALL.map(|span| span.account_id(account))
}

/// What a hold needs; the span whose limit has no room for it, if one has not.
///
/// # Errors
/// [`BankError`].
pub(super) async fn room(
    store: &Store,
    clock: &dyn Clock,
    zone: &TimeZone,
    sending: &Sending<'_>,
) -> Result<Result<Room, Span>, BankError> {
    let account = sending.source.account_id;
    let found = sending.limits;
    let before = found.map(|found| &found.row.open);
    let after = granted(sending.source, before, clock.now(), zone);
    let balances = balances(sending)?;
    let mut room = Commit::default();
    let mut holds = Vec::new();
    for (span, balance) in Span::ALL.into_iter().zip(balances) {
        let change = change(span, before, &after, balance);
        if balance.left_after(change) < sending.holding.money.cents {
            return Ok(Err(span));
        }
        holds.push(sending.holding.limit(Round::First, span));
        if let Some(grant) = grant(span, account, clock.now(), change) {
            room.transfers.push(grant);
            let is_read = found.is_some();
            room.preconditions
                .extend(is_read.then(|| as_read(span, account, balance)).into_iter().flatten());
        }
    }
    room.transfers.append(&mut holds);
    let condition = match found {
        Some(found) if before == Some(&after) => {
            room.preconditions.push(found.unchanged());
            return Ok(Ok(Room(room)));
        }
        Some(found) => found.condition(),
        None => {
            room.accounts.extend(Span::ALL.map(|span| limit_account(span, account)));
            DocumentCondition::Absent
        }
    };
    let row = Row::<Limits>::open(after);
    room.documents.push(store.write(&account.bytes(), &row, condition).await?);
    Ok(Ok(Room(room)))
}

/// What limits count for now: of periods the later, of limits what the account says.
fn granted(
    account: &AccountOpen,
    before: Option<&LimitsOpen>,
    now: Timestamp,
    zone: &TimeZone,
) -> LimitsOpen {
    let of = |span: Span| {
        let period = span.period(now, zone);
        let before = before.map(|before| before.of(span).period.clone()).unwrap_or_default();
        Granted { period: period.max(before), limit_cents: span.of_account(account) }
    };
    LimitsOpen { account_id: account.account_id, day: of(Span::Day), month: of(Span::Month) }
}

/// What is allowed more, or less, than what a limit account has: in a new period what was sent before is forgotten.
fn change(span: Span, before: Option<&LimitsOpen>, after: &LimitsOpen, balance: Balance) -> i128 {
    let limit = i128::from(after.of(span).limit_cents);
    match before.map(|before| before.of(span)) {
        None => limit,
        Some(before) if before.period == after.of(span).period => {
            limit - i128::from(before.limit_cents)
        }
        Some(_) => {
            limit.saturating_add_unsigned(balance.posted).saturating_sub_unsigned(balance.allowed)
        }
    }
}

fn balances(sending: &Sending<'_>) -> Result<[Balance; 2], BankError> {
    if sending.limits.is_none() {
        return Ok([Balance::default(); 2]);
    }
    let [Some(day), Some(month)] = sending.limit_accounts else {
        return Err(BankError::odd(&"a limit without an account"));
    };
    Ok([day, month].map(|account| Balance {
        allowed: account.credits_posted.0,
        posted: account.debits_posted.0,
        pending: account.debits_pending.0,
    }))
}

impl Balance {
    /// What may be sent once something more, or less, is allowed.
    fn left_after(self, change: i128) -> u128 {
        let allowed = self.allowed.saturating_add_signed(change);
        allowed.saturating_sub(self.posted).saturating_sub(self.pending)
    }
}

/// That a balance still is what a grant was calculated from.
fn as_read(span: Span, account: Id<Account>, balance: Balance) -> [Precondition; 2] {
    let is = |field, cents| {
        let account_id = span.account_id(account);
        Precondition::Balance { account_id, field, min: Amount(cents), max: Amount(cents) }
    };
    [
        is(BalanceField::CreditsPosted, balance.allowed),
        is(BalanceField::DebitsPosted, balance.posted),
    ]
}

fn limit_account(span: Span, account: Id<Account>) -> florin_ledger::Account {
    florin_ledger::Account {
        id: span.account_id(account),
        ledger: chart::LIMITS_LEDGER,
        code: chart::LIMIT,
        flags: AccountFlags::DEBITS_MUST_NOT_EXCEED_CREDITS,
        user_data_128: account.number(),
        ..florin_ledger::Account::default()
    }
}

/// Allows more, or takes away as much as is left of what is too much.
fn grant(span: Span, account: Id<Account>, now: Timestamp, change: i128) -> Option<Transfer> {
    let (own, allowing) = (span.account_id(account), chart::limits().id);
    let (debit, credit) = if 0 < change { (allowing, own) } else { (own, allowing) };
    let flags = if 0 < change { TransferFlags::NONE } else { TransferFlags::BALANCING_DEBIT };
    let grant = Transfer {
        id: TransferId(Id::<Transaction>::at(now).number()),
        debit_account_id: debit,
        credit_account_id: credit,
        amount: Amount(change.unsigned_abs()),
        ledger: chart::LIMITS_LEDGER,
        code: chart::LIMIT_GRANT,
        flags,
        ..Transfer::default()
    };
    (change != 0).then_some(grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let time: jiff::Timestamp = text.parse().unwrap();
        Timestamp(u64::try_from(time.as_nanosecond()).unwrap())
    }

    /// Prevents: a day that begins at another city's midnight, or one that comes twice when the clocks change.
    #[test]
    fn periods_are_those_of_the_banks_own_calendar() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (time, day, month) in [
            ("2026-11-30T22:59:59Z", "2026-11-30", "2026-11"),
            ("2026-11-30T23:00:00Z", "2026-12-01", "2026-12"),
            // The clocks go forward on March 29 and back on October 25.
            ("2026-03-28T23:00:00Z", "2026-03-29", "2026-03"),
            ("2026-03-29T21:59:59Z", "2026-03-29", "2026-03"),
            ("2026-03-29T22:00:00Z", "2026-03-30", "2026-03"),
            ("2026-10-24T22:00:00Z", "2026-10-25", "2026-10"),
            ("2026-10-25T22:59:59Z", "2026-10-25", "2026-10"),
            ("2026-10-25T23:00:00Z", "2026-10-26", "2026-10"),
            ("2028-02-28T23:00:00Z", "2028-02-29", "2028-02"),
        ] {
            assert_eq!(Span::Day.period(at(time), &zone), day, "{time}");
            assert_eq!(Span::Month.period(at(time), &zone), month, "{time}");
        }
    }
}

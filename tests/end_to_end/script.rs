//! Lines for `florin exec`: transfers as JSON, answers read back, and random conversations over
//! every operation, mistakes among them.

mod documents;

use crate::chance::Chance;
use florin_ledger::{CreateTransferStatus, Timestamp, Transfer, TransferFlags, TransferResult};

/// A line that creates transfers.
pub(crate) fn transfers_line(transfers: &[Transfer]) -> String {
    let events: Vec<String> = transfers.iter().map(transfer_json).collect();
    format!(r#"{{"create_transfers":[{}]}}"#, events.join(","))
}

fn transfer_json(transfer: &Transfer) -> String {
    let set = |(flag, _): &&(TransferFlags, &str)| transfer.flags.contains(*flag);
    let names = TransferFlags::NAMES.iter().filter(set);
    let flags: Vec<String> = names.map(|(_, name)| format!("{name:?}")).collect();
    format!(
        r#"{{"id":"{}","debit_account_id":"{}","credit_account_id":"{}","amount":"{}","pending_id":"{}","ledger":{},"code":{},"flags":[{}]}}"#,
        transfer.id,
        transfer.debit_account_id,
        transfer.credit_account_id,
        transfer.amount,
        transfer.pending_id,
        transfer.ledger,
        transfer.code,
        flags.join(","),
    )
}

/// The results in an answer; `None` if it is no such answer.
pub(crate) fn results_of(answer: &str) -> Option<Vec<TransferResult>> {
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let result = |result: &serde_json::Value| {
        let name = result["status"].as_str()?;
        let mut statuses = CreateTransferStatus::ALL.iter();
        Some(TransferResult {
            status: *statuses.find(|status| status.name() == name)?,
            timestamp: Timestamp(result["timestamp"].as_str()?.parse().ok()?),
        })
    };
    answer["results"].as_array()?.iter().map(result).collect()
}

/// Where a question takes the cursor of the answer before it.
pub(crate) const CURSOR: &str = "{cursor}";
/// Where a question takes the members that go on behind the last page of documents.
pub(crate) const AFTER: &str = "{after}";
/// Where a question takes the last version that was heard of.
pub(crate) const VERSION: &str = "{version}";

const U128_MAX: &str = "340282366920938463463374607431768211455";
const ACCOUNT_FLAGS: &[&str] = &[
    "linked",
    "debits_must_not_exceed_credits",
    "credits_must_not_exceed_debits",
    "history",
    "closed",
];
const TRANSFER_FLAGS: &[&str] = &[
    "linked",
    "pending",
    "post_pending_transfer",
    "void_pending_transfer",
    "balancing_debit",
    "balancing_credit",
    "closing_debit",
    "closing_credit",
];
/// What nobody understands, and what no ledger allows.
const MISTAKES: &[&str] = &[
    "not JSON",
    "[]",
    "{}",
    r#"{"create_accounts":[{"id":1.5}]}"#,
    r#"{"create_accounts":[{"id":-1}]}"#,
    r#"{"create_accounts":[{"id":"340282366920938463463374607431768211456"}]}"#,
    r#"{"create_accounts":[{"id":"1","flags":["frozen"]}]}"#,
    r#"{"create_transfers":[{"id":"7","amount":"1e3"}]}"#,
    r#"{"create_transfers":{"id":"7"}}"#,
    r#"{"lookup_accounts":["1"],"lookup_transfers":["1"]}"#,
    r#"{"account_transfers":{"account_id":"1","limit":8191}}"#,
    r#"{"account_transfers":{"account_id":"1","limit":0}}"#,
    r#"{"account_balances":{"account_id":"1","amount_min":"5"}}"#,
    r#"{"query_accounts":{"code":1}}"#,
    r#"{"query_transfers":{"ledger":840}}"#,
    r#"{"trial_balance":{"ledger":4294967296}}"#,
    r#"{"drop_accounts":["1"]}"#,
    r#"{"commit":{"id":"0"}}"#,
    r#"{"commit":{"id":"1","transfers":[{"id":"1","flags":["linked"]}]}}"#,
    r#"{"commit":{"id":"1","documents":[{"table":16,"key":"a","value":"","key":"b"}]}}"#,
    r#"{"commit":{"id":"1","documents":[{"table":16,"key":"a","value":""},{"table":16,"key":"a","value":""}]}}"#,
    r#"{"commit":{"id":"1","not_after":"18446744073709551615"}}"#,
    r#"{"write_documents":[{"table":0,"key":"a","value":"b"}]}"#,
    r#"{"write_documents":[{"table":65535,"key":"a","value":"b"}]}"#,
    r#"{"get_documents":[{"table":16,"key":""}]}"#,
    r#"{"scan_documents":{"table":16,"limit":8191}}"#,
    r#"{"document_history":{"table":16,"key":"a","before":"7"}}"#,
    r#"{"document_history":{"table":16,"key":"a","limit":1025}}"#,
    r#"{"declare_table":{"table":3,"append_only":true}}"#,
];

/// A conversation without end. Ids, ledgers and codes are few, so that they meet.
pub(crate) struct Conversation {
    chance: Chance,
}

impl Conversation {
    pub(crate) fn new(chance: Chance) -> Conversation {
        Conversation { chance }
    }

    /// The next question; [`CURSOR`] stands where a page may go on.
    pub(crate) fn next(&mut self) -> String {
        if self.chance.once_in(3) {
            return documents::next(self);
        }
        match self.chance.below(20) {
            0..=1 => self.batch("create_accounts", Conversation::account),
            2..=9 => self.batch("create_transfers", Conversation::transfer),
            10 => self.batch("lookup_accounts", Conversation::account_id),
            11 => self.batch("lookup_transfers", Conversation::transfer_id),
            12 => self.account_filter("account_transfers"),
            13 => self.account_filter("account_balances"),
            14 => {
                let (id, instant) = (self.account_id(), self.instant());
                format!(r#"{{"balance_as_of":{{"account_id":{id},"timestamp":{instant}}}}}"#)
            }
            15 => self.query_filter("query_accounts"),
            16 => self.query_filter("query_transfers"),
            17 => format!(r#"{{"trial_balance":{{"ledger":{}}}}}"#, self.ledger()),
            18 => String::from(*self.chance.one_of(MISTAKES)),
            _ => self.imported(),
        }
    }

    fn batch(&mut self, name: &str, one: impl Fn(&mut Conversation) -> String) -> String {
        let count = self.chance.below(6);
        let all: Vec<String> = (0..count).map(|_| one(self)).collect();
        format!(r#"{{"{name}":[{}]}}"#, all.join(","))
    }

    fn account(&mut self) -> String {
        let (id, ledger, code) = (self.account_id(), self.ledger(), self.chance.below(3));
        let flags = self.flags(ACCOUNT_FLAGS);
        format!(r#"{{"id":{id},"ledger":{ledger},"code":{code},"flags":{flags}}}"#)
    }

    fn transfer(&mut self) -> String {
        let id = self.transfer_id();
        let (debit, credit) = (self.account_id(), self.account_id());
        let flags = self.flags(TRANSFER_FLAGS);
        let mut fields = format!(
            r#""id":{id},"debit_account_id":{debit},"credit_account_id":{credit},"amount":{},"flags":{flags}"#,
            self.amount()
        );
        if flags.contains("pending_transfer") || self.chance.once_in(30) {
            fields += &format!(r#","pending_id":{}"#, self.transfer_id());
        }
        if !flags.contains("pending_transfer") || self.chance.once_in(2) {
            fields += &format!(r#","ledger":{},"code":{}"#, self.ledger(), self.chance.below(9));
        }
        if flags.contains(r#""pending""#) || self.chance.once_in(30) {
            fields += &format!(r#","timeout":{}"#, self.chance.one_of(&["0", "60", "4294967295"]));
        }
        if self.chance.once_in(4) {
            fields += &format!(
                r#","user_data_128":"{}","user_data_64":{},"user_data_32":{}"#,
                self.chance.below(3),
                self.chance.below(3),
                self.chance.below(3)
            );
        }
        format!("{{{fields}}}")
    }

    /// Events of another system, with times of their own.
    fn imported(&mut self) -> String {
        let count = 1 + self.chance.below(3);
        let events: Vec<String> = (0..count)
            .map(|_| {
                let id = 1_000 + self.chance.below(1_000);
                let timestamp = 1_700_000_000_000_000_000 + self.chance.below(1_000);
                format!(r#""id":{id},"timestamp":"{timestamp}","ledger":840,"code":1,"flags":["imported"]"#)
            })
            .collect();
        let (name, more) = if self.chance.once_in(2) {
            ("create_accounts", String::new())
        } else {
            let (debit, credit) = (self.account_id(), self.account_id());
            let more =
                format!(r#","debit_account_id":{debit},"credit_account_id":{credit},"amount":"1""#);
            ("create_transfers", more)
        };
        let events: Vec<String> = events.iter().map(|event| format!("{{{event}{more}}}")).collect();
        format!(r#"{{"{name}":[{}]}}"#, events.join(","))
    }

    fn account_filter(&mut self, name: &str) -> String {
        let mut fields = format!(r#""account_id":{}"#, self.account_id());
        for side in ["debits", "credits"] {
            if self.chance.once_in(4) {
                fields += &format!(r#","{side}":{}"#, self.chance.one_of(&["true", "false"]));
            }
        }
        format!(r#"{{"{name}":{{{fields}{}}}}}"#, self.page())
    }

    fn query_filter(&mut self, name: &str) -> String {
        let mut fields = String::from(r#""scan":true"#);
        if self.chance.once_in(2) {
            fields += &format!(r#","ledger":{}"#, self.ledger());
        }
        format!(r#"{{"{name}":{{{fields}{}}}}}"#, self.page())
    }

    /// What all filters have in common.
    fn page(&mut self) -> String {
        let mut fields = format!(r#","limit":{},"cursor":{CURSOR}"#, 1 + self.chance.below(9));
        if self.chance.once_in(2) {
            fields += r#","reversed":true"#;
        }
        for bound in ["timestamp_min", "timestamp_max"] {
            if self.chance.once_in(4) {
                fields += &format!(r#","{bound}":{}"#, self.instant());
            }
        }
        if self.chance.once_in(4) {
            fields += &format!(r#","code":{}"#, self.chance.below(9));
        }
        if self.chance.once_in(6) {
            fields += &format!(r#","user_data_64":"{}""#, self.chance.below(3));
        }
        fields
    }

    fn account_id(&mut self) -> String {
        match self.chance.below(60) {
            0 => String::from("0"),
            1 => format!(r#""{U128_MAX}""#),
            _ => format!(r#""{}""#, 1 + self.chance.below(8)),
        }
    }

    fn transfer_id(&mut self) -> String {
        match self.chance.below(60) {
            0 => String::from("0"),
            1 => format!(r#""{U128_MAX}""#),
            _ => (1 + self.chance.below(400)).to_string(),
        }
    }

    fn ledger(&mut self) -> u32 {
        *self.chance.one_of(&[840, 840, 840, 840, 840, 840, 840, 840, 978, 0])
    }

    fn amount(&mut self) -> String {
        match self.chance.below(12) {
            0 => format!(r#""{U128_MAX}""#),
            1 => String::from("0"),
            _ => self.chance.below(1_000).to_string(),
        }
    }

    fn instant(&mut self) -> String {
        format!(r#""{}""#, 1_790_000_000_000_000_000 + self.chance.below(4_000))
    }

    fn flags(&mut self, names: &[&str]) -> String {
        let count = *self.chance.one_of(&[0, 0, 0, 1, 1, 2]);
        let names: Vec<String> =
            (0..count).map(|_| format!("{:?}", self.chance.one_of(names))).collect();
        format!("[{}]", names.join(","))
    }
}

//! What can be asked, and by whom. The numbers are the protocol's and never change.

use crate::role::Role;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// An operation; its documentation names the bodies of request and answer.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// Every operation, in order of numbers.
            pub const ALL: &'static [Operation] = &[$(Operation::$name),*];

            /// The number that the wire uses.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Operation::$name => $number,)* }
            }

            /// The operation of a number, `None` for a number that none has.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Operation> {
                match number { $($number => Some(Operation::$name),)* _ => None }
            }

            /// The name that messages use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Operation::$name => $text,)* }
            }
        }
    };
}

operations! {
    /// Array of accounts; array of results.
    CreateAccounts = 1 "create_accounts",
    /// Array of transfers; array of results.
    CreateTransfers = 2 "create_transfers",
    /// Array of ids; array of accounts, zeros where there is none.
    LookupAccounts = 3 "lookup_accounts",
    /// Array of ids; array of transfers, zeros where there is none.
    LookupTransfers = 4 "lookup_transfers",
    /// Account filter; page of transfers.
    AccountTransfers = 16 "account_transfers",
    /// Account filter; page of balances.
    AccountBalances = 17 "account_balances",
    /// Account and instant; balances, if the account was open.
    BalanceAsOf = 18 "balance_as_of",
    /// Query filter; page of accounts.
    QueryAccounts = 19 "query_accounts",
    /// Query filter; page of transfers.
    QueryTransfers = 20 "query_transfers",
    /// Ledger; trial balance.
    TrialBalance = 21 "trial_balance",
    /// Nothing; status.
    Status = 22 "status",
    /// Subscribe; batches, then nothing once it is unsubscribed.
    Subscribe = 48 "subscribe",
    /// Credit; nothing.
    Credit = 49 "credit",
    /// Id of the request that subscribed; nothing.
    Unsubscribe = 50 "unsubscribe",
}

impl Operation {
    /// Whether it can change anything. One that can't has nothing to take effect twice.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Operation::CreateAccounts | Operation::CreateTransfers)
    }

    /// The roles that may ask for it: one of them is enough. Empty: every key may.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Operation::CreateAccounts | Operation::CreateTransfers => &[Role::Write],
            Operation::LookupAccounts
            | Operation::LookupTransfers
            | Operation::AccountTransfers
            | Operation::AccountBalances
            | Operation::BalanceAsOf
            | Operation::QueryAccounts
            | Operation::QueryTransfers
            | Operation::TrialBalance => &[Role::Read, Role::Audit],
            Operation::Subscribe | Operation::Credit | Operation::Unsubscribe => &[Role::Stream],
            Operation::Status => &[],
        }
    }
}

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
    /// Position and patience; nothing, once it is reached.
    AwaitPosition = 23 "await_position",
    /// Commit; outcome.
    Commit = 32 "commit",
    /// Keys; documents found.
    GetDocuments = 33 "get_documents",
    /// Scan; documents found.
    ScanDocuments = 34 "scan_documents",
    /// Key, where to begin, how many; documents found.
    DocumentHistory = 35 "document_history",
    /// Writes; array of results.
    WriteDocuments = 36 "write_documents",
    /// Key and expiry; one result.
    InsertUnique = 37 "insert_unique",
    /// One declaration; one result.
    DeclareTable = 38 "declare_table",
    /// Nothing; array of declarations.
    ListTables = 39 "list_tables",
    /// Commit; outcome.
    DryRun = 40 "dry_run",
    /// Position and commit; outcome.
    DryRunAsOf = 41 "dry_run_as_of",
    /// Commit; outcome and receipt.
    CommitWithReceipt = 42 "commit_with_receipt",
    /// Subscribe; batches, then nothing once it is unsubscribed.
    Subscribe = 48 "subscribe",
    /// Credit; nothing.
    Credit = 49 "credit",
    /// Id of the request that subscribed; nothing.
    Unsubscribe = 50 "unsubscribe",
    /// Names; what each holds.
    MakeKeys = 56 "make_keys",
    /// Names; what each holds.
    ReadKeys = 57 "read_keys",
    /// Names; what became of each.
    DestroyKeys = 58 "destroy_keys",
    /// Nothing; how many names there are.
    KeyringStatus = 59 "keyring_status",
    /// Nothing; the header of the log's first segment.
    LogOrigin = 64 "log_origin",
    /// Follow; batches of the log, then nothing.
    FollowLog = 65 "follow_log",
    /// Acknowledgement; nothing.
    AcknowledgeLog = 66 "acknowledge_log",
    /// Nothing; how replication stands.
    ReplicationStatus = 67 "replication_status",
    /// Whether by force; nothing, once it is certain.
    Promote = 68 "promote",
    /// Promise; whether, and how far the log is.
    Promise = 69 "promise",
    /// Position; whether the log has it.
    HasPosition = 70 "has_position",
    /// Hand over; nothing, once the other node has everything.
    HandOver = 71 "hand_over",
    /// Nothing; snapshot.
    Snapshot = 72 "snapshot",
    /// Piece of a segment; its bytes.
    ReadLog = 73 "read_log",
    /// Piece of a copy of the keyring; its bytes.
    CopyKeyring = 74 "copy_keyring",
    /// Nothing; the group as it is stored, nothing if there is none.
    ReadGroup = 75 "read_group",
    /// A group as it is stored; nothing, once nodes of the old and of the new have it.
    ChangeGroup = 76 "change_group",
    /// Nothing; seed offered, nothing if there is no checkpoint.
    OfferSeed = 77 "offer_seed",
    /// Piece of a seed; its bytes.
    ReadSeed = 78 "read_seed",
    /// Size; signed head.
    TreeHead = 80 "tree_head",
    /// Size and subject; inclusion proof.
    ProveInclusion = 81 "prove_inclusion",
    /// Two sizes; consistency proof.
    ProveConsistency = 82 "prove_consistency",
    /// Subject; receipt.
    Receipt = 83 "receipt",
    /// Account and position; balance proof.
    ProveBalance = 84 "prove_balance",
    /// Nothing; what was captured.
    CaptureBalances = 85 "capture_balances",
}

impl Operation {
    /// Whether it can change anything. One that can't has nothing to take effect twice.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Operation::CreateAccounts
                | Operation::CreateTransfers
                | Operation::Commit
                | Operation::CommitWithReceipt
                | Operation::WriteDocuments
                | Operation::InsertUnique
                | Operation::DeclareTable
                | Operation::CaptureBalances
                | Operation::MakeKeys
                | Operation::DestroyKeys
        )
    }

    /// Whether it may be sent again although it may have taken effect: it changes nothing, or ids
    /// make it take effect once and its second answer tells what the first would have. A write of a
    /// document would be written over what another wrote meanwhile, or be told `stale` for its own
    /// version; being the first would be told `seen` for its own.
    #[must_use]
    pub const fn may_be_repeated(self) -> bool {
        // A name gets one key, and loses it once; a second capture is one more.
        let has_ids = matches!(
            self,
            Operation::CreateAccounts
                | Operation::CreateTransfers
                | Operation::Commit
                | Operation::CommitWithReceipt
                | Operation::CaptureBalances
                | Operation::MakeKeys
                | Operation::DestroyKeys
        );
        has_ids || !self.writes()
    }

    /// The roles that may ask for it: one of them is enough. Empty: every key may.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Operation::CreateAccounts
            | Operation::CreateTransfers
            | Operation::Commit
            | Operation::CommitWithReceipt
            | Operation::WriteDocuments
            | Operation::InsertUnique => &[Role::Write],
            Operation::DryRun | Operation::DryRunAsOf => &[Role::Write, Role::Read, Role::Audit],
            Operation::DeclareTable | Operation::CaptureBalances => &[Role::Operate],
            Operation::LookupAccounts
            | Operation::LookupTransfers
            | Operation::AccountTransfers
            | Operation::AccountBalances
            | Operation::BalanceAsOf
            | Operation::QueryAccounts
            | Operation::QueryTransfers
            | Operation::TrialBalance
            | Operation::GetDocuments
            | Operation::ScanDocuments
            | Operation::DocumentHistory
            | Operation::TreeHead
            | Operation::ProveInclusion
            | Operation::ProveConsistency
            | Operation::ProveBalance
            | Operation::Receipt
            | Operation::ListTables => &[Role::Read, Role::Audit],
            Operation::Subscribe | Operation::Credit | Operation::Unsubscribe => &[Role::Stream],
            Operation::MakeKeys | Operation::ReadKeys => &[Role::Keyring],
            Operation::DestroyKeys => &[Role::Keyring, Role::Operate],
            Operation::KeyringStatus => &[Role::Keyring, Role::Operate, Role::Audit],
            Operation::Snapshot
            | Operation::ReadLog
            | Operation::CopyKeyring
            | Operation::OfferSeed
            | Operation::ReadSeed => &[Role::Replicate],
            // For whoever then reads, or writes what rests on it; it takes a place while it waits.
            Operation::AwaitPosition => &[Role::Read, Role::Write, Role::Stream, Role::Audit],
            Operation::LogOrigin
            | Operation::FollowLog
            | Operation::AcknowledgeLog
            | Operation::Promise
            | Operation::HasPosition => &[Role::Replicate],
            Operation::Promote | Operation::HandOver | Operation::ChangeGroup => &[Role::Operate],
            Operation::Status | Operation::ReplicationStatus | Operation::ReadGroup => &[],
        }
    }
}

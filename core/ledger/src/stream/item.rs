//! One thing that happened, as a reader of the log is told of it.

use super::cursor::StreamCursor;
use crate::account::Account;
use crate::amount::Amount;
use crate::commit::{CommitId, Topic};
use crate::document::TableId;
use crate::id::{AccountId, Code, LedgerId, Lsn, Timestamp, TransferId};
use crate::record::RefusalReason;
use crate::status::CreateTransferStatus;
use crate::transfer::Transfer;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// What kind of thing happened.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum ItemKind {
            $($(#[$doc])* $name,)*
        }

        impl ItemKind {
            /// Every kind, in order of numbers.
            pub const ALL: &'static [ItemKind] = &[$(ItemKind::$name),*];

            /// The number that the wire uses, below 32; it never changes.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(ItemKind::$name => $number,)* }
            }

            /// The kind of a number, `None` for a number that no kind has.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<ItemKind> {
                match number { $($number => Some(ItemKind::$name),)* _ => None }
            }

            /// The name that JSON and flags use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ItemKind::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The log was opened for writing.
    Epoch = 1 "epoch",
    /// An account was opened.
    Account = 2 "account",
    /// A transfer was posted, held, or resolved a hold.
    Transfer = 4 "transfer",
    /// A hold expired.
    Expiry = 6 "expiry",
    /// A transfer failed for a reason that may pass; its id can't be used again.
    Failed = 7 "failed",
    /// The database was restored, and another life begins.
    Life = 11 "life",
    /// Something was refused, and the refusal recorded.
    Refusal = 16 "refusal",
    /// A document was written.
    DocumentPut = 17 "document_put",
    /// A document was deleted.
    DocumentDeleted = 18 "document_deleted",
    /// A commit is done: all of it comes right before.
    Commit = 19 "commit",
    /// Something that a commit tells the log's readers.
    Event = 20 "event",
    /// A document expired.
    DocumentExpired = 22 "document_expired",
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ItemKinds(u32);

impl ItemKinds {
    /// No kind: in a filter, any.
    pub const NONE: ItemKinds = ItemKinds(0);

    /// The set and one more.
    #[must_use]
    pub const fn with(self, kind: ItemKind) -> ItemKinds {
        ItemKinds(self.0 | 1 << kind.number())
    }

    /// Whether a kind is in it.
    #[must_use]
    pub const fn contains(self, kind: ItemKind) -> bool {
        self.0 & 1 << kind.number() != 0
    }

    /// Whether no kind is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One bit for each kind, by its number.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set of these bits; `None` if one of them is no kind's.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<ItemKinds> {
        let kinds = ItemKind::ALL.iter().fold(ItemKinds::NONE, |all, kind| all.with(*kind));
        (bits & !kinds.0 == 0).then_some(ItemKinds(bits))
    }
}

impl FromIterator<ItemKind> for ItemKinds {
    fn from_iter<I: IntoIterator<Item = ItemKind>>(kinds: I) -> ItemKinds {
        kinds.into_iter().fold(ItemKinds::NONE, ItemKinds::with)
    }
}

/// One thing that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamItem<'a> {
    /// Names it, and all before it.
    pub cursor: StreamCursor,
    /// When it was recorded: rises from item to item.
    pub time: Timestamp,
    /// Nothing of the same commit follows that this reader wants. Whoever keeps a cursor together
    /// with an effect keeps that of such an item.
    pub ends_commit: bool,
    /// What happened.
    pub content: ItemContent<'a>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemContent<'a> {
    /// See [`ItemKind::Epoch`].
    Epoch {
        /// Counts openings, from 1.
        epoch: u64,
        /// Random, so that two histories that both claim an epoch are told apart.
        tag: u128,
    },
    /// As it was opened, its balances zero.
    Account(Account),
    /// As it took effect, like one that is looked up.
    Transfer(Transfer),
    /// See [`ItemKind::Expiry`].
    Expiry(ExpiredHold),
    /// See [`ItemKind::Failed`].
    Failed {
        /// The id that can't be used again.
        id: TransferId,
        /// Why.
        status: CreateTransferStatus,
    },
    /// See [`ItemKind::Life`].
    Life(BegunLife),
    /// See [`ItemKind::Refusal`].
    Refusal(Refused<'a>),
    /// See [`ItemKind::DocumentPut`].
    DocumentPut {
        /// The table.
        table: TableId,
        /// The key within it.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
        /// When it expires; [`Timestamp::NONE`]: never.
        expires: Timestamp,
    },
    /// See [`ItemKind::DocumentDeleted`].
    DocumentDeleted {
        /// The table.
        table: TableId,
        /// The key within it.
        key: &'a [u8],
    },
    /// See [`ItemKind::DocumentExpired`].
    DocumentExpired {
        /// The table.
        table: TableId,
        /// The key within it.
        key: &'a [u8],
        /// When it was due.
        due: Timestamp,
    },
    /// See [`ItemKind::Commit`].
    Commit {
        /// Chosen by its caller.
        id: CommitId,
        /// What its caller meant.
        digest: [u8; 32],
        /// Who did it, in the caller's own words.
        actor: &'a [u8],
    },
    /// See [`ItemKind::Event`].
    Event {
        /// What it is about.
        topic: Topic,
        /// Whom it concerns.
        key: &'a [u8],
        /// What happened.
        value: &'a [u8],
    },
}

/// Something that was asked for and refused. Nothing of it took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused<'a> {
    /// The id of the commit, account or transfer, as the reason says; zero if it was none of them.
    pub id: u128,
    /// The commit's digest; zero if it was none.
    pub digest: [u8; 32],
    /// Why.
    pub reason: RefusalReason,
    /// Of the event or part that was at fault, its place among those of its kind.
    pub index: u32,
    /// How many alike this one stands for.
    pub count: u32,
    /// Who asked, in the caller's own words.
    pub actor: &'a [u8],
}

/// A life that a restore began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BegunLife {
    /// Counts restores, from 1.
    pub number: u64,
    /// Where the log that was restored ends: what the life before has from there on is lost.
    pub restored_to: Lsn,
    /// Names the life.
    pub incarnation: u128,
    /// Names the life before.
    pub previous: u128,
}

/// A hold that nobody resolved in time; nothing is reserved any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpiredHold {
    /// The transfer that placed it.
    pub hold_id: TransferId,
    /// The account that would have been debited.
    pub debit_account_id: AccountId,
    /// The account that would have been credited.
    pub credit_account_id: AccountId,
    /// What was reserved.
    pub amount: Amount,
    /// The hold's.
    pub ledger: LedgerId,
    /// The hold's.
    pub code: Code,
    /// When the hold was placed.
    pub hold_timestamp: Timestamp,
}

impl ItemContent<'_> {
    /// Which kind of thing it is.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        match self {
            ItemContent::Epoch { .. } => ItemKind::Epoch,
            ItemContent::Account(_) => ItemKind::Account,
            ItemContent::Transfer(_) => ItemKind::Transfer,
            ItemContent::Expiry(_) => ItemKind::Expiry,
            ItemContent::Failed { .. } => ItemKind::Failed,
            ItemContent::Life(_) => ItemKind::Life,
            ItemContent::Refusal(_) => ItemKind::Refusal,
            ItemContent::DocumentPut { .. } => ItemKind::DocumentPut,
            ItemContent::DocumentDeleted { .. } => ItemKind::DocumentDeleted,
            ItemContent::DocumentExpired { .. } => ItemKind::DocumentExpired,
            ItemContent::Commit { .. } => ItemKind::Commit,
            ItemContent::Event { .. } => ItemKind::Event,
        }
    }
}

//! A commit as bytes: how it travels, how its digest is made, and what the engine executes it from
//! without copying. All little-endian, nothing aligned, reserved bytes zero.
//!
//! ```text
//! header        0 16 id | 16 32 digest | 48  8 not_after | 56  4 preconditions | 60  4 accounts
//!              64  4 transfers | 68  4 documents | 72  4 events | 76  2 actor bytes | 78  2 reserved
//!                                                                                            = 80
//! then        actor, accounts (128 bytes each), transfers (128 bytes each), and on end:
//! precondition  0  1 kind | 1  1 field | 2  2 table | 4  2 key bytes | 6  2 reserved
//!               8 16 name | 24 16 min | 40 16 max | 56    key                            = 56 + key
//!               kind 1: a document; table and key name it, name is its version (8 epoch, 8 lsn)
//!               kind 2: a balance; name is the account's id
//!               kind 3: a hold; name is the transfer's id
//! write         0  1 action | 1  1 condition | 2  2 table | 4  2 key bytes | 6  2 reserved
//!               8  4 value bytes | 12  4 reserved | 16  8 expires | 24 16 version (8 epoch, 8 lsn)
//!              40    key, value                                                  = 40 + key + value
//!               action 1: put, 2: delete (no value, no expiry)
//!               condition 0: any (no version), 1: absent (no version), 2: this version
//! event         0  2 topic | 2  2 key bytes | 4  4 value bytes | 8    key, value  = 8 + key + value
//! ```
//! A commit has one encoding only: bytes that are accepted are those that would be written. Its
//! digest, unless its caller gives one, is the BLAKE3 of these bytes with a digest of zeros.

pub use crate::commit_encode::{encode_commit, encode_writes};

use crate::account::{Account, AccountLayout};
use crate::amount::Amount;
use crate::commit::{ACTOR_BYTES_MAX, BalanceField, Commit, CommitId, Event, Precondition, Topic};
use crate::document::{
    DOCUMENT_KEY_BYTES_MAX, DOCUMENT_VALUE_BYTES_MAX, DocumentCondition, DocumentWrite, TableId,
};
use crate::id::{AccountId, Lsn, Timestamp, TransferId};
use crate::position::Position;
use crate::transfer::{Transfer, TransferLayout};
use core::fmt;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Events of one kind that a commit may hold; of accounts and transfers together.
pub const COMMIT_POSTINGS_MAX: usize = 8_190;
/// Preconditions, documents and events that a commit may hold, of each.
pub const COMMIT_PARTS_MAX: usize = 1_024;
/// Bytes of a commit at most.
pub const COMMIT_BYTES_MAX: usize = (1 << 20) - 1_024;

pub(crate) const PUT: u8 = 1;
pub(crate) const DELETE: u8 = 2;
pub(crate) const ANY: u8 = 0;
pub(crate) const ABSENT: u8 = 1;
pub(crate) const VERSION: u8 = 2;
pub(crate) const DOCUMENT: u8 = 1;
pub(crate) const BALANCE: u8 = 2;
pub(crate) const HOLD: u8 = 3;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct HeaderLayout {
    pub(crate) id: U128,
    pub(crate) digest: [u8; 32],
    pub(crate) not_after: U64,
    pub(crate) preconditions_count: U32,
    pub(crate) accounts_count: U32,
    pub(crate) transfers_count: U32,
    pub(crate) documents_count: U32,
    pub(crate) events_count: U32,
    pub(crate) actor_bytes: U16,
    pub(crate) reserved: U16,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PreconditionLayout {
    pub(crate) kind: u8,
    pub(crate) field: u8,
    pub(crate) table: U16,
    pub(crate) key_bytes: U16,
    pub(crate) reserved: U16,
    pub(crate) name: U128,
    pub(crate) min: U128,
    pub(crate) max: U128,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct WriteLayout {
    pub(crate) action: u8,
    pub(crate) condition: u8,
    pub(crate) table: U16,
    pub(crate) key_bytes: U16,
    pub(crate) reserved: U16,
    pub(crate) value_bytes: U32,
    pub(crate) reserved_too: U32,
    pub(crate) expires: U64,
    pub(crate) epoch: U64,
    pub(crate) lsn: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct EventLayout {
    pub(crate) topic: U16,
    pub(crate) key_bytes: U16,
    pub(crate) value_bytes: U32,
}

const _: () = assert!(size_of::<HeaderLayout>() == 80);
const _: () = assert!(size_of::<PreconditionLayout>() == 56);
const _: () = assert!(size_of::<WriteLayout>() == 40);
const _: () = assert!(size_of::<EventLayout>() == 8);

/// Why bytes are not a commit, and at which byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitError {
    /// Where in the bytes.
    pub offset: usize,
    /// What is wrong there.
    pub what: CommitFlaw,
}

/// What is wrong with a commit's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitFlaw {
    /// They end too early, or go on.
    Length,
    /// The id is zero or 2^128-1.
    Id,
    /// A part is more than a commit may hold.
    TooMany,
    /// The actor context is too long.
    Actor,
    /// A key is empty or too long.
    Key,
    /// A value is too long.
    Value,
    /// A field has a value that means nothing, or a reserved byte is not zero.
    Field,
    /// A table that is not the caller's to write.
    Table,
}

impl fmt::Display for CommitFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CommitFlaw::Length => "it is cut short, or goes on after its end",
            CommitFlaw::Id => "a commit's id must be neither zero nor 2^128-1",
            CommitFlaw::TooMany => {
                "it holds more than 8190 accounts and transfers, or more than 1024 preconditions, \
                 documents or events, or more than a MiB: split it"
            }
            CommitFlaw::Actor => "the actor context has more than 256 bytes",
            CommitFlaw::Key => "a key has 1 to 256 bytes (an event's may have none)",
            CommitFlaw::Value => "a value has at most 65536 bytes",
            CommitFlaw::Field => "a field is out of range",
            CommitFlaw::Table => {
                "table 65535 is not for documents, table 0 is for declarations only"
            }
        })
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a commit at byte {}: {}", self.offset, self.what)
    }
}

impl core::error::Error for CommitError {}

/// A commit in the bytes that it arrived in. Checked whole when it is made.
#[derive(Clone, Copy, Debug)]
pub struct CommitView<'a> {
    /// See [`Commit::id`].
    pub id: CommitId,
    /// See [`Commit::digest`].
    pub digest: [u8; 32],
    /// See [`Commit::not_after`].
    pub not_after: Timestamp,
    /// See [`Commit::actor`].
    pub actor: &'a [u8],
    /// See [`Commit::accounts`].
    pub accounts: &'a [AccountLayout],
    /// See [`Commit::transfers`].
    pub transfers: &'a [TransferLayout],
    preconditions: Parts<'a>,
    documents: Parts<'a>,
    events: Parts<'a>,
}

/// A number of parts of one kind on end.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// See [`Precondition`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PreconditionView<'a> {
    /// See [`Precondition::Document`].
    Document {
        /// Its table.
        table: TableId,
        /// Its key.
        key: &'a [u8],
        /// Its version.
        version: Position,
    },
    /// See [`Precondition::Balance`].
    Balance {
        /// The account.
        account_id: AccountId,
        /// Which balance.
        field: BalanceField,
        /// The least.
        min: Amount,
        /// The most.
        max: Amount,
    },
    /// See [`Precondition::HoldPending`].
    HoldPending {
        /// The transfer that placed it.
        transfer_id: TransferId,
    },
}

/// See [`DocumentWrite`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteView<'a> {
    /// The table.
    pub table: TableId,
    /// The key.
    pub key: &'a [u8],
    /// The new value; `None` deletes.
    pub value: Option<&'a [u8]>,
    /// Both on end, as they lie in the buffer.
    pub key_and_value: &'a [u8],
    /// When it expires.
    pub expires: Timestamp,
    /// What it needs of the document as it is.
    pub condition: DocumentCondition,
}

/// See [`Event`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventView<'a> {
    /// What it is about.
    pub topic: Topic,
    /// Whom it concerns.
    pub key: &'a [u8],
    /// What happened.
    pub value: &'a [u8],
    /// Both on end, as they lie in the buffer.
    pub key_and_value: &'a [u8],
}

impl<'a> CommitView<'a> {
    /// Reads and checks a whole commit. Any bytes are answered.
    ///
    /// # Errors
    /// [`CommitError`] says at which byte, and why, they are not one.
    pub fn parse(bytes: &'a [u8]) -> Result<CommitView<'a>, CommitError> {
        let mut reader = Reader { bytes, offset: 0 };
        if COMMIT_BYTES_MAX < bytes.len() {
            return Err(reader.flaw(CommitFlaw::TooMany));
        }
        let header: &HeaderLayout = reader.layout()?;
        let id = CommitId(header.id.get());
        if id == CommitId(0) || id == CommitId(u128::MAX) {
            return Err(CommitError { offset: 0, what: CommitFlaw::Id });
        }
        let not_after = instant(header.not_after, 48)?;
        if header.reserved != U16::ZERO {
            return Err(CommitError { offset: 78, what: CommitFlaw::Field });
        }
        let [preconditions, documents, events] =
            [header.preconditions_count, header.documents_count, header.events_count]
                .map(|count| part_count(count, COMMIT_PARTS_MAX));
        let [accounts, transfers] = [header.accounts_count, header.transfers_count]
            .map(|count| part_count(count, COMMIT_POSTINGS_MAX));
        let (accounts, transfers) = (accounts?, transfers?);
        if COMMIT_POSTINGS_MAX < accounts + transfers {
            return Err(CommitError { offset: 60, what: CommitFlaw::TooMany });
        }
        let actor_bytes = usize::from(header.actor_bytes.get());
        if ACTOR_BYTES_MAX < actor_bytes {
            return Err(CommitError { offset: 76, what: CommitFlaw::Actor });
        }
        let view = CommitView {
            id,
            digest: header.digest,
            not_after,
            actor: reader.take(actor_bytes)?,
            accounts: reader.layouts(accounts)?,
            transfers: reader.layouts(transfers)?,
            preconditions: reader
                .parts(preconditions?, |reader| reader.precondition().map(drop))?,
            documents: reader.parts(documents?, |reader| reader.write().map(drop))?,
            events: reader.parts(events?, |reader| reader.event().map(drop))?,
        };
        if reader.offset == bytes.len() { Ok(view) } else { Err(reader.flaw(CommitFlaw::Length)) }
    }

    /// What must hold, in order.
    pub fn preconditions(&self) -> impl ExactSizeIterator<Item = PreconditionView<'a>> {
        self.preconditions.iter(Reader::precondition)
    }

    /// The documents to write, in order.
    pub fn documents(&self) -> impl ExactSizeIterator<Item = WriteView<'a>> {
        self.documents.iter(Reader::write)
    }

    /// What readers of the log are told, in order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = EventView<'a>> {
        self.events.iter(Reader::event)
    }

    /// The commit, with copies of everything.
    #[must_use]
    pub fn to_commit(&self) -> Commit {
        Commit {
            id: self.id,
            digest: self.digest,
            actor: self.actor.to_vec(),
            not_after: self.not_after,
            preconditions: self.preconditions().map(|it| it.to_precondition()).collect(),
            accounts: self.accounts.iter().map(Account::from).collect(),
            transfers: self.transfers.iter().map(Transfer::from).collect(),
            documents: self.documents().map(|it| it.to_write()).collect(),
            events: self.events().map(|it| it.to_event()).collect(),
        }
    }
}

impl PreconditionView<'_> {
    fn to_precondition(self) -> Precondition {
        match self {
            PreconditionView::Document { table, key, version } => {
                Precondition::Document { table, key: key.to_vec(), version }
            }
            PreconditionView::Balance { account_id, field, min, max } => {
                Precondition::Balance { account_id, field, min, max }
            }
            PreconditionView::HoldPending { transfer_id } => {
                Precondition::HoldPending { transfer_id }
            }
        }
    }
}

impl WriteView<'_> {
    /// The write, with copies of key and value.
    #[must_use]
    pub fn to_write(&self) -> DocumentWrite {
        DocumentWrite {
            table: self.table,
            key: self.key.to_vec(),
            value: self.value.map(<[u8]>::to_vec),
            expires: self.expires,
            condition: self.condition,
        }
    }
}

impl EventView<'_> {
    fn to_event(self) -> Event {
        Event { topic: self.topic, key: self.key.to_vec(), value: self.value.to_vec() }
    }
}

/// Reads writes of documents on end, `count` of them and nothing after: a body of its own on the
/// wire, written by [`encode_writes`].
///
/// # Errors
/// [`CommitError`] says at which byte, and why, they are none.
pub fn parse_writes(bytes: &[u8], count: usize) -> Result<Writes<'_>, CommitError> {
    let mut reader = Reader { bytes, offset: 0 };
    if COMMIT_BYTES_MAX < bytes.len() || COMMIT_PARTS_MAX < count {
        return Err(reader.flaw(CommitFlaw::TooMany));
    }
    let parts = reader.parts(count, |reader| reader.write().map(drop))?;
    if reader.offset == bytes.len() {
        Ok(Writes(parts))
    } else {
        Err(reader.flaw(CommitFlaw::Length))
    }
}

/// Writes of documents that were checked.
#[derive(Clone, Copy, Debug)]
pub struct Writes<'a>(Parts<'a>);

impl<'a> Writes<'a> {
    /// The writes, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = WriteView<'a>> + use<'a> {
        self.0.iter(Reader::write)
    }
}

fn part_count(count: U32, most: usize) -> Result<usize, CommitError> {
    let too_many = CommitError { offset: 56, what: CommitFlaw::TooMany };
    usize::try_from(count.get()).ok().filter(|count| *count <= most).ok_or(too_many)
}

fn instant(field: U64, offset: usize) -> Result<Timestamp, CommitError> {
    let instant = Timestamp(field.get());
    if instant <= Timestamp::MAX {
        Ok(instant)
    } else {
        Err(CommitError { offset, what: CommitFlaw::Field })
    }
}

impl<'a> Parts<'a> {
    fn iter<T>(
        self,
        read: impl Fn(&mut Reader<'a>) -> Result<T, CommitError>,
    ) -> impl ExactSizeIterator<Item = T> {
        let mut reader = Reader { bytes: self.bytes, offset: 0 };
        (0..self.count).map(move |_| read(&mut reader).expect("it was read when it was checked"))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn flaw(&self, what: CommitFlaw) -> CommitError {
        CommitError { offset: self.offset, what }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], CommitError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(self.flaw(CommitFlaw::Length))?;
        self.offset += count;
        Ok(taken)
    }

    fn layout<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &mut self,
    ) -> Result<&'a T, CommitError> {
        let bytes = self.take(size_of::<T>())?;
        Ok(T::ref_from_bytes(bytes).expect("as many bytes as it has"))
    }

    fn layouts<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &mut self,
        count: usize,
    ) -> Result<&'a [T], CommitError> {
        let bytes = self.take(count * size_of::<T>())?;
        Ok(<[T]>::ref_from_bytes(bytes).expect("as many bytes as they have"))
    }

    /// Checks `count` parts by reading them.
    fn parts(
        &mut self,
        count: usize,
        read: impl Fn(&mut Reader<'a>) -> Result<(), CommitError>,
    ) -> Result<Parts<'a>, CommitError> {
        let start = self.offset;
        (0..count).try_for_each(|_| read(self))?;
        Ok(Parts { count, bytes: &self.bytes[start..self.offset] })
    }

    fn key(&mut self, length: U16, is_needed: bool) -> Result<&'a [u8], CommitError> {
        let length = usize::from(length.get());
        if DOCUMENT_KEY_BYTES_MAX < length || (is_needed && length == 0) {
            return Err(self.flaw(CommitFlaw::Key));
        }
        self.take(length)
    }

    fn value(&mut self, length: U32) -> Result<&'a [u8], CommitError> {
        let length = usize::try_from(length.get()).unwrap_or(usize::MAX);
        if DOCUMENT_VALUE_BYTES_MAX < length {
            return Err(self.flaw(CommitFlaw::Value));
        }
        self.take(length)
    }

    fn precondition(&mut self) -> Result<PreconditionView<'a>, CommitError> {
        let start = self.offset;
        let layout: &PreconditionLayout = self.layout()?;
        let name = layout.name.get();
        let range = (layout.min.get(), layout.max.get());
        let names_no_document = layout.table == U16::ZERO && layout.key_bytes == U16::ZERO;
        let is_plain = layout.field == 0 && range == (0, 0);
        let flaw = CommitError { offset: start, what: CommitFlaw::Field };
        if layout.reserved != U16::ZERO {
            return Err(flaw);
        }
        match layout.kind {
            DOCUMENT if is_plain => Ok(PreconditionView::Document {
                table: TableId(layout.table.get()),
                key: self.key(layout.key_bytes, true)?,
                version: version_of(name),
            }),
            BALANCE if names_no_document => Ok(PreconditionView::Balance {
                account_id: AccountId(name),
                field: BalanceField::from_number(layout.field).ok_or(flaw)?,
                min: Amount(range.0),
                max: Amount(range.1),
            }),
            HOLD if names_no_document && is_plain => {
                Ok(PreconditionView::HoldPending { transfer_id: TransferId(name) })
            }
            _ => Err(flaw),
        }
    }

    fn write(&mut self) -> Result<WriteView<'a>, CommitError> {
        let start = self.offset;
        let layout: &WriteLayout = self.layout()?;
        let flaw = CommitError { offset: start, what: CommitFlaw::Field };
        let version = Position { epoch: layout.epoch.get(), lsn: Lsn(layout.lsn.get()) };
        let condition = match layout.condition {
            ANY if !version.is_some() => DocumentCondition::Any,
            ABSENT if !version.is_some() => DocumentCondition::Absent,
            VERSION => DocumentCondition::Version(version),
            _ => return Err(flaw),
        };
        let expires = instant(layout.expires, start + 16)?;
        if layout.reserved != U16::ZERO || layout.reserved_too != U32::ZERO {
            return Err(flaw);
        }
        let table = TableId(layout.table.get());
        if table == TableId::EXPIRIES || table == TableId::DECLARATIONS {
            return Err(CommitError { offset: start + 2, what: CommitFlaw::Table });
        }
        let behind = self.offset;
        let key = self.key(layout.key_bytes, true)?;
        let value = self.value(layout.value_bytes)?;
        let key_and_value = &self.bytes[behind..self.offset];
        let value = match layout.action {
            PUT => Some(value),
            DELETE if value.is_empty() && expires == Timestamp::NONE => None,
            _ => return Err(flaw),
        };
        Ok(WriteView { table, key, value, key_and_value, expires, condition })
    }

    fn event(&mut self) -> Result<EventView<'a>, CommitError> {
        let layout: &EventLayout = self.layout()?;
        let behind = self.offset;
        let key = self.key(layout.key_bytes, false)?;
        let value = self.value(layout.value_bytes)?;
        let key_and_value = &self.bytes[behind..self.offset];
        Ok(EventView { topic: Topic(layout.topic.get()), key, value, key_and_value })
    }
}

fn version_of(name: u128) -> Position {
    let [epoch, lsn] = zerocopy::transmute!(name.to_le_bytes());
    Position { epoch: u64::from_le_bytes(epoch), lsn: Lsn(u64::from_le_bytes(lsn)) }
}

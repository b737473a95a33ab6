//! Bodies that are neither large nor frequent: filters, sums, status, refusals. The only place
//! that knows bincode, so that replacing it is this file's work.
//!
//! The bytes are those of bincode 2 with fixed-width little-endian integers, which for what is
//! used here means: the fields one after the other without padding, a `bool` as one byte 0 or 1,
//! an `Option` as one byte 0, or one byte 1 and the value, bytes as their number as u64 and
//! themselves, a text as its UTF-8 in bytes. docs/PROTOCOL.md lists the fields of each body.

use crate::error::{DecodeError, Reason};
use crate::limits::{COLD_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::refusal::{Effect, Refusal, RefusalKind};
use crate::status::Status;
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::de::read::Reader;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError as BincodeDecodeError, EncodeError};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::document::{DocumentKey, DocumentScan, TableId};
use florin_ledger::query::{AccountFilter, BalanceAt, Cursor, QueryFilter, TrialBalance};
use florin_ledger::record::Balances;
use florin_ledger::{AccountId, Amount, Code, LedgerId, Lsn, Position, Timestamp};

/// What travels in a cold body.
pub trait Cold: Sized {
    /// The fields as the wire has them.
    type Fields: bincode::Encode + bincode::Decode<()>;

    /// To the wire's fields.
    fn to_fields(&self) -> Self::Fields;

    /// From the wire's fields; `None` if a number names nothing.
    fn from_fields(fields: Self::Fields) -> Option<Self>;
}

/// Appends a value.
pub fn write<T: Cold>(value: &T, out: &mut BytesMut) {
    bincode::encode_into_writer(value.to_fields(), Appender(out), CONFIGURATION)
        .expect("fields of fixed width always encode");
}

/// A value as a body of its own.
#[must_use]
pub fn to_bytes<T: Cold>(value: &T) -> Bytes {
    let mut out = BytesMut::new();
    write(value, &mut out);
    out.freeze()
}

/// The value of a body.
///
/// # Errors
/// If the body is longer or shorter than the value, or a field means nothing.
pub fn decode<T: Cold>(body: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Cut { body, read_start: 0, read_end: 0 };
    let fields: T::Fields = bincode::decode_from_reader(&mut reader, CONFIGURATION)
        .map_err(|error| DecodeError::new(reader.read_start, reason(&error)))?;
    if reader.read_end != body.len() {
        return Err(DecodeError::new(reader.read_end, Reason::TooLong));
    }
    T::from_fields(fields).ok_or(DecodeError::new(0, Reason::Unknown))
}

const CONFIGURATION: Configuration<LittleEndian, Fixint, Limit<COLD_BYTES_MAX>> =
    bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<COLD_BYTES_MAX>();

fn reason(error: &BincodeDecodeError) -> Reason {
    match error {
        BincodeDecodeError::UnexpectedEnd { .. } => Reason::TooShort,
        BincodeDecodeError::LimitExceeded => Reason::TooLong,
        BincodeDecodeError::Utf8 { .. } => Reason::NotUtf8,
        _ => Reason::Unknown,
    }
}

/// Reads a body and remembers where, because bincode's errors don't say.
struct Cut<'a> {
    body: &'a [u8],
    /// Where the last read began.
    read_start: usize,
    /// Where it ended.
    read_end: usize,
}

impl Reader for Cut<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), BincodeDecodeError> {
        self.read_start = self.read_end;
        let left = self.body.get(self.read_end..).unwrap_or_default();
        let Some(next) = left.get(..bytes.len()) else {
            self.read_start = self.body.len();
            return Err(BincodeDecodeError::UnexpectedEnd { additional: bytes.len() - left.len() });
        };
        bytes.copy_from_slice(next);
        self.read_end += bytes.len();
        Ok(())
    }
}

struct Appender<'a>(&'a mut BytesMut);

impl Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.put_slice(bytes);
        Ok(())
    }
}

/// What the wire has of each value, in this order.
mod fields {
    use bincode::{Decode, Encode};

    #[derive(Encode, Decode)]
    pub struct AccountFilter {
        pub account_id: u128,
        pub timestamp_min: u64,
        pub timestamp_max: u64,
        pub code: u16,
        pub user_data_128: u128,
        pub user_data_64: u64,
        pub user_data_32: u32,
        pub debits: bool,
        pub credits: bool,
        pub reversed: bool,
        pub limit: u32,
        pub cursor: Option<u128>,
    }

    #[derive(Encode, Decode)]
    pub struct QueryFilter {
        pub ledger: u32,
        pub code: u16,
        pub user_data_128: u128,
        pub user_data_64: u64,
        pub user_data_32: u32,
        pub timestamp_min: u64,
        pub timestamp_max: u64,
        pub reversed: bool,
        pub limit: u32,
        pub cursor: Option<u128>,
        pub scan: bool,
    }

    #[derive(Encode, Decode)]
    pub struct AsOf {
        pub account_id: u128,
        pub timestamp: u64,
    }

    #[derive(Encode, Decode)]
    pub struct BalanceAt {
        pub timestamp: u64,
        pub debits_pending: u128,
        pub debits_posted: u128,
        pub credits_pending: u128,
        pub credits_posted: u128,
    }

    #[derive(Encode, Decode)]
    pub struct TrialBalance {
        pub debits_posted: u128,
        pub credits_posted: u128,
        pub debits_pending: u128,
        pub credits_pending: u128,
        pub accounts_count: u64,
    }

    #[derive(Encode, Decode)]
    pub struct Status {
        pub incarnation: u128,
        pub epoch: u64,
        pub applied: u64,
        pub durable: u64,
        pub timestamp: u64,
        pub accounts_count: u64,
        pub transfers_count: u64,
        pub holds_count: u64,
        pub documents_count: u64,
        pub serving_since: u64,
        pub checkpoint: u64,
        pub disk_full: bool,
    }

    #[derive(Encode, Decode)]
    pub struct Scan {
        pub table: u16,
        pub prefix: Vec<u8>,
        pub after: Option<Vec<u8>>,
        pub reversed: bool,
        pub keys_only: bool,
        pub limit: u32,
    }

    #[derive(Encode, Decode)]
    pub struct HistoryOf {
        pub table: u16,
        pub key: Vec<u8>,
        pub before_epoch: u64,
        pub before_lsn: u64,
        pub limit: u32,
    }

    #[derive(Encode, Decode)]
    pub struct Await {
        pub epoch: u64,
        pub lsn: u64,
        pub patience_ms: u32,
    }

    #[derive(Encode, Decode)]
    pub struct Once {
        pub table: u16,
        pub key: Vec<u8>,
        pub expires: u64,
    }

    #[derive(Encode, Decode)]
    pub struct Refusal {
        pub kind: u8,
        pub effect: u8,
        pub message: String,
    }
}

/// The question of [`crate::Operation::BalanceAsOf`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AsOf {
    /// Whose balances.
    pub account_id: AccountId,
    /// When.
    pub timestamp: Timestamp,
}

/// The question of [`crate::Operation::AwaitPosition`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Await {
    /// What must be reached.
    pub position: Position,
    /// Milliseconds to wait for it at most, within the server's own limit.
    pub patience_ms: u32,
}

/// The question of [`crate::Operation::DocumentHistory`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryOf {
    /// Which document.
    pub key: DocumentKey,
    /// Only versions before this one; [`Position::NONE`]: from the present one on.
    pub before: Position,
    /// Versions at most.
    pub limit: u32,
}

/// The question of [`crate::Operation::InsertUnique`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Once {
    /// What may happen once.
    pub key: DocumentKey,
    /// When it is forgotten; [`Timestamp::NONE`]: as its table says.
    pub expires: Timestamp,
}

impl Cold for DocumentScan {
    type Fields = fields::Scan;

    fn to_fields(&self) -> fields::Scan {
        fields::Scan {
            table: self.table.0,
            prefix: self.prefix.clone(),
            after: self.after.clone(),
            reversed: self.reversed,
            keys_only: self.keys_only,
            limit: self.limit,
        }
    }

    fn from_fields(fields: fields::Scan) -> Option<DocumentScan> {
        Some(DocumentScan {
            table: TableId(fields.table),
            prefix: fields.prefix,
            after: fields.after,
            reversed: fields.reversed,
            keys_only: fields.keys_only,
            limit: fields.limit,
        })
    }
}

impl Cold for Await {
    type Fields = fields::Await;

    fn to_fields(&self) -> fields::Await {
        let Position { epoch, lsn } = self.position;
        fields::Await { epoch, lsn: lsn.0, patience_ms: self.patience_ms }
    }

    fn from_fields(fields: fields::Await) -> Option<Await> {
        let position = Position { epoch: fields.epoch, lsn: Lsn(fields.lsn) };
        Some(Await { position, patience_ms: fields.patience_ms })
    }
}

impl Cold for HistoryOf {
    type Fields = fields::HistoryOf;

    fn to_fields(&self) -> fields::HistoryOf {
        fields::HistoryOf {
            table: self.key.table.0,
            key: self.key.key.clone(),
            before_epoch: self.before.epoch,
            before_lsn: self.before.lsn.0,
            limit: self.limit,
        }
    }

    fn from_fields(fields: fields::HistoryOf) -> Option<HistoryOf> {
        Some(HistoryOf {
            key: DocumentKey { table: TableId(fields.table), key: fields.key },
            before: Position { epoch: fields.before_epoch, lsn: Lsn(fields.before_lsn) },
            limit: fields.limit,
        })
    }
}

impl Cold for Once {
    type Fields = fields::Once;

    fn to_fields(&self) -> fields::Once {
        fields::Once { table: self.key.table.0, key: self.key.key.clone(), expires: self.expires.0 }
    }

    fn from_fields(fields: fields::Once) -> Option<Once> {
        Some(Once {
            key: DocumentKey { table: TableId(fields.table), key: fields.key },
            expires: Timestamp(fields.expires),
        })
    }
}

impl Cold for AccountFilter {
    type Fields = fields::AccountFilter;

    fn to_fields(&self) -> fields::AccountFilter {
        fields::AccountFilter {
            account_id: self.account_id.0,
            timestamp_min: self.timestamp_min.0,
            timestamp_max: self.timestamp_max.0,
            code: self.code.0,
            user_data_128: self.user_data_128,
            user_data_64: self.user_data_64,
            user_data_32: self.user_data_32,
            debits: self.debits,
            credits: self.credits,
            reversed: self.reversed,
            limit: self.limit,
            cursor: self.cursor.map(|cursor| cursor.0),
        }
    }

    fn from_fields(fields: fields::AccountFilter) -> Option<AccountFilter> {
        Some(AccountFilter {
            account_id: AccountId(fields.account_id),
            timestamp_min: Timestamp(fields.timestamp_min),
            timestamp_max: Timestamp(fields.timestamp_max),
            code: Code(fields.code),
            user_data_128: fields.user_data_128,
            user_data_64: fields.user_data_64,
            user_data_32: fields.user_data_32,
            debits: fields.debits,
            credits: fields.credits,
            reversed: fields.reversed,
            limit: fields.limit,
            cursor: fields.cursor.map(Cursor),
        })
    }
}

impl Cold for QueryFilter {
    type Fields = fields::QueryFilter;

    fn to_fields(&self) -> fields::QueryFilter {
        fields::QueryFilter {
            ledger: self.ledger.0,
            code: self.code.0,
            user_data_128: self.user_data_128,
            user_data_64: self.user_data_64,
            user_data_32: self.user_data_32,
            timestamp_min: self.timestamp_min.0,
            timestamp_max: self.timestamp_max.0,
            reversed: self.reversed,
            limit: self.limit,
            cursor: self.cursor.map(|cursor| cursor.0),
            scan: self.scan,
        }
    }

    fn from_fields(fields: fields::QueryFilter) -> Option<QueryFilter> {
        Some(QueryFilter {
            ledger: LedgerId(fields.ledger),
            code: Code(fields.code),
            user_data_128: fields.user_data_128,
            user_data_64: fields.user_data_64,
            user_data_32: fields.user_data_32,
            timestamp_min: Timestamp(fields.timestamp_min),
            timestamp_max: Timestamp(fields.timestamp_max),
            reversed: fields.reversed,
            limit: fields.limit,
            cursor: fields.cursor.map(Cursor),
            scan: fields.scan,
        })
    }
}

impl Cold for AsOf {
    type Fields = fields::AsOf;

    fn to_fields(&self) -> fields::AsOf {
        fields::AsOf { account_id: self.account_id.0, timestamp: self.timestamp.0 }
    }

    fn from_fields(fields: fields::AsOf) -> Option<AsOf> {
        Some(AsOf {
            account_id: AccountId(fields.account_id),
            timestamp: Timestamp(fields.timestamp),
        })
    }
}

impl Cold for Option<BalanceAt> {
    type Fields = Option<fields::BalanceAt>;

    fn to_fields(&self) -> Option<fields::BalanceAt> {
        self.map(|at| fields::BalanceAt {
            timestamp: at.timestamp.0,
            debits_pending: at.balances.debits_pending.0,
            debits_posted: at.balances.debits_posted.0,
            credits_pending: at.balances.credits_pending.0,
            credits_posted: at.balances.credits_posted.0,
        })
    }

    fn from_fields(fields: Option<fields::BalanceAt>) -> Option<Option<BalanceAt>> {
        Some(fields.map(|at| BalanceAt {
            timestamp: Timestamp(at.timestamp),
            balances: Balances {
                debits_pending: Amount(at.debits_pending),
                debits_posted: Amount(at.debits_posted),
                credits_pending: Amount(at.credits_pending),
                credits_posted: Amount(at.credits_posted),
            },
        }))
    }
}

impl Cold for LedgerId {
    type Fields = u32;

    fn to_fields(&self) -> u32 {
        self.0
    }

    fn from_fields(fields: u32) -> Option<LedgerId> {
        Some(LedgerId(fields))
    }
}

impl Cold for TrialBalance {
    type Fields = fields::TrialBalance;

    fn to_fields(&self) -> fields::TrialBalance {
        fields::TrialBalance {
            debits_posted: self.debits_posted.0,
            credits_posted: self.credits_posted.0,
            debits_pending: self.debits_pending.0,
            credits_pending: self.credits_pending.0,
            accounts_count: self.accounts_count,
        }
    }

    fn from_fields(fields: fields::TrialBalance) -> Option<TrialBalance> {
        Some(TrialBalance {
            debits_posted: Amount(fields.debits_posted),
            credits_posted: Amount(fields.credits_posted),
            debits_pending: Amount(fields.debits_pending),
            credits_pending: Amount(fields.credits_pending),
            accounts_count: fields.accounts_count,
        })
    }
}

impl Cold for Status {
    type Fields = fields::Status;

    fn to_fields(&self) -> fields::Status {
        fields::Status {
            incarnation: self.incarnation,
            epoch: self.epoch,
            applied: self.applied.0,
            durable: self.durable.0,
            timestamp: self.timestamp.0,
            accounts_count: self.accounts_count,
            transfers_count: self.transfers_count,
            holds_count: self.holds_count,
            documents_count: self.documents_count,
            serving_since: self.serving_since.0,
            checkpoint: self.checkpoint.0,
            disk_full: self.disk_full,
        }
    }

    fn from_fields(fields: fields::Status) -> Option<Status> {
        Some(Status {
            incarnation: fields.incarnation,
            epoch: fields.epoch,
            applied: Lsn(fields.applied),
            durable: Lsn(fields.durable),
            timestamp: Timestamp(fields.timestamp),
            accounts_count: fields.accounts_count,
            transfers_count: fields.transfers_count,
            holds_count: fields.holds_count,
            documents_count: fields.documents_count,
            serving_since: Timestamp(fields.serving_since),
            checkpoint: Lsn(fields.checkpoint),
            disk_full: fields.disk_full,
        })
    }
}

impl Cold for Refusal {
    type Fields = fields::Refusal;

    fn to_fields(&self) -> fields::Refusal {
        let end = self.message.floor_char_boundary(MESSAGE_BYTES_MAX);
        fields::Refusal {
            kind: self.kind.number(),
            effect: self.effect.number(),
            message: String::from(&self.message[..end]),
        }
    }

    fn from_fields(fields: fields::Refusal) -> Option<Refusal> {
        Some(Refusal {
            kind: RefusalKind::from_number(fields.kind)?,
            effect: Effect::from_number(fields.effect)?,
            message: fields.message,
        })
    }
}

//! Bodies of the requests that open, feed and end a stream. What a stream sends is a batch, see
//! [`florin_ledger::stream`].
//!
//! ```text
//! subscribe:   offset  bytes  field
//!                   0     16  incarnation that the cursor is of; zero: any
//!                  16      8  cursor: epoch                        zero unless the start is 2
//!                  24      8  cursor: lsn                          zero unless the start is 2
//!                  32     32  cursor: hash                         zero unless the start is 2
//!                  64      8  time                                 zero unless the start is 3
//!                  72      4  credit in bytes
//!                  76      4  kinds, one bit each by number; zero: any
//!                  80      1  start: 0 begin, 1 end, 2 after the cursor, 3 time
//!                  81      1  reserved, zero
//!                  82      2  accounts, at most 1,024
//!                  84      2  ledgers, at most 256
//!                  86      2  tables, at most 64
//!                  88      2  topics, at most 64
//!                  90      6  reserved, zero
//!                  96         accounts (16 bytes each), ledgers (4 each), topics (2 each), then of
//!                             each table: number (2), bytes of the prefix (2), prefix
//!
//! credit:           0      8  id of the request that subscribed
//!                   8      4  bytes more that the server may send
//!                  12      4  reserved, zero
//!
//! unsubscribe:      0      8  id of the request that subscribed
//! ```
//! All little-endian.

use crate::error::{DecodeError, Reason};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::commit::Topic;
use florin_ledger::stream::{
    FILTER_ACCOUNTS_MAX, FILTER_LEDGERS_MAX, FILTER_PREFIX_BYTES_MAX, FILTER_TABLES_MAX,
    FILTER_TOPICS_MAX, ItemKinds, TableFilter,
};
use florin_ledger::{
    AccountId, LedgerId, Lsn, StreamCursor, StreamFilter, StreamStart, TableId, Timestamp,
};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A reader's wish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscribe {
    /// The database that the cursor is of; zero: any. A server of another refuses it as a fork.
    pub incarnation: u128,
    /// Where to begin.
    pub start: StreamStart,
    /// What to send.
    pub filter: StreamFilter,
    /// Bytes that may be sent at first.
    pub credit_bytes: u32,
}

/// Lets a stream send more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credit {
    /// The id of the request that subscribed.
    pub subscription: u64,
    /// Bytes more that may be sent.
    pub bytes: u32,
}

/// Ends a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsubscribe {
    /// The id of the request that subscribed.
    pub subscription: u64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SubscribeLayout {
    incarnation: U128,
    epoch: U64,
    lsn: U64,
    hash: [u8; 32],
    time: U64,
    credit_bytes: U32,
    kinds: U32,
    start: u8,
    reserved: u8,
    accounts: U16,
    ledgers: U16,
    tables: U16,
    topics: U16,
    reserved_too: [u8; 6],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CreditLayout {
    subscription: U64,
    bytes: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<SubscribeLayout>() == 96);
const _: () = assert!(size_of::<CreditLayout>() == 16);

impl Subscribe {
    /// The body of the request.
    ///
    /// # Panics
    /// If the filter does not keep its limits ([`StreamFilter::check`]).
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let Subscribe { incarnation, start, filter, credit_bytes } = self;
        let none = (StreamCursor::BEGIN, Timestamp::NONE);
        let (number, (cursor, time)) = match *start {
            StreamStart::Begin => (0, none),
            StreamStart::End => (1, none),
            StreamStart::After(cursor) => (2, (cursor, Timestamp::NONE)),
            StreamStart::Time(time) => (3, (StreamCursor::BEGIN, time)),
        };
        let count = |count: usize| u16::try_from(count).expect("a filter keeps its limits").into();
        let head = SubscribeLayout {
            incarnation: (*incarnation).into(),
            epoch: cursor.epoch.into(),
            lsn: cursor.lsn.0.into(),
            hash: cursor.hash,
            time: time.0.into(),
            credit_bytes: (*credit_bytes).into(),
            kinds: filter.kinds.bits().into(),
            start: number,
            reserved: 0,
            accounts: count(filter.accounts.len()),
            ledgers: count(filter.ledgers.len()),
            tables: count(filter.tables.len()),
            topics: count(filter.topics.len()),
            reserved_too: [0; 6],
        };
        let mut out = BytesMut::new();
        out.put_slice(head.as_bytes());
        filter.accounts.iter().for_each(|account| out.put_u128_le(account.0));
        filter.ledgers.iter().for_each(|ledger| out.put_u32_le(ledger.0));
        filter.topics.iter().for_each(|topic| out.put_u16_le(topic.0));
        for table in &filter.tables {
            out.put_u16_le(table.table.0);
            let bytes: U16 = count(table.key_prefix.len());
            out.put_u16_le(bytes.get());
            out.put_slice(&table.key_prefix);
        }
        out.freeze()
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it is longer or shorter than it says, or says what it can't.
    pub fn decode(body: &[u8]) -> Result<Subscribe, DecodeError> {
        let Ok((head, rest)) = SubscribeLayout::ref_from_prefix(body) else {
            return Err(DecodeError::new(body.len(), Reason::TooShort));
        };
        let cursor =
            StreamCursor { epoch: head.epoch.get(), lsn: Lsn(head.lsn.get()), hash: head.hash };
        let time = Timestamp(head.time.get());
        let (start, is_cursor, is_time) = match head.start {
            0 => (StreamStart::Begin, false, false),
            1 => (StreamStart::End, false, false),
            2 => (StreamStart::After(cursor), true, false),
            3 => (StreamStart::Time(time), false, true),
            _ => return Err(DecodeError::new(80, Reason::Unknown)),
        };
        if !is_cursor && cursor != StreamCursor::BEGIN {
            return Err(DecodeError::new(16, Reason::NotZero));
        }
        if !is_time && time != Timestamp::NONE {
            return Err(DecodeError::new(64, Reason::NotZero));
        }
        if head.reserved != 0 {
            return Err(DecodeError::new(81, Reason::NotZero));
        }
        if head.reserved_too != [0; 6] {
            return Err(DecodeError::new(90, Reason::NotZero));
        }
        let kinds = ItemKinds::from_bits(head.kinds.get());
        let kinds = kinds.ok_or(DecodeError::new(76, Reason::Unknown))?;
        let filter = filter(head, kinds, rest).map_err(|error| error.after(96))?;
        let credit_bytes = head.credit_bytes.get();
        Ok(Subscribe { incarnation: head.incarnation.get(), start, filter, credit_bytes })
    }
}

fn filter(
    head: &SubscribeLayout,
    kinds: ItemKinds,
    body: &[u8],
) -> Result<StreamFilter, DecodeError> {
    let mut rest = Rest { body, at: 0 };
    let accounts: &[U128] = rest.list(head.accounts, FILTER_ACCOUNTS_MAX)?;
    let ledgers: &[U32] = rest.list(head.ledgers, FILTER_LEDGERS_MAX)?;
    let topics: &[U16] = rest.list(head.topics, FILTER_TOPICS_MAX)?;
    if FILTER_TABLES_MAX < usize::from(head.tables.get()) {
        return Err(DecodeError::new(rest.at, Reason::TooLong));
    }
    let mut tables = Vec::with_capacity(usize::from(head.tables.get()));
    for _ in 0..head.tables.get() {
        let [table, bytes] = rest.list::<U16>(2.into(), 2)? else {
            unreachable!("two were asked for")
        };
        let key_prefix = rest.list::<u8>(*bytes, FILTER_PREFIX_BYTES_MAX)?.to_vec();
        tables.push(TableFilter { table: TableId(table.get()), key_prefix });
    }
    if rest.at != body.len() {
        return Err(DecodeError::new(rest.at, Reason::TooLong));
    }
    Ok(StreamFilter {
        kinds,
        tables,
        topics: topics.iter().map(|topic| Topic(topic.get())).collect(),
        ledgers: ledgers.iter().map(|ledger| LedgerId(ledger.get())).collect(),
        accounts: accounts.iter().map(|account| AccountId(account.get())).collect(),
    })
}

/// What of a body was not read yet.
struct Rest<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn list<T: FromBytes + Immutable + KnownLayout + Unaligned>(
        &mut self,
        count: U16,
        count_max: usize,
    ) -> Result<&'a [T], DecodeError> {
        let count = usize::from(count.get());
        if count_max < count {
            return Err(DecodeError::new(self.at, Reason::TooLong));
        }
        let bytes = self.body.get(self.at..).unwrap_or_default();
        let list = <[T]>::ref_from_prefix_with_elems(bytes, count);
        let (list, _) = list.map_err(|_| DecodeError::new(self.body.len(), Reason::TooShort))?;
        self.at += size_of_val(list);
        Ok(list)
    }
}

impl Credit {
    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let layout = CreditLayout {
            subscription: self.subscription.into(),
            bytes: self.bytes.into(),
            reserved: U32::ZERO,
        };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it has another length, or reserved bytes are set.
    pub fn decode(body: &[u8]) -> Result<Credit, DecodeError> {
        let layout: &CreditLayout = exactly(body)?;
        if layout.reserved != U32::ZERO {
            return Err(DecodeError::new(12, Reason::NotZero));
        }
        Ok(Credit { subscription: layout.subscription.get(), bytes: layout.bytes.get() })
    }
}

impl Unsubscribe {
    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.subscription.to_le_bytes())
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<Unsubscribe, DecodeError> {
        let subscription: &U64 = exactly(body)?;
        Ok(Unsubscribe { subscription: subscription.get() })
    }
}

fn exactly<T: FromBytes + Immutable + KnownLayout + Unaligned>(
    body: &[u8],
) -> Result<&T, DecodeError> {
    let Ok((layout, rest)) = T::ref_from_prefix(body) else {
        return Err(DecodeError::new(body.len(), Reason::TooShort));
    };
    if !rest.is_empty() {
        return Err(DecodeError::new(size_of::<T>(), Reason::TooLong));
    }
    Ok(layout)
}

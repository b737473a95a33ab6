//! Bodies that are arrays of one fixed layout, with nothing before, between or after the items.
//!
//! ```text
//! item                            bytes  layout
//! account, transfer                 128  see florin_ledger::{account, transfer}
//! account or transfer, if there     128  the same; 128 zero bytes where there is none
//! id                                 16  u128
//! result of an account or transfer   16  status u32, reserved u32 (zero), timestamp u64
//! balance                            72  timestamp u64, then debits_pending, debits_posted,
//!                                        credits_pending, credits_posted u128
//! timestamp                           8  u64
//! position                           16  epoch u64, lsn u64
//! result of a write                  24  0 written, 1 stale, 2 append-only, 3 no room u8,
//!                                        reserved 7 (zero), position
//! result of being the first          24  0 fresh, 1 seen, 2 no room u8, reserved 7 (zero), position
//! declaration of a table              8  table u16, flags u8 (1 append-only, 2 volatile),
//!                                        reserved u8 (zero), time to live u32
//! ```
//! All little-endian.

use crate::error::{DecodeError, Reason};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::document::{UniqueResult, WriteResult};
use florin_ledger::query::BalanceAt;
use florin_ledger::record::Balances;
use florin_ledger::{
    Account, AccountId, AccountLayout, AccountResult, Amount, CreateAccountStatus,
    CreateTransferStatus, EventResult, Lsn, Position, TableId, TableOptions, Timestamp, Transfer,
    TransferId, TransferLayout, TransferResult,
};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What has a fixed layout on the wire.
pub trait Fixed: Sized {
    /// The layout: any bytes of its size are one.
    type Layout: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned;

    /// As bytes.
    fn to_layout(&self) -> Self::Layout;

    /// From bytes.
    ///
    /// # Errors
    /// With an offset into the item, if the bytes mean nothing.
    fn from_layout(layout: &Self::Layout) -> Result<Self, DecodeError>;
}

/// Appends items.
pub fn write<T: Fixed>(items: &[T], out: &mut BytesMut) {
    out.reserve(items.len() * size_of::<T::Layout>());
    for item in items {
        out.put_slice(item.to_layout().as_bytes());
    }
}

/// Items as a body of their own.
#[must_use]
pub fn to_bytes<T: Fixed>(items: &[T]) -> Bytes {
    let mut out = BytesMut::new();
    write(items, &mut out);
    out.freeze()
}

/// The items of a body.
///
/// # Errors
/// If the body is no whole number of items, or an item means nothing.
pub fn decode<T: Fixed>(body: &[u8]) -> Result<Vec<T>, DecodeError> {
    let item_bytes = size_of::<T::Layout>();
    let Ok(layouts) = <[T::Layout]>::ref_from_bytes(body) else {
        let whole_bytes = body.len() - body.len() % item_bytes;
        return Err(DecodeError::new(whole_bytes, Reason::Ragged { item_bytes }));
    };
    let items = layouts.iter().enumerate();
    items
        .map(|(index, layout)| T::from_layout(layout).map_err(|e| e.after(index * item_bytes)))
        .collect()
}

/// The items of a body that answers so many.
///
/// # Errors
/// Those of [`decode`], and another number of items.
pub fn decode_exactly<T: Fixed>(expected: usize, body: &[u8]) -> Result<Vec<T>, DecodeError> {
    let items = decode(body)?;
    if items.len() != expected {
        return Err(DecodeError::new(body.len(), Reason::WrongCount { expected }));
    }
    Ok(items)
}

macro_rules! fixed_event {
    ($event:ident, $layout:ident) => {
        impl Fixed for $event {
            type Layout = $layout;

            fn to_layout(&self) -> $layout {
                $layout::from(self)
            }

            fn from_layout(layout: &$layout) -> Result<$event, DecodeError> {
                Ok($event::from(layout))
            }
        }

        impl Fixed for Option<$event> {
            type Layout = $layout;

            fn to_layout(&self) -> $layout {
                match self {
                    Some(event) => $layout::from(event),
                    None => zerocopy::FromZeros::new_zeroed(),
                }
            }

            fn from_layout(layout: &$layout) -> Result<Option<$event>, DecodeError> {
                let there = layout.as_bytes().iter().any(|byte| *byte != 0);
                Ok(there.then(|| $event::from(layout)))
            }
        }
    };
}

fixed_event!(Account, AccountLayout);
fixed_event!(Transfer, TransferLayout);

macro_rules! fixed_id {
    ($id:ident) => {
        impl Fixed for $id {
            type Layout = U128;

            fn to_layout(&self) -> U128 {
                self.0.into()
            }

            fn from_layout(layout: &U128) -> Result<$id, DecodeError> {
                Ok($id(layout.get()))
            }
        }
    };
}

fixed_id!(AccountId);
fixed_id!(TransferId);

/// The result of one event as 16 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ResultLayout {
    status: U32,
    reserved: U32,
    timestamp: U64,
}

const _: () = assert!(size_of::<ResultLayout>() == 16);

macro_rules! fixed_result {
    ($result:ident, $status:ident) => {
        impl Fixed for $result {
            type Layout = ResultLayout;

            fn to_layout(&self) -> ResultLayout {
                ResultLayout {
                    status: u32::from(self.status.number()).into(),
                    reserved: U32::ZERO,
                    timestamp: self.timestamp.0.into(),
                }
            }

            fn from_layout(layout: &ResultLayout) -> Result<$result, DecodeError> {
                let number = u8::try_from(layout.status.get()).ok();
                let Some(status) = number.and_then($status::from_number) else {
                    return Err(DecodeError::new(0, Reason::Unknown));
                };
                if layout.reserved != U32::ZERO {
                    return Err(DecodeError::new(4, Reason::NotZero));
                }
                Ok(EventResult { status, timestamp: Timestamp(layout.timestamp.get()) })
            }
        }
    };
}

fixed_result!(AccountResult, CreateAccountStatus);
fixed_result!(TransferResult, CreateTransferStatus);

/// The balances of an account after a posting as 72 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BalanceLayout {
    timestamp: U64,
    debits_pending: U128,
    debits_posted: U128,
    credits_pending: U128,
    credits_posted: U128,
}

const _: () = assert!(size_of::<BalanceLayout>() == 72);

impl Fixed for BalanceAt {
    type Layout = BalanceLayout;

    fn to_layout(&self) -> BalanceLayout {
        BalanceLayout {
            timestamp: self.timestamp.0.into(),
            debits_pending: self.balances.debits_pending.0.into(),
            debits_posted: self.balances.debits_posted.0.into(),
            credits_pending: self.balances.credits_pending.0.into(),
            credits_posted: self.balances.credits_posted.0.into(),
        }
    }

    fn from_layout(layout: &BalanceLayout) -> Result<BalanceAt, DecodeError> {
        Ok(BalanceAt {
            timestamp: Timestamp(layout.timestamp.get()),
            balances: Balances {
                debits_pending: Amount(layout.debits_pending.get()),
                debits_posted: Amount(layout.debits_posted.get()),
                credits_pending: Amount(layout.credits_pending.get()),
                credits_posted: Amount(layout.credits_posted.get()),
            },
        })
    }
}

impl Fixed for Timestamp {
    type Layout = U64;

    fn to_layout(&self) -> U64 {
        self.0.into()
    }

    fn from_layout(layout: &U64) -> Result<Timestamp, DecodeError> {
        Ok(Timestamp(layout.get()))
    }
}

/// A position as 16 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PositionLayout {
    epoch: U64,
    lsn: U64,
}

const _: () = assert!(size_of::<PositionLayout>() == 16);

impl Fixed for Position {
    type Layout = PositionLayout;

    fn to_layout(&self) -> PositionLayout {
        PositionLayout { epoch: self.epoch.into(), lsn: self.lsn.0.into() }
    }

    fn from_layout(layout: &PositionLayout) -> Result<Position, DecodeError> {
        Ok(Position { epoch: layout.epoch.get(), lsn: Lsn(layout.lsn.get()) })
    }
}

/// What became of a write, or of an attempt to be the first, as 24 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct WrittenLayout {
    status: u8,
    reserved: [u8; 7],
    position: PositionLayout,
}

const _: () = assert!(size_of::<WrittenLayout>() == 24);

macro_rules! fixed_written {
    ($result:ident { $($name:ident = $number:literal,)* } NoRoom = $no_room:literal) => {
        impl Fixed for $result {
            type Layout = WrittenLayout;

            fn to_layout(&self) -> WrittenLayout {
                let (status, position) = match self {
                    $($result::$name(position) => ($number, *position),)*
                    $result::NoRoom => ($no_room, Position::NONE),
                };
                WrittenLayout { status, reserved: [0; 7], position: position.to_layout() }
            }

            fn from_layout(layout: &WrittenLayout) -> Result<$result, DecodeError> {
                if layout.reserved != [0; 7] {
                    return Err(DecodeError::new(1, Reason::NotZero));
                }
                let position = Position::from_layout(&layout.position)?;
                match layout.status {
                    $($number => Ok($result::$name(position)),)*
                    $no_room if position.is_some() => Err(DecodeError::new(8, Reason::NotZero)),
                    $no_room => Ok($result::NoRoom),
                    _ => Err(DecodeError::new(0, Reason::Unknown)),
                }
            }
        }
    };
}

fixed_written!(WriteResult { Written = 0, Stale = 1, AppendOnly = 2, } NoRoom = 3);
fixed_written!(UniqueResult { Fresh = 0, Seen = 1, } NoRoom = 2);

/// The declaration of a table as 8 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TableLayout {
    table: U16,
    flags: u8,
    reserved: u8,
    time_to_live: U32,
}

const _: () = assert!(size_of::<TableLayout>() == 8);

const TABLE_APPEND_ONLY: u8 = 1;
const TABLE_VOLATILE: u8 = 2;

impl Fixed for (TableId, TableOptions) {
    type Layout = TableLayout;

    fn to_layout(&self) -> TableLayout {
        let (table, options) = *self;
        let append_only = if options.append_only { TABLE_APPEND_ONLY } else { 0 };
        let volatile = if options.volatile { TABLE_VOLATILE } else { 0 };
        TableLayout {
            table: table.0.into(),
            flags: append_only | volatile,
            reserved: 0,
            time_to_live: options.time_to_live.into(),
        }
    }

    fn from_layout(layout: &TableLayout) -> Result<(TableId, TableOptions), DecodeError> {
        if layout.flags & !(TABLE_APPEND_ONLY | TABLE_VOLATILE) != 0 {
            return Err(DecodeError::new(2, Reason::NotZero));
        }
        if layout.reserved != 0 {
            return Err(DecodeError::new(3, Reason::NotZero));
        }
        let options = TableOptions {
            append_only: layout.flags & TABLE_APPEND_ONLY != 0,
            volatile: layout.flags & TABLE_VOLATILE != 0,
            time_to_live: layout.time_to_live.get(),
        };
        Ok((TableId(layout.table.get()), options))
    }
}

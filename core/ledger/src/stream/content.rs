//! What an item says as bytes, behind its head in a batch.
//!
//! ```text
//! epoch (1)              0  8 epoch | 8  8 reserved, zero | 16 16 tag                    = 32
//! account (2)            an account, see crate::account, its balances zero               = 128
//! transfer (4)           a transfer, see crate::transfer                                 = 128
//! expiry (6)             0 16 hold_id | 16 16 debit_account_id | 32 16 credit_account_id
//!                       48 16 amount | 64  8 hold_timestamp | 72  4 ledger | 76  2 code
//!                       78  2 reserved, zero                                             = 80
//! failed (7)             0 16 id | 16  4 status | 20  4 reserved, zero                   = 24
//! life (11)              0  8 number | 8  8 restored_to | 16 16 incarnation | 32 16 previous = 48
//! refusal (16)           0 16 id | 16 32 digest | 48  4 index | 52  4 count | 56  1 reason
//!                       57  1 status | 58  2 actor bytes | 60  4 reserved, zero
//!                       64    actor                                                      = 64 + ..
//! document put (17)      0  2 table | 2  2 key bytes | 4  4 value bytes | 8  8 expires
//!                       16    key, value                                                 = 16 + ..
//! document deleted (18)  0  2 table | 2  2 key bytes | 4 12 reserved, zero | 16    key   = 16 + ..
//! commit (19)            0 16 id | 16 32 digest | 48  2 actor bytes | 50  6 reserved, zero
//!                       56    actor                                                      = 56 + ..
//! event (20)             0  2 topic | 2  2 key bytes | 4  4 value bytes
//!                        8  8 reserved, zero | 16    key, value                          = 16 + ..
//! document expired (22)  0  2 table | 2  2 key bytes | 4  4 reserved, zero | 8  8 due
//!                       16    key                                                        = 16 + ..
//! ```
//! All little-endian.

use super::item::{BegunLife, ExpiredHold, ItemContent, ItemKind, Refused};
use crate::account::{Account, AccountLayout};
use crate::amount::Amount;
use crate::commit::{CommitId, Topic};
use crate::document::TableId;
use crate::id::{AccountId, Code, LedgerId, Lsn, Timestamp, TransferId};
use crate::record::RefusalReason;
use crate::status::CreateTransferStatus;
use crate::transfer::{Transfer, TransferLayout};
use alloc::vec::Vec;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct EpochLayout {
    epoch: U64,
    reserved: U64,
    tag: U128,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ExpiryLayout {
    hold_id: U128,
    debit_account_id: U128,
    credit_account_id: U128,
    amount: U128,
    hold_timestamp: U64,
    ledger: U32,
    code: U16,
    reserved: U16,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FailedLayout {
    id: U128,
    status: U32,
    reserved: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LifeLayout {
    number: U64,
    restored_to: U64,
    incarnation: U128,
    previous: U128,
}

/// Of documents and events. What a kind does not use is zero.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct KeyedLayout {
    name: U16,
    key_bytes: U16,
    value_bytes: U32,
    time: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CommitLayout {
    id: U128,
    digest: [u8; 32],
    actor_bytes: U16,
    reserved: [u8; 6],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RefusalLayout {
    id: U128,
    digest: [u8; 32],
    index: U32,
    count: U32,
    reason: u8,
    status: u8,
    actor_bytes: U16,
    reserved: U32,
}

const _: () = assert!(size_of::<RefusalLayout>() == 64);
const _: () = assert!(size_of::<EpochLayout>() == 32 && size_of::<ExpiryLayout>() == 80);
const _: () = assert!(size_of::<LifeLayout>() == 48);
const _: () = assert!(size_of::<FailedLayout>() == 24 && size_of::<KeyedLayout>() == 16);
const _: () = assert!(size_of::<CommitLayout>() == 56);

pub(super) fn bytes_u32(bytes: usize) -> U32 {
    u32::try_from(bytes).expect("a batch is small").into()
}

fn bytes_u16(bytes: usize) -> U16 {
    u16::try_from(bytes).expect("a key is short").into()
}

impl<'a> ItemContent<'a> {
    /// Appends it as bytes: those that an item of a batch has, and a leaf of the tree of proofs.
    ///
    /// # Panics
    /// If a key, value or actor is longer than one may be.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(self, out);
    }

    /// What bytes say; `None` if they say nothing that [`ItemContent::write`] gives. Any bytes are
    /// answered.
    #[must_use]
    pub fn read(kind: ItemKind, bytes: &'a [u8]) -> Option<ItemContent<'a>> {
        read(kind, bytes)
    }
}

/// Appends it.
///
/// # Panics
/// If a key, value or actor is longer than one may be.
pub(super) fn write(content: &ItemContent<'_>, out: &mut Vec<u8>) {
    match *content {
        ItemContent::Epoch { epoch, tag } => {
            let layout = EpochLayout { epoch: epoch.into(), reserved: U64::ZERO, tag: tag.into() };
            out.extend_from_slice(layout.as_bytes());
        }
        ItemContent::Account(account) => {
            out.extend_from_slice(AccountLayout::from(&account).as_bytes());
        }
        ItemContent::Transfer(transfer) => {
            out.extend_from_slice(TransferLayout::from(&transfer).as_bytes());
        }
        ItemContent::Expiry(expiry) => {
            let layout = ExpiryLayout {
                hold_id: expiry.hold_id.0.into(),
                debit_account_id: expiry.debit_account_id.0.into(),
                credit_account_id: expiry.credit_account_id.0.into(),
                amount: expiry.amount.0.into(),
                hold_timestamp: expiry.hold_timestamp.0.into(),
                ledger: expiry.ledger.0.into(),
                code: expiry.code.0.into(),
                reserved: U16::ZERO,
            };
            out.extend_from_slice(layout.as_bytes());
        }
        ItemContent::Failed { id, status } => {
            let status = u32::from(status.number()).into();
            let layout = FailedLayout { id: id.0.into(), status, reserved: U32::ZERO };
            out.extend_from_slice(layout.as_bytes());
        }
        ItemContent::Life(life) => {
            let layout = LifeLayout {
                number: life.number.into(),
                restored_to: life.restored_to.0.into(),
                incarnation: life.incarnation.into(),
                previous: life.previous.into(),
            };
            out.extend_from_slice(layout.as_bytes());
        }
        ItemContent::Refusal(refusal) => {
            let (reason, status) = refusal.reason.numbers();
            let layout = RefusalLayout {
                id: refusal.id.into(),
                digest: refusal.digest,
                index: refusal.index.into(),
                count: refusal.count.into(),
                reason,
                status,
                actor_bytes: bytes_u16(refusal.actor.len()),
                reserved: U32::ZERO,
            };
            out.extend_from_slice(layout.as_bytes());
            out.extend_from_slice(refusal.actor);
        }
        ItemContent::DocumentPut { table, key, value, expires } => {
            write_keyed(table.0, key, value, expires, out);
        }
        ItemContent::DocumentDeleted { table, key } => {
            write_keyed(table.0, key, &[], Timestamp::NONE, out);
        }
        ItemContent::DocumentExpired { table, key, due } => {
            write_keyed(table.0, key, &[], due, out);
        }
        ItemContent::Event { topic, key, value } => {
            write_keyed(topic.0, key, value, Timestamp::NONE, out);
        }
        ItemContent::Commit { id, digest, actor } => {
            let actor_bytes = bytes_u16(actor.len());
            let layout = CommitLayout { id: id.0.into(), digest, actor_bytes, reserved: [0; 6] };
            out.extend_from_slice(layout.as_bytes());
            out.extend_from_slice(actor);
        }
    }
}

fn write_keyed(name: u16, key: &[u8], value: &[u8], time: Timestamp, out: &mut Vec<u8>) {
    let layout = KeyedLayout {
        name: name.into(),
        key_bytes: bytes_u16(key.len()),
        value_bytes: bytes_u32(value.len()),
        time: time.0.into(),
    };
    out.extend_from_slice(layout.as_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// What bytes say; `None` if they say nothing that [`write`] gives.
pub(super) fn read(kind: ItemKind, bytes: &[u8]) -> Option<ItemContent<'_>> {
    Some(match kind {
        ItemKind::Epoch => {
            let layout = EpochLayout::ref_from_bytes(bytes).ok()?;
            if layout.reserved != U64::ZERO {
                return None;
            }
            ItemContent::Epoch { epoch: layout.epoch.get(), tag: layout.tag.get() }
        }
        ItemKind::Account => ItemContent::Account(read_account(bytes)?),
        ItemKind::Transfer => {
            ItemContent::Transfer(Transfer::from(TransferLayout::ref_from_bytes(bytes).ok()?))
        }
        ItemKind::Expiry => ItemContent::Expiry(read_expiry(bytes)?),
        ItemKind::Failed => {
            let layout = FailedLayout::ref_from_bytes(bytes).ok()?;
            let number = u8::try_from(layout.status.get()).ok()?;
            let status = CreateTransferStatus::from_number(number)?;
            if layout.reserved != U32::ZERO {
                return None;
            }
            ItemContent::Failed { id: TransferId(layout.id.get()), status }
        }
        ItemKind::Life => {
            let layout = LifeLayout::ref_from_bytes(bytes).ok()?;
            let life = BegunLife {
                number: layout.number.get(),
                restored_to: Lsn(layout.restored_to.get()),
                incarnation: layout.incarnation.get(),
                previous: layout.previous.get(),
            };
            // The life that a database was born to has no record.
            (life.number != 0).then_some(ItemContent::Life(life))?
        }
        ItemKind::Refusal => ItemContent::Refusal(read_refusal(bytes)?),
        ItemKind::DocumentPut => {
            let Keyed { name, key, value, time } = read_keyed(bytes)?;
            ItemContent::DocumentPut { table: TableId(name), key, value, expires: time }
        }
        ItemKind::DocumentDeleted => {
            let Keyed { name, key, value: [], time: Timestamp::NONE } = read_keyed(bytes)? else {
                return None;
            };
            ItemContent::DocumentDeleted { table: TableId(name), key }
        }
        ItemKind::DocumentExpired => {
            let Keyed { name, key, value: [], time } = read_keyed(bytes)? else { return None };
            ItemContent::DocumentExpired { table: TableId(name), key, due: time }
        }
        ItemKind::Commit => {
            let (layout, actor) = CommitLayout::ref_from_prefix(bytes).ok()?;
            if actor.len() != usize::from(layout.actor_bytes.get()) || layout.reserved != [0; 6] {
                return None;
            }
            ItemContent::Commit { id: CommitId(layout.id.get()), digest: layout.digest, actor }
        }
        ItemKind::Event => {
            let Keyed { name, key, value, time: Timestamp::NONE } = read_keyed(bytes)? else {
                return None;
            };
            ItemContent::Event { topic: Topic(name), key, value }
        }
    })
}

/// An account is told of as it was opened: with balances it would be a claim that nobody recorded.
fn read_account(bytes: &[u8]) -> Option<Account> {
    let account = Account::from(AccountLayout::ref_from_bytes(bytes).ok()?);
    let Account { debits_pending, debits_posted, credits_pending, credits_posted, .. } = account;
    let balances = [debits_pending, debits_posted, credits_pending, credits_posted];
    (balances == [Amount(0); 4] && account.reserved == 0).then_some(account)
}

fn read_expiry(bytes: &[u8]) -> Option<ExpiredHold> {
    let layout = ExpiryLayout::ref_from_bytes(bytes).ok()?;
    let hold = ExpiredHold {
        hold_id: TransferId(layout.hold_id.get()),
        debit_account_id: AccountId(layout.debit_account_id.get()),
        credit_account_id: AccountId(layout.credit_account_id.get()),
        amount: Amount(layout.amount.get()),
        ledger: LedgerId(layout.ledger.get()),
        code: Code(layout.code.get()),
        hold_timestamp: Timestamp(layout.hold_timestamp.get()),
    };
    (layout.reserved == U16::ZERO).then_some(hold)
}

fn read_refusal(bytes: &[u8]) -> Option<Refused<'_>> {
    let (layout, actor) = RefusalLayout::ref_from_prefix(bytes).ok()?;
    let is_whole = actor.len() == usize::from(layout.actor_bytes.get());
    let refusal = Refused {
        id: layout.id.get(),
        digest: layout.digest,
        reason: RefusalReason::from_numbers(layout.reason, layout.status)?,
        index: layout.index.get(),
        count: layout.count.get(),
        actor,
    };
    (is_whole && layout.reserved == U32::ZERO).then_some(refusal)
}

/// What documents and events have in common.
struct Keyed<'a> {
    name: u16,
    key: &'a [u8],
    value: &'a [u8],
    time: Timestamp,
}

fn read_keyed(bytes: &[u8]) -> Option<Keyed<'_>> {
    let (layout, rest) = KeyedLayout::ref_from_prefix(bytes).ok()?;
    let (key, value) = rest.split_at_checked(usize::from(layout.key_bytes.get()))?;
    let is_whole = bytes_u32(value.len()) == layout.value_bytes;
    let time = Timestamp(layout.time.get());
    is_whole.then_some(Keyed { name: layout.name.get(), key, value, time })
}

//! Writing the bytes of commits; [`crate::commit_bytes`] draws and reads them.

use crate::account::AccountLayout;
use crate::commit::{Commit, Event, Precondition};
use crate::commit_bytes::{
    ABSENT, ANY, BALANCE, DELETE, DOCUMENT, EventLayout, HOLD, HeaderLayout, PUT,
    PreconditionLayout, VERSION, WriteLayout,
};
use crate::document::{DocumentCondition, DocumentWrite};
use crate::position::Position;
use crate::transfer::TransferLayout;
use alloc::vec::Vec;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U128};

/// The bytes of a commit. They are refused by [`CommitView::parse`] if the commit breaks a limit;
/// lengths that do not even fit their fields are written as the largest that do.
#[must_use]
pub fn encode_commit(commit: &Commit) -> Vec<u8> {
    let header = HeaderLayout {
        id: commit.id.0.into(),
        digest: commit.digest,
        not_after: commit.not_after.0.into(),
        preconditions_count: length(commit.preconditions.len()),
        accounts_count: length(commit.accounts.len()),
        transfers_count: length(commit.transfers.len()),
        documents_count: length(commit.documents.len()),
        events_count: length(commit.events.len()),
        actor_bytes: short_length(commit.actor.len()),
        reserved: U16::ZERO,
    };
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(&commit.actor);
    for account in &commit.accounts {
        out.extend_from_slice(AccountLayout::from(account).as_bytes());
    }
    for transfer in &commit.transfers {
        out.extend_from_slice(TransferLayout::from(transfer).as_bytes());
    }
    commit
        .preconditions
        .iter()
        .for_each(|precondition| encode_precondition(precondition, &mut out));
    encode_writes(&commit.documents, &mut out);
    commit.events.iter().for_each(|event| encode_event(event, &mut out));
    out
}

/// Appends the bytes of writes on end.
pub fn encode_writes(writes: &[DocumentWrite], out: &mut Vec<u8>) {
    for write in writes {
        let (condition, version) = match write.condition {
            DocumentCondition::Any => (ANY, Position::NONE),
            DocumentCondition::Absent => (ABSENT, Position::NONE),
            DocumentCondition::Version(version) => (VERSION, version),
        };
        let value = write.value.as_deref().unwrap_or_default();
        let layout = WriteLayout {
            action: if write.value.is_some() { PUT } else { DELETE },
            condition,
            table: write.table.0.into(),
            key_bytes: short_length(write.key.len()),
            reserved: U16::ZERO,
            value_bytes: length(value.len()),
            reserved_too: U32::ZERO,
            expires: write.expires.0.into(),
            epoch: version.epoch.into(),
            lsn: version.lsn.0.into(),
        };
        out.extend_from_slice(layout.as_bytes());
        out.extend_from_slice(&write.key);
        out.extend_from_slice(value);
    }
}

fn encode_precondition(precondition: &Precondition, out: &mut Vec<u8>) {
    let mut layout = PreconditionLayout {
        kind: 0,
        field: 0,
        table: U16::ZERO,
        key_bytes: U16::ZERO,
        reserved: U16::ZERO,
        name: U128::ZERO,
        min: U128::ZERO,
        max: U128::ZERO,
    };
    let mut named: &[u8] = &[];
    match precondition {
        Precondition::Document { table, key, version } => {
            layout.kind = DOCUMENT;
            layout.table = table.0.into();
            layout.key_bytes = short_length(key.len());
            layout.name = U128::new(u128::from(version.epoch) | u128::from(version.lsn.0) << 64);
            named = key;
        }
        Precondition::Balance { account_id, field, min, max } => {
            layout.kind = BALANCE;
            layout.field = field.number();
            layout.name = account_id.0.into();
            layout.min = min.0.into();
            layout.max = max.0.into();
        }
        Precondition::HoldPending { transfer_id } => {
            layout.kind = HOLD;
            layout.name = transfer_id.0.into();
        }
    }
    out.extend_from_slice(layout.as_bytes());
    out.extend_from_slice(named);
}

fn encode_event(event: &Event, out: &mut Vec<u8>) {
    let layout = EventLayout {
        topic: event.topic.0.into(),
        key_bytes: short_length(event.key.len()),
        value_bytes: length(event.value.len()),
    };
    out.extend_from_slice(layout.as_bytes());
    out.extend_from_slice(&event.key);
    out.extend_from_slice(&event.value);
}

/// What does not fit its field is past every limit as well, and is refused when it is read.
fn length(length: usize) -> U32 {
    u32::try_from(length).unwrap_or(u32::MAX).into()
}

fn short_length(length: usize) -> U16 {
    u16::try_from(length).unwrap_or(u16::MAX).into()
}

//! From JSON to commits, documents and what is asked of them.

use super::super::number::whole;
use super::super::object::{Object, ReadError};
use super::{account, batch, limit, transfer};
use crate::operation::Operation;
use florin_ledger::commit::{BalanceField, Event, Precondition, Topic};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{
    AccountId, Amount, Commit, CommitId, DocumentKey, DocumentWrite, Position, TableId,
    TableOptions, Timestamp, TransferId,
};
use serde_json::value::RawValue;

const BALANCE_FIELDS: [(BalanceField, &str); 6] = [
    (BalanceField::DebitsPending, "debits_pending"),
    (BalanceField::DebitsPosted, "debits_posted"),
    (BalanceField::CreditsPending, "credits_pending"),
    (BalanceField::CreditsPosted, "credits_posted"),
    (BalanceField::CreditAvailable, "credit_available"),
    (BalanceField::DebitAvailable, "debit_available"),
];

pub(super) fn commit(raw: &RawValue) -> Result<Commit, ReadError> {
    let mut object = Object::read(raw)?;
    let commit = commit_of(&mut object)?;
    object.finish()?;
    Ok(commit)
}

/// Of the present, or as of a position.
pub(super) fn dry_run(raw: &RawValue) -> Result<Operation, ReadError> {
    let mut object = Object::read(raw)?;
    let commit = commit_of(&mut object)?;
    let as_of = object.position("as_of")?;
    object.finish()?;
    Ok(match as_of {
        None => Operation::DryRun(commit),
        Some(at) => Operation::DryRunAsOf(commit, at),
    })
}

fn commit_of(object: &mut Object<'_>) -> Result<Commit, ReadError> {
    Ok(Commit {
        id: CommitId(object.u128("id")?),
        digest: digest(object)?,
        actor: object.bytes("actor", "actor_hex")?.unwrap_or_default(),
        not_after: Timestamp(object.u64("not_after")?),
        preconditions: list(object, "preconditions", precondition)?,
        accounts: list(object, "accounts", account)?,
        transfers: list(object, "transfers", transfer)?,
        documents: list(object, "documents", write)?,
        events: list(object, "events", event)?,
    })
}

fn digest(object: &mut Object<'_>) -> Result<[u8; 32], ReadError> {
    const NAME: &str = "digest_hex";
    let Some(bytes) = object.digits(NAME)? else { return Ok([0; 32]) };
    <[u8; 32]>::try_from(bytes).map_err(|bytes| {
        let message = format!("a digest has 32 bytes, this one has {}", bytes.len());
        ReadError::new(message).in_member(NAME)
    })
}

fn list<T>(
    object: &mut Object<'_>,
    name: &'static str,
    element: impl Fn(&RawValue) -> Result<T, ReadError>,
) -> Result<Vec<T>, ReadError> {
    let Some(raw) = object.take(name) else { return Ok(Vec::new()) };
    batch(raw, element).map_err(|error| error.in_member(name))
}

fn precondition(raw: &RawValue) -> Result<Precondition, ReadError> {
    type Read = fn(&RawValue) -> Result<Precondition, ReadError>;
    let kinds: [(&'static str, Read); 3] =
        [("document", has_version), ("balance", has_balance), ("hold_pending", hold_pending)];
    let mut object = Object::read(raw)?;
    let mut found = Vec::new();
    for (name, read) in kinds {
        if let Some(raw) = object.take(name) {
            found.push((name, read, raw));
        }
    }
    object.finish()?;
    match found[..] {
        [(name, read, raw)] => read(raw).map_err(|error| error.in_member(name)),
        _ => Err(ReadError::new("a precondition is one of document, balance and hold_pending")),
    }
}

fn has_version(raw: &RawValue) -> Result<Precondition, ReadError> {
    let mut object = Object::read(raw)?;
    let DocumentKey { table, key } = named(&mut object)?;
    let version = object.position("version")?;
    object.finish()?;
    let version =
        version.ok_or_else(|| ReadError::new("give its version, \"0:0\" if there must be none"))?;
    Ok(Precondition::Document { table, key, version })
}

fn has_balance(raw: &RawValue) -> Result<Precondition, ReadError> {
    let mut object = Object::read(raw)?;
    let account_id = AccountId(object.u128("account_id")?);
    let field = balance_field(&mut object)?;
    let min = Amount(object.u128("min")?);
    let max = match object.take("max") {
        None => Amount::MAX,
        Some(raw) => Amount(
            whole(raw, u128::MAX).map_err(|message| ReadError::new(message).in_member("max"))?,
        ),
    };
    object.finish()?;
    Ok(Precondition::Balance { account_id, field, min, max })
}

fn balance_field(object: &mut Object<'_>) -> Result<BalanceField, ReadError> {
    let raw = object.take("field").map_or("", RawValue::get);
    let field = BALANCE_FIELDS.into_iter().find(|(_, name)| raw == format!("\"{name}\""));
    field.map(|(field, _)| field).ok_or_else(|| {
        let known = BALANCE_FIELDS.map(|(_, name)| name).join(", ");
        ReadError::new(format!("give one of {known}")).in_member("field")
    })
}

fn hold_pending(raw: &RawValue) -> Result<Precondition, ReadError> {
    let mut object = Object::read(raw)?;
    let transfer_id = TransferId(object.u128("transfer_id")?);
    object.finish()?;
    Ok(Precondition::HoldPending { transfer_id })
}

pub(super) fn write(raw: &RawValue) -> Result<DocumentWrite, ReadError> {
    let mut object = Object::read(raw)?;
    let DocumentKey { table, key } = named(&mut object)?;
    let deletes = object.bool("delete")?.unwrap_or(false);
    let value = object.bytes("value", "value_hex")?;
    let expires = Timestamp(object.u64("expires")?);
    let condition = match object.position("version")? {
        None => DocumentCondition::Any,
        Some(Position::NONE) => DocumentCondition::Absent,
        Some(version) => DocumentCondition::Version(version),
    };
    object.finish()?;
    // A value that was forgotten must not delete, nor be taken for an empty one.
    if deletes == value.is_some() {
        return Err(ReadError::new("give its value or value_hex, or \"delete\":true"));
    }
    if deletes && expires != Timestamp::NONE {
        return Err(ReadError::new("what is deleted has no expiry"));
    }
    Ok(DocumentWrite { table, key, value, expires, condition })
}

fn event(raw: &RawValue) -> Result<Event, ReadError> {
    let mut object = Object::read(raw)?;
    let event = Event {
        topic: Topic(object.u16("topic")?),
        key: object.bytes("key", "key_hex")?.unwrap_or_default(),
        value: object.bytes("value", "value_hex")?.unwrap_or_default(),
    };
    object.finish()?;
    Ok(event)
}

pub(super) fn key(raw: &RawValue) -> Result<DocumentKey, ReadError> {
    let mut object = Object::read(raw)?;
    let key = named(&mut object)?;
    object.finish()?;
    Ok(key)
}

/// The members that name a document.
fn named(object: &mut Object<'_>) -> Result<DocumentKey, ReadError> {
    let table = TableId(object.u16("table")?);
    let key = object.bytes("key", "key_hex")?;
    let key = key.ok_or_else(|| ReadError::new("give its key or key_hex"))?;
    Ok(DocumentKey { table, key })
}

pub(super) fn scan(raw: &RawValue) -> Result<DocumentScan, ReadError> {
    let mut object = Object::read(raw)?;
    let scan = DocumentScan {
        table: TableId(object.u16("table")?),
        prefix: object.bytes("prefix", "prefix_hex")?.unwrap_or_default(),
        after: object.bytes("after", "after_hex")?,
        reversed: object.bool("reversed")?.unwrap_or(false),
        keys_only: object.bool("keys_only")?.unwrap_or(false),
        limit: limit(&mut object)?,
    };
    object.finish()?;
    Ok(scan)
}

pub(super) fn history(raw: &RawValue) -> Result<Operation, ReadError> {
    let mut object = Object::read(raw)?;
    let key = named(&mut object)?;
    let before = object.position("before")?.unwrap_or(Position::NONE);
    let limit = limit(&mut object)?;
    object.finish()?;
    Ok(Operation::DocumentHistory { key, before, limit })
}

pub(super) fn insert_unique(raw: &RawValue) -> Result<Operation, ReadError> {
    let mut object = Object::read(raw)?;
    let key = named(&mut object)?;
    let expires = Timestamp(object.u64("expires")?);
    object.finish()?;
    Ok(Operation::InsertUnique { key, expires })
}

pub(super) fn declare_table(raw: &RawValue) -> Result<Operation, ReadError> {
    let mut object = Object::read(raw)?;
    let table = TableId(object.u16("table")?);
    let options = TableOptions {
        append_only: object.bool("append_only")?.unwrap_or(false),
        volatile: object.bool("volatile")?.unwrap_or(false),
        time_to_live: object.u32("time_to_live")?,
    };
    object.finish()?;
    Ok(Operation::DeclareTable { table, options })
}

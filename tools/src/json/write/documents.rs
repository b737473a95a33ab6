//! From commits' outcomes and documents to their lines of JSON. The order of the fields below is the
//! order on the line.

use super::super::hexadecimal::{as_text, hexadecimal};
use super::{Wide, line};
use florin_ledger::commit::{BrokenRule, CommitDone, CommitRefused, Unmet};
use florin_ledger::document::{DocumentPage, UniqueResult, WriteResult};
use florin_ledger::{CommitOutcome, Document, Position, TableId, TableOptions, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A member whose value is bytes: under its own name where they are text, under the other where they
/// have to be digits.
struct Bytes<'a> {
    text_name: &'static str,
    digits_name: &'static str,
    bytes: &'a [u8],
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match as_text(self.bytes) {
            Some(text) => map.serialize_entry(self.text_name, text)?,
            None => map.serialize_entry(self.digits_name, &hexadecimal(self.bytes))?,
        }
        map.end()
    }
}

impl Bytes<'_> {
    fn key(bytes: &[u8]) -> Bytes<'_> {
        Bytes { text_name: "key", digits_name: "key_hex", bytes }
    }

    fn next(bytes: &[u8]) -> Bytes<'_> {
        Bytes { text_name: "next", digits_name: "next_hex", bytes }
    }
}

/// A document's value, `null` where it has none.
struct Value<'a>(Option<&'a [u8]>);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(bytes) = self.0 {
            return Bytes { text_name: "value", digits_name: "value_hex", bytes }
                .serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("value", &None::<&str>)?;
        map.end()
    }
}

#[derive(Serialize)]
struct DocumentJson<'a> {
    #[serde(flatten)]
    key: Bytes<'a>,
    version: Wide<Position>,
    timestamp: Wide<u64>,
    expires: Wide<u64>,
    #[serde(flatten)]
    value: Value<'a>,
}

impl<'a> From<&'a Document> for DocumentJson<'a> {
    fn from(document: &'a Document) -> DocumentJson<'a> {
        DocumentJson {
            key: Bytes::key(&document.key),
            version: Wide(document.version),
            timestamp: Wide(document.timestamp.0),
            expires: Wide(document.expires.0),
            value: Value(document.value.as_deref()),
        }
    }
}

#[derive(Serialize)]
struct Documents<'a> {
    documents: Vec<Option<DocumentJson<'a>>>,
    #[serde(flatten)]
    next: Option<Bytes<'a>>,
}

pub(super) fn documents(found: &[Option<Document>]) -> String {
    let documents = found.iter().map(|found| found.as_ref().map(DocumentJson::from)).collect();
    line(&Documents { documents, next: None })
}

pub(super) fn page(page: &DocumentPage) -> String {
    let documents = page.items.iter().map(|item| Some(DocumentJson::from(item))).collect();
    line(&Documents { documents, next: page.next.as_deref().map(Bytes::next) })
}

#[derive(Serialize)]
struct Done {
    outcome: &'static str,
    position: Wide<Position>,
    timestamp: Wide<u64>,
    accounts: Vec<Wide<u64>>,
    transfers: Vec<Wide<u64>>,
    documents: Vec<Wide<Position>>,
    events: Vec<Wide<Position>>,
}

impl From<&CommitDone> for Done {
    fn from(done: &CommitDone) -> Done {
        let times = |times: &[Timestamp]| times.iter().map(|time| Wide(time.0)).collect();
        let positions = |positions: &[Position]| positions.iter().copied().map(Wide).collect();
        Done {
            outcome: "done",
            position: Wide(done.position),
            timestamp: Wide(done.timestamp.0),
            accounts: times(&done.accounts),
            transfers: times(&done.transfers),
            documents: positions(&done.documents),
            events: positions(&done.events),
        }
    }
}

#[derive(Serialize)]
struct Refused {
    outcome: &'static str,
    position: Wide<Position>,
    timestamp: Wide<u64>,
    kind: &'static str,
    index: u32,
    status: &'static str,
}

impl From<&CommitRefused> for Refused {
    fn from(refused: &CommitRefused) -> Refused {
        let (kind, index, status) = match refused.broken {
            BrokenRule::Account { index, status } => ("account", index, status.name()),
            BrokenRule::Transfer { index, status } => ("transfer", index, status.name()),
        };
        Refused {
            outcome: "refused",
            position: Wide(refused.position),
            timestamp: Wide(refused.timestamp.0),
            kind,
            index,
            status,
        }
    }
}

#[derive(Serialize)]
struct NotMet {
    outcome: &'static str,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Wide<Position>>,
    /// `null` of an account that is not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<Option<Wide<u128>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Wide<u64>>,
}

impl From<Unmet> for NotMet {
    fn from(unmet: Unmet) -> NotMet {
        let not_met = |what, index| NotMet {
            outcome: "unmet",
            what,
            index,
            version: None,
            balance: None,
            timestamp: None,
        };
        let with_version = |what, index, version| NotMet {
            version: Some(Wide(version)),
            ..not_met(what, Some(index))
        };
        match unmet {
            Unmet::TooLate(now) => {
                NotMet { timestamp: Some(Wide(now.0)), ..not_met("too_late", None) }
            }
            Unmet::Document { index, version } => with_version("document", index, version),
            Unmet::Balance { index, balance } => NotMet {
                balance: Some(balance.map(|balance| Wide(balance.0))),
                ..not_met("balance", Some(index))
            },
            Unmet::Hold { index } => not_met("hold", Some(index)),
            Unmet::Write { index, version } => with_version("write", index, version),
            Unmet::AppendOnly { index, version } => with_version("append_only", index, version),
        }
    }
}

#[derive(Serialize)]
struct Exists {
    outcome: &'static str,
    position: Wide<Position>,
}

pub(super) fn outcome(outcome: &CommitOutcome) -> String {
    match outcome {
        CommitOutcome::Done(done) => line(&Done::from(done)),
        CommitOutcome::Refused(refused) => line(&Refused::from(refused)),
        CommitOutcome::Unmet(unmet) => line(&NotMet::from(*unmet)),
        CommitOutcome::ExistsWithDifferentDigest(position) => {
            line(&Exists { outcome: "exists_with_different_digest", position: Wide(*position) })
        }
    }
}

#[derive(Serialize)]
struct WrittenJson {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Wide<Position>>,
}

impl From<&WriteResult> for WrittenJson {
    fn from(result: &WriteResult) -> WrittenJson {
        let (status, version) = match result {
            WriteResult::Written(version) => ("written", Some(version)),
            WriteResult::Stale(version) => ("stale", Some(version)),
            WriteResult::AppendOnly(version) => ("append_only", Some(version)),
            WriteResult::NoRoom => ("no_room", None),
        };
        WrittenJson { status, version: version.copied().map(Wide) }
    }
}

impl From<&UniqueResult> for WrittenJson {
    fn from(result: &UniqueResult) -> WrittenJson {
        let (status, version) = match result {
            UniqueResult::Fresh(version) => ("fresh", Some(version)),
            UniqueResult::Seen(version) => ("seen", Some(version)),
            UniqueResult::NoRoom => ("no_room", None),
        };
        WrittenJson { status, version: version.copied().map(Wide) }
    }
}

#[derive(Serialize)]
struct Results {
    results: Vec<WrittenJson>,
}

pub(super) fn written(results: &[WriteResult]) -> String {
    line(&Results { results: results.iter().map(WrittenJson::from).collect() })
}

pub(super) fn declared(result: &WriteResult) -> String {
    line(&WrittenJson::from(result))
}

pub(super) fn unique(result: &UniqueResult) -> String {
    line(&WrittenJson::from(result))
}

#[derive(Serialize)]
struct Tables {
    tables: Vec<TableJson>,
}

#[derive(Serialize)]
struct TableJson {
    table: u16,
    append_only: bool,
    volatile: bool,
    time_to_live: u32,
}

pub(super) fn tables(tables: &[(TableId, TableOptions)]) -> String {
    let table = |(table, options): &(TableId, TableOptions)| TableJson {
        table: table.0,
        append_only: options.append_only,
        volatile: options.volatile,
        time_to_live: options.time_to_live,
    };
    line(&Tables { tables: tables.iter().map(table).collect() })
}

//! What can be asked of the engine beside batches: commits, writes of documents, and what may happen
//! once. Like batches they keep the bytes that they arrived in, checked whole when they are made, so
//! the engine never meets one that breaks a limit.

use crate::error::{Error, ErrorKind};
use bytes::Bytes;
use florin_ledger::commit_bytes::{CommitView, Writes, encode_commit, encode_writes, parse_writes};
use florin_ledger::record::RefusalReason;
use florin_ledger::{AccountFlags, Commit, DocumentWrite, TableId, Timestamp, TransferFlags};
use std::sync::Arc;

/// Who asks, for what is kept a budget of per caller: the server gives each of its clients' keys a
/// number. Callers in the same process are 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CallerId(pub u64);

/// Who asks, and the name that stands with refusals on record. Callers in the same process have none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Caller {
    id: CallerId,
    name: Arc<str>,
}

impl Caller {
    /// The most bytes of a name.
    pub const NAME_BYTES_MAX: usize = 160;

    /// A caller of this number and name; of a longer name the rest is cut off.
    #[must_use]
    pub fn new(id: CallerId, name: &str) -> Caller {
        let end = name.floor_char_boundary(Caller::NAME_BYTES_MAX);
        Caller { id, name: name[..end].into() }
    }

    /// Whose budgets count.
    #[must_use]
    pub fn id(&self) -> CallerId {
        self.id
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A commit in the bytes that it arrived in, checked whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitRequest {
    bytes: Bytes,
    digest: [u8; 32],
    caller: Caller,
}

impl CommitRequest {
    /// A request for this commit. Its digest is the one given, or that of its bytes. O(bytes).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a limit is broken, an event is linked or imported, or a document is
    /// written twice.
    pub fn new(commit: &Commit) -> Result<CommitRequest, Error> {
        CommitRequest::from_bytes(encode_commit(commit).into())
    }

    /// A request for the commit that is encoded so ([`florin_ledger::commit_bytes`]), without
    /// copying it.
    ///
    /// # Errors
    /// As [`CommitRequest::new`].
    pub fn from_bytes(bytes: Bytes) -> Result<CommitRequest, Error> {
        let view = CommitView::parse(&bytes).map_err(|error| invalid(error.to_string()))?;
        check_events(&view)?;
        check_written_once(&view)?;
        let digest = if view.digest == [0; 32] { blake3::hash(&bytes).into() } else { view.digest };
        Ok(CommitRequest { bytes, digest, caller: Caller::default() })
    }

    /// The same, asked by a caller.
    #[must_use]
    pub fn by(self, caller: &Caller) -> CommitRequest {
        CommitRequest { caller: caller.clone(), ..self }
    }

    /// The commit as it lies in the buffer.
    #[must_use]
    pub fn view(&self) -> CommitView<'_> {
        CommitView::parse(&self.bytes).expect("it was checked when it was made")
    }

    /// What its caller means by it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Its length.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

fn check_events(view: &CommitView<'_>) -> Result<(), Error> {
    let odd = AccountFlags::LINKED.with(AccountFlags::IMPORTED);
    let odd_too = TransferFlags::LINKED.with(TransferFlags::IMPORTED);
    let is_odd =
        view.accounts.iter().any(|account| account.flags().without(odd) != account.flags())
            || view.transfers.iter().any(|transfer| transfer.flags().intersects(odd_too));
    if is_odd {
        return Err(invalid(
            "the events of a commit are one chain of live events: leave out the flags linked and \
             imported",
        ));
    }
    Ok(())
}

fn check_written_once(view: &CommitView<'_>) -> Result<(), Error> {
    let mut keys: Vec<_> = view.documents().map(|write| (write.table, write.key)).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let table = pair[0].0;
            Err(invalid(format!(
                "a commit writes a document once, one of table {table} comes twice"
            )))
        }
    }
}

/// Writes of documents, each by itself: what one is refused the others are not.
#[derive(Clone, Debug)]
pub struct WriteBatch {
    bytes: Bytes,
    count: usize,
}

impl WriteBatch {
    /// A batch of these writes.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a limit is broken.
    pub fn new(writes: &[DocumentWrite]) -> Result<WriteBatch, Error> {
        let mut bytes = Vec::new();
        encode_writes(writes, &mut bytes);
        WriteBatch::from_bytes(bytes.into(), writes.len())
    }

    /// So many writes, encoded on end ([`florin_ledger::commit_bytes`]), without copying them.
    ///
    /// # Errors
    /// As [`WriteBatch::new`].
    pub fn from_bytes(bytes: Bytes, count: usize) -> Result<WriteBatch, Error> {
        parse_writes(&bytes, count).map_err(|error| invalid(error.to_string()))?;
        Ok(WriteBatch { bytes, count })
    }

    /// The writes as they lie in the buffer.
    #[must_use]
    pub fn writes(&self) -> Writes<'_> {
        parse_writes(&self.bytes, self.count).expect("they were checked when they were made")
    }

    /// Their length in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Something that may happen once: a code, a nonce, an idempotency key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UniqueRequest {
    /// The table that remembers it.
    pub table: TableId,
    /// What it is known by: 1 to 256 bytes.
    pub key: Vec<u8>,
    /// When it is forgotten; [`Timestamp::NONE`]: as the table says.
    pub expires: Timestamp,
}

/// A request that was refused before it came to the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedRequest {
    /// Whose budget it counts against.
    pub caller: Caller,
    /// Why.
    pub reason: RefusalReason,
    /// Who, and what; at most
    /// [`florin_ledger::commit::ACTOR_BYTES_MAX`] bytes, the rest is cut off.
    pub actor: Vec<u8>,
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

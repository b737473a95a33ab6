//! Every limit of the engine. Reaching one is an answer, never a crash or unbounded growth.

/// Events in one request.
pub const BATCH_EVENTS_MAX: usize = 8_190;
/// Requests waiting for the engine; one more is answered `busy`.
pub const QUEUE_REQUESTS_MAX: usize = 16_384;
/// Bytes of batches waiting for the engine; more is answered `busy`.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Holds that are neither posted, voided nor expired; a batch that could exceed it is answered
/// `busy`.
pub const HOLDS_MAX: usize = 16_000_000;
/// Accounts; slots are `u32`.
pub const ACCOUNTS_MAX: usize = 1 << 31;
/// Bytes of batches executed in one turn of the engine.
pub const TURN_BYTES_MAX: usize = 4 << 20;
/// Bytes of requests that are decided before what they wrote goes to the log, in the midst of a turn: so
/// the disk and the engine work at the same time, and a crowd that all sends again once it is answered
/// does not fall into step with the turns.
pub const HAND_OVER_BYTES: usize = 128 << 10;
/// Bytes of durable frames kept in memory because what just happened is asked about most.
pub const TAIL_BYTES_MAX: usize = 32 << 20;
/// Bytes of documents that the questions of one turn are answered from those frames; what is beyond is read from the log.
pub const RECENT_BYTES_MAX: usize = 256 << 10;
/// Bytes of durable frames kept in memory for streams: the same frames for the most part, and what their headers say.
pub const RECENT_FRAMES_BYTES_MAX: usize = 32 << 20;
/// Bytes of documents kept in memory because they were read before.
pub const DOCUMENTS_KEPT_BYTES_MAX: usize = 32 << 20;
/// Bytes of records after which a frame is finished and the next begins.
pub const FRAME_BYTES_TARGET: u64 = 512 << 10;
/// Log bytes between two digests of the whole state that a primary takes for its standbys.
pub const DIGEST_INTERVAL_BYTES: u64 = 64 << 20;
/// Accounts and holds of which a digest is taken between two turns: 170 bytes each are hashed meanwhile, an
/// estimated 0.1 s a million. Of more there is none.
pub const DIGEST_ITEMS_MAX: u64 = 1 << 20;
/// Bytes of frames that a standby applies in one turn of the engine: readers wait no longer.
pub const FOLLOW_TURN_BYTES: usize = 512 << 10;
/// Expiries in one frame.
pub const FRAME_EXPIRIES_MAX: usize = 8_190;
/// Log bytes that wait to be fetched into the system's cache.
pub const READ_AHEAD_BYTES_MAX: u64 = 256 << 20;
/// Log bytes between two checkpoints.
pub const CHECKPOINT_INTERVAL_BYTES: u64 = 256 << 20;
/// Account pages copied for a checkpoint in one turn of the engine.
pub const CHECKPOINT_PAGES_PER_TURN: usize = 128;
/// Accounts looked at by one page of a scan.
pub const SCAN_ACCOUNTS_MAX: usize = 65_536;
/// Records looked at by one page of a scan.
pub const SCAN_RECORDS_MAX: usize = 1_000_000;
/// Keys of one index in memory that are not in a run yet; then they are frozen and written.
pub const RECENT_KEYS_MAX: usize = 1 << 20;
/// Frozen parts of one index that wait to be written; then no more are frozen.
pub const FROZEN_PARTS_MAX: usize = 4;
/// Runs of one size class (a factor of eight) of one kind; then they are merged into one.
pub const RUNS_PER_SIZE_MAX: usize = 8;
/// Entries in one run; larger ones are left as they are.
pub const RUN_ENTRIES_MAX: u64 = 1 << 32;
/// Bytes of a key in the index of documents at most: that of an expiry, which is the document's with
/// its table's number, and before it an instant and the number of the table of expiries.
pub const INDEX_KEY_BYTES_MAX: usize = 2 + 8 + 2 + florin_ledger::document::DOCUMENT_KEY_BYTES_MAX;
/// Bytes of a document's key with its table's number, at least.
pub const INDEX_KEY_BYTES_MIN: usize = 2;
/// Memory for keys of documents that are not in a run yet; then they are frozen and written. There
/// are at most [`FROZEN_PARTS_MAX`] such parts beside it.
pub const DOCUMENT_RECENT_BYTES_MAX: usize = 48 << 20;
/// Keys in one page of a scan of documents.
pub const DOCUMENT_SCAN_KEYS_MAX: usize = 8_192;
/// Keys that the engine's thread copies from memory for one page of a scan of documents.
pub const DOCUMENT_SCAN_COPIES_MAX: usize = 1_024;
/// Entries of runs and memory, deleted ones too, looked at by one page of a scan of documents.
pub const DOCUMENT_SCAN_ENTRIES_MAX: usize = 65_536;
/// Memory of redb for pages of the checkpoint file.
pub const CHECKPOINT_CACHE_BYTES: usize = 64 << 20;
/// Records looked at for one batch of a stream; what is left of a commit is looked at all the same.
pub const STREAM_RECORDS_MAX: usize = 65_536;
/// Names of accounts that a subscription keeps.
pub const STREAM_NAMES_MAX: usize = 65_536;
/// Names of accounts that the tree of proofs keeps: 32 MiB.
pub const TREE_NAMES_MAX: usize = 1 << 20;
/// Holds that the tree of proofs keeps: 11 MiB.
pub const TREE_HOLDS_MAX: usize = 1 << 16;
/// Accounts that are asked for at once when all balances are captured: a fraction of a millisecond of the engine's.
pub const TREE_ROWS_MAX: usize = 4_096;
/// Accounts that are held meanwhile, before what was posted on them since is taken back: 14 MiB.
pub const TREE_ROWS_HELD: usize = 1 << 16;
/// Bytes of log after which all balances are captured again: 130 million transfers.
pub const CAPTURE_INTERVAL_BYTES: u64 = 16 << 30;
/// Questions that wait for damaged files of the tree of proofs to be derived again.
pub const TREE_WANTED_MAX: usize = 64;
/// Records that are read for a dry run as of a position: of the ids that the commit names, postings of
/// its accounts by their waypoints, and versions of its documents, from the newest back.
pub const AS_OF_RECORDS_MAX: u64 = 65_536;
/// Memory for the documents of volatile tables.
pub const VOLATILE_BYTES_MAX: usize = 64 << 20;
/// Keys in one read of documents.
pub const DOCUMENTS_READ_MAX: usize = 1_024;
/// Bytes of values in one page of documents: once they are reached the page ends.
pub const SCAN_VALUE_BYTES_MAX: usize = 512 << 10;
/// Versions in one page of a document's history.
pub const DOCUMENT_VERSIONS_MAX: u32 = 1_024;
/// Bytes of the log that are read at once for who copies it over a wire.
pub const SNAPSHOT_PIECE_BYTES_MAX: usize = 960 << 10;
/// Objects that a backup may name: one for each segment.
pub const BACKUP_OBJECTS_MAX: usize = 1 << 20;
/// Bytes of a manifest: its head, a wrapped key, an entry for each object, a signature.
pub const MANIFEST_BYTES_MAX: u64 = 136 + 2_048 + (112 << 20) + 96;
/// Bytes of a copy of a keyring in a store: some 30 million names.
pub const KEYRING_COPY_BYTES_MAX: u64 = 2 << 30;
/// Segments that are read and checked at the same time while a backup is made; each takes the memory of one
/// or two segments. No more, so that a machine that serves a bank has something left for it.
pub const BACKUP_READS_MAX: usize = 2;
/// Objects of a backup that are stored, or read and checked, at the same time; each takes the memory of one
/// or two segments.
pub const BACKUP_AT_ONCE_MAX: usize = 4;
/// Segments, or runs, that are fetched and checked at the same time while a standby is seeded; each segment takes
/// the memory of one or two.
pub const SEED_AT_ONCE_MAX: usize = 4;

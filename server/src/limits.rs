//! Every limit of the server. Reaching one is an answer, or a peer that waits or is dropped.

use florin_ledger::stream::{BATCH_HEAD_BYTES, ITEM_BYTES_MAX};
use florin_wire::frame::REPLY_HEADER_BYTES;
use florin_wire::limits::{
    DOCUMENT_KEYS_MAX, EVENTS_MAX, FRAME_BYTES_MAX, KEYRING_NAME_BYTES_MAX, KEYRING_NAMES_MAX,
    PIECE_BYTES_MAX,
};
use std::time::Duration;

/// Connections at the same time, unless the options say otherwise. One more is told `busy`.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections that have not come as far as a request. Of more, the one that waits longest is
/// closed.
pub const STRANGERS_MAX: usize = 256;
/// Connections of one key at the same time, unless its document says otherwise. Half of all, so
/// that one key alone never keeps the others out.
pub const KEY_CONNECTIONS_MAX: u32 = 128;
/// Keys whose use is remembered although they have no connection; above that, those are forgotten.
pub const KEYS_REMEMBERED_MAX: usize = 10_000;
/// Keys that the server knows.
pub const KEYS_MAX: usize = 10_000;
/// Documents of keys that are read at once.
pub const KEYS_PAGE: u32 = 256;
/// Bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 64;
/// Ledgers or tables that a key can be limited to.
pub const KEY_SCOPE_MAX: usize = 1_024;
/// Requests of one connection without a reply; more are not read until some are answered.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 256;
/// Bytes that the requests of one connection, or their replies, may occupy; more are not read.
pub const CONNECTION_BYTES_IN_FLIGHT_MAX: usize = 8 << 20;
/// Bytes that the requests of all connections, or their replies, may occupy; more are told `busy`.
pub const SERVER_BYTES_IN_FLIGHT_MAX: usize = 512 << 20;
/// What a request weighs at least against its connection's bytes, so that they bound the number of
/// requests too.
pub const REQUEST_WEIGHT_MIN: usize = CONNECTION_BYTES_IN_FLIGHT_MAX / REQUESTS_IN_FLIGHT_MAX;
/// Reads of history that run at the same time, each on a thread that may block.
pub const READS_AT_ONCE_MAX: usize = 16;
/// Reads of history that wait for a thread; more are told `busy`.
pub const READS_WAITING_MAX: usize = 1_024;
/// Questions for heads and proofs that are answered at the same time, each on a thread that may block: they
/// wait for the tree and for each other, and take no place of a read.
pub const PROOFS_AT_ONCE_MAX: usize = 2;
/// Such questions waiting for that; one more is told `busy`.
pub const PROOFS_WAITING_MAX: usize = 64;
/// Receipts for the answers to commits that are made at the same time, each on a thread that may block.
pub const RECEIPTS_AT_ONCE_MAX: usize = 2;
/// Commits that want a receipt, from request to answer; one more is told `busy`.
pub const RECEIPTS_WAITING_MAX: usize = 1_024;
/// Pieces of the log or the keyring read at the same time for who copies the ledger.
pub const COPIES_AT_ONCE_MAX: usize = 2;
/// Such pieces waiting for that; one more is told `busy`.
pub const COPIES_WAITING_MAX: usize = 64;
/// Questions of nodes of a group that are answered at the same time, each on a thread that may block: a change of the
/// group waits for standbys, and a promotion for the others' promises.
pub const GROUP_AT_ONCE_MAX: usize = 8;
/// Such questions waiting for that; one more is told `busy`.
pub const GROUP_WAITING_MAX: usize = 64;
/// Checkpoints that standbys are seeded from at the same time; whoever asks for another is told `busy`.
pub const OFFERS_HELD_MAX: usize = 4;
/// Requests to the keyring that run at the same time, each on a thread that may block: they wait for
/// each other, more would only hold threads.
pub const KEYRING_AT_ONCE_MAX: usize = 2;
/// Requests to the keyring that wait for a thread; more are told `busy`.
pub const KEYRING_WAITING_MAX: usize = 256;
/// Streams of one connection; one more is told `busy`.
pub const SUBSCRIPTIONS_PER_CONNECTION_MAX: usize = 8;
/// Streams of all connections; one more is told `busy`. Each has up to some 5 MiB of memory.
pub const SUBSCRIPTIONS_MAX: usize = 64;
/// Streams that read at the same time, each on a thread that may block.
pub const STREAM_READS_AT_ONCE_MAX: usize = 4;
/// Bytes of one batch of a stream, its head not counted.
pub const STREAM_BATCH_BYTES_MAX: usize = 512 << 10;
/// Bytes that a stream begins with at least: any item fits.
pub const STREAM_CREDIT_MIN: u64 = 128 << 10;
/// Bytes that a stream may be granted at most; what is granted beyond is lost.
pub const STREAM_CREDIT_MAX: u64 = 64 << 20;
/// Standbys that follow at the same time; one more is told `busy`. Each has up to some MiB of memory.
pub const FOLLOWERS_MAX: usize = 16;
/// Standbys for which the log is read at the same time, each on a thread that may block.
pub const SHIP_READS_AT_ONCE_MAX: usize = 8;
/// Bytes of one batch of the log for a standby, its head not counted.
pub const SHIP_BATCH_BYTES_MAX: usize = 512 << 10;
/// Bytes that are shipped ahead of what a standby has acknowledged.
pub const SHIP_WINDOW_BYTES: u64 = 8 << 20;
/// How long a server that stops waits for standbys to acknowledge its last frame.
pub const SHIP_ENDING_MAX: Duration = Duration::from_secs(5);
/// Replies taken at once for one write.
pub const REPLIES_PER_WRITE_MAX: usize = REQUESTS_IN_FLIGHT_MAX;
/// Bytes of replies gathered before they are written although more replies wait.
pub const WRITE_BYTES: usize = 256 << 10;
/// Bytes that a connection's read buffer has when it is idle.
pub const READ_BUFFER_BYTES: usize = 16 << 10;

/// How long a new connection may take for everything before its first request (TLS, hello, proof),
/// unless the options say otherwise.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection whose key was revoked may take over the answers that it is still owed.
pub const REVOKED_TIMEOUT: Duration = Duration::from_millis(500);
/// Pause before the table of keys is read again after it could not be.
pub const KEYS_PAUSE: Duration = Duration::from_millis(250);
/// How long the system waits for a sign of life of a silent peer before it asks for one, between
/// askings, and how often it asks before it gives the peer up.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// See [`KEEPALIVE_IDLE`].
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// See [`KEEPALIVE_IDLE`].
pub const KEEPALIVE_RETRIES: u32 = 3;
/// How long a peer may take from the first byte of a frame to its last, while the server reads.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may leave bytes unread that wait for it, unless the options say otherwise.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take to close its side after the server's last word. Closing at once while
/// its bytes are unread would make the system reset the connection, and with it the last word.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections to the observing port at the same time; more are closed.
pub const OBSERVE_CONNECTIONS_MAX: usize = 16;
/// Bytes of a request's head on the observing port.
pub const OBSERVE_HEAD_BYTES_MAX: usize = 16 << 10;
/// How long a connection to the observing port lasts.
pub const OBSERVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a position at most.
pub const AWAIT_MAX: Duration = Duration::from_secs(10);
/// How long a stream is silent at most while its reader has room.
pub const STREAM_HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a stream that has caught up gathers what becomes durable before it reads on, so that many
/// readers don't read at every sync.
pub const STREAM_PAUSE: Duration = Duration::from_millis(2);
/// Pause after the system refused to accept a connection (no descriptors left, as a rule).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(
    2 * FRAME_BYTES_MAX <= CONNECTION_BYTES_IN_FLIGHT_MAX,
    "one connection keeps the engine busy: a batch runs while the next arrives"
);
const _: () = assert!(
    REPLY_HEADER_BYTES + BATCH_HEAD_BYTES + STREAM_BATCH_BYTES_MAX <= FRAME_BYTES_MAX,
    "a batch fits a frame"
);
const _: () = assert!(
    ITEM_BYTES_MAX <= 128 << 10 && 128 << 10 <= STREAM_BATCH_BYTES_MAX,
    "the least credit and a batch hold any item"
);
const _: () = assert!(
    SUBSCRIPTIONS_PER_CONNECTION_MAX * 2 <= REQUESTS_IN_FLIGHT_MAX,
    "a connection full of streams still takes requests"
);
const _: () = assert!(
    CONNECTION_BYTES_IN_FLIGHT_MAX <= SERVER_BYTES_IN_FLIGHT_MAX,
    "one connection alone never finds the server's bytes used up"
);
const _: () = assert!(
    PIECE_BYTES_MAX == florin_core::limits::SNAPSHOT_PIECE_BYTES_MAX,
    "a piece of the log that may be asked for may be read"
);
const _: () = assert!(
    DOCUMENT_KEYS_MAX <= florin_core::limits::DOCUMENTS_READ_MAX,
    "an engine reads as many documents as a request names"
);
const _: () = assert!(
    KEYRING_NAMES_MAX == florin_core::keyring::NAMES_MAX
        && KEYRING_NAME_BYTES_MAX == florin_core::keyring::NAME_BYTES_MAX,
    "the protocol and the keyring take the same names"
);
const _: () = assert!(
    EVENTS_MAX == florin_core::limits::BATCH_EVENTS_MAX,
    "what fits a frame fits the engine"
);

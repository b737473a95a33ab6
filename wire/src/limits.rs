//! Every limit of the protocol. A server states those that a client must keep in its hello.

use crate::frame::{HEADER_BYTES, REPLY_HEADER_BYTES};
use crate::page::PAGE_HEAD_BYTES;
use florin_ledger::commit_bytes::COMMIT_BYTES_MAX;
use florin_ledger::document::{DOCUMENT_KEY_BYTES_MAX, DOCUMENT_VALUE_BYTES_MAX};

/// Bytes of a frame after its length prefix. A longer one is a protocol error.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Events, ids or results of one request, and items of one page.
pub const EVENTS_MAX: usize = 8_190;
/// Bytes of a hello of either side, with room for what later versions add.
pub const HELLO_BYTES_MAX: usize = 4_096;
/// Bytes of the name that a client gives itself.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of the message of a refusal; a longer one is cut.
pub const MESSAGE_BYTES_MAX: usize = 1_024;
/// Keys of one request for documents.
pub const DOCUMENT_KEYS_MAX: usize = 1_024;
/// Bytes of one document in an answer: what is said of it, its key and its value.
pub const DOCUMENT_BYTES_MAX: usize = 40 + DOCUMENT_KEY_BYTES_MAX + DOCUMENT_VALUE_BYTES_MAX;
/// Names of one request to the keyring.
pub const KEYRING_NAMES_MAX: usize = 1_024;
/// Bytes of a name in the keyring; it has at least one.
pub const KEYRING_NAME_BYTES_MAX: usize = 128;
/// Bytes of one piece of the log, or of a copy of the keyring.
pub const PIECE_BYTES_MAX: usize = 960 << 10;
/// Standbys that a status names.
pub const REPLICAS_MAX: usize = 64;
/// Bytes of a cold body.
pub const COLD_BYTES_MAX: usize = 4_096;

/// The largest fixed layout of anything that comes in arrays.
const EVENT_BYTES_MAX: usize = 128;

const _: () = assert!(
    REPLY_HEADER_BYTES + PAGE_HEAD_BYTES + EVENTS_MAX * EVENT_BYTES_MAX <= FRAME_BYTES_MAX,
    "the largest batch and the largest page fit one frame"
);
const _: () = assert!(MESSAGE_BYTES_MAX + 256 <= COLD_BYTES_MAX, "a refusal is a cold body");
const _: () = assert!(MESSAGE_BYTES_MAX + 256 <= HELLO_BYTES_MAX, "a hello can be a refusal");
const _: () = assert!(
    HEADER_BYTES + 4 + COMMIT_BYTES_MAX <= FRAME_BYTES_MAX,
    "the largest commit and the most writes fit one frame"
);

//! What the server counts about its connections and requests. Plain atomics without any order
//! between them; nobody waits for a figure.

use crate::stream_positions::StreamPositions;
use florin_wire::{Operation, RefusalKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The figures of one server; shared by its connections, readable by anybody.
#[derive(Debug)]
pub struct ServerMetrics {
    connections: [AtomicU64; Stage::ALL.len()],
    accepted: AtomicU64,
    turned_away: AtomicU64,
    handshakes_failed: [AtomicU64; HandshakeFailure::ALL.len()],
    malformed: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    /// By operation, and one more for operations that the server does not know.
    requests: [Requests; Operation::ALL.len() + 1],
    refusals: [AtomicU64; RefusalKind::ALL.len()],
    /// Documents of keys: that may come in, that were revoked, that let nobody in.
    keys_active: AtomicU64,
    keys_revoked: AtomicU64,
    keys_broken: AtomicU64,
    keys_read_failures: AtomicU64,
    streams: StreamPositions,
}

#[derive(Debug, Default)]
struct Requests {
    answered: AtomicU64,
    refused: AtomicU64,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// No hello was exchanged yet.
    Handshake,
    /// Requests may come.
    Open,
    /// The last word is said, or about to be.
    Closing,
}

/// Why a connection was never welcomed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakeFailure {
    /// The peer went, or said nothing in time.
    Silent,
    /// A hello was refused, with a reason.
    Refused,
}

impl Default for ServerMetrics {
    fn default() -> ServerMetrics {
        ServerMetrics {
            connections: Default::default(),
            accepted: AtomicU64::default(),
            turned_away: AtomicU64::default(),
            handshakes_failed: Default::default(),
            malformed: AtomicU64::default(),
            received_bytes: AtomicU64::default(),
            sent_bytes: AtomicU64::default(),
            requests: std::array::from_fn(|_| Requests::default()),
            refusals: std::array::from_fn(|_| AtomicU64::default()),
            keys_active: AtomicU64::default(),
            keys_revoked: AtomicU64::default(),
            keys_broken: AtomicU64::default(),
            keys_read_failures: AtomicU64::default(),
            streams: StreamPositions::default(),
        }
    }
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: &'static [Stage] = &[Stage::Handshake, Stage::Open, Stage::Closing];

    /// The name that figures carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Handshake => "handshake",
            Stage::Open => "open",
            Stage::Closing => "closing",
        }
    }

    fn index(self) -> usize {
        Stage::ALL.iter().position(|stage| *stage == self).expect("all stages are listed")
    }
}

impl HandshakeFailure {
    /// Every reason.
    pub const ALL: &'static [HandshakeFailure] =
        &[HandshakeFailure::Silent, HandshakeFailure::Refused];

    /// The name that figures carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            HandshakeFailure::Silent => "silent",
            HandshakeFailure::Refused => "refused",
        }
    }

    fn index(self) -> usize {
        let mut all = HandshakeFailure::ALL.iter();
        all.position(|failure| *failure == self).expect("all reasons are listed")
    }
}

/// A connection among those of its stage; dropping it takes it out.
#[derive(Debug)]
pub(crate) struct Staged {
    metrics: Arc<ServerMetrics>,
    stage: Stage,
    /// Names the connection in the server's log.
    number: u64,
}

impl Staged {
    /// Counts a connection that was just accepted.
    pub(crate) fn accepted(metrics: Arc<ServerMetrics>) -> Staged {
        let number = metrics.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        add(&metrics.connections[Stage::Handshake.index()], 1);
        Staged { metrics, stage: Stage::Handshake, number }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn move_to(&mut self, stage: Stage) {
        add(&self.metrics.connections[stage.index()], 1);
        self.leave();
        self.stage = stage;
    }

    fn leave(&self) {
        self.metrics.connections[self.stage.index()].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.leave();
    }
}

impl ServerMetrics {
    /// Connections at a stage now.
    #[must_use]
    pub fn connections(&self, stage: Stage) -> u64 {
        get(&self.connections[stage.index()])
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        get(&self.accepted)
    }

    /// Connections turned away so far, because there were too many.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        get(&self.turned_away)
    }

    /// Handshakes that failed so far.
    #[must_use]
    pub fn handshakes_failed(&self, failure: HandshakeFailure) -> u64 {
        get(&self.handshakes_failed[failure.index()])
    }

    /// Connections closed so far because their peer broke the protocol after the hello.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        get(&self.malformed)
    }

    /// Bytes that came, all framing included.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        get(&self.received_bytes)
    }

    /// Bytes that went, all framing included.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        get(&self.sent_bytes)
    }

    /// Requests answered so far; `None` names those of an operation that the server does not know.
    #[must_use]
    pub fn answered(&self, operation: Option<Operation>) -> u64 {
        get(&self.requests[place(operation)].answered)
    }

    /// Requests refused so far.
    #[must_use]
    pub fn refused(&self, operation: Option<Operation>) -> u64 {
        get(&self.requests[place(operation)].refused)
    }

    /// Requests refused so far for one reason.
    #[must_use]
    pub fn refusals(&self, kind: RefusalKind) -> u64 {
        let index = RefusalKind::ALL.iter().position(|known| *known == kind);
        get(&self.refusals[index.expect("all kinds are listed")])
    }

    /// Keys of the ledger's own documents that may come in.
    #[must_use]
    pub fn keys_active(&self) -> u64 {
        get(&self.keys_active)
    }

    /// Keys of its documents that were revoked.
    #[must_use]
    pub fn keys_revoked(&self) -> u64 {
        get(&self.keys_revoked)
    }

    /// Documents of keys that let nobody in although nobody revoked them.
    #[must_use]
    pub fn keys_broken(&self) -> u64 {
        get(&self.keys_broken)
    }

    /// Times that the documents of keys could not be read, so that the keys stayed as they were.
    #[must_use]
    pub fn keys_read_failures(&self) -> u64 {
        get(&self.keys_read_failures)
    }

    /// Where the streams are that are served.
    pub(crate) fn streams(&self) -> &StreamPositions {
        &self.streams
    }

    pub(crate) fn know_keys(&self, active: usize, revoked: usize, broken: usize) {
        self.keys_active.store(count(active), Ordering::Relaxed);
        self.keys_revoked.store(count(revoked), Ordering::Relaxed);
        self.keys_broken.store(count(broken), Ordering::Relaxed);
    }

    pub(crate) fn fail_to_read_keys(&self) {
        add(&self.keys_read_failures, 1);
    }

    pub(crate) fn turn_away(&self) {
        add(&self.turned_away, 1);
    }

    pub(crate) fn handshake_failed(&self, failure: HandshakeFailure) {
        add(&self.handshakes_failed[failure.index()], 1);
    }

    pub(crate) fn broke_protocol(&self) {
        add(&self.malformed, 1);
    }

    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received_bytes, count(bytes));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.sent_bytes, count(bytes));
    }

    pub(crate) fn answer(&self, operation: u16) {
        add(&self.requests[place(Operation::from_number(operation))].answered, 1);
    }

    pub(crate) fn refuse(&self, operation: u16, kind: RefusalKind) {
        add(&self.requests[place(Operation::from_number(operation))].refused, 1);
        let index = RefusalKind::ALL.iter().position(|known| *known == kind);
        add(&self.refusals[index.expect("all kinds are listed")], 1);
    }
}

fn place(operation: Option<Operation>) -> usize {
    let known =
        operation.and_then(|operation| Operation::ALL.iter().position(|known| *known == operation));
    known.unwrap_or(Operation::ALL.len())
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a usize fits 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: connections that ended are shown as open for ever.
    #[test]
    fn a_connection_is_counted_at_one_stage_and_at_none_when_it_is_gone() {
        let metrics = Arc::new(ServerMetrics::default());
        let at = |metrics: &ServerMetrics| {
            Stage::ALL.iter().map(|stage| metrics.connections(*stage)).collect::<Vec<_>>()
        };
        let mut first = Staged::accepted(Arc::clone(&metrics));
        let second = Staged::accepted(Arc::clone(&metrics));
        assert_eq!(at(&metrics), [2, 0, 0]);
        first.move_to(Stage::Open);
        assert_eq!(at(&metrics), [1, 1, 0]);
        first.move_to(Stage::Closing);
        drop(second);
        assert_eq!(at(&metrics), [0, 0, 1]);
        drop(first);
        assert_eq!(at(&metrics), [0, 0, 0]);
        assert_eq!(metrics.accepted(), 2);
    }

    #[test]
    fn every_operation_is_counted_apart_and_unknown_ones_together() {
        let metrics = ServerMetrics::default();
        for operation in Operation::ALL {
            metrics.answer(operation.number());
        }
        metrics.answer(0xFFFF);
        metrics.refuse(0xFFFE, RefusalKind::UnsupportedOperation);
        assert!(Operation::ALL.iter().all(|operation| metrics.answered(Some(*operation)) == 1));
        assert_eq!((metrics.answered(None), metrics.refused(None)), (1, 1));
        assert_eq!(metrics.refusals(RefusalKind::UnsupportedOperation), 1);
    }
}

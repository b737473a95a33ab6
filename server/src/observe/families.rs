//! Every figure as a family of the text format. docs/OPERATIONS.md says what each means and what to
//! do about it; the dashboard and the alerts in docs/observe name them.

use super::exposition::{Exposition, Seconds};
use crate::metrics::{HandshakeFailure, ServerMetrics, Stage};
use florin_core::MetricsSnapshot;
use florin_core::metrics::{
    CheckpointFigures, ConservationFigures, EngineFigures, LogFigures, QueueFigures,
    RequestFigures, ScrubFigures, Trouble,
};
use florin_core::shipping::Replication;
use florin_core::tree::TreeFigures;
use florin_wire::{Operation, RefusalKind};
use std::time::Duration;

/// The page that a scrape gets.
pub(super) fn page(ledger: &MetricsSnapshot, server: &ServerMetrics) -> Exposition {
    let mut page = Exposition::default();
    page.gauges(
        "florin_build_info",
        "The version that runs; always 1.",
        "version",
        [(env!("CARGO_PKG_VERSION"), 1)],
    );
    health(&mut page, ledger);
    requests(&mut page, &ledger.requests);
    engine(&mut page, &ledger.engine);
    queue(&mut page, &ledger.queue);
    log(&mut page, &ledger.log);
    durations(&mut page, &ledger.log);
    checkpoint(&mut page, &ledger.checkpoint);
    replication(&mut page, &ledger.replication);
    scrubber(&mut page, &ledger.scrub);
    conservation(&mut page, ledger.scrub.conservation.as_ref());
    tree(&mut page, &ledger.tree.unwrap_or_default());
    connections(&mut page, server);
    served(&mut page, server);
    streams(&mut page, &ledger.log, server);
    keys(&mut page, server);
    page
}

fn health(page: &mut Exposition, ledger: &MetricsSnapshot) {
    let health = ledger.health();
    page.gauge("florin_ready", "1 while writes are taken.", u8::from(health.takes_writes()));
    let troubles = Trouble::ALL.iter();
    page.gauges(
        "florin_trouble",
        "1 while this is wrong.",
        "trouble",
        troubles.map(|trouble| (trouble.name(), u8::from(health.troubles.contains(trouble)))),
    );
}

fn requests(page: &mut Exposition, requests: &RequestFigures) {
    page.counters(
        "florin_requests_total",
        "Requests that reached the engine.",
        "kind",
        requests.by_kind.iter().map(|(kind, count)| (kind.name(), *count)),
    );
    page.counters(
        "florin_request_errors_total",
        "Requests that the engine refused whole.",
        "reason",
        requests.errors.iter().map(|(kind, count)| (kind.name(), *count)),
    );
    page.counters(
        "florin_account_events_total",
        "Accounts of batches, by their result.",
        "result",
        requests.accounts.iter().map(|(status, count)| (status.name(), *count)),
    );
    page.counters(
        "florin_transfer_events_total",
        "Transfers of batches, by their result.",
        "result",
        requests.transfers.iter().map(|(status, count)| (status.name(), *count)),
    );
    page.sizes("florin_batch_events", "Events in a batch.", &requests.batch_events);
}

fn engine(page: &mut Exposition, engine: &EngineFigures) {
    page.durations(
        "florin_engine_turn_seconds",
        "What a turn of the engine took, waiting for room included.",
        &engine.turn_ns,
    );
    page.gauge(
        "florin_applied_position_bytes",
        "Everything before this log position is decided.",
        engine.applied.0,
    );
    page.gauge(
        "florin_last_event_timestamp_seconds",
        "The recorded time of the last event.",
        Seconds(engine.last_event.0),
    );
    page.gauge("florin_accounts", "Accounts ever opened.", engine.accounts_count);
    page.gauge("florin_transfers", "Transfers ever created.", engine.transfers_count);
    page.gauge("florin_holds", "Live holds.", engine.holds_count);
    page.counter(
        "florin_conserved_frames_total",
        "Frames of the log in each of which debits and credits changed by the same; another would have stopped the engine.",
        engine.conserved_frames,
    );
    page.gauge("florin_epoch", "Openings for writing so far.", engine.epoch);
    page.gauge(
        "florin_clock_jump_seconds",
        "How far the clock has jumped ahead, 0 while it is trusted.",
        seconds(engine.clock_jump),
    );
    page.gauge(
        "florin_index_memory_bytes",
        "Memory of the indexes of ids.",
        engine.index_memory_bytes,
    );
    page.gauge(
        "florin_documents_fill_per_mille",
        "How full the memory for keys of documents without a run is, in thousandths.",
        engine.documents_fill_per_mille,
    );
    page.gauge(
        "florin_documents_fill_per_mille_max",
        "The most that it was since the opening.",
        engine.documents_fill_per_mille_max,
    );
    page.gauge("florin_runs", "Runs that the indexes of ids consist of.", engine.runs_count);
    page.gauge("florin_runs_bytes", "Bytes of these runs on disk.", engine.runs_bytes);
}

fn queue(page: &mut Exposition, queue: &QueueFigures) {
    page.gauge("florin_queue_tasks", "Tasks that wait for the engine.", queue.tasks_count);
    page.gauge("florin_queue_bytes", "What they weigh.", queue.bytes);
    page.counter(
        "florin_queue_refused_total",
        "Tasks turned away from a full queue.",
        queue.refused,
    );
}

fn log(page: &mut Exposition, log: &LogFigures) {
    page.gauge(
        "florin_durable_position_bytes",
        "Everything before this log position is durable.",
        log.durable.0,
    );
    page.counter("florin_log_frames_total", "Frames written and synced.", log.frames);
    page.counter("florin_log_frame_bytes_total", "Bytes of these frames.", log.frame_bytes);
    page.counter(
        "florin_log_written_bytes_total",
        "Bytes handed to the disk for the log, last pages written again included.",
        log.written_bytes,
    );
    page.counter("florin_log_writes_total", "Writes of the log.", log.writes);
    page.counter("florin_log_syncs_total", "Syncs of the log.", log.syncs);
    page.gauge(
        "florin_log_room_bytes",
        "Bytes of log that may be written before more room is made.",
        log.room_bytes,
    );
}

fn durations(page: &mut Exposition, log: &LogFigures) {
    page.durations(
        "florin_log_write_seconds",
        "What writing the log took before each sync.",
        &log.write_ns,
    );
    page.durations("florin_log_sync_seconds", "What each sync of the log took.", &log.sync_ns);
    page.sizes("florin_log_sync_frames", "Frames that shared a sync.", &log.sync_frames);
    page.sizes("florin_log_sync_answers", "Answers that shared a sync.", &log.sync_answers);
}

fn checkpoint(page: &mut Exposition, checkpoint: &CheckpointFigures) {
    page.gauge(
        "florin_checkpoint_position_bytes",
        "Where the last checkpoint is in the log.",
        checkpoint.position.0,
    );
    page.gauge(
        "florin_checkpoint_behind_bytes",
        "Bytes of log behind the last checkpoint.",
        checkpoint.behind_bytes,
    );
    page.gauge(
        "florin_checkpoint_age_seconds",
        "Time since the last checkpoint, or since the opening.",
        seconds(checkpoint.age),
    );
    page.counter("florin_checkpoints_total", "Checkpoints made.", checkpoint.checkpoints);
    page.counter(
        "florin_checkpoint_failures_total",
        "Checkpoints that failed.",
        checkpoint.failures,
    );
    page.counter("florin_runs_written_total", "Runs of ids written.", checkpoint.runs);
    page.counter(
        "florin_run_failures_total",
        "Attempts to write a run that the disk refused.",
        checkpoint.run_failures,
    );
    page.counter("florin_merges_total", "Merges of runs done.", checkpoint.merges);
    page.counter(
        "florin_merge_failures_total",
        "Merges of runs given up until the next opening.",
        checkpoint.merge_failures,
    );
}

fn replication(page: &mut Exposition, replication: &Replication) {
    let standby = match replication {
        Replication::Primary(_) => None,
        Replication::Standby(standing, _) => Some(standing),
    };
    let synchrony = replication.synchrony();
    page.gauge("florin_standby", "1 if this follows a primary.", u8::from(standby.is_some()));
    page.gauge(
        "florin_standby_connected",
        "1 while a standby hears of its primary.",
        u8::from(standby.is_some_and(|standby| standby.is_connected)),
    );
    page.gauge(
        "florin_standby_lag_bytes",
        "Bytes of log that the primary is known to have and this standby has not.",
        standby.map_or(0, |standby| {
            standby.primary_end.map_or(0, |end| end.0.saturating_sub(standby.durable.0))
        }),
    );
    page.gauge(
        "florin_standby_lag_seconds",
        "Time since this standby was known to have all that its primary had.",
        seconds(standby.map_or(Duration::ZERO, |standby| standby.lag)),
    );
    page.gauge(
        "florin_sync_standbys",
        "Standbys that must have what is answered.",
        synchrony.synchrony.standbys,
    );
    page.gauge(
        "florin_sync_degraded",
        "1 while answers go without standbys that are asked for.",
        u8::from(synchrony.is_degraded),
    );
    page.counter(
        "florin_sync_degradations_total",
        "Times that answers began to go without standbys.",
        synchrony.degradations,
    );
    page.gauge(
        "florin_sync_waiting_seconds",
        "Time that answers have waited for standbys.",
        seconds(synchrony.waiting.unwrap_or_default()),
    );
    page.gauge("florin_replicas", "Standbys that follow.", synchrony.replicas.len());
    // What all of them have, then each by itself.
    let least = synchrony.replicas.iter().map(|replica| replica.acknowledged.0).min();
    let each = || {
        let replicas = synchrony.replicas.iter();
        let named = replicas.map(|it| (format!("{:032x}", it.node), it.acknowledged.0));
        std::iter::once((String::from("all"), least.unwrap_or(synchrony.synced.0))).chain(named)
    };
    page.gauges(
        "florin_replica_acknowledged_position_bytes",
        "What each standby has, durably, and what all of them have.",
        "node",
        each(),
    );
    page.gauges(
        "florin_replica_behind_bytes",
        "Bytes of durable log that each standby has not acknowledged, and that not all have.",
        "node",
        each().map(|(node, lsn)| (node, synchrony.synced.0.saturating_sub(lsn))),
    );
}

fn scrubber(page: &mut Exposition, scrub: &ScrubFigures) {
    let checks = || scrub.checks.iter();
    page.counters(
        "florin_scrub_passes_total",
        "Whole passes of the scrubber.",
        "check",
        checks().map(|check| (check.check.name(), check.passes)),
    );
    page.counters(
        "florin_scrub_read_bytes_total",
        "What the scrubber read, as it counts against its rate.",
        "check",
        checks().map(|check| (check.check.name(), check.bytes)),
    );
    page.counters(
        "florin_scrub_found_total",
        "Findings so far, each once.",
        "check",
        checks().map(|check| (check.check.name(), check.found)),
    );
    page.gauges(
        "florin_scrub_findings",
        "Findings that still hold.",
        "check",
        checks().map(|check| (check.check.name(), check.standing)),
    );
    page.gauge(
        "florin_scrub_log_position_bytes",
        "Where the scrubber's pass over the log is.",
        scrub.log_position.0,
    );
}

/// Ledgers that are shown; the others are only compared.
const LEDGERS_SHOWN_MAX: usize = 64;

fn conservation(page: &mut Exposition, sums: Option<&ConservationFigures>) {
    let sums_count = |sums: &ConservationFigures| sums.ledgers.len();
    page.gauge("florin_ledgers", "Ledgers whose sums were compared.", sums.map_or(0, sums_count));
    page.gauge(
        "florin_ledgers_unbalanced",
        "Ledgers on which debits and credits differ.",
        sums.map_or(0, |sums| sums.unbalanced.len()),
    );
    let Some(sums) = sums else { return };
    page.gauge(
        "florin_conservation_position_bytes",
        "The sums are exact at this log position.",
        sums.position.0,
    );
    page.gauge(
        "florin_conservation_age_seconds",
        "Time since the sums were taken.",
        seconds(sums.age),
    );
    let shown = || {
        let fitting =
            sums.ledgers.iter().filter_map(|(ledger, sums)| Some((ledger, sums.as_ref()?)));
        fitting.take(LEDGERS_SHOWN_MAX)
    };
    if shown().next().is_none() {
        return;
    }
    const NAME: &str = "florin_ledger_sum";
    page.gauge_family(NAME, "The sum over all accounts of a ledger, in its smallest unit.");
    for (ledger, sums) in shown() {
        for (side, state, sum) in [
            ("debits", "posted", sums.debits_posted),
            ("credits", "posted", sums.credits_posted),
            ("debits", "pending", sums.debits_pending),
            ("credits", "pending", sums.credits_pending),
        ] {
            page.sample(NAME, &[("ledger", ledger), ("side", &side), ("state", &state)], sum.0);
        }
    }
}

fn tree(page: &mut Exposition, tree: &TreeFigures) {
    page.gauge("florin_tree_leaves", "Records in the tree of proofs.", tree.leaves);
    page.gauge(
        "florin_tree_behind_records",
        "Durable records that are not in the tree yet, judged by their bytes.",
        tree.behind_records,
    );
    page.gauge(
        "florin_tree_behind_bytes",
        "Bytes of durable log that are not in the tree yet.",
        tree.behind_bytes,
    );
    page.gauge(
        "florin_tree_behind_seconds",
        "Between the last record in the tree and the last event.",
        seconds(tree.behind),
    );
    page.counter(
        "florin_tree_hashed_total",
        "Records hashed for the tree since the opening.",
        tree.hashed,
    );
    page.counter(
        "florin_tree_derived_total",
        "Files of the tree that were missing or damaged, and derived again.",
        tree.derived_tiles,
    );
    page.gauge("florin_tree_stuck", "1 while the disk refuses the tree.", u8::from(tree.is_stuck));
}

fn connections(page: &mut Exposition, server: &ServerMetrics) {
    page.gauges(
        "florin_server_connections",
        "Connections by how far they have come.",
        "stage",
        Stage::ALL.iter().map(|stage| (stage.name(), server.connections(*stage))),
    );
    page.counter(
        "florin_server_connections_accepted_total",
        "Connections accepted.",
        server.accepted(),
    );
    page.counter(
        "florin_server_connections_turned_away_total",
        "Connections over the limit.",
        server.turned_away(),
    );
    let failures = HandshakeFailure::ALL.iter();
    page.counters(
        "florin_server_handshake_failures_total",
        "Connections that were never welcomed.",
        "reason",
        failures.map(|failure| (failure.name(), server.handshakes_failed(*failure))),
    );
    page.counter(
        "florin_server_malformed_total",
        "Connections closed because their peer broke the protocol.",
        server.malformed(),
    );
    page.counter(
        "florin_server_received_bytes_total",
        "Bytes from clients.",
        server.received_bytes(),
    );
    page.counter("florin_server_sent_bytes_total", "Bytes to clients.", server.sent_bytes());
}

fn streams(page: &mut Exposition, log: &LogFigures, server: &ServerMetrics) {
    let (count, last) = server.streams().last();
    let behind = last.map_or(0, |last| log.durable.0.saturating_sub(last.0));
    page.gauge("florin_server_streams", "Streams that are served.", count);
    page.gauge(
        "florin_server_stream_behind_bytes",
        "Bytes of durable log behind the last record that was read for the stream furthest behind.",
        behind,
    );
}

fn served(page: &mut Exposition, server: &ServerMetrics) {
    const NAME: &str = "florin_server_requests_total";
    page.counter_family(NAME, "Requests by operation and outcome.");
    let known = Operation::ALL.iter().map(|operation| Some(*operation));
    for operation in known.chain([None]) {
        let name = operation.map_or("unknown", Operation::name);
        for (outcome, count) in
            [("answered", server.answered(operation)), ("refused", server.refused(operation))]
        {
            page.sample(NAME, &[("operation", &name), ("outcome", &outcome)], count);
        }
    }
    page.counters(
        "florin_server_refusals_total",
        "Requests refused, by reason.",
        "reason",
        RefusalKind::ALL.iter().map(|kind| (kind.name().replace(' ', "_"), server.refusals(*kind))),
    );
}

fn keys(page: &mut Exposition, server: &ServerMetrics) {
    page.gauges(
        "florin_server_keys",
        "Documents of clients' keys by what they come to.",
        "state",
        [
            ("active", server.keys_active()),
            ("revoked", server.keys_revoked()),
            ("broken", server.keys_broken()),
        ],
    );
    page.counter(
        "florin_server_keys_read_failures_total",
        "Times that the documents of keys could not be read.",
        server.keys_read_failures(),
    );
}

fn seconds(duration: Duration) -> Seconds {
    Seconds(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

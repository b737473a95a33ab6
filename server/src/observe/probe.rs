//! The answers to probes: whether the process lives, whether it takes writes, how it is doing.

use florin_core::MetricsSnapshot;
use florin_core::metrics::Health;
use serde::Serialize;

/// How a ledger is doing, as one JSON object. Wide integers are strings, as everywhere.
#[derive(Serialize)]
struct StatusJson<'a> {
    ready: bool,
    troubles: Vec<TroubleJson>,
    epoch: String,
    applied: String,
    durable: String,
    checkpoint: String,
    checkpoint_behind_bytes: String,
    checkpoint_age_seconds: u64,
    timestamp: String,
    accounts: String,
    transfers: String,
    holds: String,
    queue_tasks: u64,
    queue_bytes: u64,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    check: &'static str,
    position: Option<String>,
    message: &'a str,
}

#[derive(Serialize)]
struct TroubleJson {
    name: &'static str,
    message: &'static str,
}

/// Whether writes are taken, and the body that says so: `ready`, or one line for each trouble.
pub(super) fn ready(health: &Health) -> (bool, String) {
    let word = match (health.takes_writes(), health.troubles.is_empty()) {
        (true, true) => "ready\n",
        (true, false) => "ready, degraded\n",
        (false, _) => "not ready\n",
    };
    let mut body = String::from(word);
    for trouble in &health.troubles {
        body.push_str(&format!("{}: {}\n", trouble.name(), trouble.message()));
    }
    (health.takes_writes(), body)
}

/// The whole state as JSON.
pub(super) fn status(metrics: &MetricsSnapshot) -> String {
    let health = metrics.health();
    let troubles = health
        .troubles
        .iter()
        .map(|trouble| TroubleJson { name: trouble.name(), message: trouble.message() });
    let findings = metrics.scrub.findings.iter().map(|finding| FindingJson {
        check: finding.check.name(),
        position: finding.position.map(|position| position.to_string()),
        message: &finding.message,
    });
    let status = StatusJson {
        ready: health.takes_writes(),
        troubles: troubles.collect(),
        epoch: metrics.engine.epoch.to_string(),
        applied: metrics.engine.applied.to_string(),
        durable: metrics.log.durable.to_string(),
        checkpoint: metrics.checkpoint.position.to_string(),
        checkpoint_behind_bytes: metrics.checkpoint.behind_bytes.to_string(),
        checkpoint_age_seconds: metrics.checkpoint.age.as_secs(),
        timestamp: metrics.engine.last_event.to_string(),
        accounts: metrics.engine.accounts_count.to_string(),
        transfers: metrics.engine.transfers_count.to_string(),
        holds: metrics.engine.holds_count.to_string(),
        queue_tasks: metrics.queue.tasks_count,
        queue_bytes: metrics.queue.bytes,
        findings: findings.collect(),
    };
    let mut line = serde_json::to_string(&status).expect("strings and numbers can't fail");
    line.push('\n');
    line
}

//! The figures of an adapter, for whoever watches it. docs/OPERATIONS.md says what each means.

use florin_adapter::Bank;
use florin_adapter::figures::{BOUNDS_NS, CLASSES, Durations, Figures, FiguresNow, Surface};
use florin_core::metrics::Distribution;
use florin_server::observe::{Exposition, Seconds, StatusCode, Told, Watched};
use std::fmt;
use std::sync::Arc;

/// A bank that is watched.
pub(crate) struct BankFigures(pub(crate) Arc<Bank>);

impl fmt::Debug for BankFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BankFigures(..)")
    }
}

impl Watched for BankFigures {
    fn told(&self, path: &str) -> Option<Told> {
        match path {
            "/metrics" => Some(Told::figures(page(&Figures::now(&self.0)))),
            "/live" => Some(Told::plain(StatusCode::OK, String::from("live\n"))),
            _ => None,
        }
    }

    fn paths(&self) -> &'static str {
        "/metrics and /live; whether it is ready is told where browsers come in, at /health/ready"
    }
}

fn page(now: &FiguresNow) -> Exposition {
    let mut page = Exposition::default();
    page.gauges(
        "florin_bank_build_info",
        "The version that runs; always 1.",
        "version",
        [(env!("CARGO_PKG_VERSION"), 1)],
    );
    requests(&mut page, now);
    ledger(&mut page, now);
    let FiguresNow { transfers_open, transfers_parked, sessions, .. } = now;
    for (name, help, value) in [
        ("florin_bank_transfers_open", "Transfers that have begun and not ended.", transfers_open),
        ("florin_bank_transfers_parked", "Transfers that were set aside.", transfers_parked),
        ("florin_bank_sessions", "Logins that are kept.", sessions),
        ("florin_bank_streams", "Streams of events.", &now.streams),
        (
            "florin_bank_passwords_waiting",
            "Passwords that are being looked at, or wait for it.",
            &now.passwords_waiting,
        ),
    ] {
        page.gauge(name, help, value);
    }
    page.counter(
        "florin_bank_passwords_hashed_total",
        "Passwords that were hashed.",
        now.passwords_hashed,
    );
    page
}

fn requests(page: &mut Exposition, now: &FiguresNow) {
    let name = "florin_bank_requests_total";
    page.counter_family(name, "Requests that were answered, by route and first digit.");
    for (method, route, counts) in &now.answers {
        for (class, count) in CLASSES.iter().zip(counts).filter(|(_, count)| **count != 0) {
            page.sample(name, &[("method", method), ("route", route), ("status", class)], count);
        }
    }
    let durations: Vec<_> = now.durations.iter().map(distribution).collect();
    page.labelled_durations(
        "florin_bank_request_seconds",
        "How long answers took until they began.",
        "surface",
        Surface::ALL.iter().map(|surface| surface.name()).zip(&durations),
    );
    page.counter(
        "florin_bank_rate_limited_total",
        "Requests that were too many.",
        now.refused_for_rate,
    );
    page.counter(
        "florin_bank_outcomes_unknown_total",
        "Answers that say that nobody knows what happened.",
        now.unknown,
    );
}

fn ledger(page: &mut Exposition, now: &FiguresNow) {
    let calls = &now.ledger;
    page.counters(
        "florin_bank_ledger_calls_total",
        "Calls of the ledger, by how they ended.",
        "outcome",
        [
            ("answered", calls.answered),
            ("refused", calls.refused),
            ("not_sent", calls.not_sent),
            ("unknown", calls.unknown),
        ],
    );
    let name = "florin_bank_ledger_call_seconds_total";
    page.counter_family(name, "How long calls of the ledger took, all together.");
    page.sample(name, &[], Seconds(calls.sum_ns));
}

fn distribution(durations: &Durations) -> Distribution {
    let Durations { counts, sum_ns } = durations;
    Distribution { bounds: BOUNDS_NS, counts: counts.to_vec(), sum: *sum_ns }
}

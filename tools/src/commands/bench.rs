//! `florin bench`: how fast a ledger is on this machine, and how far that is from its limits.

use super::bench_bank::BenchBank;
use super::serve::shutdown_signal;
use super::version::VERSION;
use crate::bench::disk::{self, SyncFigures, SyncTimes};
use crate::bench::documents::{Documents, Sent};
use crate::bench::drive::{Asked, Beside, Load, Transferred};
use crate::bench::latency::{Percentiles, slices};
use crate::bench::machine::machine;
use crate::bench::plan::{IdOrder, Plan};
use crate::bench::process::Process;
use crate::bench::report::{Committed, DiskSync, Report};
use crate::bench::server::ServerProcess;
use crate::credentials::Credentials;
use crate::exit::{Exit, Failure};
use crate::figure::Figure;
use crate::key::KeyArguments;
use crate::progress;
use crate::target::{Ledger, PATIENCE, open_database};
use clap::{Args, Subcommand};
use florin_client::{Client, ClientOptions};
use florin_core::Database;
use florin_ledger::query::TrialBalance;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Measure a ledger: throughput, latency, disk, memory, and how far the machine's limits are
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Without --connect a real server is started on loopback over a new data \
directory (below TMPDIR, removed afterwards, unless --data names one). Every transfer is durable \
before it counts, every result must be `created`, and the trial balance must be what was sent; \
otherwise there are no figures and the exit status is 1. A directory can be used again with another --seed. The accounts are on \
ledger 1000000, which is no currency."
)]
pub(crate) struct Bench {
    #[command(subcommand)]
    of: Option<BenchOf>,

    /// Run the engine in this process, without a server
    #[arg(long, conflicts_with = "connect")]
    embedded: bool,

    /// Use the server that listens here (of several, with commas between them, the primary); --data may name its directory, to measure the disk
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<String>,

    #[command(flatten)]
    credentials: Credentials,

    /// Keep the data directory here
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    #[command(flatten)]
    key: KeyArguments,

    /// Accounts to open
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2..=1 << 31))]
    accounts: u64,

    /// Transfers to post
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    transfers: u64,

    /// Transfers, or lookups, per request
    #[arg(long, value_name = "N", default_value_t = 8_190, value_parser = clap::value_parser!(u64).range(1..=8_190))]
    batch: u64,

    /// Connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,

    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,

    /// In which order transfer ids come
    #[arg(long, value_enum, default_value = "sequential")]
    id_order: IdOrder,

    /// Of all transfers, how many in a hundred touch one hot account
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    hot_percent: u64,

    /// Of all transfers, how many in a hundred are holds or post them
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    pending_percent: u64,

    /// Accounts to look up
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    lookups: u64,

    /// Pages of history to read, and balances as of an instant
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    history_queries: u64,

    /// Send commits of one transfer and some documents each, for a time, in the place of --transfers
    #[arg(long)]
    commits: bool,

    /// Documents in each commit
    #[arg(long, value_name = "N", default_value_t = 3, requires = "commits", value_parser = clap::value_parser!(u64).range(0..=1_024))]
    documents_per_commit: u64,

    /// Bytes of each document
    #[arg(long, value_name = "N", default_value_t = 500, requires = "commits", value_parser = clap::value_parser!(u64).range(0..=65_536))]
    document_bytes: u64,

    /// Documents that are there before the first commit
    #[arg(long, value_name = "N", default_value_t = 0, requires = "commits")]
    preload_documents: u64,

    /// How long commits are sent
    #[arg(long, value_name = "N", default_value_t = 30, requires = "commits", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// Commits a second at most; what one takes counts from when it was due
    #[arg(long, value_name = "N", requires = "commits")]
    rate: Option<NonZeroU64>,

    /// Requests of one transfer each in flight beside the commits, each over a connection of its own, and
    /// for ten seconds before them
    #[arg(long, value_name = "N", default_value_t = 0, requires = "commits", value_parser = clap::value_parser!(u32).range(0..=64))]
    beside: u32,

    /// Pages of 1,000 documents to read
    #[arg(long, value_name = "N", default_value_t = 0, requires = "commits")]
    scans: u64,

    /// Repeats a run; other seeds send other ids, accounts and amounts
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// What else can be measured.
#[derive(Subcommand, Debug)]
enum BenchOf {
    Bank(BenchBank),
}

/// More commits than any run sends.
const COMMITS_MAX: u64 = 1 << 40;

/// Where the ledger that is measured runs.
enum Subject {
    Embedded(Database),
    Started(ServerProcess),
    /// Somewhere else: nothing but its answers can be seen.
    Foreign(String),
}

/// What was seen of the ledger before it was stopped.
struct Observed {
    sent: Sent,
    documents_fill_per_mille_max: Option<u64>,
    lookups: Asked,
    history: Asked,
    as_of: Asked,
    scans: Asked,
    cpu: Option<Duration>,
    written_bytes: Option<u64>,
    /// While transfers or commits ran.
    written_meanwhile: Option<u64>,
    memory_peak_bytes: Option<u64>,
    /// What does not add up; empty when all is well.
    findings: Vec<String>,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        if let Some(BenchOf::Bank(bank)) = &self.of {
            return bank.run();
        }
        // One thread, and one for what is beside the load: they must leave the machine to the ledger.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cant_start)?;
        let beside = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(cant_start)?;
        let (directory, _removed_at_the_end) = self.directory()?;
        let subject = self.subject(directory.as_deref())?;
        let load = self.load(&runtime, &beside, &subject)?;
        let observed = runtime.block_on(async {
            let interrupted = shutdown_signal()?;
            tokio::select! {
                observed = self.observe(&load, &subject) => observed,
                () = interrupted => {
                    Err(Failure::new(Exit::Stopped, "interrupted: nothing was measured"))
                }
            }
        });
        load.progress.finish_and_clear();
        drop(load);
        // Lets the clients' tasks end before their server does.
        drop(runtime);
        drop(beside);
        let stopped = subject.stop();
        // A server that died explains itself by what its clients met.
        let observed = observed?;
        stopped?;
        // Refused work is fast: its figures would mislead whoever kept only the output.
        if !observed.findings.is_empty() {
            return Err(Failure::new(Exit::Findings, observed.findings.join("; ")));
        }
        let report = self.report(&observed, directory.as_deref())?;
        let mut output = io::stdout().lock();
        if self.json {
            let line = serde_json::to_string(&report).expect("figures and strings can't fail");
            writeln!(output, "{line}")?;
        } else {
            write!(output, "{}", report.text())?;
        }
        Ok(Exit::Done)
    }

    /// The directory to measure, and what removes it. A foreign server may keep its own to itself.
    fn directory(&self) -> Result<(Option<PathBuf>, Option<TempDir>), Failure> {
        if self.data.is_some() || self.connect.is_some() {
            return Ok((self.data.clone(), None));
        }
        let temporary = tempfile::Builder::new()
            .prefix("florin-bench-")
            .tempdir()
            .map_err(|error| Failure::unavailable(format!("can't make a directory: {error}")))?;
        Ok((Some(temporary.path().to_path_buf()), Some(temporary)))
    }

    fn subject(&self, directory: Option<&Path>) -> Result<Subject, Failure> {
        match (&self.connect, directory) {
            (Some(address), _) => Ok(Subject::Foreign(address.clone())),
            (None, Some(path)) if self.embedded => {
                Ok(Subject::Embedded(open_database(path, None, self.key.open()?)?))
            }
            _ if self.key.open()?.is_some() => {
                Err(Failure::usage("an encrypted directory is measured with --embedded"))
            }
            (None, Some(path)) => Ok(Subject::Started(ServerProcess::start(path)?)),
            (None, None) => Err(Failure::usage("name a directory: --data DIR")),
        }
    }

    fn load(
        &self,
        runtime: &Runtime,
        beside: &Runtime,
        subject: &Subject,
    ) -> Result<Load, Failure> {
        let plan = Plan {
            accounts_count: self.accounts,
            // How many commits there will be, nobody knows; holds are not among them.
            transfers_count: if self.commits { COMMITS_MAX } else { self.transfers },
            batch_count: self.batch,
            id_order: self.id_order,
            hot_percent: self.hot_percent,
            pending_percent: if self.commits { 0 } else { self.pending_percent },
            seed: self.seed,
        };
        let in_flight = usize::try_from(self.in_flight).expect("bounded by the command line");
        let clients = self.clients(runtime, subject, self.connections, in_flight)?;
        let beside = Beside {
            clients: self.clients(beside, subject, self.beside, 1)?,
            thread: beside.handle().clone(),
        };
        let progress = progress::bar(self.transfers, "transfers");
        Ok(Load { plan, clients, beside, in_flight, progress })
    }

    /// So many connections, served by `runtime`.
    fn clients(
        &self,
        runtime: &Runtime,
        subject: &Subject,
        count: u32,
        in_flight: usize,
    ) -> Result<Vec<Client>, Failure> {
        let options = || ClientOptions {
            name: String::from("florin bench"),
            deadline: PATIENCE,
            requests_in_flight_max: in_flight,
            ..ClientOptions::default()
        };
        let _guard = runtime.enter();
        let connect = |_| match subject {
            Subject::Embedded(database) => {
                Ok(Client::embedded(database.clone()).with_deadline(PATIENCE))
            }
            Subject::Started(server) => {
                Ok(Ledger::connect(runtime, server.address(), options())?.client)
            }
            Subject::Foreign(address) => {
                let options = self.credentials.apply(options())?;
                Ok(Ledger::connect(runtime, address, options)?.client)
            }
        };
        (0..count).map(connect).collect()
    }

    async fn observe(&self, load: &Load, subject: &Subject) -> Result<Observed, Failure> {
        load.open_accounts().await?;
        let before = load.trial_balance().await?;
        let process = subject.process();
        let server = subject.server();
        let documents = self.documents();
        let (alone, first) = match documents {
            None => Default::default(),
            Some(documents) => {
                load.preload(documents).await?;
                load.alone(documents).await?
            }
        };
        let cpu_before = server.as_ref().and_then(Process::cpu);
        let written_before = process.as_ref().and_then(Process::written_bytes);
        let (commits, beside) = match documents {
            None => (load.transfer().await?, Transferred::default()),
            Some(documents) => load.commit(documents, first).await?,
        };
        let sent = Sent { commits, alone, beside };
        let cpu_after = server.as_ref().and_then(Process::cpu);
        let written_then = process.as_ref().and_then(Process::written_bytes);
        let after = load.trial_balance().await?;
        let timestamps = sent.commits.timestamps.unwrap_or((0, 0));
        let lookups = load.look_up(self.lookups).await?;
        let history = load.read_history(self.history_queries, timestamps).await?;
        let as_of = load.read_balances(self.history_queries, timestamps).await?;
        let scans = load.scan(self.scans).await?;
        let written_after = process.as_ref().and_then(Process::written_bytes);
        let written = |until: Option<u64>| {
            written_before.zip(until).map(|(before, after)| after.saturating_sub(before))
        };
        Ok(Observed {
            findings: findings(&before, &after, &[&sent.commits, &sent.alone, &sent.beside]),
            sent,
            documents_fill_per_mille_max: subject.documents_fill_per_mille_max(),
            lookups,
            history,
            as_of,
            scans,
            cpu: cpu_before.zip(cpu_after).map(|(before, after)| after.saturating_sub(before)),
            written_bytes: written(written_after),
            written_meanwhile: written(written_then),
            memory_peak_bytes: server.as_ref().and_then(Process::memory_peak_bytes),
        })
    }

    /// Puts the figures together; measures the disk, which is idle now.
    fn report(&self, observed: &Observed, directory: Option<&Path>) -> Result<Report, Failure> {
        let unreadable = |error: io::Error| {
            Failure::unavailable(format!("can't measure the data directory: {error}"))
        };
        let requests = u64::from(self.connections) * u64::from(self.in_flight);
        let disk_bytes = directory.map(disk::directory_bytes).transpose().map_err(unreadable)?;
        let measure = |path: &Path| disk::measure(path, self.batch, requests);
        let sync = directory.map(measure).transpose().map_err(unreadable)?;
        let transferred = &observed.sent.commits;
        let transfers = transferred.samples.iter().map(|sample| sample.events_count).sum();
        let per_transfer = |bytes: u64| Figure::ratio(u128::from(bytes), u128::from(transfers));
        let lookups = if observed.lookups.latencies.is_empty() { 0 } else { self.lookups };
        Ok(Report {
            transfers,
            seconds: Figure::seconds(transferred.elapsed),
            transfers_per_second: Figure::per_second(transfers, transferred.elapsed),
            batch_latency_us: latencies(transferred),
            slices_per_second: slices(&transferred.samples, transferred.elapsed),
            lookups_per_second: Figure::per_second(lookups, observed.lookups.elapsed)
                .filter(|_| 0 < lookups),
            history_latency_us: Percentiles::of(observed.history.latencies.clone()),
            as_of_latency_us: Percentiles::of(observed.as_of.latencies.clone()),
            disk_bytes,
            disk_bytes_per_transfer: disk_bytes.and_then(per_transfer),
            written_bytes: observed.written_bytes,
            written_bytes_per_transfer: observed.written_bytes.and_then(per_transfer),
            server_memory_peak_bytes: observed.memory_peak_bytes,
            server_cpu_seconds: observed.cpu.map(Figure::seconds),
            disk_sync_us: sync.as_ref().and_then(sync_figures),
            limit_transfers_per_second: sync
                .as_ref()
                .and_then(|times| disk::limit(times, self.batch, requests)),
            committed: self.committed(observed, transfers),
            machine: machine(directory),
            version: VERSION,
        })
    }
}

impl Bench {
    /// What is committed, if anything is.
    fn documents(&self) -> Option<Documents> {
        self.commits.then(|| Documents {
            per_commit: self.documents_per_commit,
            value_bytes: usize::try_from(self.document_bytes).expect("bounded by the command line"),
            preload_count: self.preload_documents,
            time: Duration::from_secs(self.seconds),
            rate_max: self.rate,
        })
    }

    fn committed(&self, observed: &Observed, commits: u64) -> Option<Committed> {
        let documents = self.documents()?;
        let written_count = u128::from(commits) * u128::from(documents.per_commit);
        Some(Committed {
            commits,
            commits_per_second: Figure::per_second(commits, observed.sent.commits.elapsed),
            documents_per_commit: documents.per_commit,
            document_bytes: self.document_bytes,
            preloaded_documents: documents.preload_count,
            written_bytes_per_document: observed
                .written_meanwhile
                .and_then(|bytes| Figure::ratio(u128::from(bytes), written_count)),
            alone_latency_us: latencies(&observed.sent.alone),
            beside_latency_us: latencies(&observed.sent.beside),
            documents_fill_per_mille_max: observed.documents_fill_per_mille_max,
            scan_latency_us: Percentiles::of(observed.scans.latencies.clone()),
        })
    }
}

fn latencies(transferred: &Transferred) -> Option<Percentiles> {
    Percentiles::of(transferred.samples.iter().map(|sample| sample.latency).collect())
}

impl Subject {
    /// The process that writes to the disk; unknown for a foreign server.
    fn process(&self) -> Option<Process> {
        match self {
            Subject::Embedded(_) => Some(Process::current()),
            Subject::Started(_) => self.server(),
            Subject::Foreign(_) => None,
        }
    }

    /// The process whose memory and time are the ledger's alone: here they are the load's as well.
    fn server(&self) -> Option<Process> {
        match self {
            Subject::Started(server) => Some(Process::numbered(server.id())),
            Subject::Embedded(_) | Subject::Foreign(_) => None,
        }
    }

    /// The most that the memory for keys of documents was filled, since the opening.
    fn documents_fill_per_mille_max(&self) -> Option<u64> {
        match self {
            Subject::Embedded(database) => {
                Some(database.metrics().engine.documents_fill_per_mille_max)
            }
            Subject::Started(server) => server.figure("florin_documents_fill_per_mille_max"),
            Subject::Foreign(_) => None,
        }
    }

    /// Ends what was started here, cleanly.
    fn stop(self) -> Result<(), Failure> {
        match self {
            Subject::Embedded(database) => {
                database.close().map_err(|error| Failure::at_close(&error))
            }
            Subject::Started(server) => server.stop(),
            Subject::Foreign(_) => Ok(()),
        }
    }
}

fn cant_start(error: io::Error) -> Failure {
    Failure::unavailable(format!("can't start: {error}"))
}

/// What makes a run worthless: refused transfers, or a ledger that holds other sums than were sent.
fn findings(before: &TrialBalance, after: &TrialBalance, all_sent: &[&Transferred]) -> Vec<String> {
    let mut findings = Vec::new();
    for (status, count) in all_sent.iter().flat_map(|sent| &sent.refused) {
        findings.push(format!("{count} transfers were {status}, not created"));
    }
    if after.debits_posted != after.credits_posted || after.debits_pending != after.credits_pending
    {
        findings.push(String::from("debits do not equal credits"));
    }
    let posted = after.debits_posted.0.checked_sub(before.debits_posted.0);
    let sent = all_sent.iter().map(|sent| sent.posted).sum();
    if posted != Some(sent) {
        let (before, after) = (before.debits_posted, after.debits_posted);
        findings.push(format!("{sent} was posted, but the ledger went from {before} to {after}"));
    }
    if after.debits_pending != before.debits_pending {
        findings.push(format!("holds of {} were left open", after.debits_pending));
    }
    findings
}

fn sync_figures(times: &SyncTimes) -> Option<DiskSync> {
    Some(DiskSync { page: SyncFigures::of(&times.page)?, batch: SyncFigures::of(&times.batch)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_ledger::Amount;

    fn sums(posted: u128, pending: u128) -> TrialBalance {
        TrialBalance {
            debits_posted: Amount(posted),
            credits_posted: Amount(posted),
            debits_pending: Amount(pending),
            credits_pending: Amount(pending),
            accounts_count: 2,
        }
    }

    /// A benchmark that loses money fast must not print a good figure and exit 0.
    #[test]
    fn a_run_that_does_not_add_up_has_findings() {
        let sent = Transferred { posted: 70, ..Transferred::default() };
        assert_eq!(findings(&sums(30, 5), &sums(100, 5), &[&sent]), Vec::<String>::new());
        assert_eq!(findings(&sums(30, 5), &sums(99, 5), &[&sent]).len(), 1);
        assert_eq!(findings(&sums(30, 5), &sums(170, 5), &[&sent, &sent]), Vec::<String>::new());
        assert_eq!(findings(&sums(30, 5), &sums(29, 5), &[&sent]).len(), 1);
        assert_eq!(findings(&sums(30, 5), &sums(100, 6), &[&sent]).len(), 1);
        let lopsided = TrialBalance { credits_posted: Amount(99), ..sums(100, 5) };
        assert_eq!(findings(&sums(30, 5), &lopsided, &[&sent]).len(), 1);
        let mut refused = sent.clone();
        refused.refused.insert("exists", 3);
        let found = findings(&sums(30, 5), &sums(100, 5), &[&refused]);
        assert_eq!(found, ["3 transfers were exists, not created"]);
    }
}

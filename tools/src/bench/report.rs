//! The figures of a run: one JSON object, or a page for people. The order of the fields is the
//! order in both.

use super::disk::SyncFigures;
use super::latency::Percentiles;
use crate::figure::Figure;
use serde::Serialize;
use std::fmt::{self, Display, Write};

/// Everything that a run measured. What could not be measured is `null`: a server that was not
/// started here keeps its memory, its processor time and its disk to itself, and an engine in this
/// process shares memory and processor time with the load.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) transfers: u64,
    pub(crate) seconds: Figure,
    pub(crate) transfers_per_second: Option<Figure>,
    /// From sending a batch to holding its answer.
    pub(crate) batch_latency_us: Option<Percentiles>,
    /// One figure per tenth of the time.
    pub(crate) slices_per_second: Vec<Figure>,
    /// Accounts by id, a batch a request.
    pub(crate) lookups_per_second: Option<Figure>,
    /// Pages of 20, backwards from any instant, one request in flight per connection.
    pub(crate) history_latency_us: Option<Percentiles>,
    /// Balances as of any instant, one request in flight per connection.
    pub(crate) as_of_latency_us: Option<Percentiles>,
    /// What the directory takes after a clean end.
    pub(crate) disk_bytes: Option<u64>,
    pub(crate) disk_bytes_per_transfer: Option<Figure>,
    /// What the server had written to the disk from the first transfer to before its end.
    pub(crate) written_bytes: Option<u64>,
    pub(crate) written_bytes_per_transfer: Option<Figure>,
    pub(crate) server_memory_peak_bytes: Option<u64>,
    /// While the transfers ran.
    pub(crate) server_cpu_seconds: Option<Figure>,
    pub(crate) disk_sync_us: Option<DiskSync>,
    /// What the disk alone would allow with this much in flight.
    pub(crate) limit_transfers_per_second: Option<Figure>,
    /// With `--commits` only.
    #[serde(flatten)]
    pub(crate) committed: Option<Committed>,
    pub(crate) machine: String,
    pub(crate) version: &'static str,
}

/// What a run of commits measured besides: each of its transfers was a commit, so that rates and
/// latencies of transfers and batches are those of commits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Committed {
    pub(crate) commits: u64,
    pub(crate) commits_per_second: Option<Figure>,
    pub(crate) documents_per_commit: u64,
    pub(crate) document_bytes: u64,
    /// Written before the first commit.
    pub(crate) preloaded_documents: u64,
    /// Of everything that was written while commits ran, transfers beside them included, shared among
    /// their documents.
    pub(crate) written_bytes_per_document: Option<Figure>,
    /// Single transfers before the commits.
    pub(crate) alone_latency_us: Option<Percentiles>,
    /// Single transfers that were sent beside the commits, as many in flight.
    pub(crate) beside_latency_us: Option<Percentiles>,
    /// The most that the memory for keys of documents was filled since the opening, those that were
    /// there before the first commit included, in thousandths: at 1,000 writes are refused until a
    /// run is written.
    pub(crate) documents_fill_per_mille_max: Option<u64>,
    /// Pages of 1,000 from any key on, one request in flight per connection.
    pub(crate) scan_latency_us: Option<Percentiles>,
}

/// How long the disk takes until a write is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct DiskSync {
    #[serde(rename = "4KiB")]
    pub(crate) page: SyncFigures,
    /// The bytes of one batch.
    pub(crate) batch: SyncFigures,
}

impl Report {
    /// The figures, one a line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("memory takes any text");
        text
    }

    fn write(&self, out: &mut impl Write) -> fmt::Result {
        writeln!(out, "transfers           {} in {} s", self.transfers, self.seconds)?;
        writeln!(out, "transfers a second  {}", shown(self.transfers_per_second))?;
        writeln!(out, "limit of the disk   {}", shown(self.limit_transfers_per_second))?;
        let slices: Vec<String> = self.slices_per_second.iter().map(Figure::to_string).collect();
        writeln!(out, "each tenth          {}", slices.join(" "))?;
        percentiles(out, "batch latency", self.batch_latency_us)?;
        writeln!(out, "lookups a second    {}", shown(self.lookups_per_second))?;
        percentiles(out, "history latency", self.history_latency_us)?;
        percentiles(out, "as-of latency", self.as_of_latency_us)?;
        let per = |figure| format!("{} a transfer", shown(figure));
        let (disk, written) = (self.disk_bytes_per_transfer, self.written_bytes_per_transfer);
        writeln!(out, "bytes on disk       {}, {}", shown(self.disk_bytes), per(disk))?;
        writeln!(out, "bytes written       {}, {}", shown(self.written_bytes), per(written))?;
        writeln!(out, "memory peak         {} bytes", shown(self.server_memory_peak_bytes))?;
        writeln!(out, "processor time      {} s", shown(self.server_cpu_seconds))?;
        if let Some(sync) = self.disk_sync_us {
            writeln!(out, "disk sync, 4 KiB    p50 {} p99 {} us", sync.page.p50, sync.page.p99)?;
            writeln!(out, "disk sync, batch    p50 {} p99 {} us", sync.batch.p50, sync.batch.p99)?;
        }
        if let Some(committed) = &self.committed {
            let written = shown(committed.written_bytes_per_document);
            writeln!(out, "commits a second    {}", shown(committed.commits_per_second))?;
            writeln!(out, "preloaded           {} documents", committed.preloaded_documents)?;
            writeln!(out, "bytes written       {written} a document")?;
            percentiles(out, "singles alone", committed.alone_latency_us)?;
            percentiles(out, "singles beside", committed.beside_latency_us)?;
            let fill = shown(committed.documents_fill_per_mille_max);
            writeln!(
                out,
                "keys in memory      {fill} thousandths of their room at most since the opening"
            )?;
            percentiles(out, "scan latency", committed.scan_latency_us)?;
        }
        writeln!(out, "machine             {}", self.machine)?;
        writeln!(out, "florin              {}", self.version)
    }
}

fn percentiles(out: &mut impl Write, name: &str, all: Option<Percentiles>) -> fmt::Result {
    match all {
        None => writeln!(out, "{name:<19} not measured"),
        Some(all) => writeln!(
            out,
            "{name:<19} p50 {} p99 {} p99.9 {} worst {} us",
            all.p50, all.p99, all.p999, all.p100
        ),
    }
}

fn shown(figure: Option<impl Display>) -> String {
    figure.map_or_else(|| String::from("not measured"), |figure| figure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Scripts compare runs by these names.
    #[test]
    fn the_json_has_the_names_of_the_contract() {
        let latencies = Percentiles::of(vec![Duration::from_micros(3)]);
        let sync = SyncFigures::of(&[Duration::from_micros(126)]).expect("measured");
        let figure = Figure::ratio(5, 2);
        let report = Report {
            transfers: 10,
            seconds: Figure::seconds(Duration::from_millis(1_500)),
            transfers_per_second: figure,
            batch_latency_us: latencies,
            slices_per_second: vec![Figure::ratio(1, 1).expect("divides")],
            lookups_per_second: None,
            history_latency_us: None,
            as_of_latency_us: None,
            disk_bytes: Some(1),
            disk_bytes_per_transfer: figure,
            written_bytes: Some(2),
            written_bytes_per_transfer: figure,
            server_memory_peak_bytes: Some(3),
            server_cpu_seconds: figure,
            disk_sync_us: Some(DiskSync { page: sync, batch: sync }),
            limit_transfers_per_second: figure,
            committed: None,
            machine: String::from("m"),
            version: "v",
        };
        let expect = concat!(
            r#"{"transfers":10,"seconds":1.5,"transfers_per_second":2.5,"#,
            r#""batch_latency_us":{"p50":3,"p99":3,"p999":3,"p100":3},"slices_per_second":[1],"#,
            r#""lookups_per_second":null,"history_latency_us":null,"as_of_latency_us":null,"#,
            r#""disk_bytes":1,"disk_bytes_per_transfer":2.5,"#,
            r#""written_bytes":2,"written_bytes_per_transfer":2.5,"#,
            r#""server_memory_peak_bytes":3,"server_cpu_seconds":2.5,"#,
            r#""disk_sync_us":{"4KiB":{"p50":126,"p99":126},"batch":{"p50":126,"p99":126}},"#,
            r#""limit_transfers_per_second":2.5,"machine":"m","version":"v"}"#,
        );
        assert_eq!(serde_json::to_string(&report).expect("figures"), expect);
        let committed = Committed {
            commits: 10,
            commits_per_second: figure,
            documents_per_commit: 3,
            document_bytes: 500,
            preloaded_documents: 7,
            written_bytes_per_document: figure,
            alone_latency_us: None,
            beside_latency_us: None,
            documents_fill_per_mille_max: Some(4),
            scan_latency_us: None,
        };
        let with_commits = Report { committed: Some(committed), ..report.clone() };
        let expect = concat!(
            r#""limit_transfers_per_second":2.5,"commits":10,"commits_per_second":2.5,"#,
            r#""documents_per_commit":3,"document_bytes":500,"preloaded_documents":7,"#,
            r#""written_bytes_per_document":2.5,"alone_latency_us":null,"#,
            r#""beside_latency_us":null,"documents_fill_per_mille_max":4,"scan_latency_us":null,"machine":"m""#,
        );
        let line = serde_json::to_string(&with_commits).expect("figures");
        assert!(line.contains(expect), "{line}");
        assert!(report.text().contains("history latency     not measured\n"));
    }
}

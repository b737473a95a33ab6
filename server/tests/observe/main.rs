//! What is shown to whoever watches. A page that a scraper can't read is an alert that never comes,
//! and a probe that says `ready` while writes are refused sends customers to a closed counter.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails that should not")]

mod documented;
mod pictures;
mod scrape;

use florin_core::SEGMENT_BYTES_MIN;
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::{Database, Options};
use florin_ledger::{
    Account, AccountId, Amount, Code, LedgerId, StreamFilter, StreamStart, Timestamp, Transfer,
    TransferFlags, TransferId,
};
use florin_server::limits::{OBSERVE_CONNECTIONS_MAX, OBSERVE_HEAD_BYTES_MAX, STREAM_CREDIT_MIN};
use florin_server::{Doors, Observe, Server, ServerOptions};
use florin_wire::stream::{Credit, Subscribe};
use florin_wire::{ClientHello, Operation, RequestHeader, Versions, array, frame};
use scrape::Scrape;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A database, its server, and the port that shows what they do.
struct Watched {
    disk: SimulatedDisk,
    database: Database,
    server: SocketAddr,
    observe: SocketAddr,
    stops: [oneshot::Sender<()>; 2],
    serving: [JoinHandle<()>; 2],
}

impl Watched {
    async fn start() -> Watched {
        let disk = SimulatedDisk::new();
        let preparer = PreparerOptions {
            slice_bytes: SEGMENT_BYTES_MIN,
            reserve_bytes: 4096,
            free_bytes_min: 0,
        };
        let options = Options {
            segment_bytes: SEGMENT_BYTES_MIN,
            preparer,
            scrub_bytes_per_second: 1 << 30,
            ..Options::default()
        };
        let clock = Arc::new(FixedClock(Timestamp(1_500_000_000)));
        let database = Database::open_on(Arc::new(disk.clone()), clock, options).unwrap();
        let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(
            loopback,
            ServerOptions::behind(Doors::insecure_loopback()),
            database.clone(),
        );
        let server = server.await.unwrap();
        let observe = Observe::bind(loopback, database.clone(), server.metrics()).await.unwrap();
        let (server_address, observe_address) = (server.address(), observe.address());
        let (stop_server, stopped_server) = oneshot::channel();
        let (stop_observe, stopped_observe) = oneshot::channel();
        let until = |stopped: oneshot::Receiver<()>| async move {
            let _ = stopped.await;
        };
        let serving = [
            tokio::spawn(server.serve(until(stopped_server))),
            tokio::spawn(observe.serve(until(stopped_observe))),
        ];
        let stops = [stop_server, stop_observe];
        Watched { disk, database, server: server_address, observe: observe_address, stops, serving }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: florin\r\n\r\n")).await
    }

    /// The status and the body of the answer to a request as it is.
    async fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.observe).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap();
        (status[..3].parse().unwrap(), String::from(body))
    }

    async fn scrape(&self) -> Scrape {
        let (status, page) = self.get("/metrics").await;
        assert_eq!(status, 200);
        Scrape::read(&page)
    }

    /// Until a scrape is as it will be.
    async fn scrape_until(&self, name: &str, is_so: impl Fn(u128) -> bool) {
        let mut last = 0;
        for _ in 0..10_000 {
            last = self.scrape().await.number(name);
            if is_so(last) {
                return;
            }
        }
        panic!("{name} stays at {last}");
    }

    async fn stop(self) {
        for stop in self.stops {
            stop.send(()).unwrap();
        }
        for serving in self.serving {
            serving.await.unwrap();
        }
        self.database.close().unwrap();
    }
}

fn account(id: u128) -> Account {
    Account { id: AccountId(id), ledger: LedgerId(978), code: Code(1), ..Account::default() }
}

fn transfer(id: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(5),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    }
}

#[tokio::test]
async fn a_scrape_has_what_happened_and_reads_strictly() {
    let watched = Watched::start().await;
    watched.database.create_accounts(&[account(1), account(2)]).unwrap();
    let hold = Transfer { flags: TransferFlags::PENDING, ..transfer(2) };
    watched.database.create_transfers(&[transfer(1), hold, transfer(0)]).unwrap();
    // What comes in one turn is counted as a whole once the next has begun.
    watched.database.status().unwrap();
    // The sums come with the scrubber's first pass; some may be from before.
    let scrape = loop {
        let scrape = watched.scrape().await;
        let posted = scrape.samples.iter().find(|(series, _)| series.contains("state=\"posted\""));
        if posted.is_some_and(|(_, sum)| sum != "0") {
            break scrape;
        }
        watched.database.status().unwrap();
        tokio::task::yield_now().await;
    };
    for side in ["debits", "credits"] {
        let sum = |state| {
            scrape.number(&format!(
                "florin_ledger_sum{{ledger=\"978\",side=\"{side}\",state=\"{state}\"}}"
            ))
        };
        assert_eq!((sum("posted"), sum("pending")), (5, 5));
    }
    // The opening's own frame, and one at least for the batches.
    assert!(2 <= scrape.number("florin_conserved_frames_total"));
    assert_eq!(scrape.number("florin_accounts"), 2);
    assert_eq!(scrape.number("florin_transfer_events_total{result=\"created\"}"), 2);
    assert_eq!(scrape.number("florin_transfer_events_total{result=\"id_must_not_be_zero\"}"), 1);
    assert_eq!(scrape.number("florin_batch_events_sum"), 5);
    assert_eq!(scrape.number("florin_ready"), 1);
    // The opening took the first nanosecond, accounts and transfers one each, the refused one too.
    assert_eq!(scrape.samples["florin_last_event_timestamp_seconds"], "1.500000005");
    assert!(scrape.has("florin_log_sync_seconds_bucket"));
    documented::check(&scrape);
    pictures::check(&scrape);
    watched.stop().await;
}

/// Prevents: a consumer that fell behind hours ago is found by the customers whose payments it makes.
#[tokio::test]
async fn a_stream_that_falls_behind_is_seen_and_so_is_its_end() {
    let watched = Watched::start().await;
    watched.database.create_accounts(&[account(1), account(2)]).unwrap();
    let transfers: Vec<Transfer> = (1..=8_000).map(transfer).collect();
    watched.database.create_transfers(&transfers).unwrap();
    let mut out = bytes::BytesMut::new();
    let hello = ClientHello { versions: Versions::SPOKEN, features: 0, name: String::from("test") };
    frame::write(&mut out, &[], |out| hello.write(out));
    let mut ask = |id, operation: Operation, body: &[u8]| {
        let header = RequestHeader { id, operation: operation.number(), deadline_ms: 0 };
        frame::write(&mut out, &header.to_bytes(), |out| out.extend_from_slice(body));
        out.split()
    };
    let credit_bytes = u32::try_from(STREAM_CREDIT_MIN).unwrap();
    let (start, filter) = (StreamStart::Begin, StreamFilter::all());
    let subscribe = Subscribe { incarnation: 0, start, filter, credit_bytes }.to_bytes();
    let mut stream = TcpStream::connect(watched.server).await.unwrap();
    stream.write_all(&ask(1, Operation::Subscribe, &subscribe)).await.unwrap();

    let (streams, behind) = ("florin_server_streams", "florin_server_stream_behind_bytes");
    let log_bytes = u128::from(watched.database.metrics().log.durable.0);
    // Of a megabyte it was allowed so much and no more, whatever becomes of time.
    let left = log_bytes - 2 * u128::from(STREAM_CREDIT_MIN);
    assert!(1 << 19 < left, "{log_bytes}");
    watched.scrape_until(behind, |bytes| 0 < bytes).await;
    let scrape = watched.scrape().await;
    assert_eq!(scrape.number(streams), 1);
    let bytes = scrape.number(behind);
    assert!((left..log_bytes).contains(&bytes), "{bytes} of {log_bytes}");

    let credit = Credit { subscription: 1, bytes: u32::MAX }.to_bytes();
    stream.write_all(&ask(2, Operation::Credit, &credit)).await.unwrap();
    let (mut received, mut sending) = stream.into_split();
    let reading = tokio::spawn(async move { received.read_to_end(&mut Vec::new()).await });
    watched.scrape_until(behind, |bytes| bytes < 1_000).await;
    assert_eq!(watched.scrape().await.number(streams), 1, "it goes on");
    sending.shutdown().await.unwrap();
    reading.await.unwrap().unwrap();
    watched.scrape_until(streams, |count| count == 0).await;
    assert_eq!(watched.scrape().await.number(behind), 0);
    watched.stop().await;
}

/// Connections, bytes and requests as the peer sees them itself.
#[tokio::test]
async fn a_peers_bytes_and_requests_are_counted() {
    let watched = Watched::start().await;
    let mut out = bytes::BytesMut::new();
    let hello = ClientHello { versions: Versions::SPOKEN, features: 0, name: String::from("test") };
    frame::write(&mut out, &[], |out| hello.write(out));
    let requests = [
        (Operation::LookupAccounts.number(), array::to_bytes(&[AccountId(7)])),
        (0xFFFF, Vec::new().into()),
    ];
    for (operation, body) in &requests {
        let header = RequestHeader { id: 1, operation: *operation, deadline_ms: 0 };
        frame::write(&mut out, &header.to_bytes(), |out| out.extend_from_slice(body));
    }
    let mut stream = TcpStream::connect(watched.server).await.unwrap();
    stream.write_all(&out).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();

    let scrape = watched.scrape().await;
    let count = |bytes: usize| u128::try_from(bytes).unwrap();
    assert_eq!(scrape.number("florin_server_received_bytes_total"), count(out.len()));
    assert_eq!(scrape.number("florin_server_sent_bytes_total"), count(received.len()));
    assert_eq!(scrape.number("florin_server_connections_accepted_total"), 1);
    let requests = |operation, outcome| {
        scrape.number(&format!(
            "florin_server_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\"}}"
        ))
    };
    assert_eq!(requests("lookup_accounts", "answered"), 1);
    assert_eq!(requests("unknown", "refused"), 1);
    let refusals = "florin_server_refusals_total{reason=\"unsupported_operation\"}";
    assert_eq!(scrape.number(refusals), 1);
    watched.stop().await;
}

#[tokio::test]
async fn probes_say_ready_only_while_writes_are_taken() {
    let watched = Watched::start().await;
    assert_eq!(watched.get("/live").await, (200, String::from("live\n")));
    assert_eq!(watched.get("/ready").await, (200, String::from("ready\n")));
    let (status, body) = watched.get("/status").await;
    let state: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &state["ready"], &state["epoch"]), (200, &true.into(), &"1".into()));

    watched.disk.set_capacity(Some(0));
    watched.database.create_accounts(&[account(1), account(2)]).unwrap();
    let batch = |first: u128| (first..first + 8_000).map(transfer).collect::<Vec<_>>();
    let mut first = 1;
    while watched.database.create_transfers(&batch(first)).is_ok() {
        first += 8_000;
        assert!(first < 1_000_000, "the disk never fills up");
    }
    let (status, body) = watched.get("/ready").await;
    assert_eq!(status, 503);
    assert!(body.starts_with("not ready\ndisk_full: "), "{body}");
    assert_eq!(watched.get("/live").await.0, 200);
    assert_eq!(watched.scrape().await.number("florin_trouble{trouble=\"disk_full\"}"), 1);
    watched.disk.set_capacity(None);
    watched.stop().await;
}

#[tokio::test]
async fn the_probes_answer_when_the_engine_has_stopped() {
    let watched = Watched::start().await;
    watched.database.close().unwrap();
    let (status, body) = watched.get("/ready").await;
    assert_eq!(status, 503);
    assert!(body.contains("stopped: "), "{body}");
    assert_eq!(watched.scrape().await.number("florin_ready"), 0);
    watched.stop().await;
}

/// The port is for reading a few pages: everything else is refused, and no peer keeps a place.
#[tokio::test]
async fn what_is_none_of_its_pages_is_refused() {
    let watched = Watched::start().await;
    assert_eq!(watched.get("/").await.0, 404);
    assert_eq!(watched.get("/metrics/").await.0, 404);
    let post = "POST /metrics HTTP/1.1\r\nHost: florin\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(watched.ask(post).await.0, 405);
    let (head, _) = watched.ask("HEAD /live HTTP/1.1\r\nHost: florin\r\n\r\n").await;
    assert_eq!(head, 200);
    let long = "x".repeat(2 * OBSERVE_HEAD_BYTES_MAX);
    assert_eq!(watched.get(&format!("/{long}")).await.0, 431);
    watched.stop().await;
}

/// Silent peers take places, and lose them when their time is over.
#[tokio::test(start_paused = true)]
async fn silent_peers_lose_their_places() {
    let watched = Watched::start().await;
    let mut silent = Vec::new();
    for _ in 0..OBSERVE_CONNECTIONS_MAX {
        silent.push(TcpStream::connect(watched.observe).await.unwrap());
    }
    for mut peer in silent {
        // The clock of this test goes on by itself while everybody waits.
        let mut nothing = Vec::new();
        let _ = peer.read_to_end(&mut nothing).await;
    }
    assert_eq!(watched.get("/live").await.0, 200);
    watched.stop().await;
}

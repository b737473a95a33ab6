//! An etcd, as Debian ships it, each member in a process of its own.

use florin_lease::{Acquired, Coordination, CoordinationOptions, Held, Holder, since_boot};
use futures_util::future::join_all;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// What takes longer does not happen any more. Far above what anything here needs, because the machine may be
/// busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports may be taken between the look and the use.
const STARTS_MAX: u32 = 5;

/// A life that no test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(600);
/// The shortest life.
pub(crate) const SHORT: Duration = Duration::from_secs(2);

/// The outcome of an event that must happen soon.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what}: not within {} seconds", PATIENCE.as_secs()),
    }
}

/// A running etcd; killed when the test lets go of it.
pub(crate) struct Cluster {
    process: Child,
    directory: TempDir,
    /// Of clients, of peers.
    ports: [u16; 2],
    arguments: Vec<String>,
}

impl Cluster {
    pub(crate) async fn start() -> Cluster {
        Cluster::start_with(tempfile::tempdir().unwrap(), "http", Vec::new()).await
    }

    /// With more arguments, and another scheme for clients.
    pub(crate) async fn start_with(directory: TempDir, scheme: &str, more: Vec<String>) -> Cluster {
        for _ in 0..STARTS_MAX {
            let ports = [free_port(), free_port()];
            let peers = format!("one={}", peer_url(ports));
            let mut arguments = arguments("one", scheme, ports, &peers);
            arguments.extend(more.clone());
            if let Some(process) = launch(directory.path(), &arguments).await {
                return Cluster { process, directory, ports, arguments };
            }
        }
        panic!("etcd does not start: is it installed (apt-get install etcd-server etcd-client)?");
    }

    /// Three members of one cluster, each in a process of its own.
    pub(crate) async fn start_three() -> Vec<Cluster> {
        for _ in 0..STARTS_MAX {
            let members = ["one", "two", "three"].map(|name| (name, [free_port(), free_port()]));
            let peers =
                members.map(|(name, ports)| format!("{name}={}", peer_url(ports))).join(",");
            let started = members.map(async |(name, ports)| {
                let directory = tempfile::tempdir().unwrap();
                let arguments = arguments(name, "http", ports, &peers);
                let process = launch(directory.path(), &arguments).await?;
                Some(Cluster { process, directory, ports, arguments })
            });
            if let Some(members) = join_all(started).await.into_iter().collect() {
                return members;
            }
        }
        panic!("etcd does not start in three processes");
    }

    /// Where clients find it.
    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// The group that tests use, over this cluster.
    pub(crate) fn group(&self) -> Coordination {
        group_at(&[self.endpoint()])
    }

    /// Ends it at once.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again, with all that it had, where it was.
    pub(crate) async fn start_again(&mut self) {
        let launched = launch(self.directory.path(), &self.arguments).await;
        self.process = launched.expect("it started before");
    }

    /// What an operator types.
    pub(crate) async fn etcdctl(&self, arguments: &[&str]) -> String {
        let endpoint = self.endpoint();
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &endpoint]).args(arguments);
        let run = command.kill_on_drop(true).output();
        let Output { status, stdout, stderr } = within("etcdctl", run).await.unwrap();
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }
}

fn peer_url([_, peer]: [u16; 2]) -> String {
    format!("http://127.0.0.1:{peer}")
}

fn arguments(name: &str, scheme: &str, ports: [u16; 2], peers: &str) -> Vec<String> {
    let (client, peer) = (format!("{scheme}://127.0.0.1:{}", ports[0]), peer_url(ports));
    [
        ["--name", name],
        ["--listen-client-urls", &client],
        ["--advertise-client-urls", &client],
        ["--listen-peer-urls", &peer],
        ["--initial-advertise-peer-urls", &peer],
        ["--initial-cluster", peers],
        ["--heartbeat-interval", "20"],
        ["--election-timeout", "200"],
    ]
    .concat()
    .into_iter()
    .map(String::from)
    .collect()
}

/// `None` if it ended before it was ready.
async fn launch(directory: &Path, arguments: &[String]) -> Option<Child> {
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(directory.join("etcd")).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().expect("etcd is installed (apt-get install etcd-server)");
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("ready to serve client requests") {
                return true;
            }
        }
        false
    };
    if !within("etcd is ready", ready).await {
        return None;
    }
    // A log that nobody reads would stop it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(process)
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn group_at(endpoints: &[String]) -> Coordination {
    Coordination::connect(endpoints, "bank", &CoordinationOptions::default()).unwrap()
}

pub(crate) fn server(node: u128) -> Holder {
    Holder { node, term: 1, address: format!("ledger-{node}:3000") }
}

pub(crate) async fn acquire(group: &Coordination, node: u128, ttl: Duration) -> Acquired {
    within("an answer", group.acquire(&server(node), ttl, since_boot)).await.unwrap()
}

/// Takes the lease, which is free.
pub(crate) async fn take(group: &Coordination, node: u128, ttl: Duration) -> Held {
    match acquire(group, node, ttl).await {
        Acquired::Held(held) => held,
        Acquired::HeldBy(other) => panic!("{other:?} holds it"),
    }
}

pub(crate) async fn await_free(group: &Coordination) {
    let free = group.wait_until_free(PATIENCE);
    assert!(within("a free lease", free).await.unwrap());
}

//! An etcd of one member, as Debian ships it.

use crate::process::{Running, within};
use std::net::TcpListener;
use std::path::Path;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A running etcd; killed when the test lets go of it.
pub(crate) struct Etcd {
    _process: Running,
    _directory: TempDir,
    /// Where clients find it.
    pub(crate) endpoint: String,
}

impl Etcd {
    pub(crate) async fn start() -> Etcd {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let endpoint = format!("127.0.0.1:{}", free_port());
        let (client, peer) =
            (format!("http://{endpoint}"), format!("http://127.0.0.1:{}", free_port()));
        let (data, cluster) = (directory.path().join("etcd"), format!("one={peer}"));
        let arguments = [
            ["--data-dir", data.to_str().expect("temporary paths are UTF-8")],
            ["--name", "one"],
            ["--listen-client-urls", &client],
            ["--advertise-client-urls", &client],
            ["--listen-peer-urls", &peer],
            ["--initial-advertise-peer-urls", &peer],
            ["--initial-cluster", &cluster],
            ["--heartbeat-interval", "20"],
            ["--election-timeout", "200"],
            ["--logger", "zap"],
            ["--log-outputs", "/dev/null"],
        ]
        .concat();
        let process = Running::start_program(Path::new("etcd"), &arguments);
        let listens = async { while TcpStream::connect(&endpoint).await.is_err() {} };
        within("etcd listens", listens).await;
        Etcd { _process: process, _directory: directory, endpoint }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

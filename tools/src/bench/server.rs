//! A real server for a benchmark: this binary, started with `serve` on a free loopback port.

use crate::exit::{Exit, Failure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server process. Dropping it kills it; [`ServerProcess::stop`] lets it finish.
pub(crate) struct ServerProcess {
    child: Child,
    address: String,
    /// Where it gives its figures.
    observe: String,
}

/// The line that `florin serve --json` prints once it listens.
#[derive(Deserialize)]
struct Ready {
    address: String,
    observe: String,
}

impl ServerProcess {
    /// Starts a server over a data directory and waits until it listens.
    pub(crate) fn start(data: &Path) -> Result<ServerProcess, Failure> {
        let unavailable =
            |why: String| Failure::unavailable(format!("can't start the server: {why}"));
        let binary = env::current_exe().map_err(|error| unavailable(error.to_string()))?;
        let mut child = Command::new(binary)
            .args(["serve", "--insecure-loopback", "--listen", "127.0.0.1:0"])
            .args(["--observe", "127.0.0.1:0", "--json", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| unavailable(error.to_string()))?;
        let output = child.stdout.take().expect("its standard output is piped");
        let mut server = ServerProcess { child, address: String::new(), observe: String::new() };
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .map_err(|error| unavailable(error.to_string()))?;
        if line.is_empty() {
            let _ = server.child.wait();
            return Err(unavailable(String::from("it ended before it listened; see above")));
        }
        let ready: Ready = serde_json::from_str(&line)
            .map_err(|error| unavailable(format!("it said {line:?}: {error}")))?;
        (server.address, server.observe) = (ready.address, ready.observe);
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// One of the figures that it gives; `None` if it gives none of that name.
    pub(crate) fn figure(&self, name: &str) -> Option<u64> {
        let mut stream = TcpStream::connect(&self.observe).ok()?;
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.observe
        )
        .ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        page.lines().find_map(value)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to finish and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let stopped =
            |why: String| Failure::new(Exit::Stopped, format!("stopping the server: {why}"));
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| stopped(String::from("it has no process id")))?;
        kill_process(pid, Signal::TERM).map_err(|error| stopped(error.to_string()))?;
        let status = self.child.wait().map_err(|error| stopped(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(stopped(format!("it ended with {status}"))) }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail when it has ended already, as after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

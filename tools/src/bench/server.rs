//! A real server for a benchmark: this binary, started with `serve` on a free loopback port.

use crate::exit::{Exit, Failure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server process. Dropping it kills it; [`ServerProcess::stop`] lets it finish.
pub(crate) struct ServerProcess {
    child: Child,
    address: String,
}

/// The line that `florin serve --json` prints once it listens.
#[derive(Deserialize)]
struct Ready {
    address: String,
}

impl ServerProcess {
    /// Starts a server over a data directory and waits until it listens.
    pub(crate) fn start(data: &Path) -> Result<ServerProcess, Failure> {
        let unavailable =
            |why: String| Failure::unavailable(format!("can't start the server: {why}"));
        let binary = env::current_exe().map_err(|error| unavailable(error.to_string()))?;
        let mut child = Command::new(binary)
            .args(["serve", "--insecure-loopback", "--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| unavailable(error.to_string()))?;
        let output = child.stdout.take().expect("its standard output is piped");
        let mut server = ServerProcess { child, address: String::new() };
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
        server.address = ready.address;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
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

//! Running the binary, never waiting for ever.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// What takes longer does not happen any more. Far above what anything here needs, because the
/// machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// The outcome of an event that must happen soon.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what}: not within {} seconds", PATIENCE.as_secs()),
    }
}

/// The binary, with arguments; killed when the test lets go of it.
fn florin(arguments: &[&str]) -> Command {
    piped(Command::new(env!("CARGO_BIN_EXE_florin")), arguments)
}

fn piped(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// What a finished run left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Ended {
    /// Everything that it said.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.output, self.errors)
    }

    /// Its only line, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command to its end, `input` on its standard input.
pub(crate) async fn run(mut command: Command, input: &str) -> Ended {
    let mut child =
        command.kill_on_drop(true).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take();
    let write = async {
        if let Some(stdin) = &mut stdin {
            // A process that ends early closes its input: that is for the test to see.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        drop(stdin);
    };
    let end = async { tokio::join!(write, child.wait_with_output()).1 };
    let output = within("the end of a command", end).await.expect("its output can be read");
    let text = |bytes| String::from_utf8(bytes).expect("florin prints UTF-8");
    Ended { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) }
}

/// `florin` with these arguments, to its end.
pub(crate) async fn run_florin(arguments: &[&str], input: &str) -> Ended {
    run(florin(arguments), input).await
}

/// The report of `florin verify`, which must hold.
pub(crate) async fn verified(directory: &Path) -> serde_json::Value {
    let ended = run_florin(&["verify", "--json", "--data", argument(directory)], "").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = ended.json();
    assert_eq!(report["holds"], true);
    report
}

/// A running process that is talked to line by line.
pub(crate) struct Running {
    child: Child,
    /// To the task that writes: who both writes and reads may wait for ever for one who does, too.
    input: Option<UnboundedSender<String>>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Running {
        Running::spawn(florin(arguments))
    }

    /// Another program.
    pub(crate) fn start_program(program: &Path, arguments: &[&str]) -> Running {
        Running::spawn(piped(Command::new(program), arguments))
    }

    fn spawn(mut command: Command) -> Running {
        let mut child = command.spawn().expect("the program starts");
        let (input, lines) = unbounded_channel();
        tokio::spawn(write_lines(child.stdin.take().expect("piped"), lines));
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Running { child, input: Some(input), output }
    }

    /// Sends one line, without waiting until it is read. Lost if the process is gone.
    pub(crate) fn say(&self, line: &str) {
        let input = self.input.as_ref().expect("the input is open");
        let _ = input.send(format!("{line}\n"));
    }

    /// The next line, `None` after the last.
    pub(crate) async fn hear(&mut self) -> Option<String> {
        within("a line of output", self.output.next_line()).await.expect("the output is text")
    }

    /// Closes its input and waits for its exit code.
    pub(crate) async fn finish(mut self) -> Option<i32> {
        self.input = None;
        self.ended().await
    }

    /// Asks it to stop (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to stop, as a terminal does (SIGINT).
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let process = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(process, signal).expect("it runs");
    }

    /// Lets it do nothing, wherever it is (SIGSTOP), until it may again. Returns when all its threads have stopped.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        let id = self.child.id().expect("it runs");
        while !has_stopped(id) {
            std::thread::yield_now();
        }
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once (SIGKILL), wherever it is.
    pub(crate) fn kill(&mut self) {
        self.child.start_kill().expect("it runs");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        within("the end of a process", self.child.wait()).await.expect("it is a child").code()
    }
}

/// Whether every thread of a process is stopped, as the system says.
fn has_stopped(id: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
    tasks.flatten().all(|task| {
        // A thread that has ended meanwhile does nothing more.
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
        state.is_empty() || state.starts_with('T')
    })
}

async fn write_lines(mut stdin: ChildStdin, mut lines: UnboundedReceiver<String>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A running server.
pub(crate) struct Server {
    process: Running,
    /// `HOST:PORT`.
    pub(crate) address: String,
}

impl Server {
    /// Lets it do nothing until it may again.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// A server over a directory, which answers requests from now on.
    pub(crate) async fn start(directory: &Path, more: &[&str]) -> Server {
        Server::answering(Server::launch(directory, more)).await
    }

    /// The same where another server listened before.
    pub(crate) async fn start_at(address: &str, directory: &Path) -> Server {
        Server::start_at_with(address, directory, &[]).await
    }

    pub(crate) async fn start_at_with(address: &str, directory: &Path, more: &[&str]) -> Server {
        let data = argument(directory);
        let mut arguments =
            vec!["serve", "--json", "--insecure-loopback", "--listen", address, "--data", data];
        arguments.extend(more);
        Server::answering(Running::start(&arguments)).await
    }

    async fn answering(mut process: Running) -> Server {
        let line = process.hear().await.expect("a server says where it listens");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("the line is JSON");
        let address = String::from(ready["address"].as_str().expect("it names its address"));
        Server { process, address }
    }

    /// The process of a server that may not have opened the directory yet.
    pub(crate) fn launch(directory: &Path, more: &[&str]) -> Running {
        let data = argument(directory);
        let mut arguments = vec!["serve", "--json", "--listen", "127.0.0.1:0", "--data", data];
        if !more.contains(&"--tls-certificate") {
            arguments.push("--insecure-loopback");
        }
        arguments.extend(more);
        Running::start(&arguments)
    }

    /// Kills it, wherever it is (SIGKILL), and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.process.kill();
        assert_eq!(self.process.ended().await, None, "it was killed");
    }

    /// Asks it to stop (SIGTERM) and goes on.
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for its exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        self.process.ended().await
    }

    /// Asks it to stop, which it must do without a complaint.
    pub(crate) async fn stop(self) {
        self.terminate();
        assert_eq!(self.ended().await, Some(0), "a server that is asked to stop ends well");
    }
}

//! Running the binary.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// What a finished run left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).expect("florin prints UTF-8");
        Ended {
            code: output.status.code(),
            output: text(output.stdout),
            errors: text(output.stderr),
        }
    }
}

/// The binary, with arguments.
pub(crate) fn florin(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_florin"));
    command.args(arguments);
    command
}

/// Runs to the end with `input` on standard input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Ended {
    let mut child = florin(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = String::from(input);
    // A process that ends early closes its input: that is for the test to see, not to fail on.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let ended = child.wait_with_output().expect("it ends");
    let _ = writer.join().expect("the writer does not panic");
    ended.into()
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// A running process that is talked to; killed when dropped.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Running {
        Running::start_telling(arguments, Stdio::inherit())
    }

    /// As [`Running::start`]; what it writes to standard error goes to `errors`.
    fn start_telling(arguments: &[&str], errors: Stdio) -> Running {
        let mut child = florin(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the binary starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Running { child, input, output }
    }

    /// A server over a directory, and where it listens.
    pub(crate) fn serve(directory: &Path, more: &[&str]) -> (Running, String) {
        Running::serve_telling(directory, more, Stdio::inherit())
    }

    /// As [`Running::serve`]; what it writes to standard error goes to `errors`.
    pub(crate) fn serve_telling(
        directory: &Path,
        more: &[&str],
        errors: Stdio,
    ) -> (Running, String) {
        let mut arguments =
            vec!["serve", "--json", "--listen", "127.0.0.1:0", "--data", argument(directory)];
        if !more.contains(&"--tls-certificate") {
            arguments.push("--insecure-loopback");
        }
        arguments.extend(more);
        let mut server = Running::start_telling(&arguments, errors);
        let line = server.hear();
        let ready: serde_json::Value = serde_json::from_str(&line).expect("the ready line is JSON");
        let address = ready["address"].as_str().expect("it names its address");
        (server, String::from(address))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends one line, and nothing more.
    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").expect("it listens");
    }

    /// Waits for one line.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it speaks");
        String::from(line.trim_end_matches('\n'))
    }

    /// Asks it to read its files again (SIGHUP).
    pub(crate) fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("it has a process id");
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// Asks it to stop and waits for its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().expect("it ends").code()
    }

    /// Ends it without a word (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Closes its input and waits for its exit code.
    pub(crate) fn finish(mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The thread that captures balances as the log grows, and compares captures on record with what this log gives: the
//! newest once after each opening, and on a standby, whenever that is another, all that were recorded since. So a
//! primary whose balances are not those of its log is found by itself and by its standbys.

use super::Tree;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use florin_ledger::Lsn;
use florin_proof::Capture;
use rustix::process::nice;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::Duration;

/// How much it gives way: commits go first.
const CAPTURE_NICE: i32 = 10;
/// How often it looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(1);

/// The running thread, and what ends it.
pub(super) struct CaptureThread {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl CaptureThread {
    /// Begins; `interval` bytes of log after a capture the next one is made, none by itself if it is 0.
    pub(super) fn start(
        tree: Arc<Tree>,
        interval: u64,
        observer: Observer,
    ) -> io::Result<CaptureThread> {
        let (stop, stopping) = mpsc::channel();
        let compared = Compared { up_to: tree.reads.durable().get(), is_newest_due: true };
        let named = ThreadBuilder::new().name(String::from("florin-captures"));
        let thread = named.spawn(move || {
            // Of this thread alone; where it can't be, it is as urgent as the others.
            let _ = nice(CAPTURE_NICE);
            run(&tree, interval, compared, &observer, &stopping);
        })?;
        Ok(CaptureThread { stop, thread })
    }

    /// Waits for its end. The engine must have been closed: it is told so by whatever it asks.
    pub(super) fn join(self) {
        drop(self.stop);
        drop(self.thread.join());
    }
}

fn run(
    tree: &Tree,
    interval: u64,
    mut compared: Compared,
    observer: &Observer,
    stopping: &Receiver<()>,
) {
    let mut looked_at = Lsn::NONE;
    while let Err(RecvTimeoutError::Timeout) = stopping.recv_timeout(LOOK) {
        let durable = tree.reads.durable().get();
        if tree.reads.durable().has_failed() {
            return;
        }
        if durable == looked_at {
            continue;
        }
        match look(tree, interval, durable, &mut compared) {
            Ok(()) => looked_at = durable,
            Err(error) => match error.kind() {
                ErrorKind::Stopped => return,
                // Somebody else derives one: again in a moment.
                ErrorKind::NotYet | ErrorKind::Busy => {}
                _ => {
                    looked_at = durable;
                    observer.tell(&Event::CaptureFailed(error));
                }
            },
        }
    }
}

/// What was compared so far.
struct Compared {
    /// What was recorded before the opening, but for the newest; then whatever is recorded up to here.
    up_to: Lsn,
    is_newest_due: bool,
}

impl Compared {
    /// The captures that are to be compared, the last recorded last.
    fn lacking(
        &self,
        tree: &Tree,
        newest: Option<(Capture, Lsn)>,
    ) -> Result<Vec<(Capture, Lsn)>, Error> {
        match newest {
            Some((_, recorded)) if self.up_to < recorded => tree.captures_since(self.up_to),
            Some(newest) if self.is_newest_due => Ok(vec![newest]),
            _ => Ok(Vec::new()),
        }
    }
}

/// Compares the captures that were not compared yet, up to the newest, and makes the next if it is time.
fn look(tree: &Tree, interval: u64, durable: Lsn, compared: &mut Compared) -> Result<(), Error> {
    let newest = tree.newest_capture(None)?;
    for (capture, recorded) in compared.lacking(tree, newest)? {
        let passed = tree.compare(&capture, recorded);
        // What is wrong is told once; what could not be compared is, at the next look.
        if passed.as_ref().map_or_else(|error| error.kind() == ErrorKind::Corrupt, |()| true) {
            compared.up_to = compared.up_to.max(recorded);
            compared.is_newest_due = false;
        }
        passed?;
    }
    let last = newest.map_or(0, |(capture, _)| capture.position.0);
    if 0 < interval && interval <= durable.0.saturating_sub(last) {
        tree.capture()?;
    }
    Ok(())
}

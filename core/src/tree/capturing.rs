//! The thread that captures balances as the log grows, and compares the newest capture on record with what this log
//! gives: once after each opening, and on a standby whenever there is another. So a primary whose balances are not
//! those of its log is found by itself and by its standbys, before a customer finds it.

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
        let named = ThreadBuilder::new().name(String::from("florin-captures"));
        let thread = named.spawn(move || {
            // Of this thread alone; where it can't be, it is as urgent as the others.
            let _ = nice(CAPTURE_NICE);
            run(&tree, interval, &observer, &stopping);
        })?;
        Ok(CaptureThread { stop, thread })
    }

    /// Waits for its end. The engine must have been closed: it is told so by whatever it asks.
    pub(super) fn join(self) {
        drop(self.stop);
        drop(self.thread.join());
    }
}

fn run(tree: &Tree, interval: u64, observer: &Observer, stopping: &Receiver<()>) {
    let (mut looked_at, mut compared) = (Lsn::NONE, None);
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

/// Compares the newest capture if that was not done yet, and makes the next if it is time.
fn look(
    tree: &Tree,
    interval: u64,
    durable: Lsn,
    compared: &mut Option<Capture>,
) -> Result<(), Error> {
    let newest = tree.newest_capture(None)?.map(|(capture, _)| capture);
    if let Some(capture) = newest
        && *compared != newest
    {
        let passed = tree.accounts_then(&capture).map(drop);
        if !matches!(&passed, Err(error) if error.kind() == ErrorKind::NotYet) {
            // What is wrong is told once.
            *compared = newest;
        }
        passed?;
    }
    let behind = durable.0 - newest.map_or(0, |capture| capture.position.0).min(durable.0);
    if 0 < interval && interval <= behind {
        *compared = Some(tree.capture()?);
    }
    Ok(())
}

//! The standby's end of log shipping, as a task that can be sent to another primary.

use florin_client::{ClientOptions, Course, Parted};
use florin_core::following::Follower;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::error;

/// A standby that is being fed.
pub(crate) struct Feeding {
    primary: watch::Sender<String>,
    parting: watch::Sender<Option<Parted>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Feeding {
    /// Feeds a standby from a primary until it is told to stop.
    pub(crate) fn begin(follower: Follower, primary: String, options: ClientOptions) -> Feeding {
        let (stop, stopping) = watch::channel(false);
        let (primary, whom) = watch::channel(primary);
        let parting = watch::Sender::new(None);
        let parted = parting.clone();
        let told = stopping.clone();
        let task = tokio::spawn(async move {
            let course = Course { primary: whom, parted, stop: stopping };
            let ended = florin_client::follow(follower, options, course).await;
            // One that is told to end may meet the closed database first.
            if let (Err(ended), false) = (ended, *told.borrow()) {
                error!("following ended: {ended}");
            }
        });
        Feeding { primary, parting, stop, task }
    }

    /// Has it fed from there from now on.
    pub(crate) fn follow(&self, address: &str) {
        self.primary.send_if_modified(|primary| {
            let is_other = primary != address;
            address.clone_into(primary);
            is_other
        });
    }

    /// Has it ask there again at once, and forgets what was said there before.
    pub(crate) fn ask_again(&self) {
        self.parting.send_replace(None);
        self.primary.send_modify(|_| {});
    }

    /// Where it is fed from.
    pub(crate) fn primary(&self) -> String {
        self.primary.borrow().clone()
    }

    /// The last server that said that this log is none of its own.
    pub(crate) fn parted(&self) -> Option<Parted> {
        self.parting.borrow().clone()
    }

    /// Tells it to end. It may wait for the engine to apply something, and only a close ends that wait.
    pub(crate) fn tell(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its end, when it was told and the database is closed; then the directory is let go of.
    pub(crate) async fn end(self) {
        self.tell();
        if let Err(panic) = self.task.await {
            error!("following ended: {panic}");
        }
    }
}

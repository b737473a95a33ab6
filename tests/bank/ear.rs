//! Somebody who listens to what the bank tells.

use crate::branch::Branch;
use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Request, StatusCode};
use florin_adapter::Bank;
use florin_adapter::live::Follower;
use futures_util::StreamExt;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

/// What is not heard within this is not heard.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the log for those who listen at an adapter, until it is dropped.
pub(crate) async fn follows(bank: &Arc<Bank>) -> JoinSet<()> {
    let mut follower = Follower::start(Arc::clone(bank)).await.unwrap();
    let mut following = JoinSet::new();
    following.spawn(async move {
        // A ledger that is closed is not followed any more.
        let _ = follower.run().await;
    });
    following
}

/// One block of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) id: String,
    /// Null if it is no event.
    pub(crate) event: Value,
}

/// A stream that somebody reads.
pub(crate) struct Ear {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: BodyDataStream,
    text: String,
    /// The id that came last.
    pub(crate) last_id: String,
}

impl Ear {
    pub(crate) async fn of(router: Router, request: Request<Body>) -> Ear {
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        Ear {
            status: parts.status,
            headers: parts.headers,
            body: body.into_data_stream(),
            text: String::new(),
            last_id: String::new(),
        }
    }

    /// A stream that has begun.
    pub(crate) async fn begun(mut self) -> Ear {
        let first = self.first().await;
        assert_eq!(first.event, Value::Null, "it begins without a gap");
        self
    }

    /// The block that it begins with.
    pub(crate) async fn first(&mut self) -> Block {
        assert_eq!(self.status, StatusCode::OK);
        assert_eq!(self.headers["content-type"], "text/event-stream");
        assert_eq!(self.headers["cache-control"], "no-store");
        let first = self.block().await.unwrap();
        assert!(!first.id.is_empty(), "it says where it begins");
        first
    }

    /// The next block; `None` at the end.
    pub(crate) async fn block(&mut self) -> Option<Block> {
        let text = loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = String::from(block);
                self.text = String::from(rest);
                break block;
            }
            let bytes = self.body.next().await;
            self.text.push_str(std::str::from_utf8(&bytes?.unwrap()).unwrap());
        };
        let mut block = Block::default();
        for line in text.lines() {
            match line.split_once(": ").unwrap() {
                ("id", id) => block.id = String::from(id),
                ("data", json) => block.event = serde_json::from_str(json).unwrap(),
                ("retry", pause) => assert_eq!(pause, "2000"),
                other => panic!("{other:?}"),
            }
        }
        if !block.id.is_empty() {
            self.last_id.clone_from(&block.id);
        }
        Some(block)
    }

    /// The next event: what happened, and on which account.
    pub(crate) async fn hears(&mut self) -> (String, String) {
        let event = timeout(PATIENCE, self.event()).await.expect("something is told");
        event.expect("it goes on")
    }

    /// The next event; `None` at the end.
    async fn event(&mut self) -> Option<(String, String)> {
        loop {
            let block = self.block().await?;
            if block.event != Value::Null {
                let text = |name: &str| block.event[name].as_str().unwrap_or_default();
                return Some((String::from(text("type")), String::from(text("account_id"))));
            }
        }
    }

    /// So many events.
    pub(crate) async fn hears_many(&mut self, count: usize) -> Vec<(String, String)> {
        let mut heard = Vec::new();
        for _ in 0..count {
            heard.push(self.hears().await);
        }
        heard
    }

    /// All events until the end.
    pub(crate) async fn rest(&mut self) -> Vec<(String, String)> {
        let mut heard = Vec::new();
        while let Some(event) = timeout(PATIENCE, self.event()).await.expect("it ends") {
            heard.push(event);
        }
        heard
    }
}

impl Branch {
    /// The same branch, whose adapter tells what happens.
    pub(crate) async fn with_news() -> (Branch, JoinSet<()>) {
        let branch = Branch::open().await;
        let following = follows(&branch.bank).await;
        (branch, following)
    }
}

//! A page of a stream: what `florin exec` answers, which never waits.

use florin_client::{Client, ClientError, StreamBatch};
use florin_ledger::{StreamCursor, StreamFilter, StreamItem, StreamStart};

/// Bytes of batches in one page; it ends short then.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Which items to read.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct StreamQuestion {
    pub(crate) start: StreamStart,
    pub(crate) filter: StreamFilter,
    /// Items at most.
    pub(crate) limit: usize,
}

/// Items, and where the next page begins.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct StreamPage {
    batches: Vec<StreamBatch>,
    limit: usize,
}

impl StreamQuestion {
    /// Reads a page.
    pub(crate) async fn ask(&self, client: &Client) -> Result<StreamPage, ClientError> {
        let mut stream = client.subscribe(self.start, self.filter.clone()).await?;
        let mut page = StreamPage { batches: Vec::new(), limit: self.limit };
        let mut bytes = 0;
        loop {
            let batch = stream.next().await?;
            bytes += batch.view().bytes().len();
            let is_live = batch.end().is_live;
            page.batches.push(batch);
            if is_live || self.limit <= page.all_items().count() || PAGE_BYTES_MAX <= bytes {
                return Ok(page);
            }
        }
    }
}

impl StreamPage {
    /// The items.
    pub(crate) fn items(&self) -> impl Iterator<Item = StreamItem<'_>> {
        self.all_items().take(self.limit)
    }

    /// What the next page begins after.
    pub(crate) fn next_cursor(&self) -> StreamCursor {
        let end = || self.batches.last().expect("a page has a batch").end().cursor;
        if self.is_cut() { self.items().last().map_or_else(end, |last| last.cursor) } else { end() }
    }

    /// Whether nothing more was durable.
    pub(crate) fn is_live(&self) -> bool {
        let is_live = self.batches.last().expect("a page has a batch").end().is_live;
        is_live && !self.is_cut()
    }

    /// Whether there are more items here than were asked for.
    fn is_cut(&self) -> bool {
        self.limit < self.all_items().count()
    }

    fn all_items(&self) -> impl Iterator<Item = StreamItem<'_>> {
        self.batches.iter().flat_map(StreamBatch::items)
    }
}

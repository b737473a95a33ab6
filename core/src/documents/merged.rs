//! Several sources of keys in one order, each key once: the newest source that has it wins.

use super::cursor::RunCursor;
use super::key::prefix;
use super::keys::KeysCursor;
use super::{DocumentEntry, KeyList, KeyOrder};
use crate::runs::RunError;

/// Something that has keys in order.
#[derive(Debug)]
pub(super) enum Source<'a> {
    Keys(KeysCursor<'a>),
    List(ListCursor),
    Run(Box<RunCursor>),
}

/// Goes through a list from its beginning.
#[derive(Debug)]
pub(super) struct ListCursor {
    list: KeyList,
    place: usize,
}

impl ListCursor {
    pub(super) fn new(list: KeyList) -> ListCursor {
        ListCursor { list, place: 0 }
    }
}

impl Source<'_> {
    fn load(&mut self) -> Result<(), RunError> {
        match self {
            Source::Keys(_) | Source::List(_) => Ok(()),
            Source::Run(cursor) => cursor.load(),
        }
    }

    #[inline]
    fn current(&self) -> Option<(&[u8], DocumentEntry)> {
        match self {
            Source::Keys(cursor) => cursor.current(),
            Source::List(cursor) if cursor.place == cursor.list.len() => None,
            Source::List(cursor) => Some(cursor.list.get(cursor.place)),
            Source::Run(cursor) => cursor.current(),
        }
    }

    #[inline]
    fn advance(&mut self) -> Result<(), RunError> {
        match self {
            Source::Keys(cursor) => cursor.advance(),
            Source::List(cursor) => cursor.place += 1,
            Source::Run(cursor) => return cursor.advance(),
        }
        Ok(())
    }
}

/// Goes through sources side by side. After an error nothing more comes.
#[derive(Debug)]
pub(super) struct Merged<'a> {
    order: KeyOrder,
    /// Newest first.
    sources: Vec<Source<'a>>,
    /// A heap of the sources that are not done, the one with the next key on top.
    heads: Vec<Head>,
    /// The key handed out last.
    key: Vec<u8>,
    is_begun: bool,
}

/// Where a source stands.
#[derive(Clone, Copy, Debug)]
struct Head {
    prefix: u128,
    source: usize,
}

impl<'a> Merged<'a> {
    /// Sources that all go in this order, newest first.
    pub(super) fn new(order: KeyOrder, sources: Vec<Source<'a>>) -> Merged<'a> {
        Merged {
            order,
            heads: Vec::with_capacity(sources.len()),
            sources,
            key: Vec::new(),
            is_begun: false,
        }
    }

    /// The next key with its newest entry.
    ///
    /// # Errors
    /// [`RunError`] if a run can't be read.
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], DocumentEntry)>, RunError> {
        if !self.is_begun {
            self.begin()?;
        }
        let Some(Head { prefix, source }) = self.heads.first().copied() else { return Ok(None) };
        let (key, entry) = self.sources[source].current().expect("a head stands somewhere");
        self.key.clear();
        self.key.extend_from_slice(key);
        self.advance_top()?;
        // The same key further down is older.
        while let Some(head) = self.heads.first()
            && head.prefix == prefix
            && self.key_of(*head) == self.key
        {
            self.advance_top()?;
        }
        Ok(Some((&self.key, entry)))
    }

    fn begin(&mut self) -> Result<(), RunError> {
        self.is_begun = true;
        for source in 0..self.sources.len() {
            if let Err(error) = self.sources[source].load() {
                self.heads.clear();
                return Err(error);
            }
            if let Some((key, _)) = self.sources[source].current() {
                self.heads.push(Head { prefix: prefix(key), source });
            }
        }
        (0..self.heads.len() / 2).rev().for_each(|place| self.sift_down(place));
        Ok(())
    }

    /// Moves the source on top on, and puts the one with the next key there.
    fn advance_top(&mut self) -> Result<(), RunError> {
        let source = self.heads[0].source;
        if let Err(error) = self.sources[source].advance() {
            self.heads.clear();
            return Err(error);
        }
        match self.sources[source].current() {
            Some((key, _)) => self.heads[0].prefix = prefix(key),
            None => drop(self.heads.swap_remove(0)),
        }
        self.sift_down(0);
        Ok(())
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let mut first = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.heads.len() && self.is_before(child, first) {
                    first = child;
                }
            }
            if first == place {
                return;
            }
            self.heads.swap(place, first);
            place = first;
        }
    }

    #[inline]
    fn is_before(&self, left: usize, right: usize) -> bool {
        let (left, right) = (self.heads[left], self.heads[right]);
        let order = left.prefix.cmp(&right.prefix);
        let order = order.then_with(|| self.key_of(left).cmp(self.key_of(right)));
        if order.is_eq() { left.source < right.source } else { self.order.is_first(order) }
    }

    fn key_of(&self, head: Head) -> &[u8] {
        self.sources[head.source].current().expect("a head stands somewhere").0
    }
}

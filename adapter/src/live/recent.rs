//! What happened lately, on all accounts: for those who come back.
//!
//! - It has no gap: whatever happened between its start and its end is in it.
//! - A cursor is found if and only if it is that of a happening in it, or of its start. So a cursor of another history
//!   of the ledger, or one that was made up, leads nowhere.

use super::happening::Happening;
use florin_ledger::StreamCursor;
use std::collections::VecDeque;

/// What happened lately.
#[derive(Debug)]
pub(super) struct Recent {
    /// All before it is forgotten.
    start: StreamCursor,
    /// In the order of the log.
    happenings: VecDeque<Happening>,
    count_max: usize,
}

impl Recent {
    /// Nothing, as of a place in the log; remembers so many later.
    pub(super) fn from(start: StreamCursor, count_max: usize) -> Recent {
        assert!(0 < count_max, "who remembers nothing has no end");
        Recent { start, happenings: VecDeque::new(), count_max }
    }

    /// Remembers what happened next, and forgets the oldest if that is one too many.
    pub(super) fn push(&mut self, happening: Happening) {
        assert!(self.end().lsn < happening.cursor.lsn, "the log is read in order");
        if self.happenings.len() == self.count_max
            && let Some(oldest) = self.happenings.pop_front()
        {
            self.start = oldest.cursor;
        }
        self.happenings.push_back(happening);
    }

    /// How far it goes.
    pub(super) fn end(&self) -> StreamCursor {
        self.happenings.back().map_or(self.start, |happening| happening.cursor)
    }

    /// What happened after a cursor; `None` if it is not known what did.
    pub(super) fn after(&self, cursor: StreamCursor) -> Option<impl Iterator<Item = &Happening>> {
        if cursor == self.start {
            return Some(self.happenings.range(..));
        }
        let found = self.happenings.binary_search_by_key(&cursor.lsn, |it| it.cursor.lsn).ok()?;
        let is_same = self.happenings.get(found).is_some_and(|it| it.cursor == cursor);
        is_same.then(|| self.happenings.range(found + 1..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use florin_ledger::Lsn;

    fn happening(number: u64) -> Happening {
        Happening::numbered(number, Id::from_number(1))
    }

    fn numbers(recent: &Recent, cursor: StreamCursor) -> Option<Vec<u64>> {
        recent.after(cursor).map(|found| found.map(|it| it.cursor.lsn.0).collect())
    }

    /// Prevents: somebody who comes back and is told too little, and never hears of it.
    #[test]
    fn what_comes_after_a_cursor_is_known_whole_or_not_at_all() {
        let start = StreamCursor { epoch: 1, lsn: Lsn(5), hash: [1; 32] };
        let mut recent = Recent::from(start, 3);
        assert_eq!((recent.end(), numbers(&recent, start)), (start, Some(vec![])));
        for number in [10, 20, 30] {
            recent.push(happening(number));
        }
        assert_eq!(numbers(&recent, start), Some(vec![10, 20, 30]));
        assert_eq!(numbers(&recent, happening(20).cursor), Some(vec![30]));
        recent.push(happening(40));
        assert_eq!(numbers(&recent, start), None, "one after it is forgotten");
        assert_eq!(numbers(&recent, happening(10).cursor), Some(vec![20, 30, 40]));
        assert_eq!(numbers(&recent, recent.end()), Some(vec![]));
        for unknown in [
            happening(25).cursor,
            happening(50).cursor,
            StreamCursor { hash: [8; 32], ..happening(20).cursor },
            StreamCursor { epoch: 2, ..happening(20).cursor },
            StreamCursor::BEGIN,
        ] {
            assert_eq!(numbers(&recent, unknown), None, "{unknown}");
        }
    }
}

//! What all streams of an adapter share: who listens, and what happened lately.
//!
//! - Both change under one lock, so whoever begins to listen after a place in the log has been told all that came
//!   after it, from memory or live, each once.
//! - A place in the log is told to somebody only when all before it that concerns them has been handed to them.
//! - A login is looked at after its listener has got a place: it ends either before that, which the look finds, or
//!   after it, which the log tells.

use super::audience::{Admission, Audience, Ending, Full, Listener, Seat};
use super::bookmark::Bookmarks;
use super::happening::{Happening, News};
use super::listening::Listening;
use super::recent::Recent;
use super::{MISSED_MAX, RECENT_MAX};
use crate::accounts;
use crate::bank::Bank;
use crate::customers::{LoginKey, Sessions};
use crate::error::BankError;
use crate::id::{Account, Customer, Id};
use crate::vault::KeyTree;
use florin_client::StreamBatch;
use florin_ledger::{StreamCursor, Timestamp};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::debug;

/// The streams of an adapter.
pub struct Live {
    bookmarks: Bookmarks,
    room: Mutex<Room>,
}

#[derive(Debug)]
struct Room {
    recent: Recent,
    audience: Audience,
    /// Whether the ledger is heard; nobody gets in otherwise.
    is_heard: bool,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// Why somebody can't listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenRefused {
    /// They have as many streams as a customer may have.
    #[error("a customer has at most {} streams", super::STREAMS_PER_CUSTOMER)]
    TooMany,
    /// Their login is over.
    #[error("the login is over")]
    LoginOver,
    /// It can't be done now.
    #[error("{0}")]
    Bank(#[from] BankError),
}

impl From<Full> for ListenRefused {
    fn from(full: Full) -> ListenRefused {
        match full {
            Full::Customer => ListenRefused::TooMany,
            Full::Adapter => BankError::Busy.into(),
        }
    }
}

impl Live {
    /// Nobody listens yet.
    #[must_use]
    pub fn new(tree: &KeyTree) -> Live {
        Live::with(Bookmarks::new(tree))
    }

    fn with(bookmarks: Bookmarks) -> Live {
        let recent = Recent::from(StreamCursor::BEGIN, RECENT_MAX);
        let room = Room { recent, audience: Audience::default(), is_heard: false };
        Live { bookmarks, room: Mutex::new(room) }
    }

    /// The place that the adapter has come to: whoever reads afterwards, and listens after this place, misses nothing
    /// in between.
    #[must_use]
    pub fn here(&self, customer: Id<Customer>) -> String {
        let place = self.room().recent.end();
        self.bookmark(customer, place)
    }

    /// How many listen.
    #[must_use]
    pub fn streams_count(&self) -> u64 {
        u64::try_from(self.room().audience.count()).unwrap_or(u64::MAX)
    }

    /// A stream for somebody: of what happens from now on, or of what has happened after the event with an id, if that
    /// is one that they were told.
    ///
    /// # Errors
    /// [`ListenRefused`].
    pub async fn listen(
        bank: &Bank,
        listener: Listener,
        last_event_id: Option<&str>,
    ) -> Result<Listening, ListenRefused> {
        let Bank { live, store, clock, .. } = bank;
        let Listener { customer, ref login, .. } = listener;
        let logins = std::slice::from_ref(login).to_vec();
        let last = last_event_id.map(|id| live.bookmarks.open(customer, id));
        let (admission, here) = live.admit(listener)?;
        let since = last.unwrap_or(Some(here));
        let mut listening = Listening::new(Arc::clone(live), customer, admission, here);
        let good_until = Sessions::good_until(store, &**clock, &logins).await?;
        let Some(good_until) = good_until.first().copied().flatten() else {
            return Err(ListenRefused::LoginOver);
        };
        let accounts = accounts::account_ids_of(store, customer).await?;
        live.begin(&mut listening, since, &accounts, good_until);
        Ok(listening)
    }

    fn admit(&self, listener: Listener) -> Result<(Admission, StreamCursor), ListenRefused> {
        let mut room = self.room();
        if !room.is_heard {
            return Err(BankError::Busy.into());
        }
        Ok((room.audience.admit(listener)?, room.recent.end()))
    }

    /// Tells a listener what happens from now on, and what has happened since a place, if that is known.
    fn begin(
        &self,
        listening: &mut Listening,
        since: Option<StreamCursor>,
        accounts: &[Id<Account>],
        good_until: Timestamp,
    ) {
        let mut room = self.room();
        let Room { recent, audience, .. } = &mut *room;
        audience.begin(listening.seat(), accounts, good_until);
        let is_theirs = |it: &&Happening| audience.is_owned(it.account, listening.customer());
        let known = since.and_then(|since| Some((since, recent.after(since)?)));
        let known = known.map(|(since, after)| {
            let missed: VecDeque<_> =
                after.filter(is_theirs).take(MISSED_MAX + 1).copied().collect();
            (since, missed)
        });
        match known.filter(|(_, missed)| missed.len() <= MISSED_MAX) {
            Some((since, missed)) => listening.go_on(since, missed),
            None => listening.begin_again(recent.end()),
        }
    }

    /// The place that the adapter has come to, if `has_all` says that whoever asks was handed all before it.
    pub(super) fn here_if(&self, has_all: impl FnOnce() -> bool) -> Option<StreamCursor> {
        let room = self.room();
        has_all().then(|| room.recent.end())
    }

    /// A place as a customer is told it.
    pub(super) fn bookmark(&self, customer: Id<Customer>, place: StreamCursor) -> String {
        self.bookmarks.seal(customer, place)
    }

    /// Somebody leaves by themselves.
    pub(super) fn leave(&self, seat: Seat) {
        self.room().audience.end(seat, Ending::TimeOver);
    }

    /// The log is read from a place on.
    pub(super) fn follow_from(&self, place: StreamCursor) {
        let mut room = self.room();
        room.audience.end_all(Ending::Silence);
        room.recent = Recent::from(place, RECENT_MAX);
        room.is_heard = true;
    }

    /// The log is not heard any more.
    pub(super) fn fall_silent(&self) {
        let mut room = self.room();
        if room.is_heard {
            debug!("the ledger is not heard: live streams end");
        }
        room.is_heard = false;
        room.audience.end_all(Ending::Silence);
    }

    /// Tells what the log says next.
    ///
    /// # Errors
    /// [`BankError::Odd`] if it says what this program does not understand: it can't be gone on from there.
    pub(super) fn hear(&self, batch: &StreamBatch) -> Result<(), BankError> {
        let mut room = self.room();
        room.is_heard = true;
        for item in batch.items() {
            if let Some(news) = News::of(&item)? {
                room.take(news)?;
            }
        }
        Ok(())
    }

    /// The logins that are over by now unless somebody has used them.
    pub(super) fn due(&self, now: Timestamp) -> Vec<LoginKey> {
        self.room().audience.due(now)
    }

    /// How a login stands that was due.
    pub(super) fn looked_at(&self, login: &LoginKey, good_until: Option<Timestamp>) {
        let mut room = self.room();
        match good_until {
            Some(good_until) => room.audience.renew(login, good_until),
            None => room.audience.end_login(login),
        }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // Every change under the lock is whole.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn take(&mut self, news: News) -> Result<(), BankError> {
        let happening = match news {
            News::LoginOver(login) => {
                self.audience.end_login(&login);
                return Ok(());
            }
            News::Opened(happening, owner) => {
                self.audience.own(happening.account, owner);
                happening
            }
            News::Happened(happening) => happening,
        };
        if happening.cursor.lsn <= self.recent.end().lsn {
            return Err(BankError::odd(&"the log goes back"));
        }
        self.recent.push(happening);
        self.audience.tell(&happening);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::HEARTBEAT;
    use axum::body::BodyDataStream;
    use axum::response::IntoResponse;
    use florin_ledger::Lsn;
    use futures_util::StreamExt;
    use std::time::Duration;
    use tokio::time::{Instant, advance};

    const START: StreamCursor = StreamCursor { epoch: 1, lsn: Lsn(5), hash: [7; 32] };

    fn customer() -> Id<Customer> {
        Id::from_number(1)
    }

    fn happens(live: &Live, number: u64, account: u128) {
        let happening = Happening::numbered(number, Id::from_number(account));
        live.room().take(News::Happened(happening)).unwrap();
    }

    /// A stream of a customer whose account has the number 1.
    fn stream(live: &Arc<Live>) -> BodyDataStream {
        let login = LoginKey::numbered(customer(), 1);
        let listener = Listener { customer: customer(), login, until: Timestamp(1_000) };
        let (admission, here) = live.admit(listener).ok().unwrap();
        let mut listening = Listening::new(Arc::clone(live), customer(), admission, here);
        live.begin(&mut listening, Some(here), &[Id::from_number(1)], Timestamp(1_000));
        listening.into_response().into_body().into_data_stream()
    }

    /// Where the next block says that they are, and whether it is an event.
    async fn block(live: &Live, stream: &mut BodyDataStream) -> (u64, bool) {
        let bytes = stream.next().await.unwrap().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        let place = live.bookmarks.open(customer(), id).unwrap();
        (place.lsn.0, text.contains("\ndata: "))
    }

    /// Prevents: a quiet customer's place that grows too old to come back to, and one that is ahead of what they were
    /// told, so that coming back leaves something out.
    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_says_how_far_it_is_and_never_too_far() {
        let live = Arc::new(Live::with(Bookmarks::of_secret(&[7; 32])));
        live.follow_from(START);
        let mut stream = stream(&live);
        assert_eq!(block(&live, &mut stream).await, (5, false));
        happens(&live, 10, 2);
        let began = Instant::now();
        assert_eq!(block(&live, &mut stream).await, (10, false));
        assert!(HEARTBEAT <= began.elapsed() && began.elapsed() < HEARTBEAT * 2);
        for number in (20..400).step_by(10) {
            happens(&live, number, 1);
            happens(&live, number + 1, 2);
            advance(HEARTBEAT + Duration::from_secs(1)).await;
            assert_eq!(block(&live, &mut stream).await, (number, true));
        }
        happens(&live, 400, 1);
        assert_eq!(block(&live, &mut stream).await, (400, true));
        assert_eq!(block(&live, &mut stream).await, (400, false));
    }
}

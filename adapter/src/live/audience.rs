//! Who listens, to which accounts, and how they are told. No input or output: whoever holds it decides when.
//!
//! - An account has the listeners of its owner. Whose accounts are is known as long as somebody of theirs listens.
//! - Telling waits for nobody: a listener whose queue is full is let go.
//! - A listener is let go once, with the reason; their queue ends then.

use super::happening::Happening;
use super::{QUEUE_MAX, STREAMS_MAX, STREAMS_PER_CUSTOMER};
use crate::customers::LoginKey;
use crate::id::{Account, Customer, Id};
use florin_ledger::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// Somebody who wants to listen.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Whose accounts.
    pub customer: Id<Customer>,
    /// The login that they have.
    pub login: LoginKey,
    /// When they must stop, whatever becomes of the login.
    pub until: Timestamp,
}

/// Why a listener was let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// The login is over.
    LoginOver,
    /// The time is over for which they showed something.
    TimeOver,
    /// They did not take what they were told.
    TooSlow,
    /// The ledger is not heard.
    Silence,
}

/// Why nobody more gets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    /// The customer has as many streams as a customer may have.
    Customer,
    /// The adapter has as many as it can have.
    Adapter,
}

/// A listener's place, until they leave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Seat(u64);

/// What a listener has of their place.
pub(super) struct Admission {
    pub(super) seat: Seat,
    pub(super) queue: mpsc::Receiver<Happening>,
    /// Set before the queue ends.
    pub(super) ending: Arc<OnceLock<Ending>>,
}

#[derive(Debug)]
struct Seated {
    listener: Listener,
    queue: mpsc::Sender<Happening>,
    ending: Arc<OnceLock<Ending>>,
    /// Until when the login is good if nobody uses it; `None` until that is known: nothing is told before.
    good_until: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Attendance {
    seats: Vec<Seat>,
    accounts: HashSet<Id<Account>>,
}

/// Who listens.
#[derive(Debug, Default)]
pub(super) struct Audience {
    seats: HashMap<Seat, Seated>,
    customers: HashMap<Id<Customer>, Attendance>,
    owners: HashMap<Id<Account>, Id<Customer>>,
    next_seat: u64,
}

impl Audience {
    /// A place for somebody, who is told nothing yet.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn admit(&mut self, listener: Listener) -> Result<Admission, Full> {
        if STREAMS_MAX <= self.seats.len() {
            return Err(Full::Adapter);
        }
        let attendance = self.customers.entry(listener.customer).or_default();
        if STREAMS_PER_CUSTOMER <= attendance.seats.len() {
            return Err(Full::Customer);
        }
        let seat = Seat(self.next_seat);
        self.next_seat += 1;
        attendance.seats.push(seat);
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let ending = Arc::new(OnceLock::new());
        let seated =
            Seated { listener, queue: sender, ending: Arc::clone(&ending), good_until: None };
        self.seats.insert(seat, seated);
        Ok(Admission { seat, queue, ending })
    }

    /// Tells somebody from now on what happens on their accounts, these among them.
    pub(super) fn begin(&mut self, seat: Seat, accounts: &[Id<Account>], good_until: Timestamp) {
        // Who has been let go meanwhile is told nothing.
        let Some(seated) = self.seats.get_mut(&seat) else { return };
        seated.good_until = Some(good_until);
        let customer = seated.listener.customer;
        for account in accounts {
            self.own(*account, customer);
        }
    }

    /// An account is a customer's.
    pub(super) fn own(&mut self, account: Id<Account>, customer: Id<Customer>) {
        if let Some(attendance) = self.customers.get_mut(&customer) {
            attendance.accounts.insert(account);
            self.owners.insert(account, customer);
        }
    }

    /// Whether an account is one of a customer's who listens.
    pub(super) fn is_owned(&self, account: Id<Account>, customer: Id<Customer>) -> bool {
        self.owners.get(&account) == Some(&customer)
    }

    /// Tells everybody whom it concerns.
    pub(super) fn tell(&mut self, happening: &Happening) {
        let customer = self.owners.get(&happening.account);
        let Some(attendance) = customer.and_then(|customer| self.customers.get(customer)) else {
            return;
        };
        let mut slow = Vec::new();
        for seat in &attendance.seats {
            let Some(seated) = self.seats.get(seat) else { continue };
            if seated.good_until.is_some() && seated.queue.try_send(*happening).is_err() {
                slow.push(*seat);
            }
        }
        for seat in slow {
            self.end(seat, Ending::TooSlow);
        }
    }

    /// How many listen.
    pub(super) fn count(&self) -> usize {
        self.seats.len()
    }

    /// Lets somebody go, if they are still there.
    pub(super) fn end(&mut self, seat: Seat, ending: Ending) {
        let Some(seated) = self.seats.remove(&seat) else { return };
        let customer = seated.listener.customer;
        // Before the queue ends, so that whoever sees its end knows why.
        let is_first = seated.ending.set(ending).is_ok();
        assert!(is_first, "a listener is let go once");
        let Some(attendance) = self.customers.get_mut(&customer) else { return };
        attendance.seats.retain(|other| *other != seat);
        if attendance.seats.is_empty()
            && let Some(left) = self.customers.remove(&customer)
        {
            for account in left.accounts {
                self.owners.remove(&account);
            }
        }
    }

    /// Lets those go who have a login.
    pub(super) fn end_login(&mut self, login: &LoginKey) {
        for seat in self.seats_of(login) {
            self.end(seat, Ending::LoginOver);
        }
    }

    /// Lets everybody go.
    pub(super) fn end_all(&mut self, ending: Ending) {
        let seats: Vec<_> = self.seats.keys().copied().collect();
        for seat in seats {
            self.end(seat, ending);
        }
    }

    /// Lets those go whose time is over; returns the logins that are over by now unless somebody has used them.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<LoginKey> {
        let is_over = |seated: &Seated| seated.listener.until <= now;
        let over = self.seats.iter().filter(|(_, seated)| is_over(seated));
        let over: Vec<_> = over.map(|(seat, _)| *seat).collect();
        for seat in over {
            self.end(seat, Ending::TimeOver);
        }
        let is_due = |seated: &&Seated| seated.good_until.is_some_and(|good| good <= now);
        let due = self.seats.values().filter(is_due).map(|seated| seated.listener.login.clone());
        due.collect::<HashSet<_>>().into_iter().collect()
    }

    /// A login is good for longer: it was used.
    pub(super) fn renew(&mut self, login: &LoginKey, good_until: Timestamp) {
        for seat in self.seats_of(login) {
            if let Some(seated) = self.seats.get_mut(&seat) {
                seated.good_until = Some(good_until);
            }
        }
    }

    fn seats_of(&self, login: &LoginKey) -> Vec<Seat> {
        let attendance = self.customers.get(&login.customer());
        let seats = attendance.map_or(&[][..], |attendance| &attendance.seats);
        let has_it = |seat: &&Seat| {
            self.seats.get(seat).is_some_and(|seated| seated.listener.login == *login)
        };
        seats.iter().filter(has_it).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(customer: u128, login: u8) -> Listener {
        let login = LoginKey::numbered(Id::from_number(customer), login);
        Listener { customer: Id::from_number(customer), login, until: Timestamp(1_000) }
    }

    fn account(number: u128) -> Id<Account> {
        Id::from_number(number)
    }

    /// A customer who listens to an account of the same number.
    fn seated(audience: &mut Audience, customer: u128) -> Admission {
        let admission = audience.admit(listener(customer, 1)).ok().unwrap();
        audience.begin(admission.seat, &[account(customer)], Timestamp(100));
        admission
    }

    /// How many somebody was told, and why they were let go.
    fn told(admission: &mut Admission) -> (usize, Option<Ending>) {
        let mut count = 0;
        while admission.queue.try_recv().is_ok() {
            count += 1;
        }
        (count, admission.ending.get().copied())
    }

    /// Prevents: a customer who hears of another's account, or of none of their own.
    #[test]
    fn everybody_hears_of_their_own_accounts_and_of_no_others() {
        let mut audience = Audience::default();
        let (mut ada, mut ben) = (seated(&mut audience, 1), seated(&mut audience, 2));
        let mut second = seated(&mut audience, 1);
        let mut waiting = audience.admit(listener(1, 1)).ok().unwrap();
        for (number, of) in (1..).zip([1, 2, 1, 9, 3]) {
            audience.tell(&Happening::numbered(number, account(of)));
        }
        audience.own(account(3), Id::from_number(2));
        audience.own(account(9), Id::from_number(8));
        audience.tell(&Happening::numbered(6, account(3)));
        audience.tell(&Happening::numbered(7, account(9)));
        assert_eq!((told(&mut ada), told(&mut second)), ((2, None), (2, None)));
        assert_eq!(told(&mut ben), (2, None), "one of them on what is his since then");
        assert_eq!(told(&mut waiting), (0, None), "before it is known what is theirs");
    }

    /// Prevents: a listener who does not read and holds up the others, or memory that grows with what they miss.
    #[test]
    fn who_is_slow_is_let_go_and_nobody_waits_for_them() {
        let mut audience = Audience::default();
        let (mut slow, mut quick) = (seated(&mut audience, 1), seated(&mut audience, 1));
        let mut count = 0;
        for number in 1..=200 {
            audience.tell(&Happening::numbered(number, account(1)));
            count += told(&mut quick).0;
        }
        assert_eq!(count, 200);
        assert_eq!(told(&mut quick), (0, None));
        assert_eq!(told(&mut slow), (QUEUE_MAX, Some(Ending::TooSlow)));
    }

    #[test]
    fn a_customer_has_so_many_streams_and_gives_their_places_back() {
        let mut audience = Audience::default();
        let mut seats: Vec<_> = (0..8).map(|_| seated(&mut audience, 1)).collect();
        assert_eq!(audience.admit(listener(1, 1)).err(), Some(Full::Customer));
        assert!(audience.admit(listener(2, 1)).is_ok(), "another customer has places");
        audience.end(seats.pop().unwrap().seat, Ending::TooSlow);
        assert!(audience.admit(listener(1, 1)).is_ok());
        audience.end_all(Ending::Silence);
        for mut admission in seats {
            assert_eq!(told(&mut admission), (0, Some(Ending::Silence)));
        }
        assert!(audience.owners.is_empty() && audience.customers.is_empty());
        for customer in 0..u128::try_from(STREAMS_MAX).unwrap() {
            assert!(audience.admit(listener(customer, 1)).is_ok());
        }
        assert_eq!(audience.admit(listener(u128::MAX, 1)).err(), Some(Full::Adapter));
    }

    /// Prevents: a stream that outlives its login, or ends with another's.
    #[test]
    fn a_stream_ends_with_its_login_and_with_its_time() {
        let mut audience = Audience::default();
        let mut one = seated(&mut audience, 1);
        let mut other = audience.admit(listener(1, 2)).ok().unwrap();
        audience.begin(other.seat, &[], Timestamp(200));
        assert_eq!(audience.due(Timestamp(99)), []);
        assert_eq!(audience.due(Timestamp(100)), [listener(1, 1).login]);
        audience.renew(&listener(1, 1).login, Timestamp(300));
        assert_eq!(audience.due(Timestamp(100)), []);
        audience.end_login(&listener(1, 2).login);
        audience.end_login(&listener(2, 1).login);
        assert_eq!(told(&mut other).1, Some(Ending::LoginOver));
        assert_eq!(told(&mut one).1, None);
        assert_eq!(
            audience.due(Timestamp(1_000)),
            [],
            "whose time is over has no login to ask for"
        );
        assert_eq!(told(&mut one).1, Some(Ending::TimeOver));
    }
}

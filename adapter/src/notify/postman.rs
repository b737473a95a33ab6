//! Sends letters that are due.

use super::courier::{NotTaken, Notice, Platform, Push, ShortMessage, Sms};
use super::letter::{Letter, Sender};
use super::mail::{Mail, MailError, Mailer};
use super::outbox::{LetterOpen, Outbox, Way, due, key};
use crate::alerts::Devices;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::{Clock, HOUR, MINUTE, SECOND, after};
use crate::email::Email;
use crate::error::BankError;
use crate::id::{self, Customer, Device, Id};
use crate::phone::PhoneNumber;
use crate::store::{Found, Held, Kind, Row, Store};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{Commit, Document, DocumentWrite, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, warn};

/// Letters that are under way at the same time.
const LETTERS_MAX: u32 = 32;
/// How long one may take: less than the wait before it is tried again.
const SENDING_MAX: Duration = Duration::from_secs(30);
/// How long a letter waits after its first try; twice as long after each one more.
const WAIT_FIRST: u64 = MINUTE;
const WAIT_MAX: u64 = HOUR;

const _: () = assert!(SENDING_MAX.as_secs() < WAIT_FIRST / SECOND);

/// Who takes letters from here, by the way that they go. What goes a way that a bank has not waits.
#[derive(Clone, Debug, Default)]
pub struct Couriers {
    /// Takes mails.
    pub mail: Option<Arc<dyn Mailer>>,
    /// Takes short messages.
    pub sms: Option<Arc<dyn Sms>>,
    /// Takes notices.
    pub push: Option<Arc<dyn Push>>,
}

/// Sends letters.
#[derive(Clone)]
pub struct Postman {
    store: Store,
    clock: Arc<dyn Clock>,
    couriers: Couriers,
    sender: Sender,
}

/// A letter as it goes out, with who takes it.
enum Outgoing {
    Mail(Arc<dyn Mailer>, Mail),
    Sms(Arc<dyn Sms>, ShortMessage),
    Push(Arc<dyn Push>, Notice, Id<Device>),
}

/// Who takes a letter.
enum Courier {
    Mail(Arc<dyn Mailer>),
    Sms(Arc<dyn Sms>),
    Push(Arc<dyn Push>, Platform, Id<Device>),
}

/// A letter that this postman alone may send now.
struct Claimed {
    id: Id<id::Letter>,
    customer: Option<Id<Customer>>,
    outgoing: Outgoing,
    /// Takes it out of the outbox.
    deletion: DocumentWrite,
}

/// What came of a letter that is due.
enum Claim {
    /// It is this postman's.
    Ours(Box<Claimed>),
    /// There is nothing to send, or another postman has it.
    Done,
    /// Nobody takes it now: it waits as it is.
    Left,
}

impl Postman {
    /// A postman of a bank, who gives letters to couriers.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, couriers: Couriers, sender: Sender) -> Postman {
        Postman { store, clock, couriers, sender }
    }

    /// Tries to send what is due now. Returns how many letters were taken up: none means that there is nothing to
    /// do for now.
    ///
    /// # Errors
    /// [`BankError`] if the ledger can't be asked; never because of a letter.
    pub async fn step(&self) -> Result<usize, BankError> {
        let now = self.clock.now();
        let (mut scan, mut sending) = (first_page(), JoinSet::new());
        let mut taken = 0;
        loop {
            let page = self.store.client().scan_documents(&scan).await?;
            for document in page.items {
                if due(&document.key).is_some_and(|due| now < due) {
                    finish(sending).await;
                    return Ok(taken);
                }
                match self.claim_or_complain(document, now).await? {
                    Claim::Left => continue,
                    Claim::Done => {}
                    Claim::Ours(claimed) => {
                        let postman = self.clone();
                        sending.spawn(async move { postman.send(*claimed).await });
                    }
                }
                taken += 1;
            }
            finish(std::mem::take(&mut sending)).await;
            let Some(next) = page.next else { return Ok(taken) };
            scan.after = Some(next);
        }
    }

    /// What is wrong with one letter is no reason to leave the others.
    async fn claim_or_complain(
        &self,
        document: Document,
        now: Timestamp,
    ) -> Result<Claim, BankError> {
        match self.claim(document, now).await {
            Ok(claim) => Ok(claim),
            Err(error @ (BankError::Ledger(_) | BankError::Busy)) => Err(error),
            // Another postman has it.
            Err(error) if error.is_stale() => Ok(Claim::Done),
            Err(error) => {
                error!("a letter stays where it is: {error}");
                Ok(Claim::Done)
            }
        }
    }

    /// Moves a letter to when it is tried again, so that nobody else tries it now.
    async fn claim(&self, document: Document, now: Timestamp) -> Result<Claim, BankError> {
        let open = self.store.open_part::<Outbox>(&document)?;
        let (is_useless, courier) = (open.useless_at.0 <= now.0, self.courier(open.way));
        // Thousands may wait while a way is closed: their seals are not opened for that.
        if courier.is_none() && !is_useless {
            return Ok(Claim::Left);
        }
        let found: Found<Outbox> = self.store.opened(document).await?;
        let Some(sealed) = found.row.profile.as_known() else {
            // Of somebody who was erased.
            self.delete(found.deletion()).await?;
            return Ok(Claim::Done);
        };
        let Some(to) = &sealed.to else {
            self.delete(found.deletion()).await?;
            return Ok(Claim::Done);
        };
        let Some(courier) = courier.filter(|_| !is_useless) else {
            self.give_up(&found).await?;
            return Ok(Claim::Done);
        };
        let outgoing = self.outgoing(courier, &open, to, &sealed.letter);
        let wait = WAIT_FIRST.saturating_mul(1 << open.tries_count.min(16)).min(WAIT_MAX);
        let moved = key(after(now, wait), open.letter_id);
        let row = Row::<Outbox> {
            open: LetterOpen { tries_count: open.tries_count.saturating_add(1), ..open.clone() },
            profile: found.row.profile.clone(),
            statutory: Held::Absent,
        };
        let written = self.store.write(&moved, &row, DocumentCondition::Absent).await?;
        let commit = Commit {
            id: audit::commit_id(),
            documents: vec![found.deletion(), written],
            ..Commit::default()
        };
        self.store.commit(&commit).await?;
        let deletion =
            DocumentWrite { table: Outbox::TABLE, key: moved, ..DocumentWrite::default() };
        match outgoing {
            Ok(outgoing) => Ok(Claim::Ours(Box::new(Claimed {
                id: open.letter_id,
                customer: open.user_id,
                outgoing,
                deletion,
            }))),
            Err(error) => {
                error!(letter = %open.letter_id, "it can't be written: {error}");
                Ok(Claim::Done)
            }
        }
    }

    /// Who takes what goes a way; `None` if nobody does now.
    fn courier(&self, way: Way) -> Option<Courier> {
        let Couriers { mail, sms, push } = &self.couriers;
        match way {
            Way::Email => mail.clone().map(Courier::Mail),
            Way::Sms => sms.clone().filter(|sms| sms.is_ready()).map(Courier::Sms),
            Way::Push { platform, device_id } => {
                let push = push.clone().filter(|push| push.is_ready());
                push.map(|push| Courier::Push(push, platform, device_id))
            }
        }
    }

    /// A letter as it goes out.
    fn outgoing(
        &self,
        courier: Courier,
        open: &LetterOpen,
        to: &str,
        letter: &Letter,
    ) -> Result<Outgoing, MailError> {
        let id = open.letter_id;
        Ok(match courier {
            Courier::Mail(mailer) => Outgoing::Mail(mailer, self.mail(open, to, letter)?),
            Courier::Sms(sms) => {
                let to = PhoneNumber::parse(to).map_err(|error| MailError(error.to_string()))?;
                Outgoing::Sms(sms, ShortMessage { id, to, text: letter.line(&self.sender) })
            }
            Courier::Push(push, platform, device_id) => {
                let notice = Notice {
                    id,
                    platform,
                    token: String::from(to),
                    title: letter.subject(&self.sender),
                    text: letter.line(&self.sender),
                };
                Outgoing::Push(push, notice, device_id)
            }
        })
    }

    fn mail(&self, open: &LetterOpen, to: &str, letter: &Letter) -> Result<Mail, MailError> {
        let written = open.written_at.into();
        Ok(Mail {
            id: open.letter_id,
            to: Email::parse(to).map_err(|error| MailError(error.to_string()))?,
            subject: letter.subject(&self.sender),
            text: letter.text(&self.sender, written)?,
            written,
        })
    }

    async fn send(&self, claimed: Claimed) {
        let Claimed { id, customer, outgoing, deletion } = claimed;
        let sending = async {
            match &outgoing {
                Outgoing::Mail(mailer, mail) => {
                    mailer.send(mail).await.map_err(|error| NotTaken::Now(error.to_string()))
                }
                Outgoing::Sms(sms, message) => sms.send(message).await,
                Outgoing::Push(push, notice, _) => push.send(notice).await,
            }
        };
        match timeout(SENDING_MAX, sending).await {
            Ok(Ok(())) => {
                if let Err(error) = self.delete(deletion).await {
                    warn!(letter = %id, "it is sent, and may be sent again: {error}");
                }
            }
            Ok(Err(NotTaken::Gone)) => {
                if let Err(error) = self.forget(customer, &outgoing, deletion).await {
                    warn!(letter = %id, "nobody is there, and it is tried again: {error}");
                }
            }
            Ok(Err(NotTaken::Now(error))) => {
                warn!(letter = %id, "not sent, and tried again later: {error}");
            }
            Err(_) => warn!(letter = %id, "not sent in time, and tried again later"),
        }
    }

    /// Takes a letter out of the outbox that reaches nobody, with the device that it was to.
    async fn forget(
        &self,
        customer: Option<Id<Customer>>,
        outgoing: &Outgoing,
        deletion: DocumentWrite,
    ) -> Result<(), BankError> {
        if let (Some(customer), Outgoing::Push(_, _, device)) = (customer, outgoing) {
            Devices::forget(&self.store, &*self.clock, customer, *device).await?;
        }
        self.delete(deletion).await
    }

    async fn delete(&self, deletion: DocumentWrite) -> Result<(), BankError> {
        self.store.client().write_documents(&[deletion]).await?;
        Ok(())
    }

    /// Takes a letter out of the outbox that nobody is helped by any more, and says so.
    async fn give_up(&self, found: &Found<Outbox>) -> Result<(), BankError> {
        let LetterOpen { letter_id, tries_count, .. } = found.row.open;
        error!(letter = %letter_id, tries_count, "given up: it could not be sent while it was of use");
        let act = Act {
            action: Action::Delete,
            entity: "LETTER",
            entity_id: letter_id.to_string(),
            subject: Outbox::subject(&found.row.open),
            old: None,
            new: Some(serde_json::json!({"tries_count": tries_count, "reason": "too late"})),
        };
        let caller = Caller::bank();
        let mut commit = audit::commit_of(&self.store, &caller, audit::commit_id()).await?;
        commit.documents =
            vec![found.deletion(), audit::row(&self.store, &*self.clock, &caller, act).await?];
        self.store.commit(&commit).await.map(drop)
    }
}

fn first_page() -> DocumentScan {
    DocumentScan { table: Outbox::TABLE, limit: LETTERS_MAX, ..DocumentScan::default() }
}

async fn finish(mut sending: JoinSet<()>) {
    while sending.join_next().await.is_some() {}
}

//! Everybody's mailbox: what was sent, and which addresses nothing can be sent to.

use crate::branch::{Branch, ORIGIN};
use florin_adapter::notify::{Couriers, Mail, MailError, Mailer, Postman, Sender, Sending};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    received: Mutex<Vec<Mail>>,
    dead: Mutex<BTreeSet<&'static str>>,
}

impl Mailbox {
    pub(crate) fn new() -> Arc<Mailbox> {
        Arc::default()
    }

    /// Nothing can be sent to an address any more.
    pub(crate) fn dies(&self, address: &'static str) {
        self.dead.lock().unwrap().insert(address);
    }

    pub(crate) fn revives(&self, address: &str) {
        self.dead.lock().unwrap().remove(address);
    }

    /// What has come since it was looked at last.
    pub(crate) fn opens(&self) -> Vec<Mail> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// The one mail that has come, which is to this address.
    pub(crate) fn only(&self, address: &str) -> Mail {
        let mut mails = self.opens();
        let mail = mails.pop().unwrap();
        assert_eq!((mails.len(), mail.to.written()), (0, address));
        mail
    }

    pub(crate) fn postman(self: &Arc<Self>, branch: &Branch) -> Postman {
        postman(branch, Couriers { mail: Some(self.courier()), ..Couriers::default() })
    }

    pub(crate) fn courier(self: &Arc<Self>) -> Arc<dyn Mailer> {
        Arc::<Mailbox>::clone(self)
    }

    /// Sends what is due. Returns how many letters that were.
    pub(crate) async fn fills(self: &Arc<Self>, branch: &Branch) -> usize {
        self.postman(branch).step().await.unwrap()
    }
}

pub(crate) fn postman(branch: &Branch, couriers: Couriers) -> Postman {
    let sender = Sender { bank: String::from("Bank"), origin: String::from(ORIGIN) };
    let (store, clock) = (branch.bank.store.clone(), branch.bank.clock.clone());
    Postman::new(store, clock, couriers, sender)
}

impl Mailer for Mailbox {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move {
            if self.dead.lock().unwrap().contains(mail.to.written()) {
                return Err(MailError(String::from("nobody listens")));
            }
            self.received.lock().unwrap().push(mail.clone());
            Ok(())
        })
    }
}

/// The link in a mail, as a path of the bank.
pub(crate) fn link(mail: &Mail) -> String {
    let line = mail.text.lines().find(|line| line.contains("?token=")).unwrap();
    String::from(line.strip_prefix(ORIGIN).unwrap())
}

/// What a link carries.
pub(crate) fn token(link: &str) -> &str {
    link.split_once("token=").unwrap().1
}

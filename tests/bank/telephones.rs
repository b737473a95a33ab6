//! Everybody's telephones and devices: what came to them, and which are not there any more.

use crate::branch::Branch;
use crate::mailbox::{Mailbox, postman};
use florin_adapter::notify::{
    Couriers, NotTaken, Notice, Postman, Push, ShortMessage, Sms, Taking,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Telephones {
    messages: Mutex<Vec<ShortMessage>>,
    notices: Mutex<Vec<Notice>>,
    gone: Mutex<BTreeSet<String>>,
}

impl Telephones {
    pub(crate) fn new() -> Arc<Telephones> {
        Arc::default()
    }

    /// Nobody is at a device any more.
    pub(crate) fn loses(&self, token: &str) {
        self.gone.lock().unwrap().insert(String::from(token));
    }

    /// Short messages that have come since, by number.
    pub(crate) fn reads(&self) -> Vec<(String, String)> {
        let messages = std::mem::take(&mut *self.messages.lock().unwrap());
        let read = messages.into_iter().map(|it| (String::from(it.to.plain()), it.text));
        let mut read: Vec<_> = read.collect();
        read.sort();
        read
    }

    /// The one message that has come, which is to this number.
    pub(crate) fn only(&self, number: &str) -> String {
        let mut read = self.reads();
        let (to, text) = read.pop().unwrap();
        assert_eq!((read.len(), &*to), (0, number));
        text
    }

    /// Notices that have come since, by device.
    pub(crate) fn sees(&self) -> Vec<(String, String)> {
        let notices = std::mem::take(&mut *self.notices.lock().unwrap());
        let mut seen: Vec<_> = notices.into_iter().map(|it| (it.token, it.text)).collect();
        seen.sort();
        seen
    }

    pub(crate) fn postman(self: &Arc<Self>, branch: &Branch, mailbox: &Arc<Mailbox>) -> Postman {
        let (sms, push) = (Arc::<Telephones>::clone(self), Arc::<Telephones>::clone(self));
        let mail = Some(mailbox.courier());
        postman(branch, Couriers { mail, sms: Some(sms), push: Some(push) })
    }

    /// Sends what is due, by whatever way. Returns how many letters that were.
    pub(crate) async fn ring(self: &Arc<Self>, branch: &Branch, mailbox: &Arc<Mailbox>) -> usize {
        self.postman(branch, mailbox).step().await.unwrap()
    }
}

/// A branch with its customers' mailbox and telephones.
pub(crate) struct House {
    pub(crate) branch: Branch,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) telephones: Arc<Telephones>,
}

impl House {
    pub(crate) async fn open() -> House {
        let (mailbox, telephones) = (Mailbox::new(), Telephones::new());
        House { branch: Branch::open().await, mailbox, telephones }
    }

    /// Sends what is due.
    pub(crate) async fn rings(&self) {
        self.telephones.ring(&self.branch, &self.mailbox).await;
    }

    /// Sends what is due, and reads the messages that have come since, by number.
    pub(crate) async fn reads(&self) -> Vec<(String, String)> {
        self.rings().await;
        self.telephones.reads()
    }
}

impl Sms for Telephones {
    fn send<'a>(&'a self, message: &'a ShortMessage) -> Taking<'a> {
        Box::pin(async move {
            self.messages.lock().unwrap().push(message.clone());
            Ok(())
        })
    }
}

impl Push for Telephones {
    fn send<'a>(&'a self, notice: &'a Notice) -> Taking<'a> {
        Box::pin(async move {
            if self.gone.lock().unwrap().contains(&notice.token) {
                return Err(NotTaken::Gone);
            }
            self.notices.lock().unwrap().push(notice.clone());
            Ok(())
        })
    }
}

/// The code in a message: its first six digits in a row.
pub(crate) fn code_in(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_digit());
    String::from(words.into_iter().find(|word| word.len() == 6).unwrap())
}

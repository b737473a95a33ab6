//! Devices on which a customer's app shows notices.
//!
//! - They are one document of the customer, so that there are never more than [`DEVICES_MAX`] of them, whoever adds one
//!   at the same time.
//! - What the service of a device knows an app by is one customer's: who logs in on another's device takes it over, and
//!   the other's notices are not shown there any more.
//! - Whoever registers one, its customer is told by mail: who has got into an app for a moment would read along for ever.
//! - A device of which its service says that nobody is there is forgotten.

use crate::audit::{self, Act, Action, Caller};
use crate::clock::{Clock, UnixNs};
use crate::customers::tell;
use crate::entry::{Blind, Entry, Rekeyed, gone, take_away};
use crate::error::BankError;
use crate::id::{Customer, Device, Id};
use crate::notify::{Letter, Place, Platform};
use crate::payments::Orderer;
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::{Indexed, Subject};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, DocumentWrite, TableId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Devices of a customer.
pub const DEVICES_MAX: usize = 5;
const TOKEN_BYTES_MAX: usize = 2_048;
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// What the service of a device knows an app by.
#[derive(Clone, PartialEq, Eq)]
pub struct PushToken(String);

/// Not such a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a device token has 1 to {TOKEN_BYTES_MAX} visible characters")]
pub struct NotAToken;

impl PushToken {
    /// Reads a token as its service gave it.
    ///
    /// # Errors
    /// [`NotAToken`].
    pub fn parse(text: &str) -> Result<PushToken, NotAToken> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_sound = is_visible && (1..=TOKEN_BYTES_MAX).contains(&text.len());
        if is_sound { Ok(PushToken(String::from(text))) } else { Err(NotAToken) }
    }
}

/// Nothing: whoever has it may show notices there.
impl fmt::Debug for PushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushToken(..)")
    }
}

/// Why a device is not registered. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum RegisterRefused {
    /// There are as many as there may be.
    #[error("remove another device first")]
    TooMany,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Devices of customers, by customer.
pub enum Devices {}

/// Whose they are.
#[derive(Clone, Serialize, Deserialize)]
pub struct DevicesOpen {
    user_id: Id<Customer>,
}

/// The devices, oldest first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct DevicesSealed {
    devices: Vec<Registered>,
}

/// A device.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registered {
    /// What the bank calls it.
    pub device_id: Id<Device>,
    /// Whose service brings notices to it.
    pub platform: Platform,
    /// What the service knows the app by.
    pub(super) token: String,
    /// Since when.
    pub registered_at: UnixNs,
}

impl Kind for Devices {
    const TABLE: TableId = tables::DEVICES;
    type Open = DevicesOpen;
    type Profile = DevicesSealed;
    type Statutory = ();

    fn subject(open: &DevicesOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Whose a token is, by its blind index.
pub(crate) enum DeviceTokens {}

/// The customer.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct DeviceToken {
    user_id: Id<Customer>,
}

impl Kind for DeviceTokens {
    const TABLE: TableId = tables::DEVICE_TOKENS;
    type Open = DeviceToken;
    type Profile = ();
    type Statutory = ();

    fn subject(open: &DeviceToken) -> Subject {
        Subject::Customer(open.user_id)
    }
}

impl Blind for DeviceTokens {
    const INDEXED: Indexed = Indexed::DeviceToken;
}

impl Rekeyed for DeviceTokens {
    async fn value(store: &Store, found: &Found<Self>) -> Result<Option<String>, BankError> {
        let blind = store.vault().blind();
        let devices = Devices::of(store, found.row.open.user_id).await?;
        let mut tokens = devices.into_iter().map(|device| device.token);
        Ok(tokens.find(|token| blind.is_of(Indexed::DeviceToken, token, &found.key)))
    }
}

impl Registered {
    /// Where notices go.
    pub(super) fn place(self) -> Place {
        Place::App { token: self.token, platform: self.platform, device_id: self.device_id }
    }
}

impl Devices {
    /// Registers a device, and whether it was not yet. Returns when that is durable.
    ///
    /// # Errors
    /// [`RegisterRefused`].
    pub async fn register(
        store: &Store,
        clock: &dyn Clock,
        orderer: &Orderer,
        platform: Platform,
        token: &PushToken,
    ) -> Result<(Registered, bool), RegisterRefused> {
        let Orderer { customer, caller, authority, .. } = orderer;
        for _ in 0..TRIES_MAX {
            let own: Option<Found<Devices>> = store.get(&customer.bytes()).await?;
            let mut devices = listed(own.as_ref());
            let known = devices.iter().find(|known| known.token == token.0);
            if let Some(known) = known.filter(|known| known.platform == platform) {
                return Ok((known.clone(), false));
            }
            devices.retain(|known| known.token != token.0);
            if DEVICES_MAX <= devices.len() {
                return Err(RegisterRefused::TooMany);
            }
            let device_id = Id::at(clock.now());
            let registered_at = clock.now().into();
            let device = Registered { device_id, platform, token: token.0.clone(), registered_at };
            devices.push(device.clone());
            let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
            commit.preconditions = authority.clone();
            commit.documents.push(write(store, *customer, own.as_ref(), devices).await?);
            take_over(store, *customer, token, &mut commit).await?;
            commit.documents.push(tell(store, clock, *customer, Letter::DeviceAdded).await?);
            let act = act(*customer, Action::Create, device_id);
            commit.documents.push(audit::row(store, clock, caller, act).await?);
            match store.commit(&commit).await {
                Ok(_) => return Ok((device, true)),
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(BankError::Contended.into())
    }

    /// A customer's devices, oldest first.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn of(store: &Store, customer: Id<Customer>) -> Result<Vec<Registered>, BankError> {
        let found: Option<Found<Devices>> = store.get(&customer.bytes()).await?;
        Ok(listed(found.as_ref()))
    }

    /// Forgets a device, for whoever has it; whether there was such a one.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn remove(
        store: &Store,
        clock: &dyn Clock,
        orderer: &Orderer,
        device: Id<Device>,
    ) -> Result<bool, BankError> {
        let Orderer { customer, caller, authority, .. } = orderer;
        for _ in 0..TRIES_MAX {
            let Some(mut commit) = forgetting(store, clock, caller, *customer, device).await?
            else {
                return Ok(false);
            };
            commit.preconditions = authority.clone();
            match store.commit(&commit).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_stale() => {}
                Err(error) => return Err(error),
            }
        }
        Err(BankError::Contended)
    }

    /// Forgets a device of which its service says that nobody is there.
    ///
    /// # Errors
    /// [`BankError`].
    pub(crate) async fn forget(
        store: &Store,
        clock: &dyn Clock,
        customer: Id<Customer>,
        device: Id<Device>,
    ) -> Result<(), BankError> {
        let caller = Caller::bank();
        match forgetting(store, clock, &caller, customer, device).await? {
            Some(commit) => store.commit(&commit).await.map(drop),
            None => Ok(()),
        }
    }

    /// The writes that forget whose the tokens of a customer are.
    pub(crate) async fn forget_tokens(
        store: &Store,
        customer: Id<Customer>,
    ) -> Result<Vec<DocumentWrite>, BankError> {
        let devices = Devices::of(store, customer).await?;
        Ok(devices.iter().flat_map(|it| gone::<DeviceTokens>(store, &[], &it.token)).collect())
    }
}

fn listed(found: Option<&Found<Devices>>) -> Vec<Registered> {
    let sealed = found.and_then(|found| found.row.profile.as_known());
    sealed.map(|sealed| sealed.devices.clone()).unwrap_or_default()
}

async fn write(
    store: &Store,
    customer: Id<Customer>,
    found: Option<&Found<Devices>>,
    devices: Vec<Registered>,
) -> Result<DocumentWrite, BankError> {
    let row = Row::<Devices> {
        open: DevicesOpen { user_id: customer },
        profile: Held::Known(DevicesSealed { devices }),
        statutory: Held::Absent,
    };
    let condition = found.map_or(DocumentCondition::Absent, Found::condition);
    store.write(&customer.bytes(), &row, condition).await
}

/// Adds to a commit that a token is a customer's, and nobody else's any more.
async fn take_over(
    store: &Store,
    customer: Id<Customer>,
    token: &PushToken,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let entry = Entry::<DeviceTokens>::find(store, &[], &token.0).await?;
    let row = Row::<DeviceTokens>::open(DeviceToken { user_id: customer });
    entry.put(store, &row, Timestamp::NONE, commit).await?;
    let other =
        entry.found().map(|before| before.row.open.user_id).filter(|other| *other != customer);
    let Some(other) = other else { return Ok(()) };
    let found: Option<Found<Devices>> = store.get(&other.bytes()).await?;
    if let Some(found) = found.filter(|found| found.row.profile.as_known().is_some()) {
        let mut devices = listed(Some(&found));
        devices.retain(|device| device.token != token.0);
        commit.documents.push(write(store, other, Some(&found), devices).await?);
    }
    Ok(())
}

/// The commit that forgets a device; `None` if there is no such one.
async fn forgetting(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
    device: Id<Device>,
) -> Result<Option<Commit>, BankError> {
    let found: Option<Found<Devices>> = store.get(&customer.bytes()).await?;
    let mut devices = listed(found.as_ref());
    let place = devices.iter().position(|known| known.device_id == device);
    let Some(place) = place else { return Ok(None) };
    let removed = devices.remove(place);
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.documents.push(write(store, customer, found.as_ref(), devices).await?);
    take_away::<DeviceTokens>(store, &[], &removed.token, &mut commit).await?;
    let act = act(customer, Action::Delete, device);
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    Ok(Some(commit))
}

fn act(customer: Id<Customer>, action: Action, device: Id<Device>) -> Act {
    Act {
        action,
        entity: "DEVICE",
        entity_id: device.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: None,
    }
}

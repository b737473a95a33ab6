//! The bank that an adapter serves: the ledger and what it takes to read and write it. It keeps no state that
//! matters: any number of adapters may serve the same bank.

use crate::accounts::{BankCode, chart};
use crate::activation::{self, Standing};
use crate::api::{AccessTokens, ReplayMemory};
use crate::audit::Caller;
use crate::clock::Clock;
use crate::customers::{Passwords, decoy};
use crate::edge::{Rates, Refusals};
use crate::error::BankError;
use crate::figures::Figures;
use crate::live::Live;
use crate::money::Currency;
use crate::payments::References;
use crate::risk::Countries;
use crate::store::Store;
use crate::tables;
use crate::test_clock::TestClock;
use crate::timekeeping::{Steady, Timekeeping};
use crate::vault::{Purpose, Vault};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use florin_client::Client;
use florin_keys::KeyEncryptionKey;
use florin_ledger::{AccountFlags, CreateAccountStatus};
use jiff::tz::TimeZone;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// What an adapter is told.
#[derive(Clone, Debug)]
pub struct BankOptions {
    /// Where customers' browsers find it: `https://HOST[:PORT]`.
    pub origin: String,
    /// What the bank is called.
    pub name: String,
    /// Its bank code.
    pub code: BankCode,
    /// Threads that hash passwords.
    pub password_threads_count: usize,
    /// Where its days and months begin: the same for all adapters of a bank.
    pub time_zone: TimeZone,
    /// Payments to others above this need a proof of their own.
    pub step_up_above_cents: u64,
    /// Requests that a customer's apps may send in a minute.
    pub requests_per_minute: u32,
    /// Whether it has somebody who takes short messages.
    pub sends_sms: bool,
    /// Short messages of the bank in an hour, for codes and for news each: the same for all adapters.
    pub sms_per_hour: u32,
    /// Whether it has somebody who takes notices for apps.
    pub sends_push: bool,
    /// In which country addresses of the internet are, if it was told.
    pub countries: Option<Arc<Countries>>,
}

/// A bank.
pub struct Bank {
    /// Its documents, and its ledger.
    pub store: Store,
    /// Whether it may touch anybody.
    pub standing: Standing,
    /// Its time, which never goes back.
    pub clock: Arc<dyn Clock>,
    /// Whether its time is the ledger's.
    pub time: Timekeeping,
    /// Its passwords.
    pub passwords: Passwords,
    /// Its references.
    pub references: References,
    /// How often addresses may try passwords.
    pub rates: Rates,
    /// How many refusals are on record.
    pub refusals: Refusals,
    /// Access tokens of its apps.
    pub tokens: AccessTokens,
    /// Which proofs of its apps' keys were used.
    pub proofs: ReplayMemory,
    /// Who is told what happens while it does.
    pub live: Arc<Live>,
    /// What it counts of itself.
    pub figures: Figures,
    /// Its clock, if that is set by hand.
    pub test_clock: Option<TestClock>,
    /// What it was told.
    pub options: BankOptions,
    forms: hmac::Key,
}

impl Bank {
    /// Opens the bank of a ledger; makes its keys, tables and accounts if it is new.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn open(
        client: Client,
        root: &dyn KeyEncryptionKey,
        clock: Arc<dyn Clock>,
        options: BankOptions,
    ) -> Result<Bank, BankError> {
        declare_tables(&client).await?;
        let steady = Arc::new(Steady::new(clock));
        let clock: Arc<dyn Clock> = steady.clone();
        let vault = Vault::open(&client, root).await?;
        let passwords = Passwords::new(vault.clone(), options.password_threads_count);
        let tokens = AccessTokens::new(vault.tree(), &options.origin);
        let (_, forms) = vault.tree().newest(Purpose::Forms);
        let live = Arc::new(Live::new(vault.tree()));
        let store = Store::new(client, vault);
        let standing = activation::standing(&store, &*clock).await?;
        let proofs = ReplayMemory::open(&store, clock.now()).await?;
        decoy::ensure(&store, &passwords, clock.now()).await?;
        Ok(Bank {
            forms: hmac::Key::new(HMAC_SHA256, forms.as_slice()),
            store,
            standing,
            clock,
            time: Timekeeping::new(steady),
            passwords,
            references: References::default(),
            rates: Rates::default(),
            refusals: Refusals::default(),
            tokens,
            proofs,
            live,
            figures: Figures::default(),
            test_clock: None,
            options,
        })
    }

    /// Opens the bank's own accounts that are not open yet, as of a time in the past if one is given.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn open_own_accounts(
        &self,
        imported: Option<florin_ledger::Timestamp>,
    ) -> Result<(), BankError> {
        let mut accounts = Vec::new();
        let own = Currency::ALL.into_iter().map(chart::cash).chain([chart::limits()]);
        for (place, mut account) in (0..).zip(own) {
            if let Some(florin_ledger::Timestamp(start)) = imported {
                account.flags = account.flags.with(AccountFlags::IMPORTED);
                account.timestamp = florin_ledger::Timestamp(start + place);
            }
            accounts.push(account);
        }
        for result in self.store.client().create_accounts(&accounts).await? {
            match result.status {
                // Of an opening with another past.
                CreateAccountStatus::Created
                | CreateAccountStatus::Exists
                | CreateAccountStatus::ExistsWithDifferentFlags => {}
                status => return Err(BankError::odd(&status)),
            }
        }
        Ok(())
    }

    /// Takes one of the tries of passwords, codes and links that a caller's address has in a minute.
    ///
    /// # Errors
    /// In how many seconds it may try again.
    pub fn takes_a_try(&self, caller: &Caller) -> Result<(), u64> {
        let address = caller.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.rates.take(address, self.clock.now())
    }

    /// The token of the forms that belong to a secret.
    #[must_use]
    pub fn form_token(&self, secret: &[u8]) -> String {
        data_encoding::BASE64URL_NOPAD.encode(hmac::sign(&self.forms, secret).as_ref())
    }

    /// Whether a form has the token of a secret.
    #[must_use]
    pub fn is_form_token(&self, secret: &[u8], token: &str) -> bool {
        let Ok(tag) = data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()) else { return false };
        hmac::verify(&self.forms, secret, &tag).is_ok()
    }
}

async fn declare_tables(client: &Client) -> Result<(), BankError> {
    let declared = client.tables().await?;
    for table in tables::ALL {
        let is_declared = declared.contains(&(table.id, table.options));
        if !is_declared {
            client.declare_table(table.id, table.options).await?;
        }
    }
    Ok(())
}

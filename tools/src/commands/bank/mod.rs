//! `florin bank`: a bank for browsers, over a ledger in this process or a server; and what whoever runs it looks
//! after it with.

pub(super) mod access;
mod activate;
mod keys;
mod staff;

use super::serve::shutdown_signal;
use crate::adapter;
use crate::bank_figures::BankFigures;
use crate::clock::BankClock;
use crate::events;
use crate::exit::{Exit, Failure};
use crate::mail::MailArguments;
use crate::messages::MessageArguments;
use access::{Access, Wanted, unavailable};
use clap::{Args, Subcommand};
use florin_adapter::BankOptions;
use florin_adapter::accounts::BankCode;
use florin_adapter::api::REQUESTS_PER_MINUTE;
use florin_adapter::clock::{TimeZone, time_zone};
use florin_adapter::notify::Couriers;
use florin_adapter::risk::Countries;
use florin_client::Client;
use florin_server::Observe;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Serve a bank to browsers, over a ledger; or, with a command, look after it
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BankCommand {
    #[command(subcommand)]
    action: Option<BankAction>,

    #[command(flatten)]
    serving: Serving,
}

#[derive(Subcommand, Debug)]
enum BankAction {
    Staff(staff::Staff),
    Keys(keys::Keys),
    Activate(activate::Activate),
}

/// What it takes to serve a bank. What must be there is optional where a command takes its place.
#[derive(Args, Debug)]
struct Serving {
    #[command(flatten)]
    access: Access,

    /// The certificate that browsers are shown, and those above it (PEM)
    #[arg(long, value_name = "FILE", required = true)]
    tls_cert: Option<PathBuf>,

    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", required = true)]
    tls_key: Option<PathBuf>,

    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,

    /// Show figures at this address to whoever reaches it; a port alone is of 127.0.0.1, 0 picks a free one
    #[arg(long, value_name = "[HOST:]PORT", value_parser = observed)]
    observe: Option<SocketAddr>,

    /// Where browsers find it; left out, https://localhost and the port that it listens on
    #[arg(long, value_name = "https://HOST[:PORT]", value_parser = origin)]
    origin: Option<String>,

    /// What the bank is called
    #[arg(long, value_name = "NAME", default_value = "Florin")]
    name: String,

    /// The bank's code of eight digits, which numbers of accounts begin with
    #[arg(long, value_name = "CODE", default_value = "99999999", value_parser = bank_code)]
    bank_code: BankCode,

    #[command(flatten)]
    mail: MailArguments,

    #[command(flatten)]
    messages: MessageArguments,

    /// Threads that hash passwords
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    password_threads: usize,

    /// Where its days and months begin; the same for every adapter of the bank
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone)]
    time_zone: TimeZone,

    /// Payments to others of up to this amount need no second code
    #[arg(long, value_name = "CENTS", default_value_t = 0)]
    step_up_above: u64,

    /// In which country addresses of the internet are: a file of first,last,country; left out, nobody knows
    #[arg(long, value_name = "FILE")]
    countries: Option<PathBuf>,

    /// Requests that a customer's apps may send in a minute
    #[arg(long, value_name = "COUNT", default_value_t = REQUESTS_PER_MINUTE)]
    requests_per_minute: u32,

    /// Let the staff set its clock forward, for tests: in a directory that has no bank yet, or had this flag then
    #[arg(long)]
    test_clock: bool,

    /// Say where it listens as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    log: events::Log,
}

/// What is printed once, when pages are served from now on.
#[derive(Serialize)]
struct Ready<'a> {
    browser_url: &'a str,
    address: String,
    /// Where figures are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    observe: Option<String>,
    process_id: u32,
}

impl BankCommand {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match &self.action {
            Some(BankAction::Staff(staff)) => staff.run(),
            Some(BankAction::Keys(keys)) => keys.run(),
            Some(BankAction::Activate(activate)) => activate.run(),
            None => self.serving.run(),
        }
    }
}

impl Serving {
    fn run(&self) -> Result<Exit, Failure> {
        self.log.begin()?;
        self.access.with_clock(async |client, clock| self.serve(client, clock).await)?;
        Ok(Exit::Done)
    }

    async fn serve(&self, client: Client, clock: Arc<BankClock>) -> Result<(), Failure> {
        let stop = shutdown_signal()?;
        let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Err(Failure::usage("name a certificate and its key: --tls-cert, --tls-key"));
        };
        let (chain, key) = (read(chain)?, read(key)?);
        let listener = adapter::listen(self.listen, &chain, &key).await?;
        let port = listener.address().port();
        let origin = self.origin.clone().unwrap_or_else(|| format!("https://localhost:{port}"));
        let options = BankOptions {
            origin: origin.clone(),
            name: self.name.clone(),
            code: self.bank_code,
            password_threads_count: self.password_threads,
            time_zone: self.time_zone.clone(),
            step_up_above_cents: self.step_up_above,
            requests_per_minute: self.requests_per_minute,
            sends_sms: self.messages.sends_sms(),
            sms_per_hour: self.messages.sms_per_hour(),
            sends_push: self.messages.sends_push(),
            countries: self.countries.as_deref().map(countries).transpose()?,
        };
        let wanted = if self.test_clock { Wanted::SetByHand } else { Wanted::AsItIs };
        let mail = self.mail.mailer(&adapter::sender(&self.name, &origin))?;
        let couriers = self.messages.join(Couriers { mail, ..Couriers::default() })?;
        let bank = Arc::new(self.access.bank(client, clock, options, wanted).await?);
        bank.open_own_accounts(None).await.map_err(|error| unavailable(&error))?;
        let observe = match self.observe {
            Some(address) => {
                let figures = Arc::new(BankFigures(Arc::clone(&bank)));
                let bound = Observe::bind_to(address, figures).await;
                Some(bound.map_err(|error| Failure::unavailable(error.to_string()))?)
            }
            None => None,
        };
        self.say_ready(&origin, listener.address(), observe.as_ref().map(Observe::address))?;
        adapter::serve(bank, listener, couriers, observe, stop).await;
        Ok(())
    }

    fn say_ready(
        &self,
        origin: &str,
        address: SocketAddr,
        observe: Option<SocketAddr>,
    ) -> Result<(), Failure> {
        let observe = observe.map(|address| address.to_string());
        let mut output = io::stdout().lock();
        if self.json {
            let address = address.to_string();
            let process_id = std::process::id();
            let ready = Ready { browser_url: origin, address, observe, process_id };
            let line = serde_json::to_string(&ready).expect("strings can't fail");
            writeln!(output, "{line}")?;
        } else {
            writeln!(output, "{} is open at {origin}, listening on {address}", self.name)?;
            if let Some(observe) = observe {
                writeln!(output, "figures at http://{observe}/metrics")?;
            }
        }
        output.flush()?;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::unavailable(format!("can't read {}: {error}", path.display()));
    fs::read(path).map_err(failed)
}

fn countries(path: &Path) -> Result<Arc<Countries>, Failure> {
    let text = String::from_utf8(read(path)?).map_err(|error| error.to_string());
    let read = text.and_then(|text| Countries::parse(&text).map_err(|error| error.to_string()));
    let failed = |error| Failure::usage(format!("{}: {error}", path.display()));
    read.map(Arc::new).map_err(failed)
}

/// An address to show figures at; a port alone is of this machine.
fn observed(text: &str) -> Result<SocketAddr, String> {
    let address = match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Err(_) => text.parse(),
    };
    address.map_err(|_| String::from("write a port, or ADDRESS:PORT with an address in numbers"))
}

fn bank_code(text: &str) -> Result<BankCode, String> {
    let code = text.parse().ok().and_then(BankCode::new);
    code.ok_or_else(|| String::from("a bank code has eight digits and does not begin with 0"))
}

/// An origin as browsers send it: a scheme, a host in lower case, and no path.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").unwrap_or_default();
    let is_sound = !host.is_empty()
        && host.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte)
        })
        && !host.ends_with(":443");
    if is_sound {
        return Ok(String::from(text));
    }
    Err(String::from("write https://host, or https://host:port if the port is not 443"))
}

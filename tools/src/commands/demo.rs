//! `florin demo`: a bank to look at, in a fresh directory, served to browsers on this machine.

use super::bank::access::{Wanted, open_at};
use crate::adapter;
use crate::certificates::{Certificates, certificates};
use crate::clock::BankClock;
use crate::events;
use crate::exit::{Exit, Failure};
use crate::mail::Shown;
use crate::messages::ShownMessages;
use crate::target::open_database_at;
use clap::Args;
use florin_adapter::BankOptions;
use florin_adapter::accounts::BankCode;
use florin_adapter::api::REQUESTS_PER_MINUTE;
use florin_adapter::clock::TimeZone;
use florin_adapter::demo::{self, DemoCustomer, DemoMember};
use florin_adapter::notify::Couriers;
use florin_client::Client;
use florin_core::disk::os::OsDisk;
use florin_core::{Database, Options, sealing};
use florin_keys::{FileKey, KeyEncryptionKey};
use florin_server::{Doors, Server, ServerOptions};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Serve a bank to look at: customers, accounts and a year of history in a fresh directory
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// The directory to make (in the system's temporary directory if left out)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where browsers find it on this machine; 0 picks a free port
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    port: u16,

    /// Let the staff set the bank's clock forward, for tests
    #[arg(long)]
    test_clock: bool,

    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,

    /// Requests that a customer's apps may send in a minute
    #[arg(long, value_name = "COUNT", default_value_t = REQUESTS_PER_MINUTE)]
    requests_per_minute: u32,

    #[command(flatten)]
    log: events::Log,
}

/// Short messages in an hour, at most.
const MESSAGES_PER_HOUR: u32 = 100;

/// What is printed once the bank is open.
#[derive(Serialize)]
struct Ready<'a> {
    browser_url: &'a str,
    api_url: &'a str,
    issuer: &'a str,
    ca_certificate: &'a str,
    customers: Vec<Login<'a>>,
    staff: Vec<StaffLogin<'a>>,
    /// Open to whoever is on this machine.
    ledger_address: String,
    data: String,
    /// The directory that mail is written into.
    mail: String,
    /// The directory that messages to telephones and devices are written into.
    messages: String,
}

#[derive(Serialize)]
struct Login<'a> {
    email: &'a str,
    password: &'a str,
    totp_secret: &'a str,
    accounts: &'a [String],
}

#[derive(Serialize)]
struct StaffLogin<'a> {
    email: &'a str,
    password: &'a str,
    totp_secret: &'a str,
    roles: &'a [&'static str],
}

impl Demo {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        self.log.begin()?;
        let directory = self.fresh_directory()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::unavailable(format!("can't start threads: {error}")))?;
        let data = directory.join("ledger");
        let options = Options {
            observer: events::observer(),
            key: Some(sealed(&data, &directory.join("ledger_key"))?),
            ..Options::default()
        };
        let clock = Arc::new(BankClock::default());
        let database = open_database_at(&data, clock.clone(), options)?;
        let served = runtime.block_on(self.serve(&directory, database.clone(), clock));
        // Tasks that still hold the database go first.
        runtime.shutdown_timeout(Duration::from_secs(5));
        let closed = database.close();
        served?;
        closed.map_err(|error| Failure::at_close(&error))?;
        Ok(Exit::Done)
    }

    fn fresh_directory(&self) -> Result<PathBuf, Failure> {
        let failed = |path: &Path, error: io::Error| {
            Failure::unavailable(format!("can't make {}: {error}", path.display()))
        };
        match &self.data {
            Some(path) => {
                std::fs::create_dir(path).map_err(|error| failed(path, error))?;
                Ok(path.clone())
            }
            None => {
                let made = tempfile::Builder::new().prefix("florin-demo-").tempdir();
                Ok(made.map_err(|error| failed(&std::env::temp_dir(), error))?.keep())
            }
        }
    }

    async fn serve(
        &self,
        directory: &Path,
        database: Database,
        clock: Arc<BankClock>,
    ) -> Result<(), Failure> {
        let stop = super::serve::shutdown_signal()?;
        let certificates = certificates()?;
        let unavailable = |error: &dyn std::fmt::Display| Failure::unavailable(error.to_string());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let (chain, key) = (&certificates.chain, &certificates.key);
        let listener = adapter::listen(address, chain.as_bytes(), key.as_bytes()).await?;
        let origin = format!("https://localhost:{}", listener.address().port());
        let root = FileKey::generate(&directory.join("root_key"));
        let root = root.map_err(|error| unavailable(&error))?;
        let options = BankOptions {
            origin: origin.clone(),
            name: String::from("Florin Demo Bank"),
            code: BankCode::DEMO,
            password_threads_count: 2,
            time_zone: TimeZone::UTC,
            step_up_above_cents: 0,
            requests_per_minute: self.requests_per_minute,
            sends_sms: true,
            sms_per_hour: MESSAGES_PER_HOUR,
            sends_push: true,
            countries: None,
        };
        let sender = adapter::sender(&options.name, &origin);
        let mailer = Arc::new(Shown::new(&directory.join("mail"), sender, self.json)?);
        let shown = Arc::new(ShownMessages::new(&directory.join("messages"), self.json)?);
        let couriers = Couriers { mail: Some(mailer), sms: Some(shown.clone()), push: Some(shown) };
        // There is nothing to steal, and something to look at.
        let doors = ServerOptions::behind(Doors::insecure_loopback());
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(anywhere, doors, database.clone()).await;
        let server = server.map_err(|error| unavailable(&error))?;
        let client = Client::embedded(database);
        let wanted = if self.test_clock { Wanted::SetByHand } else { Wanted::AsItIs };
        let bank = Arc::new(open_at(client, &root, clock, options, wanted).await?);
        let customers = demo::fill(&bank).await.map_err(|error| unavailable(&error))?;
        let staff = demo::hire(&bank).await.map_err(|error| unavailable(&error))?;
        keep(directory, &certificates)?;
        let people = (&*customers, &*staff);
        self.say_ready(directory, &origin, server.address(), &certificates, people)?;
        let serving = tokio::spawn(server.serve(std::future::pending()));
        adapter::serve(bank, listener, couriers, None, stop).await;
        serving.abort();
        Ok(())
    }

    fn say_ready(
        &self,
        directory: &Path,
        origin: &str,
        ledger: SocketAddr,
        certificates: &Certificates,
        (customers, staff): (&[DemoCustomer], &[DemoMember]),
    ) -> Result<(), Failure> {
        let mut output = io::stdout().lock();
        let data = directory.display();
        let (_, port) = origin.rsplit_once(':').expect("it has a port");
        if self.json {
            let api_url = format!("{origin}/v1");
            let ready = Ready {
                browser_url: origin,
                api_url: &api_url,
                issuer: origin,
                ca_certificate: &certificates.authority,
                customers: customers.iter().map(login).collect(),
                staff: staff.iter().map(staff_login).collect(),
                ledger_address: ledger.to_string(),
                data: data.to_string(),
                mail: directory.join("mail").display().to_string(),
                messages: directory.join("messages").display().to_string(),
            };
            let line = serde_json::to_string(&ready).expect("strings can't fail");
            writeln!(output, "{line}")?;
        } else {
            writeln!(output, "A bank with a year of history is open at {origin}\n")?;
            for DemoCustomer { email, password, totp_secret, .. } in customers {
                writeln!(output, "  {email}   password {password}   code of {totp_secret}")?;
            }
            for DemoMember { email, password, totp_secret, .. } in staff {
                writeln!(output, "  {email}   password {password}   code of {totp_secret}")?;
            }
            writeln!(
                output,
                "\nCodes come from an authenticator app that is given the secret, or from\n  \
                 oathtool --totp -b SECRET\n\
                 Your browser trusts it once it trusts {data}/ca.pem; everything is in {data}.\n\
                 Mail that the bank sends is shown here and kept in {data}/mail, messages to\n\
                 telephones in {data}/messages.\n\
                 The ledger under it listens on {ledger}: florin status --connect {ledger}.\n\
                 Log in, look at an account, send something to your savings. Ctrl-C ends it; then\n  \
                 florin bank --data {data}/ledger --key-file {data}/ledger_key \\\n    \
                 --root-key-file {data}/root_key --tls-cert {data}/tls.pem \\\n    \
                 --tls-key {data}/tls_key.pem --origin {origin} --listen 127.0.0.1:{port}\n\
                 opens it again."
            )?;
        }
        output.flush()?;
        Ok(())
    }
}

fn login(customer: &DemoCustomer) -> Login<'_> {
    let DemoCustomer { email, password, totp_secret, accounts } = customer;
    Login { email, password, totp_secret, accounts }
}

fn staff_login(member: &DemoMember) -> StaffLogin<'_> {
    let DemoMember { email, password, totp_secret, roles } = member;
    StaffLogin { email, password, totp_secret, roles }
}

/// Keeps what it takes to open the bank again, each for its owner alone.
fn keep(directory: &Path, certificates: &Certificates) -> Result<(), Failure> {
    let Certificates { authority, chain, key } = certificates;
    for (name, text) in [("ca.pem", authority), ("tls.pem", chain), ("tls_key.pem", key)] {
        let path = directory.join(name);
        let failed = |error: io::Error| {
            Failure::unavailable(format!("can't write {}: {error}", path.display()))
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    }
    Ok(())
}

/// Makes an encrypted database, since only such a one keeps keys that can be destroyed.
pub(super) fn sealed(data: &Path, key: &Path) -> Result<Arc<dyn KeyEncryptionKey>, Failure> {
    let unavailable = |error: &dyn std::fmt::Display| Failure::unavailable(error.to_string());
    let key = FileKey::generate(key).map_err(|error| unavailable(&error))?;
    let disk = OsDisk::open(data).map_err(|error| unavailable(&error))?;
    sealing::create(&disk, &key).map_err(|error| unavailable(&error))?;
    Ok(Arc::new(key))
}

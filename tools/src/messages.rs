//! Where a bank's short messages and notices go: to gateways, or onto the screen of who looks at a demonstration.

use crate::exit::Failure;
use clap::Args;
use florin_adapter::clock::MachineClock;
use florin_adapter::notify::{
    Couriers, Gateway, GatewayUrl, NotTaken, Notice, Push, ShortMessage, Sms, Taking,
};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The flags that say where messages go. A way that none is given for is offered to nobody.
#[derive(Args, Clone, Debug)]
pub(crate) struct MessageArguments {
    /// Post short messages to the gateway that is here
    #[arg(
        long, value_name = "https://HOST[:PORT]/PATH", requires = "sms_token_file",
        value_parser = |text: &str| text.parse::<GatewayUrl>()
    )]
    sms_url: Option<GatewayUrl>,

    /// The token that this gateway asks for
    #[arg(long, value_name = "FILE", requires = "sms_url")]
    sms_token_file: Option<PathBuf>,

    /// Short messages in an hour at most, for codes and for news each; the same for every adapter of the bank
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    sms_per_hour: u32,

    /// Post notices for apps to the gateway that is here
    #[arg(
        long, value_name = "https://HOST[:PORT]/PATH", requires = "push_token_file",
        value_parser = |text: &str| text.parse::<GatewayUrl>()
    )]
    push_url: Option<GatewayUrl>,

    /// The token that this gateway asks for
    #[arg(long, value_name = "FILE", requires = "push_url")]
    push_token_file: Option<PathBuf>,

    /// The authorities that may vouch for gateways (PEM); left out, those that this machine trusts
    #[arg(long, value_name = "FILE")]
    gateway_ca: Option<PathBuf>,
}

impl MessageArguments {
    pub(crate) fn sends_sms(&self) -> bool {
        self.sms_url.is_some()
    }

    pub(crate) fn sends_push(&self) -> bool {
        self.push_url.is_some()
    }

    pub(crate) fn sms_per_hour(&self) -> u32 {
        self.sms_per_hour
    }

    /// The same couriers, with those who take messages.
    ///
    /// # Errors
    /// If a file can't be read, or a gateway can't be used.
    pub(crate) fn join(&self, couriers: Couriers) -> Result<Couriers, Failure> {
        let sms =
            self.gateway("--sms-url", self.sms_url.as_ref(), self.sms_token_file.as_deref())?;
        let push =
            self.gateway("--push-url", self.push_url.as_ref(), self.push_token_file.as_deref())?;
        Ok(Couriers {
            sms: sms.map(|gateway| -> Arc<dyn Sms> { Arc::new(gateway) }),
            push: push.map(|gateway| -> Arc<dyn Push> { Arc::new(gateway) }),
            ..couriers
        })
    }

    fn gateway(
        &self,
        flag: &str,
        url: Option<&GatewayUrl>,
        token: Option<&Path>,
    ) -> Result<Option<Gateway>, Failure> {
        let (Some(url), Some(token)) = (url, token) else { return Ok(None) };
        let failed = |path: &Path, error: io::Error| {
            Failure::unavailable(format!("can't read {}: {error}", path.display()))
        };
        let text = fs::read_to_string(token).map_err(|error| failed(token, error))?;
        let text = Zeroizing::new(text);
        let authorities = match &self.gateway_ca {
            None => None,
            Some(path) => Some(fs::read(path).map_err(|error| failed(path, error))?),
        };
        let clock = Arc::new(MachineClock);
        let gateway = Gateway::new(url.clone(), &text, authorities.as_deref(), clock);
        let gateway = gateway.map_err(|error| Failure::unavailable(format!("{flag}: {error}")))?;
        Ok(Some(gateway))
    }
}

/// Messages of a bank to look at: files in a directory of their own, which a person is told of.
#[derive(Debug)]
pub(crate) struct ShownMessages {
    path: PathBuf,
    is_quiet: bool,
}

impl ShownMessages {
    /// Makes the directory.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn new(path: &Path, is_quiet: bool) -> Result<ShownMessages, Failure> {
        let failed =
            |error| Failure::unavailable(format!("can't make {}: {error}", path.display()));
        fs::create_dir(path).map_err(failed)?;
        Ok(ShownMessages { path: path.to_path_buf(), is_quiet })
    }

    /// Keeps a message, and shows it. Of whom it is to no more is shown than others may see.
    fn show(&self, id: &str, to: &str, text: &str) -> Result<(), NotTaken> {
        let path = self.path.join(format!("{id}.txt"));
        let failed = |error: io::Error| NotTaken::Now(format!("{}: {error}", path.display()));
        // Whoever sees the file sees all of it.
        let unfinished = path.with_extension("part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&unfinished).map_err(failed)?;
        writeln!(file, "To: {to}\n{text}").map_err(failed)?;
        fs::rename(&unfinished, &path).map_err(failed)?;
        if !self.is_quiet {
            let mut output = io::stdout().lock();
            // It is in its file, whether somebody watches or not.
            let _ =
                writeln!(output, "\nMessage to {to}:\n\n  | {text}").and_then(|()| output.flush());
        }
        Ok(())
    }
}

impl Sms for ShownMessages {
    fn send<'a>(&'a self, message: &'a ShortMessage) -> Taking<'a> {
        let ShortMessage { id, to, text } = message;
        Box::pin(async move { self.show(&id.to_string(), &to.masked(), text) })
    }
}

impl Push for ShownMessages {
    fn send<'a>(&'a self, notice: &'a Notice) -> Taking<'a> {
        let Notice { id, platform, title, text, .. } = notice;
        Box::pin(async move {
            let to = format!("a device ({platform:?}): {title}");
            self.show(&id.to_string(), &to, text)
        })
    }
}

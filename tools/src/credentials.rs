//! How a command knows the server that it speaks to, and how that server knows it.

use crate::exit::Failure;
use clap::Args;
use florin_client::{ClientOptions, ClientTls, SecretKey};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The flags that a command with `--connect` takes beside it.
#[derive(Args, Clone, Default, Debug)]
pub(crate) struct Credentials {
    /// Speak TLS, and believe servers that the authorities in this PEM file have certified
    #[arg(long, value_name = "FILE", requires = "connect")]
    tls_ca: Option<PathBuf>,

    /// The name that the server's certificate must have, if it is not the host of --connect
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_server_name: Option<String>,

    /// Prove this private key (PEM, as florin keys generate writes it)
    #[arg(long, value_name = "FILE", requires = "connect")]
    key: Option<PathBuf>,
}

impl Credentials {
    /// Of files that other flags name.
    pub(crate) fn of(
        tls_ca: Option<PathBuf>,
        tls_server_name: Option<String>,
        key: Option<PathBuf>,
    ) -> Credentials {
        Credentials { tls_ca, tls_server_name, key }
    }

    /// That there are none: a directory asks for none.
    ///
    /// # Errors
    /// If there are some all the same.
    pub(crate) fn check_absent(&self) -> Result<(), Failure> {
        if self.tls_ca.is_none() && self.key.is_none() {
            return Ok(());
        }
        Err(Failure::usage("--tls-ca and --key are for a server: they need --connect HOST:PORT"))
    }

    /// Adds them to what a client is told.
    ///
    /// # Errors
    /// If a file can't be read or used.
    pub(crate) fn apply(&self, mut options: ClientOptions) -> Result<ClientOptions, Failure> {
        if let Some(path) = &self.tls_ca {
            let pem = fs::read(path).map_err(|error| unusable(path, &error))?;
            let mut tls = ClientTls::trusting(&pem).map_err(|error| unusable(path, &error))?;
            if let Some(name) = &self.tls_server_name {
                tls = tls
                    .with_server_name(name)
                    .map_err(|error| Failure::usage(error.to_string()))?;
            }
            options.tls = Some(tls);
        }
        if let Some(path) = &self.key {
            let pem = fs::read_to_string(path).map_err(|error| unusable(path, &error))?;
            let key = SecretKey::from_pem(&pem).map_err(|error| unusable(path, &error))?;
            options.key = Some(key);
        }
        Ok(options)
    }
}

fn unusable(path: &Path, error: &dyn fmt::Display) -> Failure {
    Failure::unavailable(format!("can't use {}: {error}", path.display()))
}

//! How a bucket is reached: what a location on the command line says, and what the environment does. Keys come from
//! the environment alone: what stands on a command line is read by everybody on the machine.

use super::https::Connector;
use crate::exit::Failure;
use hyper::Uri;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ClientOptions, RetryConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::env;
use std::net::IpAddr;
use std::time::Duration;

/// What a location of a bucket begins with.
pub(super) const SCHEME: &str = "s3://";

/// Variables that are taken as they are. No other is: none may say that certificates are not looked at, or that
/// something is overwritten.
const VARIABLES: [&str; 18] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
];

/// What says who asks: one of these is there, or nobody is asked.
const CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];

/// A part of a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) bucket: String,
    /// What the keys of its objects begin with: empty, or with a `/` at its end.
    pub(super) prefix: String,
    /// Where it is, to be told.
    pub(super) endpoint: String,
}

impl Place {
    /// What `s3://BUCKET` or `s3://BUCKET/PREFIX` names.
    pub(super) fn of(location: &str) -> Result<Place, String> {
        let form = || {
            format!(
                "{location}: write {SCHEME}BUCKET or {SCHEME}BUCKET/PREFIX, without a key: that is taken from \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        };
        let rest = location.strip_prefix(SCHEME).ok_or_else(form)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_of_bucket = |it: u8| it.is_ascii_alphanumeric() || b"-._".contains(&it);
        if bucket.is_empty() || !bucket.bytes().all(is_of_bucket) || prefix.starts_with('/') {
            return Err(form());
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let path = Path::parse(prefix).map_err(|_| form())?;
        let prefix = match path.as_ref() {
            "" => String::new(),
            parsed if parsed == prefix => format!("{prefix}/"),
            _ => return Err(form()),
        };
        Ok(Place { bucket: bucket.to_owned(), prefix, endpoint: String::from("the object store") })
    }

    /// Makes what asks there. Nothing is asked yet.
    pub(super) fn open(self) -> Result<(Place, AmazonS3), Failure> {
        self.open_with(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn open_with(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Place, AmazonS3), Failure> {
        if !CREDENTIALS.iter().any(|name| variable(name).is_some()) {
            return Err(Failure::unavailable(
                "nothing says who asks the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for \
                 the role of the machine set AWS_METADATA_ENDPOINT=http://169.254.169.254",
            ));
        }
        let unusable =
            |what: String| Failure::unavailable(format!("can't use the object store: {what}"));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_http_connector(Connector::new(tls(variable("AWS_CA_BUNDLE"))?))
            // What is tried again is decided here (`patience`).
            .with_retry(RetryConfig {
                max_retries: 0,
                retry_timeout: Duration::ZERO,
                ..RetryConfig::default()
            })
            .with_disable_bulk_delete(true);
        for name in VARIABLES {
            let Some(value) = variable(name) else { continue };
            let key: AmazonS3ConfigKey =
                name.to_ascii_lowercase().parse().expect("the library knows these");
            builder = builder.with_config(key, value);
        }
        let named = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let mut in_the_open = false;
        if let Some(endpoint) = &named {
            let is_allowed = variable("AWS_ALLOW_HTTP").is_some_and(|it| it == "true");
            in_the_open = is_in_the_open(endpoint, is_allowed).map_err(unusable)?;
            self.endpoint.clone_from(endpoint);
        }
        // Last, so that no variable undoes it.
        let options = ClientOptions::new().with_allow_http(in_the_open);
        let store = builder.with_client_options(options).build();
        let store = store.map_err(|error| unusable(error.to_string()))?;
        Ok((self, store))
    }
}

/// Whether an endpoint is asked without TLS: on this machine, or where somebody says so.
fn is_in_the_open(endpoint: &str, is_allowed: bool) -> Result<bool, String> {
    let form = || format!("AWS_ENDPOINT_URL is {endpoint}: write https://HOST[:PORT]");
    let uri: Uri = endpoint.parse().map_err(|_| form())?;
    let host = uri.host().ok_or_else(form)?;
    match uri.scheme_str() {
        Some("https") => Ok(false),
        Some("http") => {
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
            if is_here || is_allowed {
                return Ok(true);
            }
            Err(format!(
                "AWS_ENDPOINT_URL is {endpoint}, and over http everybody on the way reads along: write https, or \
                 set AWS_ALLOW_HTTP=true"
            ))
        }
        _ => Err(form()),
    }
}

/// Trusts the authorities of a file, or those that this machine trusts.
fn tls(bundle: Option<String>) -> Result<ClientConfig, Failure> {
    let mut trusted = RootCertStore::empty();
    if let Some(path) = bundle {
        let unusable =
            |what: String| Failure::unavailable(format!("AWS_CA_BUNDLE is {path}: {what}"));
        let read =
            CertificateDer::pem_file_iter(&path).map_err(|error| unusable(error.to_string()))?;
        for certificate in read {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            trusted.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if trusted.is_empty() {
            return Err(unusable(String::from("it has no certificate")));
        }
    } else {
        // A machine may trust some that are broken, and one may trust nobody: then no certificate is good.
        trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into());
    let config = config
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::unavailable(format!("TLS: {error}")))?;
    let mut config = config.with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_a_bucket_and_a_prefix() {
        for (location, bucket, prefix) in [
            ("s3://vault", "vault", ""),
            ("s3://vault/", "vault", ""),
            ("s3://vault/bank", "vault", "bank/"),
            ("s3://vault/bank/of-2026/", "vault", "bank/of-2026/"),
        ] {
            let place = Place::of(location).unwrap();
            assert_eq!((place.bucket.as_str(), place.prefix.as_str()), (bucket, prefix));
        }
        for location in [
            "s3://",
            "s3:///bank",
            "s3://vault//bank",
            "s3://vault//",
            "s3://vault/../bank",
            "s3://key:secret@vault/bank",
            "s3://vault/bank\n",
        ] {
            let message = Place::of(location).unwrap_err();
            assert!(message.contains("AWS_ACCESS_KEY_ID"), "{location}: {message}");
        }
    }

    fn opened(variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let opened = Place::of("s3://vault/bank").unwrap().open_with(variable);
        opened.map(|(place, _)| place.endpoint).map_err(|failure| failure.to_string())
    }

    #[test]
    fn who_asks_and_how_comes_from_the_environment() {
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        let with = |more: &[(&str, &str)]| opened(&[&keys, more].concat());
        assert_eq!(with(&[]).unwrap(), "the object store");
        assert!(opened(&[]).unwrap_err().contains("set AWS_ACCESS_KEY_ID"));
        assert!(opened(&keys[..1]).unwrap_err().contains("SecretAccessKey"));
        for (endpoint, more, wanted) in [
            ("https://store.example", None, None),
            ("http://127.0.0.1:9000", None, None),
            ("http://[::1]:9000", None, None),
            ("http://localhost:9000", None, None),
            ("http://store.example", None, Some("AWS_ALLOW_HTTP=true")),
            ("http://localhost.store.example", None, Some("AWS_ALLOW_HTTP=true")),
            ("http://store.example", Some(("AWS_ALLOW_HTTP", "true")), None),
            ("store.example", None, Some("write https://")),
            ("ftp://store.example", None, Some("write https://")),
        ] {
            let mut variables = vec![("AWS_ENDPOINT_URL", endpoint)];
            variables.extend(more);
            match (with(&variables), wanted) {
                (Ok(told), None) => assert_eq!(told, endpoint),
                (Err(message), Some(word)) => assert!(message.contains(word), "{message}"),
                (opened, _) => panic!("{endpoint}: {opened:?}"),
            }
        }
        let missing = with(&[("AWS_CA_BUNDLE", "/nowhere.pem")]).unwrap_err();
        assert!(missing.contains("AWS_CA_BUNDLE is /nowhere.pem"), "{missing}");
    }
}

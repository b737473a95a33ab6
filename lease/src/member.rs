//! One member of etcd, and the connection to it.

use crate::error::LeaseError;
use crate::limits::ANSWER_BYTES_MAX;
use crate::options::{CoordinationOptions, EtcdTls};
use futures_util::stream::{self, Stream, StreamExt};
use prost::Message;
use std::future;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// One member of etcd. It is connected to by the first question, and again after one that it did not answer:
/// of a connection that leads nowhere any more nobody says so.
pub(crate) struct Member {
    pub(crate) name: String,
    endpoint: Endpoint,
    channel: Mutex<Channel>,
}

impl Member {
    /// The member that listens at `HOST:PORT`.
    ///
    /// # Errors
    /// If that is no address, or another machine and there is no TLS, or what TLS needs is no PEM.
    pub(crate) fn new(address: &str, options: &CoordinationOptions) -> Result<Member, LeaseError> {
        let invalid = |reason: String| {
            LeaseError::Invalid(format!("the endpoint `{address}` of etcd {reason}"))
        };
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|_| invalid(String::from("is none: give HOST:PORT")))?;
        let uri = endpoint.uri();
        let (Some(host), Some(_), "/") = (uri.host(), uri.port_u16(), uri.path()) else {
            return Err(invalid(String::from("is none: give HOST:PORT")));
        };
        let endpoint = match &options.tls {
            Some(tls) => {
                let configured = endpoint.clone().tls_config(tls_config(tls));
                configured.map_err(|error| {
                    invalid(format!("can't be spoken to over tls: {}", reasons(&error)))
                })?
            }
            None if is_loopback(host) => endpoint,
            None => {
                let reason = "is on another machine, and without tls everyone in between could say who \
                              decides: say which authority to trust";
                return Err(invalid(String::from(reason)));
            }
        };
        let endpoint = endpoint.connect_timeout(options.connect_timeout).tcp_nodelay(true);
        let channel = Mutex::new(endpoint.connect_lazy());
        Ok(Member { name: String::from(address), endpoint, channel })
    }

    /// The first answer to a question.
    pub(crate) async fn ask<Q, A>(
        &self,
        path: &'static str,
        question: Q,
        token: Option<MetadataValue<Ascii>>,
    ) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let questions = stream::once(future::ready(question));
        let mut answers = self.stream::<_, Q, A>(path, questions, token).await?;
        let answer = answers.message().await?;
        answer.ok_or_else(|| Status::unavailable("the answer is missing"))
    }

    /// The answers to a question that stays open.
    pub(crate) async fn listen<Q, A>(
        &self,
        path: &'static str,
        question: Q,
        token: Option<MetadataValue<Ascii>>,
    ) -> Result<Streaming<A>, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let questions = stream::once(future::ready(question)).chain(stream::pending());
        self.stream(path, questions, token).await
    }

    async fn stream<S, Q, A>(
        &self,
        path: &'static str,
        questions: S,
        token: Option<MetadataValue<Ascii>>,
    ) -> Result<Streaming<A>, Status>
    where
        S: Stream<Item = Q> + Send + 'static,
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut grpc = Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::unavailable(reasons(&error)))?;
        let mut request = Request::new(questions);
        if let Some(token) = token {
            request.metadata_mut().insert("token", token);
        }
        let codec = ProstCodec::<Q, A>::new();
        let path = Uri::from_static(path).into_parts().path_and_query.expect("it is a path");
        let answers = grpc.streaming(request, path, codec).await;
        answers.map(tonic::Response::into_inner)
    }

    /// Lets the next question connect anew.
    pub(crate) fn forget_connection(&self) {
        let channel = self.endpoint.connect_lazy();
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = channel;
    }
}

fn tls_config(tls: &EtcdTls) -> ClientTlsConfig {
    let mut config =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.authorities_pem));
    if let Some((certificate, key)) = &tls.identity_pem {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    match &tls.server_name {
        Some(name) => config.domain_name(name),
        None => config,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost"
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// An error and what lies behind it.
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Member;
    use crate::error::LeaseError;
    use crate::options::{CoordinationOptions, EtcdTls};

    fn message(address: &str, tls: Option<EtcdTls>) -> Option<String> {
        let options = CoordinationOptions { tls, ..CoordinationOptions::default() };
        match Member::new(address, &options) {
            Ok(_) => None,
            Err(LeaseError::Invalid(message)) => Some(message),
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn an_endpoint_is_a_host_and_a_port() {
        for address in ["127.0.0.1:2379", "localhost:2379", "[::1]:2379"] {
            assert_eq!(message(address, None), None, "{address}");
        }
        for address in
            ["", "a", "127.0.0.1", "127.0.0.1:x", "http://127.0.0.1:2379", "127.0.0.1:1/a"]
        {
            let message = message(address, None).unwrap_or_else(|| panic!("{address} is none"));
            assert!(message.contains("HOST:PORT"), "{message}");
        }
    }

    /// Whoever sits in between could say that the lease is free.
    #[tokio::test]
    async fn without_tls_only_this_machine_is_asked() {
        for address in ["10.0.0.1:2379", "etcd-1:2379", "[2001:db8::1]:2379", "localhost.a:1"] {
            let message = message(address, None).unwrap_or_else(|| panic!("{address}"));
            assert!(message.contains("without tls"), "{message}");
        }
    }
}

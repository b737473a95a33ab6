//! Requests to an object store, over TLS as everything else here.
//!
//! - Nothing is said before the server has shown a certificate of an authority that this machine trusts, or of those
//!   that `AWS_CA_BUNDLE` names. In the open only where that was allowed.
//! - A connection for each request: objects are large, and none that is kept can be stale.
//! - Redirects are not followed. Whatever is no success is an error ([`Trouble`]), and its body is read up to a bound.

use super::trouble::Trouble;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{HOST, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use object_store::ClientConfigKey;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a connection may take, with its handshake.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// What is read of an error.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// Makes clients, which trust the same authorities.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tls: Arc<ClientConfig>,
}

impl Connector {
    pub(super) fn new(tls: ClientConfig) -> Connector {
        Connector { tls: Arc::new(tls) }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp);
        let in_the_open = allowed.is_some_and(|allowed| allowed == "true");
        Ok(HttpClient::new(Https { tls: self.tls.clone(), in_the_open }))
    }
}

#[derive(Debug)]
struct Https {
    tls: Arc<ClientConfig>,
    /// Whether `http://` is asked, too.
    in_the_open: bool,
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Https {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> Answering<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { self.ask(request).await.map_err(Trouble::into_http) })
    }
}

impl Https {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Trouble> {
        let uri = request.uri().clone();
        let authority = uri.authority().ok_or_else(|| odd("there is no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_open = match uri.scheme_str() {
            Some("https") => false,
            Some("http") if self.in_the_open => true,
            _ => return Err(Trouble::Untrusted(String::from("it is not asked over https"))),
        };
        let port = authority.port_u16().unwrap_or(if is_open { 80 } else { 443 });
        let connecting = async {
            let unreachable = |error: io::Error| Trouble::Unreachable(error.to_string());
            let stream = TcpStream::connect((host, port)).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            if is_open {
                return Ok::<Box<dyn Stream>, Trouble>(Box::new(TokioIo::new(stream)));
            }
            let name = ServerName::try_from(host.to_owned());
            let name =
                name.map_err(|_| odd("the host has no name that a certificate could have"))?;
            let connector = TlsConnector::from(self.tls.clone());
            let stream = connector.connect(name, stream).await.map_err(|error| {
                match error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>()) {
                    Some(error) => Trouble::Untrusted(error.to_string()),
                    None => unreachable(error),
                }
            })?;
            Ok(Box::new(TokioIo::new(stream)))
        };
        let connected = timeout(CONNECT_MAX, connecting).await;
        let stream = connected
            .unwrap_or_else(|_| Err(Trouble::Unreachable(String::from("no answer in time"))))?;
        let (mut sender, connection) = handshake(stream).await.map_err(cut)?;
        // It ends with the answer, or when nobody waits for that any more.
        tokio::spawn(connection);
        let answer = sender.send_request(of_origin(request, &uri)?).await.map_err(cut)?;
        let status = answer.status();
        if status.is_success() {
            let answer: Response<_> =
                answer.map(|body| body.map_err(|error| cut(error).into_http()));
            return Ok(answer.map(HttpResponseBody::new));
        }
        let body = Limited::new(answer.into_body(), REFUSAL_BYTES_MAX).collect().await;
        let body: Bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
        Err(Trouble::refused(status, &body))
    }
}

/// The request as a server of its host expects it.
fn of_origin(mut request: HttpRequest, uri: &Uri) -> Result<Request<HttpRequestBody>, Trouble> {
    let authority = uri.authority().ok_or_else(|| odd("there is no host"))?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| odd("no such host"))?;
    request.headers_mut().entry(HOST).or_insert(host);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| odd("no such path"))?;
    Ok(request)
}

fn odd(what: &str) -> Trouble {
    Trouble::Odd(what.to_owned())
}

/// With the cause: what hyper says itself tells little.
fn cut(error: hyper::Error) -> Trouble {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    Trouble::Cut(format!("{error}{}", cause.unwrap_or_default()))
}

/// A connection, sealed or not.
trait Stream: Read + Write + Send + Unpin {}

impl<S: Read + Write + Send + Unpin> Stream for S {}

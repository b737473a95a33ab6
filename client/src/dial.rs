//! Opening a connection to one server: a socket, TLS over it, and what is said before the first request.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::options::ClientOptions;
use crate::tls;
use florin_wire::Binding;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// A connection to the server at an address. Takes as long as it takes.
pub(crate) async fn open(address: &str, options: &ClientOptions) -> Result<Connection, Failure> {
    let not_sent =
        |error: io::Error| Failure::NotSent(format!("can't connect to {address}: {error}"));
    let stream = TcpStream::connect(address).await.map_err(not_sent)?;
    let local = stream.local_addr().map_err(not_sent)?;
    // A request that waits for the acknowledgement of the one before it costs 40 ms.
    // Without the option the connection is slow, not wrong.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &options.tls else {
        check_plain(stream.peer_addr().map_err(not_sent)?)?;
        let (reader, writer) = stream.into_split();
        return Connection::open(reader, writer, local, &Binding::None, options).await;
    };
    let stream = tls.connect(address, stream).await.map_err(|failure| {
        let message = format!("can't connect to {address}: {failure}");
        if failure.may_pass() { Failure::NotSent(message) } else { Failure::Hopeless(message) }
    })?;
    let binding = tls::binding(&stream)
        .map_err(|error| Failure::Hopeless(format!("tls gives no binding: {error}")))?;
    let (reader, writer) = tokio::io::split(stream);
    Connection::open(reader, writer, local, &binding, options).await
}

/// What it comes to that a connection was not open in time.
pub(crate) fn unanswered(address: &str, connect_timeout: Duration) -> Failure {
    Failure::NotSent(format!("{address} did not answer within {connect_timeout:?}"))
}

/// Money does not travel in the open: without TLS only this machine is spoken to.
fn check_plain(peer: SocketAddr) -> Result<(), Failure> {
    if peer.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(Failure::Hopeless(format!(
        "{peer} is another machine, and without tls everyone in between could read and post: say \
         which authority to trust (--tls-ca FILE)"
    )))
}

#[cfg(test)]
mod tests {
    use super::check_plain;

    /// A client that was given no authority by mistake must not post in the open.
    #[test]
    fn without_tls_only_this_machine_is_spoken_to() {
        for address in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check_plain(address.parse().unwrap()).is_ok(), "{address}");
        }
        for address in ["10.0.0.1:1", "[2001:db8::1]:1", "0.0.0.0:1"] {
            assert!(check_plain(address.parse().unwrap()).is_err(), "{address}");
        }
    }
}

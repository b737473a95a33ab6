//! A network between a server and etcd, which can stop to carry anything without a word.

use std::future::pending;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
struct State {
    carries: bool,
    /// Connections that are older lead nowhere.
    age: u64,
}

impl Proxy {
    pub(crate) async fn start(to: String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, states) = watch::channel(State { carries: true, age: 0 });
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let Ok(to) = TcpStream::connect(&to).await else { continue };
                let ((from_there, to_there), (from_here, to_here)) =
                    (to.into_split(), from.into_split());
                tokio::spawn(carry(from_here, to_there, states.clone()));
                tokio::spawn(carry(from_there, to_here, states.clone()));
            }
        });
        Proxy { address, state }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// From now on nothing gets through; connections stay open, and new ones are taken.
    pub(crate) fn stop(&self) {
        self.state.send_modify(|state| state.carries = false);
    }

    /// What is on its way arrives.
    pub(crate) fn go_on(&self) {
        self.state.send_modify(|state| state.carries = true);
    }

    /// The connections that there are lead nowhere from now on, and nobody says so; new ones do.
    pub(crate) fn strand(&self) {
        self.state.send_modify(|state| state.age += 1);
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut states: watch::Receiver<State>,
) {
    let born = states.borrow().age;
    let mut buffer = vec![0; 64 << 10];
    while let Ok(bytes) = from.read(&mut buffer).await {
        if bytes == 0 || states.wait_for(|state| state.carries).await.is_err() {
            return;
        }
        if states.borrow().age != born {
            // It stays open, and nobody hears what is said over it.
            return pending().await;
        }
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}

//! One address that leads to a database wherever it is: what DNS is for an application, for a program that is told one address.

use std::net::Ipv4Addr;

use table_diff::Target;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Error;

/// One address.
pub struct Forward;

impl Forward {
    /// Opens an address on loopback that leads to the server that is known at each time, and gives it as a target like this one. When
    /// the server is another, its connections end; while there is none, nobody is let in.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn open(
        like: &Target,
        at: watch::Receiver<Option<Target>>,
    ) -> Result<(Target, JoinHandle<()>), Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // A connection that can't be accepted is the client's loss: it tries again.
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(lead(client, at.clone()));
                }
            }
        });
        Ok((Target { host: address.ip().to_string(), port: address.port(), ..like.clone() }, serving))
    }
}

/// Leads one connection, until one of both ends it or the server is another.
async fn lead(mut client: TcpStream, mut at: watch::Receiver<Option<Target>>) {
    let Some(target) = at.borrow_and_update().clone() else { return };
    let Ok(mut server) = TcpStream::connect((target.host.as_str(), target.port)).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = at.changed() => {}
    }
}

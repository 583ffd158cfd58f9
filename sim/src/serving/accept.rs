//! [`accept`]: takes in the clients of a server.
use super::Task;
use bluefly_actors::clock::Clock;
use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};
use tokio::net::{TcpListener, TcpStream};

const MAX_CLIENTS: usize = 256;
/// Pause after an error that will be there again at once, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts clients for ever, each served by a task of its own; those who are too many are turned
/// away.
pub(crate) async fn accept(
    listener: TcpListener,
    clock: Clock,
    clients: Rc<RefCell<Vec<Task>>>,
    serve: impl Fn(TcpStream, SocketAddr) -> Task,
) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a client was not accepted");
                clock.sleep(PAUSE).await;
                continue;
            }
        };
        let mut clients = clients.borrow_mut();
        clients.retain(|client| !client.is_finished());
        if clients.len() >= MAX_CLIENTS {
            tracing::warn!(%client, "too many clients: this one is turned away");
            continue;
        }
        clients.push(serve(stream, client));
    }
}

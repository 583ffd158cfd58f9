//! The threads that serve.
use super::{
    app::routes,
    buckets::Buckets,
    config::{HttpConfig, Limits},
    counters::Tally,
    front::{Front, Shared},
    gate::gate,
    stopwatch::{Stopwatch, follow},
    visits::{Visit, Visits},
};
use crate::{clock::Clock, front::Desk};
use actix_web::{App, HttpServer, dev::Server, middleware::from_fn, web::Data};
use rustix::process::setpriority_process;
use std::{io, net::TcpListener, pin::pin};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Resolves once nothing is served any more, with the reason if that was not wanted.
pub(super) type Served = oneshot::Receiver<Result<(), String>>;

/// How much less than the devices the server matters to the scheduler: a scan is flown in time
/// whatever clients ask.
const NICENESS: i32 = 10;
/// Threads that may block on files, of each worker.
const BLOCKING: usize = 4;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// Serves from threads of its own until `stop` is cancelled.
pub(super) fn serve(
    desk: Desk,
    listener: TcpListener,
    config: HttpConfig,
    stop: CancellationToken,
) -> io::Result<Served> {
    let (ended, served) = oneshot::channel();
    let thread = std::thread::Builder::new().name("http".to_owned());
    thread.spawn(move || {
        let end = serve_here(desk, listener, config, &stop);
        if ended.send(end.map_err(|error| error.to_string())).is_err() {
            tracing::debug!("nobody waits for the end of the server");
        }
    })?;
    Ok(served)
}

fn serve_here(
    desk: Desk,
    listener: TcpListener,
    config: HttpConfig,
    stop: &CancellationToken,
) -> io::Result<()> {
    // Of this thread alone, and of those that it begins: Linux has no niceness of processes.
    if let Err(error) = setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "the server is as important as the devices");
    }
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let front = Data::new(Front {
            desk,
            // Whoever is at the other end of a socket lives in real time.
            clock: Clock::real(),
            buckets: Buckets::new(config.limits.rate),
            visits: Visits::default(),
            tally: Tally::default(),
            stopwatch: Stopwatch::default(),
            config,
            stop: stop.clone(),
        });
        let mut server = pin!(listen(front.clone(), listener)?);
        let handle = server.handle();
        tokio::select! { biased;
            end = &mut server => end,
            () = follow(&front) => unreachable!("it never ends"),
            () = async {
                stop.cancelled().await;
                handle.stop(true).await;
            } => Ok(()),
        }
    })
}

/// A server for `front`, to be awaited.
fn listen(front: Shared, listener: TcpListener) -> io::Result<Server> {
    let limits = front.config.limits;
    let Limits { workers, max_connections, head_timeout, keep_alive, stop_within, .. } = limits;
    #[cfg(feature = "tls")]
    let tls = front.config.tls.clone();
    let app = move || App::new().app_data(front.clone()).wrap(from_fn(gate)).configure(routes);
    let server = HttpServer::new(app)
        .workers(workers)
        .worker_max_blocking_threads(BLOCKING)
        .max_connections(max_connections.div_ceil(workers))
        .backlog(BACKLOG)
        .client_request_timeout(head_timeout)
        .keep_alive(keep_alive)
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .on_connect(|_, data| {
            data.insert(Visit::default());
        })
        .shutdown_timeout(stop_within.as_secs().max(1))
        .disable_signals();
    #[cfg(feature = "tls")]
    if let Some(tls) = tls {
        return Ok(server.listen_rustls_0_23(listener, rustls::ServerConfig::clone(&tls))?.run());
    }
    Ok(server.listen(listener)?.run())
}

//! [`HttpServer`]: the actor that keeps the server running.
use super::{config::HttpConfig, thread};
use crate::{
    front::Desk,
    supervise::{ChildSpec, Lifeline, Ping, Strategy, Supervisor},
};
use actix::prelude::*;
use rustix::net::sockopt::set_tcp_user_timeout;
use std::{io, net::TcpListener, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Owns the threads that serve HTTP: each incarnation has threads of its own, on the same port.
pub struct HttpServer {
    desk: Desk,
    listener: Arc<TcpListener>,
    config: HttpConfig,
    lifeline: Lifeline,
    stop: CancellationToken,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving,
    Ended,
}

/// Name under which the server appears in the tree.
const SERVER: &str = "http_server";
/// How long, beyond what requests are given, the end of the server may take.
const MARGIN: Duration = Duration::from_secs(2);

impl HttpServer {
    /// The branch `api` of a tree, which serves `desk` on a port that is bound already: it
    /// is the same after a restart, and whoever connects meanwhile is answered then.
    pub fn branch(desk: Desk, listener: TcpListener, config: HttpConfig) -> ChildSpec {
        // Inherited by the connections: it ends those whose other end reads nothing, which no timer
        // of the library does.
        let idle = u32::try_from(config.limits.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = set_tcp_user_timeout(&listener, idle) {
            tracing::warn!(%error, "clients that read nothing are not dropped");
        }
        let listener = Arc::new(listener);
        ChildSpec::supervisor("api", move || {
            let (desk, listener, config) = (desk.clone(), Arc::clone(&listener), config.clone());
            let within = config.limits.stop_within + MARGIN;
            let (server, _) = ChildSpec::new(SERVER, move |_, lifeline| {
                Self::new(desk.clone(), Arc::clone(&listener), config.clone(), lifeline)
            });
            Supervisor::new(Strategy::OneForOne).child(server.shutdown(within))
        })
    }

    fn new(desk: Desk, listener: Arc<TcpListener>, config: HttpConfig, lifeline: Lifeline) -> Self {
        let stop = lifeline.stop_token().child_token();
        Self { desk, listener, config, lifeline, stop, state: State::Serving }
    }

    fn serve(&self) -> io::Result<thread::Served> {
        let listener = self.listener.try_clone()?;
        thread::serve(self.desk.clone(), listener, self.config.clone(), self.stop.clone())
    }

    fn ended(&mut self, ctx: &mut Context<Self>, how: Result<(), String>) {
        self.state = State::Ended;
        match how {
            Ok(()) if self.stop.is_cancelled() => ctx.stop(),
            Ok(()) => self.lifeline.fail(ctx, "ended without being asked to"),
            Err(error) => self.lifeline.fail(ctx, error),
        }
    }
}

impl Actor for HttpServer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        match self.serve() {
            Ok(served) => {
                let ended =
                    async { served.await.unwrap_or_else(|_| Err("its thread panicked".into())) };
                ctx.spawn(ended.into_actor(self).map(|how, actor, ctx| actor.ended(ctx, how)));
            }
            Err(error) => self.ended(ctx, Err(format!("cannot be started: {error}"))),
        }
    }

    /// Requests that are under way are answered first.
    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        self.stop.cancel();
        match self.state {
            State::Serving => Running::Continue,
            State::Ended => Running::Stop,
        }
    }
}

impl Handler<Ping> for HttpServer {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

/// An incarnation that was given up leaves no server behind.
impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

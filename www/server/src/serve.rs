//! Connections: taken from the listener, bounded, and ended with the server.
//!
//! `axum::serve` would do but for its patience: it waits for a request's headers for ever, so that whoever opens connections and says nothing, or a byte an
//! hour, keeps all that there are (slowloris).

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tower_service::Service;

use crate::limits::{Limits, Place, Who};

/// Bytes of a request's line and headers: beyond about twice as many it is answered 431. They hold a token and a cursor many times over.
const HEAD_LIMIT: usize = 32 * 1024;
/// After a failed accept, as when the process has no file handle left.
const PAUSE: Duration = Duration::from_millis(100);

/// The other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Until `stopping`; then what is under way is finished.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Arc<Limits>,
    patience: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    // Each connection holds a sender: when all are gone, none is open.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            // One that was reset before it was taken says nothing of the others.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                eprintln!("accept: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(entered) = limits.enter(Who::at(address.ip()), Place::Connection) else {
            // Closed without a word: an answer would cost what is to be saved.
            continue;
        };
        let served = connection(stream, address, router.clone(), patience, stopping.clone());
        let open = open.clone();
        tokio::spawn(async move {
            served.await;
            drop((entered, open));
        });
    }
    drop((listener, open));
    all_closed.recv().await;
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    patience: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    // Small answers at once; should it fail, they are only later.
    _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(address));
        let mut router = router.clone();
        async move { router.call(request.map(Body::new)).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // Whoever hung up, or was too slow, is gone: that is no error here.
    tokio::select! {
        _ = &mut connection => return,
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    _ = connection.await;
}

//! `WS /v1/notify`: one connection, from the handshake to its end.
//!
//! ```text
//! connect ─▶ auth ─▶ ready ─▶ frames, a ping every 25 s ─▶ closed, or silent: dead
//!              └─ 4401 ─▶ a fresh token, once more
//! ```
//! Connecting again, and when, is the engine's. From `ready` on, acknowledgements of what was pushed go
//! out over the same connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use gloo_net::websocket::{Message, State, WebSocketError, futures::WebSocket};

use super::NoticeHandler;
use super::http::Http;
use super::json::{Object, list};
use super::time::{LATE, monotonic, within};
use super::token::Token;
use crate::core::net::{Error, ErrorCode, Notice};
use crate::core::wire::notification::Frame;

/// ms for the connection to come up, and again for the server's `ready`.
const CONNECT: u64 = 10_000;
/// ms between two pings.
const PING: u64 = 25_000;
/// ms after a ping within which something must arrive.
const PONG: u64 = 20_000;
/// Largest acknowledgement that is sent as a frame, in bytes: servers close the connection over one
/// that they find too large, while a request is only refused.
const ACK_MAX: usize = 32 << 10;
/// Close code: the token was refused.
const UNAUTHORIZED: u16 = 4401;
/// Close codes of a server that goes away, begins again, or is asked too much: it closes the channels of
/// all its clients in the same moment.
const LEAVING: [u16; 3] = [1001, 1012, 1013];

/// What frames go through: held by the channel, which alone reads, for as long as it lives. Borrowed
/// for no longer than one call of it.
pub(super) type Socket = RefCell<WebSocket>;

/// Acknowledges over a connection that is ready. False: it cannot take that.
pub(super) fn acknowledge(socket: &Socket, deliveries: &[String]) -> bool {
    let frame = Object::new()
        .text("type", "ack")
        .raw("deliveries", &list(deliveries))
        .end();
    let mut socket = socket.borrow_mut();
    matches!(socket.state(), State::Open)
        && frame.len() <= ACK_MAX
        && socket.start_send_unpin(Message::Text(frame)).is_ok()
}

/// Keeps a connection until it ends; the reason why. Dropped, it closes the connection.
pub(super) async fn run(http: &Http, hear: &NoticeHandler) -> Notice {
    let closed = |code, why: &str| Notice::Closed(Some(Error::new(code, why)));
    let mut asked_again = false;
    loop {
        let token = match http.tokens.get().await {
            Ok(token) => token,
            Err(error) => return Notice::Closed(Some(error)),
        };
        let mut channel = match Channel::connect(http, &token).await {
            Ok(channel) => channel,
            Err(End::Unauthorized) => {
                http.tokens.refuse(&token);
                if asked_again {
                    return closed(
                        ErrorCode::Unauthorized,
                        "the server refused the token for notifications",
                    );
                }
                asked_again = true;
                continue;
            }
            Err(End::Lost(why)) => return closed(ErrorCode::Network, why),
            Err(End::Leaving) => return leaving(),
        };
        http.socket.replace(Rc::downgrade(&channel.socket));
        hear(Notice::Ready);
        return match channel.serve(hear).await {
            // The token has run out. The next connection asks for a fresh one, and it is that one's
            // refusal that counts.
            End::Unauthorized => {
                http.tokens.refuse(&token);
                closed(
                    ErrorCode::Network,
                    "the notification channel's token has run out",
                )
            }
            End::Lost(why) => closed(ErrorCode::Network, why),
            End::Leaving => leaving(),
        };
    }
}

fn leaving() -> Notice {
    Notice::Leaving(Error::new(
        ErrorCode::Network,
        "the server closes its notification channels for a while",
    ))
}

/// Why a connection is over.
enum End {
    Unauthorized,
    Leaving,
    Lost(&'static str),
}

struct Channel<'a> {
    http: &'a Http,
    socket: Rc<Socket>,
    /// frames of unknown type so far
    unknown: u32,
}

impl Channel<'_> {
    /// Connected, and the server has said `ready`.
    async fn connect<'a>(http: &'a Http, token: &Token) -> Result<Channel<'a>, End> {
        let url = [&http.socket_base, "/v1/notify"].concat();
        let socket = WebSocket::open(&url)
            .map_err(|_| End::Lost("this browser refuses to open a WebSocket to the server"))?;
        let mut channel = Channel {
            http,
            socket: Rc::new(RefCell::new(socket)),
            unknown: 0,
        };
        let auth = Object::new()
            .text("type", "auth")
            .text("token", token)
            .text("scope", http.scope.name())
            .end();
        // The sink waits for the connection, or for its failure.
        within(CONNECT, channel.send(auth)).await.ok_or(End::Lost(
            "the notification channel did not connect in time",
        ))??;
        let ready = async {
            loop {
                match channel.next().await? {
                    Frame::Ready => return Ok(()),
                    Frame::Ping => channel.send(pong()).await?,
                    // `ready` makes a pull: it is not missed.
                    _ => {}
                }
            }
        };
        within(CONNECT, ready).await.ok_or(End::Lost(
            "the server did not accept the notification channel in time",
        ))??;
        Ok(channel)
    }

    /// Hears frames until the connection is over.
    async fn serve(&mut self, hear: &NoticeHandler) -> End {
        let mut ping_at = monotonic() + PING;
        // When silence since the last ping is proof that the connection is dead.
        let mut dead_at = None;
        let mut excused = false;
        loop {
            let wake_at = dead_at.unwrap_or(ping_at);
            let wait = wake_at.saturating_sub(monotonic());
            let frame = match within(wait, self.next()).await {
                Some(Ok(frame)) => frame,
                Some(Err(end)) => return end,
                None => {
                    let now = monotonic();
                    let slept = now > wake_at + LATE && !excused;
                    if dead_at.is_some() && !slept {
                        return End::Lost("the notification channel went silent");
                    }
                    excused = slept;
                    if let Err(end) = self.send(ping()).await {
                        return end;
                    }
                    ping_at = now + PING;
                    dead_at = Some(now + PONG);
                    continue;
                }
            };
            dead_at = None;
            excused = false;
            match frame {
                Frame::Notice(notice) => hear(notice),
                Frame::Ping => {
                    if let Err(end) = self.send(pong()).await {
                        return end;
                    }
                }
                Frame::Ready | Frame::Pong | Frame::Unknown => {}
            }
        }
    }

    async fn next(&mut self) -> Result<Frame, End> {
        loop {
            match poll_fn(|context| self.socket.borrow_mut().poll_next_unpin(context)).await {
                Some(Ok(Message::Text(text))) => {
                    let frame = Frame::read(text);
                    if frame == Frame::Unknown {
                        self.unknown = self.unknown.saturating_add(1);
                        let count = Object::new().number("count", u64::from(self.unknown)).end();
                        // Logging that fails has nobody to tell.
                        let _ = self.http.hooks.log(
                            "debug",
                            "ignored a notification of unknown type",
                            Some(&count),
                        );
                    }
                    return Ok(frame);
                }
                Some(Ok(Message::Bytes(_))) => return Ok(Frame::malformed()),
                Some(Err(WebSocketError::ConnectionClose(event))) if event.code == UNAUTHORIZED => {
                    return Err(End::Unauthorized);
                }
                Some(Err(WebSocketError::ConnectionClose(event)))
                    if LEAVING.contains(&event.code) =>
                {
                    return Err(End::Leaving);
                }
                // The close event that says why is still to come.
                Some(Err(WebSocketError::ConnectionError)) => {}
                Some(Err(_)) | None => {
                    return Err(End::Lost("the notification channel was closed"));
                }
            }
        }
    }

    /// On a connection that has failed this does nothing: the close event tells of it.
    async fn send(&mut self, text: String) -> Result<(), End> {
        let cannot = |_| End::Lost("the notification channel cannot send");
        poll_fn(|context| self.socket.borrow_mut().poll_ready_unpin(context))
            .await
            .map_err(cannot)?;
        let mut socket = self.socket.borrow_mut();
        // The browser would complain on the console.
        if !matches!(socket.state(), State::Open) {
            return Ok(());
        }
        socket.start_send_unpin(Message::Text(text)).map_err(cannot)
    }
}

fn ping() -> String {
    Object::new().text("type", "ping").end()
}

fn pong() -> String {
    Object::new().text("type", "pong").end()
}

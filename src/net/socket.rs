//! `WS /v1/notify`: one connection, from the handshake to its end.
//!
//! ```text
//! connect ─▶ auth ─▶ ready ─▶ frames, a ping every 25 s ─▶ closed, or silent: dead
//!              └─ 4401 ─▶ a fresh token, once more
//! ```
//! Connecting again, and when, is the engine's. From `ready` on, acknowledgements of what was pushed go
//! out over the same connection.

use std::cell::RefCell;
use std::convert::Infallible;
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
        let Err(end) = channel.serve(hear).await;
        return match end {
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

impl End {
    const CLOSED: End = End::Lost("the notification channel was closed");

    /// What the code of the server's close event says.
    fn of(code: u16) -> End {
        match code {
            UNAUTHORIZED => End::Unauthorized,
            code if LEAVING.contains(&code) => End::Leaving,
            _ => End::CLOSED,
        }
    }
}

/// Whether the server is still there: after a time without a frame it is asked by a ping.
struct Pulse {
    ping_at: u64,
    /// when silence since the last ping is proof that the connection is dead
    dead_at: Option<u64>,
    /// The last silence was taken for a sleep of the page: the next one is not
    excused: bool,
}

impl Pulse {
    fn new() -> Pulse {
        Pulse {
            ping_at: monotonic() + PING,
            dead_at: None,
            excused: false,
        }
    }

    fn wake_at(&self) -> u64 {
        self.dead_at.unwrap_or(self.ping_at)
    }

    fn on_frame(&mut self) {
        self.dead_at = None;
        self.excused = false;
    }

    /// Nothing came until `wake_at`: the connection is over, or this ping goes out now.
    fn on_silence(&mut self, now: u64) -> Result<String, End> {
        let slept = now > self.wake_at() + LATE && !self.excused;
        if self.dead_at.is_some() && !slept {
            return Err(End::Lost("the notification channel went silent"));
        }
        *self = Pulse {
            ping_at: now + PING,
            dead_at: Some(now + PONG),
            excused: slept,
        };
        Ok(ping())
    }
}

/// Hears a frame, and says what the server is answered.
fn answer_to(frame: Frame, hear: &NoticeHandler) -> Option<String> {
    match frame {
        Frame::Notice(notice) => hear(notice),
        Frame::Ping => return Some(pong()),
        Frame::Ready | Frame::Pong | Frame::Unknown => {}
    }
    None
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
        within(CONNECT, channel.ready()).await.ok_or(End::Lost(
            "the server did not accept the notification channel in time",
        ))??;
        Ok(channel)
    }

    /// Waits for the server's `ready`. That makes a pull, so what else comes before is not missed.
    async fn ready(&mut self) -> Result<(), End> {
        loop {
            match self.next().await? {
                Frame::Ready => return Ok(()),
                Frame::Ping => self.send(pong()).await?,
                _ => {}
            }
        }
    }

    /// Hears frames until the connection is over.
    async fn serve(&mut self, hear: &NoticeHandler) -> Result<Infallible, End> {
        let mut pulse = Pulse::new();
        loop {
            let wait = pulse.wake_at().saturating_sub(monotonic());
            let answer = match within(wait, self.next()).await {
                Some(frame) => {
                    pulse.on_frame();
                    answer_to(frame?, hear)
                }
                None => Some(pulse.on_silence(monotonic())?),
            };
            if let Some(answer) = answer {
                self.send(answer).await?;
            }
        }
    }

    async fn next(&mut self) -> Result<Frame, End> {
        loop {
            match poll_fn(|context| self.socket.borrow_mut().poll_next_unpin(context)).await {
                Some(Ok(Message::Text(text))) => return Ok(self.read(text)),
                Some(Ok(Message::Bytes(_))) => return Ok(Frame::malformed()),
                // The close event that says why is still to come.
                Some(Err(WebSocketError::ConnectionError)) => {}
                Some(Err(WebSocketError::ConnectionClose(event))) => {
                    return Err(End::of(event.code));
                }
                Some(Err(_)) | None => return Err(End::CLOSED),
            }
        }
    }

    /// Tells the log of a frame of unknown type.
    fn read(&mut self, text: String) -> Frame {
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
        frame
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

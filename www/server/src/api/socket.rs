//! `WS /v1/notify` (docs/protocol.md, "Notifications"): tells an account's devices that something is new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{App, Call};
use crate::db::{Account, AccountId};
use crate::error::Error;
use crate::limits::{Place, Who};
use crate::log;
use crate::mailbox;
use crate::notify::Notice;
use crate::serve::Peer;
use crate::wire::Event;

/// No token, or a wrong one.
const UNAUTHORIZED: u16 = 4401;
/// Nothing heard for this long, pings included: the connection is dead.
const SILENCE: Duration = Duration::from_secs(75);
const PING_EVERY: Duration = Duration::from_secs(25);
/// A client that takes no frame for this long is gone; it pulls when it is back.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a frame from the client.
const FRAME_LIMIT: usize = 64 * 1024;
/// Events in one push. Where there are more, the client had better pull.
const PUSH_LIMIT: usize = 100;
/// Mailbox deliveries under way at a time.
const DELIVERY_WINDOW: usize = 200;

pub(super) fn calls() -> Vec<Call> {
    // Its token is in its first frame.
    vec![Call::get("/v1/notify", notify).open()]
}

/// No cookie is read, so a page of another origin that opens a socket in somebody's browser (cross-site WebSocket hijacking) is nobody: it has no token to put
/// into the first frame. Before it comes to that, `guard` refuses it by its `Origin`.
async fn notify(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Error::invalid(rejection.body_text()).into_response(),
    };
    // The connection's own place is free once it is no HTTP any more.
    let Some(entered) = app.limits.enter(Who::at(peer.ip()), Place::Connection) else {
        return Error::too_many("too many connections", 1).into_response();
    };
    upgrade
        .max_frame_size(FRAME_LIMIT)
        .max_message_size(FRAME_LIMIT)
        .on_upgrade(async move |socket| {
            serve(app, socket).await;
            drop(entered);
        })
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum FromClient {
    Auth {
        token: String,
        #[serde(default)]
        scope: Option<String>,
    },
    Ack {
        deliveries: Vec<String>,
    },
    Ping,
    Pong,
    #[serde(other)]
    Unknown,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ToClient<'a> {
    Ready,
    Notify {
        #[serde(skip_serializing_if = "Option::is_none")]
        spread: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversations: Option<&'a [String]>,
    },
    Push {
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        events: Vec<Event>,
    },
    Ping,
    Pong,
}

/// Why a connection ends. What is missed by it the client pulls.
enum End {
    Gone,
    Stopping,
}

impl From<Error> for End {
    /// Of the database: the log has said it.
    fn from(_: Error) -> Self {
        Self::Gone
    }
}

async fn serve(app: Arc<App>, mut socket: WebSocket) {
    let Some((account, scope)) = authenticated(&app, &mut socket).await else {
        close(&mut socket, UNAUTHORIZED, "a valid token is needed").await;
        return;
    };
    let Some(_entered) = app.limits.enter(Who::Account(account.id), Place::Socket) else {
        close(&mut socket, close_code::AGAIN, "too many sockets").await;
        return;
    };
    let mut connection = Connection {
        app,
        account,
        socket,
        pushed: None,
        in_flight: HashMap::new(),
        heard: Instant::now(),
    };
    if let Err(End::Stopping) = connection.run(scope.as_deref()).await {
        close(&mut connection.socket, close_code::AWAY, "the server stops").await;
    }
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // Whoever is gone already needs no goodbye.
    _ = timeout(SEND_WITHIN, socket.send(Message::Close(Some(frame)))).await;
    // The close handshake: the other side's frame, or the end of the stream.
    _ = timeout(Duration::from_secs(1), async {
        while let Some(Ok(_)) = socket.recv().await {}
    })
    .await;
}

/// The client's first frame.
async fn authenticated(app: &App, socket: &mut WebSocket) -> Option<(Account, Option<String>)> {
    let frame = timeout(app.options.patience, socket.recv())
        .await
        .ok()??
        .ok()?;
    match serde_json::from_str(frame.to_text().ok()?).ok()? {
        FromClient::Auth { token, scope } => Some((app.auth.account(&token).ok()?, scope)),
        _ => None,
    }
}

/// The cursor of a device that has everything.
async fn head(app: &App, account: AccountId) -> Result<String, Error> {
    app.db
        .read(move |view| Ok(view.cursor(log::head(view.sql, account)?)))
        .await
}

struct Connection {
    app: Arc<App>,
    account: Account,
    socket: WebSocket,
    /// With inline push: the cursor up to which the client has been told everything.
    pushed: Option<String>,
    /// Mailbox deliveries that are not acknowledged yet, and when they were sent.
    in_flight: HashMap<String, Instant>,
    heard: Instant,
}

impl Connection {
    async fn run(&mut self, scope: Option<&str>) -> Result<(), End> {
        let mailbox = scope == Some("mailbox");
        // Listening before "ready" and before anything is read: what is committed from here on is told.
        let mut notices = self.app.hub.notices(self.account.id);
        let mut stopping = self.app.stopping.clone();
        if self.app.pushing.of(self.account.id) && matches!(scope, None | Some("account")) {
            self.pushed = Some(head(&self.app, self.account.id).await?);
        }
        self.send(&ToClient::Ready).await?;
        if mailbox {
            self.deliver().await?;
        }
        let mut ping = interval(PING_EVERY);
        // The first tick of an interval is at once.
        ping.tick().await;
        let mut resend = interval(self.app.options.resend_after / 2);
        resend.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stopping.borrow() {
            tokio::select! {
                notice = notices.recv() => match notice {
                    _ if mailbox => self.deliver().await?,
                    Ok(notice) => self.tell(&notice).await?,
                    // Some were missed: which conversations they were about is not known any more.
                    Err(RecvError::Lagged(_)) => self.tell(&Notice { conversations: None }).await?,
                    Err(RecvError::Closed) => return Err(End::Gone),
                },
                frame = self.socket.recv() => self.take(frame.ok_or(End::Gone)?.map_err(|_| End::Gone)?, mailbox).await?,
                _ = ping.tick() => {
                    if self.heard.elapsed() > SILENCE {
                        return Err(End::Gone);
                    }
                    self.send(&ToClient::Ping).await?;
                }
                _ = resend.tick(), if mailbox => self.deliver().await?,
                _ = stopping.changed() => {}
            }
        }
        Err(End::Stopping)
    }

    /// A frame from the client. One of an unknown type is ignored.
    async fn take(&mut self, frame: Message, mailbox: bool) -> Result<(), End> {
        self.heard = Instant::now();
        // One that sends more than it may is listened to more slowly.
        while let Err(wait) = self.app.limits.take(Who::Account(self.account.id)) {
            tokio::time::sleep(wait).await;
        }
        let text = match &frame {
            Message::Text(text) => text.as_str(),
            Message::Close(_) => return Err(End::Gone),
            _ => return Ok(()),
        };
        match serde_json::from_str(text) {
            Ok(FromClient::Ping) => self.send(&ToClient::Pong).await,
            Ok(FromClient::Ack { deliveries }) if mailbox => {
                let account = self.account.clone();
                self.app
                    .db
                    .write(move |commit| mailbox::acknowledge(commit, &account, &deliveries))
                    .await?;
                // There may be more than was under way.
                self.deliver().await
            }
            _ => Ok(()),
        }
    }

    /// `notify`, or with inline push the events themselves.
    async fn tell(&mut self, notice: &Notice) -> Result<(), End> {
        if let Some(prev) = self.pushed.take()
            && self.push(prev).await?
        {
            return Ok(());
        }
        let spread = self.app.options.spread;
        self.trouble_and_send(&ToClient::Notify {
            spread,
            conversations: notice.conversations.as_deref(),
        })
        .await
    }

    /// Sends the events since `prev`, if there are any. False where they are too much for a push: the next one follows what a pull now finds.
    async fn push(&mut self, prev: String) -> Result<bool, End> {
        let (account, from) = (self.account.clone(), prev.clone());
        let batch = self
            .app
            .db
            .read(move |view| log::batch(view, &account, Some(&from), PUSH_LIMIT))
            .await?;
        if batch.overflow.is_some() || batch.has_more {
            self.pushed = Some(head(&self.app, self.account.id).await?);
            return Ok(false);
        }
        self.pushed = Some(batch.cursor.clone());
        if batch.cursor != prev {
            let push = ToClient::Push {
                prev: Some(prev),
                cursor: Some(batch.cursor),
                events: batch.events,
            };
            self.trouble_and_send(&push).await?;
        }
        Ok(true)
    }

    /// Mailbox: sends what is neither acknowledged nor just under way. An overflow, which a push cannot say, the client pulls.
    async fn deliver(&mut self) -> Result<(), End> {
        let account = self.account.clone();
        let found = self
            .app
            .db
            .read(move |view| mailbox::read(view, &account, DELIVERY_WINDOW))
            .await?;
        let Some(found) = found.filter(|found| found.overflow.is_none()) else {
            return match self.due("overflow") {
                true => {
                    self.trouble_and_send(&ToClient::Notify {
                        spread: None,
                        conversations: None,
                    })
                    .await
                }
                false => Ok(()),
            };
        };
        self.in_flight.retain(|delivery, _| {
            found
                .events
                .iter()
                .any(|event| event.delivery.as_deref() == Some(delivery))
        });
        let events: Vec<Event> = found
            .events
            .into_iter()
            .filter(|event| {
                event
                    .delivery
                    .as_deref()
                    .is_some_and(|delivery| self.due(delivery))
            })
            .collect();
        if events.is_empty() {
            return Ok(());
        }
        self.trouble_and_send(&ToClient::Push {
            prev: None,
            cursor: None,
            events,
        })
        .await
    }

    /// True, and noted, where it was not sent within the time for an acknowledgement.
    fn due(&mut self, delivery: &str) -> bool {
        let now = Instant::now();
        let due = self
            .in_flight
            .get(delivery)
            .is_none_or(|sent| now.duration_since(*sent) >= self.app.options.resend_after);
        if due {
            self.in_flight.insert(delivery.to_owned(), now);
        }
        due
    }

    /// A notification may be lost, doubled or late: here where that was asked for.
    async fn trouble_and_send(&mut self, frame: &ToClient<'_>) -> Result<(), End> {
        let trouble = self.app.troubles.of(Some(self.account.id));
        tokio::time::sleep(Duration::from_millis(trouble.delay_ms.into())).await;
        for _ in 0..trouble.copies() {
            self.send(frame).await?;
        }
        Ok(())
    }

    async fn send(&mut self, frame: &ToClient<'_>) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(Error::internal)?;
        match timeout(SEND_WITHIN, self.socket.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }
}

//! What the app says, handed to the part that it is for.

use crate::core::command::{Call, Command};
use crate::core::engine::Engine;
use crate::core::error::{Error, ErrorCode};
use crate::core::jobs::Own;
use crate::core::net::Change;
use crate::core::purpose::Purpose;
use crate::core::standing::Phase;
use crate::core::timeline::Open;

impl Engine {
    #[expect(clippy::too_many_lines, reason = "one arm a command")]
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Network { online, metered } => {
                self.config.metered = metered.unwrap_or(self.config.metered);
                self.on_network(online);
            }
            Command::Visibility { hidden } => self.on_visibility(hidden),
            Command::Freeze => self.on_freeze(),
            Command::Resume => self.on_resume(),
            Command::Close => self.end(false),
            Command::Wipe => self.end(true),
            Command::Abort { of } => self.abort(of),
            Command::Listening { events } => {
                self.listening.clear();
                self.listening.add_all(events);
            }
            // All that follow are about what is stored.
            command if self.standing.phase == Phase::Loading => self.early.push(command),
            command if self.waits_for_others().is_some() && command.changes_something() => {
                if let (Some(call), Some(error)) = (command.call(), self.waits_for_others()) {
                    self.out.reject(call, &error);
                }
            }
            Command::Open {
                timeline,
                conversation,
                start,
                page_size,
                max_items,
            } => {
                let open = Open {
                    conversation: conversation.into(),
                    start,
                    page_size,
                    max_items,
                };
                let (parts, mut cx) = self.split();
                parts.timelines.open(&mut cx, timeline, open);
            }
            Command::Release { timeline } => {
                // What it needed may go.
                self.disk.look_again();
                let (parts, mut cx) = self.split();
                parts.timelines.release(&mut cx, timeline);
            }
            Command::Attach { timeline } => {
                let (parts, mut cx) = self.split();
                parts.timelines.attach(&mut cx, timeline);
            }
            Command::CloseTimeline { timeline } => {
                self.disk.look_again();
                self.close_timeline(timeline);
            }
            Command::Load {
                call,
                timeline,
                direction,
                limit,
            } => {
                let (parts, mut cx) = self.split();
                let page = (direction, limit);
                parts.timelines.load_page(&mut cx, call, timeline, page);
            }
            Command::Jump { call, timeline, to } => {
                let (parts, mut cx) = self.split();
                parts.timelines.jump(&mut cx, call, timeline, to);
            }
            Command::Visible {
                timeline,
                first,
                last,
            } => self.timelines.set_on_screen(timeline, &first, &last),
            Command::Send {
                call,
                conversation,
                body,
                client_id,
            } => {
                let (parts, mut cx) = self.split();
                let conversation = conversation.into();
                parts
                    .outbox
                    .send(&mut cx, call, conversation, body, client_id);
            }
            Command::Retry {
                call,
                conversation,
                client_id,
            } => self.own_wish(Own::Retry {
                conversation,
                client_id,
                call,
            }),
            Command::Discard {
                call,
                conversation,
                client_id,
            } => self.own_wish(Own::Discard {
                conversation,
                client_id,
                call,
            }),
            Command::Edit {
                call,
                conversation,
                message_id,
                body,
                client_id,
            } => {
                let change = Change::Edit {
                    conversation: conversation.into(),
                    message: message_id,
                    client_id,
                    body,
                };
                self.change_message(call, change);
            }
            Command::Recall {
                call,
                conversation,
                message_id,
            } => {
                let change = Change::Recall {
                    conversation: conversation.into(),
                    message: message_id,
                };
                self.change_message(call, change);
            }
            Command::MarkRead {
                call,
                conversation,
                seq,
                timeline,
            } => self.mark_read(call, conversation.into(), seq, timeline),
            Command::Sync { call } => self.sync(call),
            Command::Tell { call } => {
                let telling = self.new_telling();
                self.tell(call, telling);
            }
            Command::Inspect { call, conversation } => self.inspect(call, conversation.as_deref()),
        }
    }

    /// Nobody waits for this call any more.
    pub(super) fn abort(&mut self, of: Call) {
        let aborted = Error::new(ErrorCode::Aborted, "aborted by its signal");
        let mut found = self.sync.drop_call(of);
        found |= self.timelines.drop_call(of);
        found |= self.outbox.changes.drop_call(of);
        found |= self.drop_telling(of);
        if let Some(request) = self.out.requests.of_call(of) {
            let asked = self.out.abort_request(request);
            let error = match asked {
                Some(Purpose::Sync { .. } | Purpose::Tell { .. }) => aborted,
                _ => aborted.of_a_change(),
            };
            return self.out.reject(of, &error);
        }
        if found {
            self.out.reject(of, &aborted);
        }
    }
}

impl Command {
    /// Whether it cannot be done by a client that waits until the others have gone.
    fn changes_something(&self) -> bool {
        matches!(
            self,
            Command::Send { .. }
                | Command::Retry { .. }
                | Command::Discard { .. }
                | Command::Edit { .. }
                | Command::Recall { .. }
                | Command::MarkRead { .. }
                | Command::Sync { .. }
                | Command::Tell { .. }
        )
    }

    /// The call that waits for this command's result.
    pub(super) fn call(&self) -> Option<Call> {
        match self {
            Command::Load { call, .. }
            | Command::Jump { call, .. }
            | Command::Send { call, .. }
            | Command::Retry { call, .. }
            | Command::Discard { call, .. }
            | Command::Edit { call, .. }
            | Command::Recall { call, .. }
            | Command::MarkRead { call, .. }
            | Command::Sync { call }
            | Command::Tell { call }
            | Command::Inspect { call, .. } => Some(*call),
            _ => None,
        }
    }
}

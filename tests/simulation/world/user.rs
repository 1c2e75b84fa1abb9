//! What the app asks for, as its user would.

use serde_json::json;

use super::World;
use crate::simulation::check::Checked;
use crate::simulation::device::{Call, Own};
use crate::simulation::facade::Start;
use crate::simulation::steps::UserAct;

impl World {
    pub(super) fn open(&mut self, device: usize, conversation: &str) -> Checked {
        let start = self.start_place(conversation);
        self.open_at(device, conversation, start)
    }

    fn open_at(&mut self, device: usize, conversation: &str, start: Start) -> Checked {
        let (page_size, max_items) = (
            self.config["pageSize"].as_u64().unwrap_or(30),
            self.config["maxItems"].clone(),
        );
        let target = &mut self.devices[device];
        let id = target.new_timeline();
        target.facade.open(id, conversation, page_size);
        let command = json!({
            "op": "open", "timeline": id, "conversation": conversation, "start": start.to_json(),
            "pageSize": page_size, "maxItems": max_items,
        });
        self.command(device, command)
    }

    /// Where a list begins.
    pub(super) fn start_place(&mut self, conversation: &str) -> Start {
        match self.mode.jumps {
            true => self.place(conversation),
            false => Start::Latest,
        }
    }

    /// Some place of a conversation: of a message, or of none.
    pub(super) fn place(&mut self, conversation: &str) -> Start {
        let posts = &self.server.conversations[conversation].posts;
        let posts: Vec<(u64, u64)> = posts.values().map(|p| (p.seq, p.created_at)).collect();
        let (seq, time) = self.rng.pick(&posts).copied().unwrap_or((1, 1));
        match self.rng.below(20) {
            0..=6 => Start::Latest,
            7..=9 => Start::FirstUnread,
            10..=13 => Start::Around(seq),
            14 => Start::Around(seq.saturating_add(1)),
            15 => Start::Around([0, u64::MAX][self.rng.below(2) as usize]),
            16..=17 => Start::At(time),
            18 => Start::At(time + self.rng.below(2_000)),
            _ => Start::At([0, self.server.wall + 9_000_000][self.rng.below(2) as usize]),
        }
    }

    /// Does what the user does in a step. What is not there (any more) is let be: a history may be edited.
    pub(super) fn user_acts(&mut self, device: usize, act: &UserAct) -> Checked {
        let target = &self.devices[device];
        if target.engine.is_none() || target.asleep_until > self.time {
            return Ok(());
        }
        let about = act.timeline();
        if about.is_some_and(|id| !target.facade.timelines.contains_key(&id)) {
            return Ok(());
        }
        match act {
            UserAct::Open {
                conversation,
                start,
                more,
            } => self.opens(device, conversation, *start, *more),
            UserAct::Close { timeline } => {
                self.devices[device].facade.close(*timeline);
                self.command(
                    device,
                    json!({ "op": "close-timeline", "timeline": timeline }),
                )
            }
            UserAct::Attach { timeline } | UserAct::Release { timeline } => {
                let view = self.devices[device].facade.timelines.get_mut(timeline);
                let view = view.expect("it is there");
                view.released = matches!(act, UserAct::Release { .. });
                view.attached |= !view.released;
                let op = if view.released { "release" } else { "attach" };
                self.command(device, json!({ "op": op, "timeline": timeline }))
            }
            UserAct::Load {
                timeline,
                newer,
                limit,
            } => self.load(device, *timeline, *newer, *limit),
            UserAct::Look {
                timeline,
                first,
                last,
            } => {
                let shown = self.devices[device].facade.timelines[timeline].items.len();
                if first.max(last) >= &shown {
                    return Ok(());
                }
                self.looks_at(device, *timeline, (*first, *last))
            }
            UserAct::Jump { timeline, to } => self.jump(device, *timeline, *to),
            UserAct::Send {
                conversation,
                twice,
            } => self.send(device, conversation, *twice),
            UserAct::Retry { client_id } => self.retry(device, client_id),
            UserAct::Discard { client_id } => self.discard(device, client_id),
            UserAct::Change {
                timeline,
                message,
                edit,
            } => self.change_own(device, *timeline, message, *edit),
            UserAct::MarkRead { timeline, seq } => self.mark_read(device, *timeline, *seq),
            UserAct::Sync => {
                let call = self.devices[device].new_call(Call::Sync);
                self.command(device, json!({ "op": "sync", "call": call }))
            }
            UserAct::SyncOnce => self.sync_once(device),
            UserAct::Inspect { conversation } => {
                let conversation = conversation.as_ref().map(|id| id.to_string());
                let call = self.devices[device].new_call(Call::Inspect {
                    conversation: conversation.clone(),
                });
                let mut command = json!({ "op": "inspect", "call": call });
                if let Some(conversation) = conversation {
                    command["conversation"] = json!(conversation);
                }
                self.command(device, command)
            }
            UserAct::Abort { of } => self.command(device, json!({ "op": "abort", "of": of })),
            UserAct::End => self.command(device, json!({ "op": "close" })),
        }
    }

    fn opens(&mut self, device: usize, conversation: &str, start: Start, more: u64) -> Checked {
        self.open_at(device, conversation, start)?;
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        for _ in 0..more {
            let other = self.rng.pick(&ids).cloned().unwrap_or_default();
            self.open(device, &other)?;
        }
        Ok(())
    }

    fn jump(&mut self, device: usize, timeline: u64, to: Start) -> Checked {
        let target = &self.devices[device];
        let view = &target.facade.timelines[&timeline];
        let (conversation, count) = (&view.conversation, view.anchor.count);
        let mut listed = target.facade.conversations.iter();
        let shown = listed.find(|c| c.id == *conversation);
        // None: nothing is known to be unread.
        let read = shown.filter(|shown| shown.unread > 0);
        let read = vec![read.map(|shown| shown.read_seq)];
        let call = self.devices[device].new_call(Call::Jump {
            timeline,
            to,
            count,
            read,
        });
        let to = to.to_json();
        self.command(
            device,
            json!({ "op": "jump", "call": call, "timeline": timeline, "to": to }),
        )
    }

    /// These items are on screen.
    pub(super) fn looks_at(
        &mut self,
        device: usize,
        timeline: u64,
        (first, last): (usize, usize),
    ) -> Checked {
        let Some(view) = self.devices[device].facade.timelines.get_mut(&timeline) else {
            return Ok(());
        };
        let (first, last) = (view.items[first].clone(), view.items[last].clone());
        view.sees(&last);
        let (first, last) = (first.key(), last.key());
        let command =
            json!({ "op": "visible", "timeline": timeline, "first": first, "last": last });
        self.command(device, command)
    }

    pub(super) fn load(
        &mut self,
        device: usize,
        timeline: u64,
        newer: bool,
        limit: u64,
    ) -> Checked {
        let direction = if newer { "newer" } else { "older" };
        let target = &mut self.devices[device];
        let loading = &target.facade.timelines[&timeline].loading;
        let alone = !loading.older
            && !loading.newer
            && !target
                .calls
                .values()
                .any(|c| matches!(c, Call::Load { timeline: t, .. } if *t == timeline));
        let call = target.new_call(Call::Load {
            timeline,
            direction,
            limit,
            alone,
        });
        self.command(device, json!({ "op": "load", "call": call, "timeline": timeline, "direction": direction, "limit": limit }))
    }

    fn send(&mut self, device: usize, conversation: &str, twice: bool) -> Checked {
        let (order, client_id) = self.machine_mut(device).new_own();
        let target = &self.devices[device];
        let posts = &self.server.conversations[conversation].posts;
        let own = Own {
            body: json!({ "text": client_id }),
            order,
            place: None,
            accepted: None,
            discarded: false,
            gone_perhaps: false,
            discards: 0,
            retried: false,
            gone: false,
            tried: 0,
            garbled: false,
            life: target.life,
            key: None,
            newest: posts.keys().next_back().copied().unwrap_or(0),
            shown: target.newest_shown(conversation),
            conversation: conversation.to_owned(),
            delivered: Default::default(),
        };
        let body = own.body.to_string();
        self.machine_mut(device).own.insert(client_id.clone(), own);
        for _ in 0..if twice { 2 } else { 1 } {
            let call = self.devices[device].new_call(Call::Send {
                client_id: client_id.clone(),
            });
            self.command(device, json!({ "op": "send", "call": call, "conversation": conversation, "body": body, "clientId": client_id }))?;
        }
        Ok(())
    }

    fn retry(&mut self, device: usize, client_id: &str) -> Checked {
        if let Some(own) = self.machine_mut(device).own.get_mut(client_id) {
            own.retried = true;
        }
        let call = self.devices[device].new_call(Call::Retry);
        self.command(
            device,
            json!({ "op": "retry", "call": call, "clientId": client_id }),
        )
    }

    fn discard(&mut self, device: usize, client_id: &str) -> Checked {
        if let Some(own) = self.machine_mut(device).own.get_mut(client_id) {
            own.discarded = true;
            own.discards += 1;
        }
        let call = self.devices[device].new_call(Call::Discard {
            client_id: client_id.to_owned(),
        });
        self.command(
            device,
            json!({ "op": "discard", "call": call, "clientId": client_id }),
        )
    }

    /// Edits it, under this name, or recalls it.
    fn change_own(
        &mut self,
        device: usize,
        timeline: u64,
        message: &str,
        edit: Option<u64>,
    ) -> Checked {
        let conversation = self.devices[device].facade.timelines[&timeline]
            .conversation
            .clone();
        let call = self.devices[device].new_call(Call::Change {
            conversation: conversation.clone(),
            message: message.to_owned(),
        });
        let command = match edit {
            Some(name) => {
                let client_id = format!("edit-{call}-{name}");
                let body = json!({ "text": client_id }).to_string();
                json!({ "op": "edit", "call": call, "conversation": conversation, "messageId": message, "body": body, "clientId": client_id })
            }
            None => {
                json!({ "op": "recall", "call": call, "conversation": conversation, "messageId": message })
            }
        };
        self.command(device, command)
    }

    fn mark_read(&mut self, device: usize, timeline: u64, seq: Option<u64>) -> Checked {
        let conversation = self.devices[device].facade.timelines[&timeline]
            .conversation
            .clone();
        let call = self.devices[device].new_call(Call::MarkRead {
            conversation: conversation.clone(),
            seq,
        });
        let command = match seq {
            Some(seq) => {
                json!({ "op": "mark-read", "call": call, "conversation": conversation, "seq": seq.to_string() })
            }
            None => {
                json!({ "op": "mark-read", "call": call, "conversation": conversation, "timeline": timeline })
            }
        };
        self.command(device, command)
    }
}

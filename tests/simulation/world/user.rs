//! What the app asks for, as its user would, and what becomes of its calls.

use super::*;

impl World {
    pub(super) fn open(&mut self, device: usize, conversation: &str) -> Checked {
        let (page_size, max_items) = (
            self.config["pageSize"].as_u64().unwrap_or(30),
            self.config["maxItems"].clone(),
        );
        let start = if self.mode.jumps {
            self.place(conversation)
        } else {
            Start::Latest
        };
        let target = &mut self.devices[device];
        let id = target.new_timeline();
        target.facade.open(id, conversation, page_size);
        let command = json!({
            "op": "open", "timeline": id, "conversation": conversation, "start": start.to_json(),
            "pageSize": page_size, "maxItems": max_items,
        });
        self.command(device, command)
    }

    /// Some place of a conversation: of a message, or of none.
    fn place(&mut self, conversation: &str) -> Start {
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

    fn jump(&mut self, device: usize, timeline: u64) -> Checked {
        let view = &self.devices[device].facade.timelines[&timeline];
        let (conversation, count) = (view.conversation.clone(), view.anchor.count);
        let to = self.place(&conversation);
        let target = &self.devices[device];
        let shown = target
            .facade
            .conversations
            .iter()
            .find(|c| c.id == conversation);
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

    pub(super) fn user_acts(&mut self, device: usize) -> Checked {
        let open: Vec<u64> = self.devices[device]
            .facade
            .timelines
            .iter()
            .filter(|(_, v)| !v.released)
            .map(|(id, _)| *id)
            .collect();
        let list = self.rng.pick(&open).copied();
        if let (true, Some(id)) = (self.mode.jumps, list)
            && self.rng.chance(12)
        {
            return self.jump(device, id);
        }
        match self.rng.below(100) {
            0..=14 => {
                let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
                match self.rng.pick(&ids).cloned() {
                    Some(conversation) if open.len() < 3 => self.open(device, &conversation),
                    _ => Ok(()),
                }
            }
            15..=18 => {
                let Some(id) = list else { return Ok(()) };
                self.devices[device].facade.close(id);
                self.command(device, json!({ "op": "close-timeline", "timeline": id }))
            }
            19..=23 => {
                let lists: Vec<u64> = self.devices[device]
                    .facade
                    .timelines
                    .keys()
                    .copied()
                    .collect();
                let Some(id) = self.rng.pick(&lists).copied() else {
                    return Ok(());
                };
                let Some(view) = self.devices[device].facade.timelines.get_mut(&id) else {
                    return Ok(());
                };
                if view.released {
                    view.released = false;
                    view.attached = true;
                    self.command(device, json!({ "op": "attach", "timeline": id }))
                } else {
                    view.released = true;
                    self.command(device, json!({ "op": "release", "timeline": id }))
                }
            }
            24..=41 => {
                let Some(id) = list else { return Ok(()) };
                let newer = self.rng.chance(25);
                let page_size = self.devices[device].facade.timelines[&id].page_size;
                let limit = if self.rng.chance(60) {
                    page_size
                } else {
                    self.rng.between(1, 15)
                };
                self.load(device, id, newer, limit)
            }
            42..=46 => {
                let Some(id) = list else { return Ok(()) };
                let view = &self.devices[device].facade.timelines[&id];
                let count = view.items.len() as u64;
                if count == 0 {
                    return Ok(());
                }
                let first = self.rng.below(count);
                let last = self
                    .rng
                    .between(first, (first + view.page_size).min(count - 1));
                let (first, last) = (
                    view.items[first as usize].key(),
                    view.items[last as usize].key(),
                );
                let command =
                    json!({ "op": "visible", "timeline": id, "first": first, "last": last });
                self.command(device, command)
            }
            47..=64 => self.send(device, list),
            65..=69 => self.retry_or_discard(device),
            70..=77 => self.change_own(device, list),
            78..=84 => self.mark_read(device, list),
            85..=90 => {
                let call = self.devices[device].new_call(Call::Sync);
                self.command(device, json!({ "op": "sync", "call": call }))
            }
            91..=96 => {
                let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
                let conversation = if self.rng.chance(90) {
                    self.rng.pick(&ids).cloned()
                } else {
                    None
                };
                let call = self.devices[device].new_call(Call::Inspect {
                    conversation: conversation.clone(),
                });
                let mut command = json!({ "op": "inspect", "call": call });
                if let Some(conversation) = conversation {
                    command["conversation"] = json!(conversation);
                }
                self.command(device, command)
            }
            97..=98 => {
                let calls: Vec<u64> = self.devices[device]
                    .calls
                    .iter()
                    .filter(|(_, c)| {
                        matches!(c, Call::Load { .. } | Call::Jump { .. } | Call::Sync)
                    })
                    .map(|(id, _)| *id)
                    .collect();
                match self.rng.pick(&calls) {
                    Some(call) => {
                        let command = json!({ "op": "abort", "of": call });
                        self.command(device, command)
                    }
                    None => Ok(()),
                }
            }
            _ => self.command(device, json!({ "op": "close" })),
        }
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

    fn send(&mut self, device: usize, list: Option<u64>) -> Checked {
        let ids: Vec<String> = self.server.conversations.keys().cloned().collect();
        let conversation = match list {
            Some(id) if self.rng.chance(80) => self.devices[device].facade.timelines[&id]
                .conversation
                .clone(),
            _ => self.rng.pick(&ids).cloned().unwrap_or_default(),
        };
        let target = &mut self.devices[device];
        let (order, client_id) = target.new_own();
        let own = Own {
            body: json!({ "text": client_id }),
            order,
            accepted: false,
            discarded: false,
            retried: false,
            gone: false,
            life: target.life,
            key: None,
            newest: self.server.conversations[&conversation]
                .posts
                .keys()
                .next_back()
                .copied()
                .unwrap_or(0),
            shown: target.newest_shown(&conversation),
            conversation: conversation.clone(),
        };
        let body = own.body.to_string();
        target.own.insert(client_id.clone(), own);
        let twice = self.rng.chance(5);
        for _ in 0..if twice { 2 } else { 1 } {
            let call = self.devices[device].new_call(Call::Send {
                client_id: client_id.clone(),
            });
            self.command(device, json!({ "op": "send", "call": call, "conversation": conversation, "body": body, "clientId": client_id }))?;
        }
        Ok(())
    }

    fn retry_or_discard(&mut self, device: usize) -> Checked {
        let target = &mut self.devices[device];
        let Some(local) = self.rng.pick(&target.facade.outbox).cloned() else {
            return Ok(());
        };
        let client_id = local.client_id.clone();
        if local.state == "failed" && self.rng.chance(60) {
            if let Some(own) = target.own.get_mut(&client_id) {
                own.retried = true;
            }
            let call = target.new_call(Call::Retry);
            self.command(
                device,
                json!({ "op": "retry", "call": call, "clientId": client_id }),
            )
        } else {
            if let Some(own) = target.own.get_mut(&client_id) {
                own.discarded = true;
            }
            let call = target.new_call(Call::Discard {
                client_id: client_id.clone(),
            });
            self.command(
                device,
                json!({ "op": "discard", "call": call, "clientId": client_id }),
            )
        }
    }

    fn change_own(&mut self, device: usize, list: Option<u64>) -> Checked {
        let Some(list) = list else { return Ok(()) };
        let view = &self.devices[device].facade.timelines[&list];
        let own: Vec<String> = view
            .items
            .iter()
            .filter_map(|item| match &**item {
                Item::Message { message, .. } if message.sender == ACCOUNT => {
                    Some(message.id.clone())
                }
                Item::Local(local) => local.message.as_ref().map(|message| message.id.clone()),
                _ => None,
            })
            .collect();
        let conversation = view.conversation.clone();
        let Some(message) = self.rng.pick(&own).cloned() else {
            return Ok(());
        };
        let call = self.devices[device].new_call(Call::Change {
            conversation: conversation.clone(),
            message: message.clone(),
        });
        let command = if self.rng.chance(60) {
            let client_id = format!("edit-{call}-{}", self.rng.next());
            let body = json!({ "text": client_id }).to_string();
            json!({ "op": "edit", "call": call, "conversation": conversation, "messageId": message, "body": body, "clientId": client_id })
        } else {
            json!({ "op": "recall", "call": call, "conversation": conversation, "messageId": message })
        };
        self.command(device, command)
    }

    fn mark_read(&mut self, device: usize, list: Option<u64>) -> Checked {
        let Some(list) = list else { return Ok(()) };
        let view = &self.devices[device].facade.timelines[&list];
        let conversation = view.conversation.clone();
        let seqs: Vec<u64> = view.messages().map(|(_, message, _)| message.seq).collect();
        let seq = self.rng.pick(&seqs).copied();
        let seq = if self.rng.chance(50) { None } else { seq };
        let call = self.devices[device].new_call(Call::MarkRead {
            conversation: conversation.clone(),
            seq,
        });
        let command = match seq {
            Some(seq) => {
                json!({ "op": "mark-read", "call": call, "conversation": conversation, "seq": seq.to_string() })
            }
            None => {
                json!({ "op": "mark-read", "call": call, "conversation": conversation, "timeline": list })
            }
        };
        self.command(device, command)
    }

    /// A call of the app has its result; the snapshots already show its effect.
    pub(super) fn settle(
        &mut self,
        device: usize,
        call: u64,
        result: Result<Value, Failure>,
    ) -> Checked {
        let target = &mut self.devices[device];
        let Some(call) = target.calls.remove(&call) else {
            return Err(format!("a result for call {call}, which waits for none"));
        };
        if let Err(error) = &result {
            const KNOWN: [&str; 12] = [
                "network",
                "timeout",
                "offline",
                "unauthorized",
                "forbidden",
                "not-found",
                "rejected",
                "protocol",
                "storage",
                "quota",
                "aborted",
                "closed",
            ];
            if !KNOWN.contains(&error.code.as_str())
                && !matches!(
                    (&call, error.code.as_str()),
                    (
                        Call::Change { .. } | Call::MarkRead { .. } | Call::Retry,
                        "invalid"
                    )
                )
            {
                return Err(format!("{call:?} is rejected with {error:?}"));
            }
        }
        match (call, result) {
            (
                Call::Load {
                    timeline,
                    limit,
                    alone: true,
                    direction,
                },
                Ok(value),
            ) => {
                let (added, end) = (value["added"].as_u64(), value["end"].as_bool());
                let (Some(added), Some(end)) = (added, end) else {
                    return Err(format!("no LoadResult: {value}"));
                };
                let view = target.facade.timelines.get(&timeline);
                let failed = view.is_none_or(|view| view.released || view.error.is_some());
                if added < limit && !end && !failed {
                    return Err(format!(
                        "loading {direction} gave {added} of {limit} and no end"
                    ));
                }
            }
            (
                Call::Jump {
                    timeline,
                    to,
                    count,
                    mut read,
                },
                Ok(_),
            ) => {
                if let Some(view) = target.facade.timelines.get(&timeline) {
                    if view.anchor.count <= count && view.status == "ready" && !view.released {
                        return Err(format!("timeline {timeline} jumped, and was not replaced"));
                    }
                    // What was read is what some state of that time says, or the user's own mark.
                    let states = &self.server.conversations[&view.conversation].states;
                    let since = target.states_at.get(&view.conversation).unwrap_or(&0);
                    let from = states.iter().rposition(|(at, _)| at <= since);
                    let states = &states[from.unwrap_or(0)..];
                    read.extend(states.iter().map(|(_, state)| {
                        let unread = Some(state).filter(|state| state.unread > 0);
                        unread.map(|state| state.read_seq)
                    }));
                    let marked = target.marks.get(&view.conversation);
                    read.extend(marked.map(|mark| Some(Some(*mark))));
                    check::anchor(view, to, &read, target, &self.server)?;
                }
            }
            (Call::Send { client_id }, Ok(value)) => {
                let own = target.own.get_mut(&client_id).expect("the send was noted");
                own.accepted = true;
                let key = value["key"]
                    .as_str()
                    .ok_or("send() without a key")?
                    .to_owned();
                if own.life == target.life && own.key.as_ref().is_some_and(|old| *old != key) {
                    return Err(format!("{client_id} has key {key}, and had {:?}", own.key));
                }
                own.key = Some(key);
            }
            (Call::Discard { client_id }, Ok(Value::Bool(true))) => {
                let sending = target.requests.values().any(
                    |p| !p.aborted && matches!(&p.call, Request::Send { client_id: id, .. } if *id == client_id),
                );
                // One that failed because the account has left may still be on its way.
                let own = target.own.get(&client_id);
                let left = own.is_some_and(|own| {
                    self.server.conversations[&own.conversation]
                        .membership
                        .len()
                        > 1
                });
                if sending && !left {
                    return Err(format!(
                        "{client_id} was discarded while a request for it is under way"
                    ));
                }
                if let Some(own) = target.own.get_mut(&client_id) {
                    own.gone = true;
                }
            }
            (Call::Discard { client_id }, _) => {
                let mut calls = target.calls.values();
                let again =
                    calls.any(|c| matches!(c, Call::Discard { client_id: id } if *id == client_id));
                if let Some(own) = target.own.get_mut(&client_id) {
                    own.discarded = own.gone || again;
                }
            }
            (
                Call::Change {
                    conversation,
                    message,
                },
                Ok(value),
            ) => {
                let version = value["version"]
                    .as_u64()
                    .ok_or("a change without a message")?;
                for view in target.facade.timelines.values().filter(|v| {
                    v.conversation == conversation && !v.released && v.status == "ready"
                }) {
                    let shown = view.messages().find(|(_, m, _)| m.id == message);
                    if shown.is_some_and(|(_, m, _)| m.version < version) {
                        return Err(format!(
                            "{message} was changed to version {version}, which the list does not show"
                        ));
                    }
                }
            }
            (
                Call::MarkRead {
                    conversation,
                    seq: Some(seq),
                },
                Ok(_),
            ) => {
                let mark = target.marks.entry(conversation).or_default();
                *mark = seq.max(*mark);
            }
            (Call::Sync, Ok(_)) if !target.facade.caught_up() => {
                return Err("sync() resolved, not caught up".to_owned());
            }
            (Call::Inspect { conversation }, Ok(value)) => {
                let conversation = conversation.and_then(|id| self.server.conversations.get(&id));
                let position = match (self.mode.scope, conversation) {
                    (Scope::Account, _) | (_, None) => 0,
                    (_, Some(conversation)) => target.positions(&self.server).of(&conversation.id),
                };
                check::inspection(&value, conversation, position, self.mode.jumps)?;
            }
            _ => {}
        }
        Ok(())
    }
}

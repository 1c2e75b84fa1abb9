//! What a transaction comes to: the writes of the one database transaction, and the committed state
//! after it (R9).

use super::*;

impl Commit {
    /// The writes of the one transaction.
    pub fn writes(&mut self, db: &Db) -> Vec<Write> {
        let mut writes = Vec::new();
        for id in self.cleared.keys() {
            writes.push(Write::DeleteRange {
                table: Table::Blocks,
                lo: records::block_key(id, 0),
                hi: records::block_key(id, u64::MAX),
            });
        }
        for ((id, lo), block) in &self.blocks {
            let key = records::block_key(id, *lo);
            match block {
                Some(block) => {
                    let unchanged = !self.cleared.contains(id)
                        && db
                            .peek(&(id.clone(), *lo))
                            .is_some_and(|held| *held == *block);
                    if unchanged {
                        // Something came and went again: the index has estimated what stayed.
                        let bytes = db
                            .held(id)
                            .blocks
                            .iter()
                            .find(|b| b.lo == *lo)
                            .map(|b| b.bytes);
                        let index = self.held.get_mut(id).map(|held| &mut held.blocks);
                        let entry =
                            index.and_then(|blocks| blocks.iter_mut().find(|b| b.lo == *lo));
                        if let (Some(entry), Some(bytes)) = (entry, bytes) {
                            entry.bytes = bytes;
                        }
                        continue;
                    }
                    let value = block::encode(id, block);
                    if let Some(held) = self.held.get_mut(id)
                        && let Ok(at) = held.blocks.binary_search_by_key(lo, |b| b.lo)
                    {
                        held.blocks[at].bytes = value.len() as u32;
                    }
                    writes.push(Write::Put {
                        table: Table::Blocks,
                        key,
                        value,
                    });
                }
                None => writes.push(Write::Delete {
                    table: Table::Blocks,
                    key,
                }),
            }
        }
        for (id, held) in &self.held {
            if db.held.get(id).is_some_and(|old| **old == *held) {
                continue;
            }
            let key = records::conversation_key(id);
            writes.push(if *held == Held::default() {
                Write::Delete {
                    table: Table::Segments,
                    key,
                }
            } else {
                Write::Put {
                    table: Table::Segments,
                    key,
                    value: records::write_held(id, held),
                }
            });
        }
        for (id, state) in &self.list {
            let key = records::conversation_key(id);
            writes.push(match state {
                Some(state) => Write::Put {
                    table: Table::Conversations,
                    key,
                    value: records::write_conversation(state),
                },
                None => Write::Delete {
                    table: Table::Conversations,
                    key,
                },
            });
        }
        for (order, local) in &self.outbox {
            let key = records::local_key(*order);
            writes.push(match local {
                Some(local) => Write::Put {
                    table: Table::Outbox,
                    key,
                    value: records::write_local(local),
                },
                None => Write::Delete {
                    table: Table::Outbox,
                    key,
                },
            });
        }
        for (id, seq) in &self.marks {
            let key = records::mark_key(id);
            writes.push(match seq {
                Some(seq) => Write::Put {
                    table: Table::Outbox,
                    key,
                    value: records::write_mark(id, *seq),
                },
                None => Write::Delete {
                    table: Table::Outbox,
                    key,
                },
            });
        }
        for (id, at) in &self.opened {
            let key = records::opened_key(id);
            writes.push(match at {
                Some(at) => Write::Put {
                    table: Table::Meta,
                    key,
                    value: records::write_opened(id, *at),
                },
                None => Write::Delete {
                    table: Table::Meta,
                    key,
                },
            });
        }
        if self.cursors_cleared && !db.cursors.is_empty() {
            writes.push(Write::DeleteRange {
                table: Table::Meta,
                lo: records::cursor_key(""),
                hi: records::cursor_end(),
            });
        }
        for (id, cursor) in &self.cursors {
            if !self.cursors_cleared && db.cursors.get(id) == cursor.as_ref() {
                continue;
            }
            let key = records::cursor_key(id);
            writes.push(match cursor {
                Some(cursor) => Write::Put {
                    table: Table::Meta,
                    key,
                    value: records::write_cursor(id, cursor),
                },
                None => Write::Delete {
                    table: Table::Meta,
                    key,
                },
            });
        }
        if !self.deliveries.is_empty() {
            let (number, old) = self.remembered(db);
            writes.push(Write::Put {
                table: Table::Deliveries,
                key: records::deliveries_key(number),
                value: records::write_deliveries(number, self.deliveries.keys()),
            });
            writes.extend(old.into_iter().map(|number| Write::Delete {
                table: Table::Deliveries,
                key: records::deliveries_key(number),
            }));
        }
        // The cursor last, though all are one transaction: whoever reads this in order sees R9.
        if let Some(meta) = self.meta.as_ref().filter(|meta| **meta != db.meta) {
            writes.push(Write::Put {
                table: Table::Meta,
                key: records::meta_key(),
                value: records::write_meta(meta),
            });
        }
        writes
    }

    /// R10: the number of the record of these deliveries, and the records that are forgotten for it.
    fn remembered(&self, db: &Db) -> (u64, Vec<u64>) {
        let number = db.deliveries.keys().next_back().map_or(0, |last| last + 1);
        let mut count = db.delivered.len() + self.deliveries.len();
        let mut old = Vec::new();
        for (number, names) in db.deliveries.iter() {
            if count.saturating_sub(names.len()) < REMEMBERED {
                break;
            }
            count -= names.len();
            old.push(*number);
        }
        (number, old)
    }

    /// It is written: from here on it is the committed state.
    pub fn take_over(self, db: &mut Db) -> Changes {
        let (number, old) = self.remembered(db);
        for id in self.cleared.keys() {
            db.uncache_all(id);
        }
        for (id, block) in self.blocks {
            match block {
                Some(block) => db.cache(id, Rc::new(block)),
                None => db.uncache(&id),
            }
        }
        for (id, held) in self.held {
            if held == Held::default() {
                db.held.remove(&id);
            } else {
                db.held.insert(id, Rc::new(held));
            }
        }
        put_all(&mut db.list, self.list);
        put_all(&mut db.outbox, self.outbox);
        put_all(&mut db.marks, self.marks);
        put_all(&mut db.opened, self.opened);
        if !self.deliveries.is_empty() {
            for number in old {
                let names = db.deliveries.remove(&number).unwrap_or_default();
                names.iter().for_each(|name| _ = db.delivered.remove(name));
            }
            db.delivered.add_all(self.deliveries.keys().cloned());
            let names = self.deliveries.into_keys().collect();
            db.deliveries.insert(number, names);
        }
        if self.cursors_cleared {
            db.cursors.clear();
        }
        put_all(&mut db.cursors, self.cursors);
        if let Some(meta) = self.meta {
            db.meta = meta;
        }
        self.changes
    }
}

fn put_all<K: Ord, V>(map: &mut Map<K, V>, changed: Map<K, Option<V>>) {
    for (key, value) in changed {
        match value {
            Some(value) => _ = map.insert(key, value),
            None => _ = map.remove(&key),
        }
    }
}

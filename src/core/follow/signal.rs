//! What the clients of an account tell each other, as bytes: one message each. One that cannot be read, of
//! another version or of a kind that is not known, means that what is stored is to be read again.

use std::rc::Rc;

use crate::core::block::BlockId;
use crate::core::codec::{Corrupt, Reader, Writer};
use crate::core::error::Error;
use crate::core::map::Map;
use crate::core::net::{Change, Place};
use crate::core::node::{Node, is_fit};
use crate::core::purpose::Wants;
use crate::core::records::{Name, Stamp};
use crate::core::storage::Write;
use crate::core::tx::{Commit, Delta, read_delta};
use crate::core::types::Seq;

/// Version of what is said here.
const FORMAT: u8 = 1;

/// Names a client among those of its account: drawn when it is made.
pub(in crate::core) type ClientName = u64;

/// What is asked of the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) enum What {
    /// `sync()`
    Sync,
    /// an edit or a recall
    Change(Change),
    /// a page, or what changed in a kept segment: done when it is committed
    Fetch {
        conversation: Rc<str>,
        wants: Wants,
        limit: u32,
    },
    /// what is wished for is stored: it is to be taken up
    Grant,
    /// these cannot be read where the client that asks reads them: blocks, indexes, conversations' states; the
    /// account's record, perhaps
    Corrupt {
        blocks: Vec<BlockId>,
        indexes: Vec<Rc<str>>,
        states: Vec<Rc<str>>,
        meta: bool,
    },
    /// what is new, under this name (docs/rules.md, "Told once")
    Tell { telling: u64 },
    /// this client is on screen and shows these: no push is to tell them
    Shown { news: Vec<(Rc<str>, u64)> },
    /// the server has done this edit or recall, for a client that writes no more: the message, as an app is
    /// told it
    Update {
        conversation: String,
        message: String,
    },
}

/// Where the writer stands: what a client that follows shows as its own standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct Stands {
    /// the newest commit, perhaps of a writer before
    pub stamp: Stamp,
    /// under which it writes
    pub epoch: u64,
    /// rises: what comes late says nothing
    pub number: u64,
    /// as `ClientStatus` names it
    pub connection: String,
    pub caught_up: bool,
    pub pulling: bool,
    /// ms since the epoch
    pub last_synced: Option<u64>,
    pub applied: Option<u64>,
    /// why the last pull has failed
    pub error: Option<Error>,
    /// why no request may be sent now
    pub why_not: Option<Error>,
    /// the owed list is on its way
    pub list_comes: bool,
    /// the pull under way, by when it began
    pub pull: Option<u64>,
    /// conversations, of those that somebody shows, of which a pull is to bring what is newer
    pub behind: Vec<Rc<str>>,
    /// own messages whose request is under way
    pub sending: Vec<Name>,
}

/// What one client says to the others.
#[derive(Debug)]
pub(in crate::core) enum Signal {
    /// The writer has committed this.
    Delta(Box<Delta>),
    /// Where the writer stands.
    Stands(Stands),
    /// A client follows, and needs these conversations from these positions on (R13). The writer says where
    /// it stands.
    Hello {
        from: ClientName,
        needs: Map<Rc<str>, u64>,
    },
    /// A client asks the writer. The same name again is the same question.
    Ask {
        from: ClientName,
        ask: u64,
        what: What,
    },
    /// Nobody waits for this answer any more.
    Drop { from: ClientName, ask: u64 },
    /// The writer is at it.
    Begun { to: ClientName, ask: u64 },
    /// What came of it, the JSON text of the result, or nothing; and where the writer stands then.
    Reply {
        to: ClientName,
        ask: u64,
        stands: Box<Stands>,
        result: Result<String, Error>,
    },
    /// A client that knows this commit has stored this wish.
    Wish {
        stamp: Stamp,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    /// The client of this epoch writes no more.
    Gone { epoch: u64 },
    /// A conversation is looked at: it is not the first to be let go.
    Opened { conversation: Rc<str>, at: u64 },
}

/// The bytes of a commit, for [`Signal::Delta`]. `base`: what it is of.
pub(in crate::core) fn delta(commit: &Commit, base: Stamp, writes: &[Write]) -> Vec<u8> {
    let size = writes.iter().map(Write::size).sum::<usize>();
    let mut w = Writer::new(FORMAT, size * 2);
    w.number(0);
    commit.tell(&mut w, base, writes);
    w.finish()
}

impl Signal {
    /// The bytes; those of a commit are made by [`delta`].
    pub fn write(&self) -> Vec<u8> {
        let mut w = Writer::new(FORMAT, 64);
        match self {
            Signal::Delta(_) => debug_assert!(false, "see `delta`"),
            Signal::Stands(stands) => {
                w.number(1);
                stands.write(&mut w);
            }
            Signal::Hello { from, needs } => {
                w.number(2);
                w.number(*from);
                w.number(needs.len() as u64);
                for (id, lo) in needs.iter() {
                    w.text(id);
                    w.number(*lo);
                }
            }
            Signal::Ask { from, ask, what } => {
                w.number(3);
                w.number(*from);
                w.number(*ask);
                what.write(&mut w);
            }
            Signal::Begun { to, ask } => {
                w.number(4);
                w.number(*to);
                w.number(*ask);
            }
            Signal::Reply {
                to,
                ask,
                stands,
                result,
            } => {
                w.number(5);
                w.number(*to);
                w.number(*ask);
                stands.write(&mut w);
                w.flag(result.is_ok());
                match result {
                    Ok(text) => w.text(text),
                    Err(error) => w.text(&error.to_json()),
                }
            }
            Signal::Wish { stamp, key, value } => {
                w.number(6);
                write_stamp(&mut w, *stamp);
                w.bytes(key);
                w.bytes(value);
            }
            Signal::Gone { epoch } => {
                w.number(7);
                w.number(*epoch);
            }
            Signal::Opened { conversation, at } => {
                w.number(8);
                w.text(conversation);
                w.number(*at);
            }
            Signal::Drop { from, ask } => {
                w.number(9);
                w.number(*from);
                w.number(*ask);
            }
        }
        w.finish()
    }

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Result<Signal, Corrupt> {
        let mut r = Reader::new(FORMAT, bytes)?;
        let signal = match r.number()? {
            0 => Signal::Delta(Box::new(read_delta(&mut r)?)),
            1 => Signal::Stands(Stands::read(&mut r)?),
            2 => Signal::Hello {
                from: r.number()?,
                needs: {
                    let mut needs = Map::new();
                    for _ in 0..r.count()? {
                        needs.insert(r.text()?.into(), r.number()?);
                    }
                    needs
                },
            },
            3 => Signal::Ask {
                from: r.number()?,
                ask: r.number()?,
                what: What::read(&mut r)?,
            },
            4 => Signal::Begun {
                to: r.number()?,
                ask: r.number()?,
            },
            5 => Signal::Reply {
                to: r.number()?,
                ask: r.number()?,
                stands: Box::new(Stands::read(&mut r)?),
                result: match r.flag()? {
                    true => Ok(read_json(&mut r)?),
                    false => Err(read_error(r.text()?)?),
                },
            },
            6 => Signal::Wish {
                stamp: read_stamp(&mut r)?,
                key: r.bytes()?.to_vec(),
                value: r.bytes()?.to_vec(),
            },
            7 => Signal::Gone { epoch: r.number()? },
            8 => Signal::Opened {
                conversation: r.text()?.into(),
                at: r.number()?,
            },
            9 => Signal::Drop {
                from: r.number()?,
                ask: r.number()?,
            },
            _ => return Err(Corrupt),
        };
        r.end()?;
        Ok(signal)
    }
}

fn write_stamp(w: &mut Writer, stamp: Stamp) {
    w.number(stamp.epoch);
    w.number(stamp.number);
}

fn read_stamp(r: &mut Reader) -> Result<Stamp, Corrupt> {
    Ok(Stamp {
        epoch: r.number()?,
        number: r.number()?,
    })
}

/// JSON text, or nothing: it goes into a frame, or a request, as it is.
fn read_json(r: &mut Reader) -> Result<String, Corrupt> {
    let text = r.text()?;
    match text.is_empty() || is_fit(text) {
        true => Ok(text.to_owned()),
        false => Err(Corrupt),
    }
}

fn read_error(text: &str) -> Result<Error, Corrupt> {
    let node = Node::stored(text).map_err(|_| Corrupt)?;
    Ok(Error::from_json(&node))
}

fn write_error(w: &mut Writer, error: Option<&Error>) {
    w.option(error.map(Error::to_json).as_deref());
}

fn read_error_option(r: &mut Reader) -> Result<Option<Error>, Corrupt> {
    r.option()?.map(read_error).transpose()
}

fn read_list<T>(
    r: &mut Reader,
    read: impl Fn(&mut Reader) -> Result<T, Corrupt>,
) -> Result<Vec<T>, Corrupt> {
    (0..r.count()?).map(|_| read(r)).collect()
}

impl Stands {
    fn write(&self, w: &mut Writer) {
        write_stamp(w, self.stamp);
        w.number(self.epoch);
        w.number(self.number);
        w.text(&self.connection);
        w.flag(self.caught_up);
        w.flag(self.pulling);
        w.maybe(self.last_synced);
        w.maybe(self.applied);
        write_error(w, self.error.as_ref());
        write_error(w, self.why_not.as_ref());
        w.flag(self.list_comes);
        w.maybe(self.pull);
        w.number(self.behind.len() as u64);
        self.behind.iter().for_each(|id| w.text(id));
        w.number(self.sending.len() as u64);
        for (id, client_id) in &self.sending {
            w.text(id);
            w.text(client_id);
        }
    }

    fn read(r: &mut Reader) -> Result<Stands, Corrupt> {
        Ok(Stands {
            stamp: read_stamp(r)?,
            epoch: r.number()?,
            number: r.number()?,
            connection: r.text()?.to_owned(),
            caught_up: r.flag()?,
            pulling: r.flag()?,
            last_synced: r.maybe()?,
            applied: r.maybe()?,
            error: read_error_option(r)?,
            why_not: read_error_option(r)?,
            list_comes: r.flag()?,
            pull: r.maybe()?,
            behind: read_list(r, |r| Ok(r.text()?.into()))?,
            sending: read_list(r, |r| Ok((r.text()?.into(), r.text()?.to_owned())))?,
        })
    }
}

impl What {
    fn write(&self, w: &mut Writer) {
        match self {
            What::Sync => w.number(0),
            What::Change(Change::Edit {
                conversation,
                message,
                client_id,
                body,
            }) => {
                w.number(1);
                w.text(conversation);
                for text in [message, client_id, body] {
                    w.text(text);
                }
            }
            What::Change(Change::Recall {
                conversation,
                message,
            }) => {
                w.number(2);
                w.text(conversation);
                w.text(message);
            }
            What::Fetch {
                conversation,
                wants,
                limit,
            } => {
                w.number(3);
                w.text(conversation);
                w.number(u64::from(*limit));
                write_wants(w, wants);
            }
            What::Grant => w.number(4),
            What::Update {
                conversation,
                message,
            } => {
                w.number(5);
                w.text(conversation);
                w.text(message);
            }
            What::Tell { telling } => {
                w.number(7);
                w.number(*telling);
            }
            What::Shown { news } => {
                w.number(8);
                write_places(w, news);
            }
            What::Corrupt {
                blocks,
                indexes,
                states,
                meta,
            } => {
                w.number(6);
                w.flag(*meta);
                write_places(w, blocks);
                for ids in [indexes, states] {
                    w.number(ids.len() as u64);
                    ids.iter().for_each(|id| w.text(id));
                }
            }
        }
    }

    fn read(r: &mut Reader) -> Result<What, Corrupt> {
        Ok(match r.number()? {
            0 => What::Sync,
            1 => What::Change(Change::Edit {
                conversation: r.text()?.into(),
                message: r.text()?.to_owned(),
                client_id: r.text()?.to_owned(),
                body: read_json(r)?,
            }),
            2 => What::Change(Change::Recall {
                conversation: r.text()?.into(),
                message: r.text()?.to_owned(),
            }),
            3 => What::Fetch {
                conversation: r.text()?.into(),
                limit: u32::try_from(r.number()?).map_err(|_| Corrupt)?,
                wants: read_wants(r)?,
            },
            4 => What::Grant,
            5 => What::Update {
                conversation: r.text()?.to_owned(),
                message: read_json(r)?,
            },
            6 => What::Corrupt {
                meta: r.flag()?,
                blocks: read_places(r)?,
                indexes: read_list(r, |r| Ok(r.text()?.into()))?,
                states: read_list(r, |r| Ok(r.text()?.into()))?,
            },
            7 => What::Tell {
                telling: r.number()?,
            },
            8 => What::Shown {
                news: read_places(r)?,
            },
            _ => return Err(Corrupt),
        })
    }
}

/// Positions in conversations.
fn write_places(w: &mut Writer, places: &[(Rc<str>, u64)]) {
    w.number(places.len() as u64);
    for (id, seq) in places {
        w.text(id);
        w.number(*seq);
    }
}

fn read_places(r: &mut Reader) -> Result<Vec<(Rc<str>, u64)>, Corrupt> {
    read_list(r, |r| Ok((r.text()?.into(), r.number()?)))
}

fn write_wants(w: &mut Writer, wants: &Wants) {
    match wants {
        Wants::Page(place) => {
            let (kind, at) = match place {
                Place::Latest => (0, 0),
                Place::Before(seq) => (1, seq.0),
                Place::After(seq) => (2, seq.0),
                Place::Around(seq) => (3, seq.0),
                Place::At(ms) => (4, *ms),
            };
            w.number(kind);
            w.number(at);
        }
        Wants::Changes { since, from, to } => {
            w.number(5);
            w.number(*from);
            w.number(*to);
            w.text(since);
        }
    }
}

fn read_wants(r: &mut Reader) -> Result<Wants, Corrupt> {
    let (kind, at) = (r.number()?, r.number()?);
    Ok(Wants::Page(match kind {
        0 => Place::Latest,
        1 => Place::Before(Seq(at)),
        2 => Place::After(Seq(at)),
        3 => Place::Around(Seq(at)),
        4 => Place::At(at),
        5 => {
            return Ok(Wants::Changes {
                from: at,
                to: r.number()?,
                since: r.text()?.to_owned(),
            });
        }
        _ => return Err(Corrupt),
    }))
}

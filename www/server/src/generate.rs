//! `--generate`: conversations to look at where nothing was imported. The same seed gives the same people, words and lengths; times end at the present.

use serde_json::json;
use serde_json::value::to_raw_value;

use crate::auth::DEMO_USERS;
use crate::chat::{self, History};
use crate::db::{Commit, Db, account_named, next_seq, now, users};
use crate::error::{Error, Result};

/// People who write but have no account.
pub(crate) const CAST: [&str; 12] = [
    "Mara", "Tobias", "Yuki", "Priya", "Samuel", "Ines", "Olu", "Freya", "Hannes", "Leila",
    "Mateo", "Noor",
];

const MINUTE: i64 = 60_000;

struct Plan {
    id: &'static str,
    title: &'static str,
    /// Demo users in it; none: all.
    users: &'static [&'static str],
    /// How many of the cast write there.
    cast: usize,
    messages: usize,
    /// Of the last messages, not read yet.
    unread: u64,
    /// Minutes since the last message.
    quiet: i64,
}

const fn group(
    id: &'static str,
    title: &'static str,
    cast: usize,
    messages: usize,
    unread: u64,
    quiet: i64,
) -> Plan {
    Plan {
        id,
        title,
        users: &[],
        cast,
        messages,
        unread,
        quiet,
    }
}

const fn direct(
    id: &'static str,
    title: &'static str,
    users: &'static [&'static str],
    messages: usize,
    unread: u64,
    quiet: i64,
) -> Plan {
    Plan {
        id,
        title,
        users,
        cast: if users.len() > 1 { 0 } else { 1 },
        messages,
        unread,
        quiet,
    }
}

const PLANS: [Plan; 16] = [
    group("harbour", "Harbour office", 7, 5000, 12, 3),
    group("release", "Release train", 6, 1240, 3, 17),
    group("kitchen", "Kitchen & coffee", 9, 860, 0, 41),
    group("design", "Design review", 5, 430, 1, 95),
    group("cycling", "Sunday ride", 6, 310, 0, 420),
    group("reading", "Reading circle", 5, 150, 5, 1300),
    group("garden", "Roof garden", 4, 75, 0, 2900),
    group("lost-found", "Lost & found", 8, 28, 0, 6200),
    group("welcome", "Welcome", 3, 6, 0, 15000),
    direct("ada-grace", "Ada & Grace", &["ada", "grace"], 260, 0, 8),
    direct("ada-linus", "Ada & Linus", &["ada", "linus"], 90, 2, 230),
    direct(
        "grace-margaret",
        "Grace & Margaret",
        &["grace", "margaret"],
        120,
        0,
        610,
    ),
    direct("ada-mara", "Ada & Mara", &["ada"], 640, 2, 26),
    direct("grace-tobias", "Grace & Tobias", &["grace"], 180, 1, 55),
    direct("linus-yuki", "Linus & Yuki", &["linus"], 75, 0, 340),
    direct(
        "margaret-priya",
        "Margaret & Priya",
        &["margaret"],
        48,
        1,
        900,
    ),
];

/// Fills a database that has no conversation yet. True where it did.
pub(crate) fn generate(db: &Db, seed: u64) -> Result<bool> {
    db.write_now(|commit| {
        if commit
            .sql
            .query_row("SELECT EXISTS (SELECT 1 FROM conversations)", [], |row| {
                row.get(0)
            })?
        {
            return Ok(false);
        }
        let mut chance = fastrand::Rng::with_seed(seed);
        for plan in &PLANS {
            write_chat(commit, plan, &mut chance)?;
        }
        Ok(true)
    })
}

/// Writes the conversation, unless it is one of two of whom one does not exist.
fn write_chat(commit: &mut Commit<'_>, plan: &Plan, chance: &mut fastrand::Rng) -> Result<()> {
    let mut members = Vec::new();
    for user in plan.users {
        members.extend(account_named(&commit.sql, user)?);
    }
    let open = plan.users.is_empty();
    if open {
        members = users(&commit.sql)?;
    } else if members.len() < plan.users.len() {
        return Ok(());
    }
    let meta = to_raw_value(
        &json!({ "title": plan.title, "kind": if open { "group" } else { "direct" } }),
    )
    .map_err(Error::internal)?;
    let target = chat::create(commit, plan.id, &meta, open)?;
    let mut history = History::begin(commit, target);
    write_turns(commit, plan, &mut history, chance)?;
    for member in &members {
        chat::join(commit, &history.target, member)?;
    }
    let no = history.target.no;
    history.finish(commit)?;
    chat::leave_unread(commit, no, plan.unread)
}

/// Who of the conversation says what, and when.
fn write_turns(
    commit: &Commit<'_>,
    plan: &Plan,
    history: &mut History,
    chance: &mut fastrand::Rng,
) -> Result<()> {
    let offset = chance.usize(..CAST.len());
    let users = match plan.users {
        [] => &DEMO_USERS,
        users => users,
    };
    let people: Vec<&str> = users
        .iter()
        .copied()
        .chain((0..plan.cast).map(|n| CAST[(offset + n) % CAST.len()]))
        .collect();
    let mut speaker = people[0];
    for (n, created_at) in times(plan, chance).into_iter().enumerate() {
        // Someone often writes twice in a row. The last ones, which are to be unread, are the others'.
        let unread = n as u64 + plan.unread >= plan.messages as u64;
        if chance.u32(0..3) > 0 || (unread && users.contains(&speaker)) {
            let choice = if unread && plan.cast > 0 {
                &people[users.len()..]
            } else {
                &people
            };
            speaker = choice[chance.usize(..choice.len())];
        }
        let text = Writer::new(chance.fork()).message();
        let body = json!({ "text": text }).to_string();
        let seq = next_seq(commit.settings, history.target.last_seq)?;
        history.add(commit, seq, speaker, created_at, &body)?;
    }
    Ok(())
}

/// When its messages were sent: bursts of minutes, with hours between. Drawn backwards from the last, so that it ends where it shall.
fn times(plan: &Plan, chance: &mut fastrand::Rng) -> Vec<i64> {
    let mut times = vec![now() - plan.quiet * MINUTE];
    while times.len() < plan.messages {
        let gap = if chance.u32(0..12) == 0 {
            chance.i64(2 * 60 * MINUTE..9 * 60 * MINUTE)
        } else {
            chance.i64(4_000..5 * MINUTE)
        };
        times.push(times[times.len() - 1] - gap);
    }
    times.reverse();
    times
}

/// A history to look back on: `count` messages over the time before `until` (ms), in turns of a few by these people. It is written past the log: whoever has
/// the conversation already meets an overflow of it.
pub(crate) fn write_history(
    commit: &mut Commit<'_>,
    target: chat::Target,
    people: &[String],
    count: u32,
    span: Span,
    seed: u64,
) -> Result<()> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut history = History::begin(commit, target);
    let mut speaker = 0;
    for n in 0..count {
        if chance.u32(0..3) > 0 {
            speaker = chance.usize(..people.len());
        }
        let body = json!({ "text": Writer::new(chance.fork()).message() }).to_string();
        let seq = next_seq(commit.settings, history.target.last_seq)?;
        let at = span.time(n, count, &mut chance);
        history.add(commit, seq, &people[speaker], at, &body)?;
    }
    history.finish(commit)
}

/// The time that something goes over, in ms since the epoch.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Span {
    /// Of the nth of `count`: in order, the last at the end, the others not quite evenly apart.
    pub(crate) fn time(self, n: u32, count: u32, chance: &mut fastrand::Rng) -> i64 {
        let (step, left) = (
            (self.until - self.from) / i64::from(count.max(1)),
            i64::from(count.saturating_sub(n + 1)),
        );
        let jitter = if left == 0 || step < 4 {
            0
        } else {
            chance.i64(0..step / 2)
        };
        self.until - left * step + jitter
    }
}

/// Writes what people write to each other.
pub(crate) struct Writer {
    chance: fastrand::Rng,
}

impl Writer {
    pub(crate) fn new(chance: fastrand::Rng) -> Self {
        Self { chance }
    }

    /// One to three sentences.
    pub(crate) fn message(&mut self) -> String {
        let count = [1, 1, 1, 1, 2, 2, 3][self.chance.usize(..7)];
        (0..count)
            .map(|_| self.sentence())
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(crate) fn sentence(&mut self) -> String {
        let template = self.pick(&TEMPLATES);
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (slot, after) = after.split_once('}').unwrap_or((after, ""));
            text.push_str(match slot {
                "thing" => self.pick(&THINGS),
                "place" => self.pick(&PLACES),
                "time" => self.pick(&TIMES),
                "person" => self.pick(&CAST),
                "doing" => self.pick(&DOINGS),
                "quality" => self.pick(&QUALITIES),
                _ => slot,
            });
            rest = after;
        }
        text.push_str(rest);
        // A slot may stand first.
        let mut letters = text.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect())
            .unwrap_or_default()
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.chance.usize(..words.len())]
    }
}

const TEMPLATES: [&str; 40] = [
    "Has anyone seen {thing}? It was {place} {time}.",
    "I'll be {doing} until {time}, ping me if it burns.",
    "{thing} looks {quality} to me.",
    "Good morning!",
    "Could {person} have a look at {thing}?",
    "{person} says {thing} is {quality} now.",
    "Shall we meet {place} {time}?",
    "Thanks, that helps a lot.",
    "No, {thing} is still {place}.",
    "I tried {doing} {time}, and it was {quality}.",
    "Who is {doing} {time}?",
    "Sounds good 👍",
    "Let me check and come back to you.",
    "I left {thing} {place}, please help yourselves.",
    "Can we move it to {time}? I'm still {doing}.",
    "That was {quality}, we should do it again.",
    "{person} and I are {doing} {place}.",
    "Done. {thing} should be {quality} from now on.",
    "Hm, are you sure? I thought {thing} was {place}.",
    "Yes!",
    "Does {time} suit everybody?",
    "Reminder: {thing} is due {time}.",
    "I have a {quality} idea about {thing}, tell you {time}.",
    "Sorry, I was {doing} and missed this.",
    "The photos of {thing} are up, they came out {quality}.",
    "Whoever was {doing} {place}: thank you.",
    "Why is {thing} {place} again?",
    "We are three so far: {person}, {person} and me.",
    "Please don't touch {thing} before {time}.",
    "Ha, exactly.",
    "I'd rather keep {thing} as it is.",
    "Can someone bring {thing}?",
    "On my way, ten minutes.",
    "It is {quality}, but I like it.",
    "{person}, you were right about {thing}.",
    "Lunch {place}?",
    "If nobody objects I'll start {doing} {time}.",
    "Give me a moment, I am {doing}.",
    "Here is what we know: {thing} was {quality} {time}, and nobody was {doing}.",
    "+1",
];

const THINGS: [&str; 24] = [
    "the spare key",
    "the new schedule",
    "the blue folder",
    "the coffee machine",
    "the second draft",
    "the map",
    "the projector",
    "the cargo bike",
    "the budget sheet",
    "the invitation",
    "the door code",
    "the test report",
    "the tomato seedlings",
    "the guest list",
    "the old logo",
    "the repair kit",
    "the last build",
    "the timetable",
    "the recording",
    "the cake",
    "the ladder",
    "the release note",
    "the long cable",
    "the whiteboard",
];
const PLACES: [&str; 12] = [
    "on the second floor",
    "by the window",
    "at the station",
    "in the shared drive",
    "behind the printer",
    "at Olu's place",
    "in the small room",
    "near the bridge",
    "at the market",
    "on the roof",
    "in the hall",
    "at the usual spot",
];
const TIMES: [&str; 12] = [
    "this morning",
    "tomorrow at nine",
    "after lunch",
    "on Friday",
    "next week",
    "tonight",
    "in an hour",
    "at half past four",
    "on Monday",
    "before the meeting",
    "over the weekend",
    "by noon",
];
const DOINGS: [&str; 12] = [
    "packing boxes",
    "writing the summary",
    "fixing the heating",
    "on the train",
    "watering the plants",
    "testing the upgrade",
    "talking to the landlord",
    "baking bread",
    "sorting the post",
    "reading the proposal",
    "cleaning up",
    "waiting for the delivery",
];
const QUALITIES: [&str; 12] = [
    "fine",
    "a bit odd",
    "better than expected",
    "ready",
    "too heavy",
    "quite good",
    "not there yet",
    "wonderful",
    "stuck",
    "almost done",
    "louder than before",
    "simple enough",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same() {
        let written = |seed| {
            (0..200)
                .map(|_| ())
                .scan(Writer::new(fastrand::Rng::with_seed(seed)), |writer, ()| {
                    Some(writer.message())
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(written(7), written(7));
        assert_ne!(written(7), written(8));
    }

    #[test]
    fn every_slot_is_filled() {
        let mut writer = Writer::new(fastrand::Rng::with_seed(1));
        for _ in 0..2000 {
            let sentence = writer.sentence();
            assert!(!sentence.contains(['{', '}']), "{sentence}");
        }
    }
}

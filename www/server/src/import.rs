//! `import FILE.jsonl[.gz]`: messages of a file, one JSON object a line:
//! `{"conversation":"#ubuntu","n":1,"createdAt":1100521080000,"sender":"nick","kind":"text","text":"…"}`, `n` counting within the conversation.
//!
//! The file is streamed, and is one commit: all of it is there, or nothing. A line that is broken is reported and skipped.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::chat::{self, History, LONGEST_NAME};
use crate::db::{Commit, Db, users};
use crate::error::{Error, Result};
use crate::seq::Seq;

/// A line longer than this is broken, and is not kept in memory (bytes).
const LONGEST_LINE: u64 = 1 << 20;
/// The last moment that a client's calendar has, and the first before zero (ms).
const LAST_MOMENT: i64 = 8_640_000_000_000_000;
/// Broken lines that are reported one by one.
const REPORTED: u64 = 100;
/// Between two reports of progress where there is no terminal.
const REPORT_EVERY: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    n: u64,
    created_at: i64,
    #[serde(borrow)]
    sender: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Serialize)]
struct Body<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) imported: u64,
    /// Messages whose place in their conversation was taken, as when a file is imported again.
    pub(crate) already_there: u64,
    pub(crate) broken: u64,
    pub(crate) conversations: usize,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "imported {} messages of {} conversations",
            self.imported, self.conversations
        )?;
        if self.already_there > 0 {
            write!(f, ", {} were there already", self.already_there)?;
        }
        if self.broken > 0 {
            write!(f, ", skipped {} broken lines", self.broken)?;
        }
        Ok(())
    }
}

pub(crate) fn import(db: &Db, path: &Path) -> Result<Report> {
    let fail = |error: io::Error| Error::start(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    let progress = if io::stderr().is_terminal() {
        ProgressBar::new(size)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {msg} {eta}")
    {
        progress.set_style(style);
    }
    let bytes = progress.wrap_read(file);
    let text: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(BufReader::new(bytes)))
    } else {
        Box::new(bytes)
    };
    let mut lines = BufReader::with_capacity(1 << 16, text);
    let report = db.write_now(|commit| {
        import_lines(commit, &mut lines, &progress).map_err(|error| Error {
            message: format!("{}: {}", path.display(), error.message),
            ..error
        })
    });
    progress.finish_and_clear();
    report
}

fn import_lines(
    commit: &mut Commit<'_>,
    lines: &mut impl BufRead,
    progress: &ProgressBar,
) -> Result<Report> {
    let mut report = Report::default();
    let mut histories: HashMap<String, History> = HashMap::new();
    let mut reported = Instant::now();
    let mut buffer = Vec::new();
    for number in 1_u64.. {
        buffer.clear();
        // Not `lines()`: a line that is no UTF-8, or endless, is a broken line and not the end.
        lines
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut buffer)
            .map_err(|error| Error::start(format!("line {number}: {error}")))?;
        if buffer.is_empty() {
            break;
        }
        if buffer.len() as u64 == LONGEST_LINE && buffer.last() != Some(&b'\n') {
            lines
                .skip_until(b'\n')
                .map_err(|error| Error::start(format!("line {number}: {error}")))?;
            broken(progress, &mut report, number, "longer than 1 MiB");
            continue;
        }
        let text = buffer.trim_ascii_end();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_slice::<Line<'_>>(text) {
            Ok(line) => match import_line(commit, &mut histories, &line)? {
                Outcome::Added => report.imported += 1,
                Outcome::AlreadyThere => report.already_there += 1,
                Outcome::Broken(why) => broken(progress, &mut report, number, why),
            },
            Err(error) => broken(progress, &mut report, number, what_and_where(&error)),
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            progress.set_message(format!("{} messages", report.imported));
            if progress.is_hidden() {
                eprintln!("imported {} messages", report.imported);
            }
        }
    }
    report.conversations = histories.len();
    let members = users(&commit.sql)?;
    for history in histories.into_values() {
        for member in &members {
            chat::join(commit, &history.target, member)?;
        }
        history.finish(commit)?;
    }
    Ok(report)
}

/// To its parser each line is the first: of where it broke, only the column says something.
fn what_and_where(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what} at column {}", error.column()),
        None => text,
    }
}

fn broken(progress: &ProgressBar, report: &mut Report, number: u64, why: impl std::fmt::Display) {
    report.broken += 1;
    if report.broken <= REPORTED {
        // Above the bar, not through it. Nobody reading stderr is no reason to stop.
        progress.suspend(|| _ = writeln!(io::stderr(), "line {number}: {why}: skipped"));
    }
}

enum Outcome {
    Added,
    AlreadyThere,
    Broken(&'static str),
}

fn import_line(
    commit: &mut Commit<'_>,
    histories: &mut HashMap<String, History>,
    line: &Line<'_>,
) -> Result<Outcome> {
    if line.conversation.is_empty() {
        return Ok(Outcome::Broken("the conversation has no name"));
    }
    if line.conversation.len().max(line.sender.len()) > LONGEST_NAME {
        return Ok(Outcome::Broken("a name is too long"));
    }
    if line.created_at.unsigned_abs() > LAST_MOMENT.unsigned_abs() {
        return Ok(Outcome::Broken("createdAt is no time"));
    }
    let Some(seq) = line
        .n
        .checked_mul(commit.settings.seq_step)
        .and_then(|distance| commit.settings.seq_base.checked_add(distance))
    else {
        return Ok(Outcome::Broken("n is too great"));
    };
    if !histories.contains_key(&*line.conversation) {
        let target = match chat::target(commit, &line.conversation) {
            Ok(target) => target,
            Err(_) => {
                let meta = to_raw_value(&json!({ "title": line.conversation, "kind": "channel" }))
                    .map_err(Error::internal)?;
                chat::create(commit, &line.conversation, &meta, true)?
            }
        };
        let history = History::begin(commit, target);
        histories.insert(line.conversation.to_string(), history);
    }
    let Some(history) = histories.get_mut(&*line.conversation) else {
        return Err(Error::internal(
            "a conversation that was just begun is missing",
        ));
    };
    let body = serde_json::to_string(&Body {
        text: &line.text,
        kind: line.kind.as_deref(),
    })
    .map_err(Error::internal)?;
    let added = history.add(commit, Seq(seq), &line.sender, line.created_at, &body)?;
    Ok(if added {
        Outcome::Added
    } else {
        Outcome::AlreadyThere
    })
}

//! The reference server of Pullcord's wire protocol (`docs/protocol.md`): every call of it, on an embedded SQLite database.
//!
//! Made to be read by who writes their own backend. Start with `log` (what a cursor is, and why a batch is continuous), then `chat` (what a commit writes)
//! and `history` (pages and changes); `api` has one handler for each call, named as the protocol names it. `notify` merges notifications, `mailbox` is the
//! scope without cursors. `auth` is who is asking, `limits` how much they may, `api::guard` what stands before every answer, and `serve` takes connections.
//! The rest is around it: `import`, `generate` and `simulate` bring messages, `trouble` makes what can go wrong go wrong.

#![forbid(unsafe_code)]

mod api;
mod auth;
mod chat;
mod db;
mod error;
mod generate;
mod history;
mod import;
mod limits;
mod log;
mod mailbox;
mod notify;
mod seq;
mod serve;
mod simulate;
mod trouble;
mod wire;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{App, Mount, Options, Origin, Origins};
use crate::auth::Auth;
use crate::db::{Db, Settings};
use crate::limits::{Bounds, Limits};
use crate::notify::{Hub, Pushing};
use crate::trouble::Troubles;

/// Open requests have this long to end once the server stops.
const GRACE: Duration = Duration::from_secs(3);

/// The reference server of Pullcord's wire protocol. Without a command it serves.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Serves (the same as without a command)
    Serve(Serve),
    /// Lists the calls that are served with these options: method, path, and what they need
    Calls(Serve),
    /// Imports messages of a file, one JSON object a line
    Import {
        /// FILE.jsonl or FILE.jsonl.gz
        file: PathBuf,
        #[command(flatten)]
        database: Database,
    },
}

#[derive(Args, Clone)]
struct Database {
    /// The SQLite file; in memory without it
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// The seq before a conversation's first, to try ids that are large, as Snowflake's
    #[arg(long, value_name = "N", default_value_t = 0)]
    seq_base: u64,
    /// The distance of two neighbours' seqs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seq_step: u64,
    /// Events that a device may be behind before it is answered with an overflow
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    overflow_after: u32,
}

#[derive(Args, Clone)]
struct Serve {
    #[command(flatten)]
    database: Database,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0: a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A user and their token; may be given several times. Without any, the demo's users exist
    #[arg(long = "user", value_name = "NAME=TOKEN", value_parser = user)]
    users: Vec<(String, String)>,
    /// The demo's users exist, each with the token demo-NAME, and anyone may sign in (POST /demo/sign-in)
    #[arg(long)]
    demo: bool,
    /// Generates conversations if there are none
    #[arg(long)]
    generate: bool,
    /// What is generated depends on it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Imports a file before serving; may be given several times
    #[arg(long, value_name = "FILE")]
    import: Vec<PathBuf>,
    /// Messages a second from people who are no users, edits and recalls among them
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = rate)]
    simulate: f64,
    /// Least time between two notifications of an account (ms)
    #[arg(long, value_name = "MS", default_value_t = 100)]
    notify_interval: u64,
    /// Events inline in notifications, for clients of scope "account"
    #[arg(long)]
    push: bool,
    /// Clients wait a random time of up to this before they pull (ms)
    #[arg(long, value_name = "MS")]
    spread: Option<u64>,
    /// Until a mailbox delivery that is not acknowledged is sent again (ms)
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(2..))]
    resend_after: u64,
    /// Serves files, as in /=www or /pkg=pkg; may be given several times
    #[arg(long = "static", value_name = "PATH=DIR")]
    mounts: Vec<Mount>,
    /// Pages of this origin may call, as in https://chat.example, or * for any; may be given several times. A server on a loopback address answers pages of
    /// this machine without
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<Origin>,
    /// Requests a second of one account, and four times that of one address, with bursts of five seconds' worth; 0: any number
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u32,
    /// Sockets of one account at a time, and as many long polls
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_listening: usize,
    /// Connections of one address at a time
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_connections: usize,
    /// For a request to arrive, or a socket's first frame (ms)
    #[arg(long, value_name = "MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// Lets anyone make trouble (/demo/trouble and others): for tests and the demo only
    #[arg(long)]
    allow_trouble: bool,
    /// Ends when stdin is closed, so that a test that dies leaves no server behind
    #[arg(long)]
    exit_with_stdin: bool,
}

fn user(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, token)) if !name.is_empty() && !token.is_empty() => {
            Ok((name.to_owned(), token.to_owned()))
        }
        _ => Err("NAME=TOKEN is wanted".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=10_000.0).contains(rate))
        .ok_or_else(|| "a number from 0 to 10000 is wanted".into())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(cli.serve),
        Some(Command::Serve(serving)) => serve(serving),
        Some(Command::Calls(serving)) => list_calls(&serving),
        Some(Command::Import { file, database }) => import_only(&file, &database),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pullcord-server: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn open(database: &Database, hub: Arc<Hub>) -> Result<Db, Failure> {
    let settings = Settings {
        seq_base: database.seq_base,
        seq_step: database.seq_step,
        overflow_after: database.overflow_after,
    };
    Ok(Db::open(database.db.as_deref(), settings, hub)?)
}

fn import_only(file: &std::path::Path, database: &Database) -> Result<(), Failure> {
    if database.db.is_none() {
        return Err("import needs --db FILE: in memory it would be gone at once".into());
    }
    let db = open(database, Arc::new(Hub::new(Duration::ZERO)))?;
    eprintln!("{}", import::import(&db, file)?);
    Ok(())
}

/// Until the address is known, a server is not taken for one that only this machine reaches.
fn options(serving: &Serve) -> Options {
    Options {
        spread: serving.spread,
        resend_after: Duration::from_millis(serving.resend_after),
        patience: Duration::from_millis(serving.patience),
        origins: Origins {
            local: false,
            named: serving.cors.clone(),
        },
        demo: serving.demo,
        allow_trouble: serving.allow_trouble,
    }
}

fn list_calls(serving: &Serve) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    for call in api::calls(&options(serving)) {
        let needs = if call.needs_token { "token" } else { "nothing" };
        writeln!(stdout, "{} {} {needs}", call.method, call.path)?;
    }
    Ok(())
}

fn serve(serving: Serve) -> Result<(), Failure> {
    let hub = Arc::new(Hub::new(Duration::from_millis(serving.notify_interval)));
    let db = open(&serving.database, hub.clone())?;
    let auth = Auth::prepare(
        &db,
        &serving.users,
        serving.demo || serving.users.is_empty(),
    )?;
    for file in &serving.import {
        eprintln!("{}", import::import(&db, file)?);
    }
    if serving.generate && generate::generate(&db, serving.seed)? {
        eprintln!("generated conversations (seed {})", serving.seed);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (host, port) = (serving.host.as_str(), serving.port);
    let listener = runtime
        .block_on(TcpListener::bind((host, port)))
        .map_err(|error| format!("{host}, port {port}: {error}"))?;
    let address = listener.local_addr()?;
    let mut options = options(&serving);
    options.origins.local = address.ip().is_loopback();
    if !options.origins.local && (serving.demo || serving.allow_trouble || serving.users.is_empty())
    {
        eprintln!(
            "{address} may be reached by others, who can be any of the demo's users: their tokens are no secret"
        );
    }
    let (stop, stopping) = watch::channel(false);
    let app = Arc::new(App {
        db: Arc::new(db),
        hub,
        auth,
        troubles: Troubles::default(),
        pushing: Pushing::new(serving.push),
        pieces: api::Pieces::default(),
        limits: Arc::new(Limits::new(Bounds {
            rate: serving.rate,
            listening: serving.max_listening,
            connections: serving.max_connections,
        })),
        options,
        stopping,
    });
    let done = runtime.block_on(listen(&serving, listener, app, stop));
    // Not waiting for threads that read stdin, which end when it does.
    runtime.shutdown_timeout(GRACE);
    done
}

async fn listen(
    serving: &Serve,
    listener: TcpListener,
    app: Arc<App>,
    stop: watch::Sender<bool>,
) -> Result<(), Failure> {
    let address: SocketAddr = listener.local_addr()?;
    let router = api::router(app.clone(), &serving.mounts);
    if serving.simulate > 0.0 {
        tokio::spawn(simulate::simulate(
            app.db.clone(),
            serving.simulate,
            app.stopping.clone(),
        ));
    }
    let server = serve::serve(
        listener,
        router,
        app.limits.clone(),
        app.options.patience,
        app.stopping.clone(),
    );
    {
        // The one line on stdout, which tells whoever started it that it is ready and where.
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "pullcord-server listening on http://{address}")?;
        stdout.flush()?;
    }
    let mut server = tokio::spawn(server);
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        why = asked_to_stop(serving.exit_with_stdin) => eprintln!("stopping: {why}"),
    }
    stop.send_replace(true);
    // Each WebSocket holds the app, and the app a receiver: when the last one is gone, all have said goodbye.
    drop(app);
    let all_ended = async {
        _ = server.await;
        stop.closed().await;
    };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        eprintln!("some requests did not end in time");
    }
    Ok(())
}

/// SIGINT, SIGTERM, or the end of stdin.
async fn asked_to_stop(with_stdin: bool) -> &'static str {
    let stdin_closed = async {
        if !with_stdin {
            return std::future::pending().await;
        }
        let (closed, wait) = tokio::sync::oneshot::channel::<()>();
        // A plain thread: one of the runtime's would be waited for.
        std::thread::spawn(move || {
            let mut ignored = [0; 1024];
            while std::io::stdin()
                .read(&mut ignored)
                .is_ok_and(|count| count > 0)
            {}
            drop(closed);
        });
        _ = wait.await;
    };
    let terminated = async {
        #[cfg(unix)]
        if let Ok(mut signal) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        {
            signal.recv().await;
            return;
        }
        std::future::pending().await
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => "SIGINT",
        () = terminated => "SIGTERM",
        () = stdin_closed => "stdin closed",
    }
}

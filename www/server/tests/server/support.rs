//! A server process, users who call it, and their sockets.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// With the demo's users and its switches.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_plain(&[&["--demo", "--allow-trouble"], options].concat())
    }

    pub(crate) fn start_plain(options: &[&str]) -> Self {
        Self::start_logged(options, Stdio::inherit())
    }

    /// What it says on stderr goes there.
    pub(crate) fn start_logged(options: &[&str], log: Stdio) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pullcord-server"))
            .args(options)
            .stderr(log)
            // Should the test die, its end of this pipe closes, and the server ends.
            .arg("--exit-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout"))
            .read_line(&mut line)
            .expect("a line");
        let address = line
            .trim()
            .strip_prefix("pullcord-server listening on http://")
            .expect(&line)
            .to_owned();
        Self { process, address }
    }

    /// Every call that it would serve with these options: method, path, and whether it needs a token.
    pub(crate) fn calls(options: &[&str]) -> Vec<(String, String, bool)> {
        let listed = Command::new(env!("CARGO_BIN_EXE_pullcord-server"))
            .arg("calls")
            .args(options)
            .output()
            .expect("a list");
        assert!(listed.status.success(), "{listed:?}");
        let listed = String::from_utf8(listed.stdout).expect("text");
        let mut calls = Vec::new();
        for line in listed.lines() {
            let [method, path, needs] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            assert!(["token", "nothing"].contains(&needs), "{line}");
            calls.push((method.to_owned(), path.to_owned(), needs == "token"));
        }
        calls
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        stream
    }

    /// Sends these bytes as they are, and returns what comes back until the server closes.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // Refused early, the rest may find nobody.
        _ = stream.write_all(request);
        rest(&mut stream)
    }

    /// A GET with these headers and no others: status, and the whole answer.
    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let answer = self
            .raw(format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").as_bytes());
        (status(&answer), answer)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Closes stdin and waits for the end.
    pub(crate) fn stop(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().expect("it ends").success());
    }

    /// One of the demo's users.
    pub(crate) fn user(&self, name: &str) -> User {
        self.with_token(&format!("demo-{name}"))
    }

    pub(crate) fn with_token(&self, token: &str) -> User {
        User {
            address: self.address.clone(),
            token: Some(token.to_owned()),
        }
    }

    /// Nobody: calls without a token.
    pub(crate) fn nobody(&self) -> User {
        User {
            address: self.address.clone(),
            token: None,
        }
    }

    /// A conversation of these users.
    pub(crate) fn create(&self, id: &str, members: &[&str]) {
        let meta = json!({ "title": format!("The {id}") });
        self.nobody()
            .post(
                "/demo/create",
                &json!({ "id": id, "members": members, "meta": meta }),
            )
            .ok();
    }

    /// Messages of someone who is no user, in one commit.
    pub(crate) fn bulk(&self, conversation: &str, count: u32) {
        let request = json!({ "conversation": conversation, "sender": "Someone", "count": count });
        self.nobody().post("/demo/bulk", &request).ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Stopped already: nothing to do.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

#[derive(Clone)]
pub(crate) struct User {
    address: String,
    token: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn ok(self) -> Value {
        assert!(self.status < 400, "{self:?}");
        self.body
    }

    /// Checks that it is the protocol's error.
    pub(crate) fn refused(self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.body["error"]["code"].is_string() && self.body["error"]["message"].is_string(),
            "{self:?}"
        );
    }
}

impl User {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body.to_string()))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, Some(body.to_string()))
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        run(request.body(body.unwrap_or_default()).expect("a request"))
    }

    /// Where this account's log ends now.
    pub(crate) fn head(&self) -> String {
        let batch = self.get("/v1/sync").ok();
        assert_eq!(batch["overflow"], "all");
        assert_eq!(batch["events"], json!([]));
        assert_eq!(batch["hasMore"], false);
        text(&batch["cursor"])
    }

    pub(crate) fn sync(&self, cursor: &str) -> Value {
        self.get(&format!("/v1/sync?cursor={cursor}")).ok()
    }

    pub(crate) fn send(&self, conversation: &str, client_id: &str, said: &str) -> Value {
        self.post(
            &format!("/v1/conversations/{conversation}/messages"),
            &json!({ "clientId": client_id, "body": { "text": said } }),
        )
        .ok()["message"]
            .clone()
    }

    pub(crate) fn page(&self, conversation: &str, query: &str) -> Value {
        self.get(&format!(
            "/v1/conversations/{conversation}/messages?{query}"
        ))
        .ok()
    }

    /// The conversation's state in the list.
    pub(crate) fn state(&self, conversation: &str) -> Value {
        let list = self.get("/v1/conversations?limit=1000").ok();
        let mut states = list["conversations"].as_array().expect("a list").iter();
        states
            .find(|state| state["id"] == conversation)
            .cloned()
            .unwrap_or(Value::Null)
    }

    pub(crate) fn socket(&self, scope: &str) -> Socket {
        let mut socket = self.open_socket();
        let token = self.token.as_deref().expect("a token");
        socket.send(&json!({ "type": "auth", "token": token, "scope": scope }));
        assert_eq!(socket.receive(), Some(json!({ "type": "ready" })));
        socket
    }

    /// As [`User::call`], with other credentials than one's own.
    pub(crate) fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        run(request.body(body.to_owned()).expect("a request"))
    }

    /// The same by `/v1/call`, as a browser sends it to another origin: no header of its own.
    pub(crate) fn by_call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut said = json!({ "token": self.token, "method": method, "path": path });
        if let Some(body) = body {
            said["body"] = body.clone();
        }
        self.said(&said.to_string())
    }

    /// `/v1/call` with this text.
    pub(crate) fn said(&self, text: &str) -> Answer {
        let kind = [("content-type", "text/plain;charset=UTF-8")];
        self.call_with("POST", "/v1/call", &kind, text)
    }

    pub(crate) fn open_socket(&self) -> Socket {
        self.try_open_socket().expect("a socket")
    }

    /// None: the server had no place for it.
    pub(crate) fn try_open_socket(&self) -> Option<Socket> {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        let url = format!("ws://{}/v1/notify", self.address);
        let (socket, _) = tungstenite::client(url, stream).ok()?;
        Some(Socket { socket })
    }
}

fn run(request: ureq::http::Request<String>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let mut answer = agent.run(request).expect("an answer");
    let text = answer
        .body_mut()
        .with_config()
        .limit(100 << 20)
        .read_to_string()
        .expect("text");
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
}

impl Socket {
    pub(crate) fn send(&mut self, frame: &Value) {
        self.socket
            .send(Message::text(frame.to_string()))
            .expect("sent");
    }

    /// The next frame within five seconds; None: none, or the connection has ended.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        self.receive_within(Duration::from_secs(5))
    }

    pub(crate) fn receive_within(&mut self, time: Duration) -> Option<Value> {
        match self.read(time)? {
            Message::Text(text) => Some(serde_json::from_str(&text).expect("JSON")),
            _ => None,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }

    /// The code that the server closes with.
    pub(crate) fn closed(&mut self) -> u16 {
        match self.read(Duration::from_secs(20)) {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, time: Duration) -> Option<Message> {
        self.socket
            .get_ref()
            .set_read_timeout(Some(time))
            .expect("a timeout");
        match self.socket.read() {
            Ok(message) => Some(message),
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                None
            }
            Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Frames until there is none for this long.
    pub(crate) fn drain(&mut self, quiet: Duration) -> Vec<Value> {
        std::iter::from_fn(|| self.receive_within(quiet)).collect()
    }
}

/// What comes until the server closes.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Closed with something of ours unread, TCP says so.
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

pub(crate) fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// The seqs of a page or of a batch's `message` events, as they travelled.
pub(crate) fn seqs(answer: &Value) -> Vec<Value> {
    let messages = answer["messages"].as_array().cloned().unwrap_or_default();
    let events = answer["events"].as_array().cloned().unwrap_or_default();
    let new = events
        .iter()
        .filter(|event| event["type"] == "message")
        .map(|event| &event["message"]);
    messages
        .iter()
        .chain(new)
        .map(|message| message["seq"].clone())
        .collect()
}

/// The events of one type.
pub(crate) fn events<'a>(batch: &'a Value, kind: &str) -> Vec<&'a Value> {
    batch["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["type"] == kind)
        .collect()
}

/// Waits until something holds, for at most ten seconds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "pullcord-server-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path().join(name).to_str().expect("a path").to_owned()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it is in the temporary folder.
        _ = std::fs::remove_dir_all(&self.0);
    }
}

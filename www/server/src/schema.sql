-- One row: which database this is, and the position of its last commit. Positions are handed out to every event of every account's change log, so that a
-- cursor, a message's last change and a membership's beginning can be compared with each other.
CREATE TABLE database (
  epoch TEXT NOT NULL,
  pos INTEGER NOT NULL
);

CREATE TABLE accounts (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- Cursors before this position overflow: the log behind it is pruned, or an overflow was asked for.
  floor INTEGER NOT NULL DEFAULT 0,
  -- Changes before this position can no longer be told (410).
  forgotten INTEGER NOT NULL DEFAULT 0,
  -- The mailbox, which is the log seen through acknowledgements: all up to here is acknowledged. NULL: never asked for.
  mailbox INTEGER,
  -- 1: the mailbox begins with an overflow that is not acknowledged yet.
  mailbox_overflow INTEGER NOT NULL DEFAULT 0
);

-- Tokens are kept as SHA-256 only. `demo`: 0, given by --user; 1, to a user of the demo; 2, to a guest of the demo, who is not listed.
CREATE TABLE tokens (
  hash BLOB PRIMARY KEY,
  account INTEGER NOT NULL,
  demo INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE conversations (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  meta TEXT NOT NULL,
  -- The greatest seq ever given out, also when its message has been trimmed: a seq is never given twice.
  last_seq INTEGER,
  -- createdAt of the last message, or of the conversation while it has none (ms).
  sort INTEGER NOT NULL,
  -- 1: who signs in to the demo under a new name becomes a member.
  open INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE members (
  account INTEGER NOT NULL,
  conversation INTEGER NOT NULL,
  joined INTEGER NOT NULL,
  -- Position of the last event of this conversation for this account, whether or not the log still has it.
  changed INTEGER NOT NULL,
  read_seq INTEGER,
  unread INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, conversation)
) WITHOUT ROWID;
CREATE INDEX members_of ON members (conversation);

-- A page is a range of the primary key. `changed` is the position of the newest version: what `changes` looks at.
CREATE TABLE messages (
  conversation INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  sender TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  state INTEGER NOT NULL,
  body TEXT,
  client_id TEXT,
  changed INTEGER NOT NULL,
  PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;
-- For pages `at` a time.
CREATE INDEX messages_at ON messages (conversation, created_at);

-- What makes sends and edits idempotent, for as long as the message lives. `body` is the SHA-256 of what was sent first.
CREATE TABLE sends (
  conversation INTEGER NOT NULL,
  sender TEXT NOT NULL,
  client_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (conversation, sender, client_id)
) WITHOUT ROWID;
CREATE TABLE edits (
  conversation INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  client_id TEXT NOT NULL,
  PRIMARY KEY (conversation, seq, client_id)
) WITHOUT ROWID;

CREATE TABLE trims (
  conversation INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  before INTEGER NOT NULL,
  PRIMARY KEY (conversation, pos)
) WITHOUT ROWID;

-- The change log of each account, in commit order. Messages are referred to, so that a reader always gets the newest version;
-- the state of a conversation is kept as it was at that commit.
CREATE TABLE log (
  account INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  conversation INTEGER NOT NULL,
  seq INTEGER,
  prev INTEGER,
  unread INTEGER,
  read_seq INTEGER,
  sort INTEGER,
  PRIMARY KEY (account, pos)
) WITHOUT ROWID;
CREATE INDEX log_of ON log (account, conversation);

-- Acknowledged deliveries after `accounts.mailbox`.
CREATE TABLE acks (
  account INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (account, pos)
) WITHOUT ROWID;

//! The server as its clients meet it: the real process on a free port, over HTTP and WebSocket.

mod access;
mod calls;
mod conversations;
mod database;
mod limits;
mod mailbox;
mod pages;
mod sending;
mod socket;
mod stage;
mod strangers;
mod support;
mod sync;
mod trouble;

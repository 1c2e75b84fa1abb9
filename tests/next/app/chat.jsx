"use client";

import { PullcordProvider, useTimeline } from "pullcord/react";
import { memoryBackend } from "pullcord/testing";

const backend = memoryBackend({
  conversations: ["general"],
  messages: [{ conversation: "general", sender: "bob", text: "Hello" }],
});
const options = { account: "next|ada", transport: backend.transport("ada"), storage: { mode: "memory" } };

function List() {
  const { items, status, send } = useTimeline("general");
  return (
    <>
      <p id="status">{status}</p>
      <ul>
        {items.map((item) => (
          <li key={item.key}>{item.kind === "message" ? item.message.body.text : item.kind}</li>
        ))}
      </ul>
      <button type="button" onClick={() => send({ text: "Hi" })}>
        Send
      </button>
    </>
  );
}

export const Chat = () => (
  <PullcordProvider options={options}>
    <List />
  </PullcordProvider>
);

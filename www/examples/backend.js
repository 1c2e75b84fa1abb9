// What stands for a server in the examples: two users, and a conversation that goes back a while.

import { memoryBackend } from "pullcord/testing";

// rows of one to twelve lines; each tenth answers one that may be far away
const bodyOf = (i) => ({
  text: [`message ${i}`, ...Array.from({ length: (i * 7) % 12 }, (_, line) => `and line ${line + 2}`)].join("\n"),
  answers: i % 10 ? null : i / 2,
});

export const backend = memoryBackend({
  conversations: ["general"],
  messages: Array.from({ length: 500 }, (_, i) => ({
    conversation: "general",
    sender: i % 3 ? "bob" : "ada",
    body: bodyOf(i + 1),
  })),
  latency: [20, 60],
});

// she is a member from here on: what comes now she has not read
backend.transport("ada");
for (let i = 501; i <= 600; i += 1) backend.post("general", bodyOf(i), "bob");

/** What a client of this user takes. */
export const optionsOf = (user) => ({
  account: `example|${user}`,
  transport: backend.transport(user),
  storage: { mode: "memory" },
});

export const textOf = (item) => {
  if (item.kind === "gap") return "…";
  if (item.kind === "local") return `${item.body.text} (${item.state})`;
  const { sender, body, state } = item.message;
  return `${sender}: ${body?.text ?? state}`;
};

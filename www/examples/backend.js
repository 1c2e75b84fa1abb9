// What stands for a server in the examples: two users, and a conversation that goes back a while.

import { memoryBackend } from "pullcord/testing";

export const backend = memoryBackend({
  conversations: ["general"],
  messages: Array.from({ length: 300 }, (_, i) => ({
    conversation: "general",
    sender: i % 3 ? "bob" : "ada",
    // rows of different heights
    text: `message ${i + 1}${" and more".repeat((i * 7) % 40)}`,
  })),
  latency: [20, 60],
});

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

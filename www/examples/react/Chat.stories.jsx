// The chat in Storybook, in the Component Story Format: Storybook reads this file, and nothing of Storybook is imported.

import { PullcordProvider } from "pullcord/react";
import { memoryBackend } from "pullcord/testing";
import { useState } from "react";
import { Chat } from "./Chat.jsx";

/** A backend and a client for as long as a story is on the page. */
function Stage({ story, messages = [], trouble = {}, children }) {
  const [options] = useState(() => {
    const backend = memoryBackend({ conversations: ["general"], messages });
    backend.trouble(trouble);
    // Clients of one account share, and a page of documentation has many stories: each has an account of its own.
    return { account: `${story}|ada`, transport: backend.transport("ada"), storage: { mode: "memory" } };
  });
  return <PullcordProvider options={options}>{children}</PullcordProvider>;
}

export default {
  title: "Chat",
  component: Chat,
  args: { id: "general" },
  decorators: [
    (Story, { id, parameters }) => (
      <Stage key={id} story={id} {...parameters.backend}>
        <Story />
      </Stage>
    ),
  ],
};

const talk = Array.from({ length: 100 }, (_, i) => ({
  conversation: "general",
  sender: i % 3 ? "bob" : "ada",
  text: `message ${i + 1}`,
}));

export const Talk = { parameters: { backend: { messages: talk } } };

export const Empty = {};

/** What the server refuses stands in the list, and can be sent again or let go of. */
export const Refused = {
  parameters: {
    backend: { messages: talk, trouble: { error: (method) => (method === "send" ? "rejected" : null) } },
  },
  play: async ({ canvas, userEvent }) => {
    // once the client is open: nothing is sent before that
    await canvas.findByText(/message 100$/);
    await userEvent.type(canvas.getByRole("textbox"), "refused{Enter}");
  },
};

/** Nothing comes: it goes on opening. */
export const Slow = { parameters: { backend: { messages: talk, trouble: { latency: 60_000 } } } };

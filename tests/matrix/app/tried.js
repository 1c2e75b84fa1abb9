// What each tool bundles, or runs: a client on the backend in memory, as far as it comes.

import { memoryBackend } from "pullcord/testing";

/** Ada's way to a backend of its own. */
export const transport = () =>
  memoryBackend({
    conversations: ["general"],
    messages: [{ conversation: "general", sender: "bob", text: "Hello" }],
  }).transport("ada");

/**
 * @param {typeof import("pullcord").createClient} createClient
 * @param {object} [options]
 * @returns {Promise<string[] | { code: string, message: string }>} what the list shows, or why there is none
 */
export async function tried(createClient, options) {
  try {
    const client = await createClient({
      account: "matrix|ada",
      transport: transport(),
      storage: { mode: "memory" },
      ...options,
    });
    const timeline = client.timeline("general");
    const stop = timeline.subscribe(() => {});
    await timeline.send({ text: "Hi" });
    await client.sync();
    const isShown = () => timeline.getSnapshot().items.filter(({ kind }) => kind === "message").length === 2;
    while (!isShown()) await new Promise((resolve) => setTimeout(resolve, 10));
    const { items } = timeline.getSnapshot();
    stop();
    await client.close();
    return items.map((item) => (item.kind === "message" ? item.message.body.text : item.kind));
  } catch (error) {
    return { code: error.code, message: String(error.message) };
  }
}

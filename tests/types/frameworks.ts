// The frameworks' entries, as the compiler sees their use.

import * as react from "../../pkg-template/react.js";
import * as svelte from "../../pkg-template/svelte.js";
import type { Client } from "../../pkg-template/index.js";
import { memoryBackend } from "../../pkg-template/testing.js";
import * as vue from "../../pkg-template/vue.js";

interface Body {
  text: string;
}

const options: react.PullcordOptions<Body> = {
  account: "a",
  transport: memoryBackend<Body>().transport("a"),
  pageSize: 20,
};

export function useReact(isSignedIn: boolean): string {
  const { client, error } = react.usePullcord<Body>(isSignedIn && options ? options : null);
  const { items, loadOlder, hasOlder } = react.useTimeline("c1", { start: "first-unread" }, client);
  if (hasOlder) loadOlder().then(({ added }) => added + 1);
  const unread: number = react.useConversation("c1")?.unread ?? 0;
  const typed = react.useConversation("c1", null as Client<Body, { topic: string }> | null);
  const mine = react.usePullcord<Body, { topic: string }>(options);
  const list = react.useConversations(mine.client);
  const topic: string | undefined = typed?.meta.topic ?? list[0]?.meta.topic;
  const [item] = items;
  const text = item?.kind === "message" && item.message.state === "normal" ? item.message.body.text : undefined;
  const title: string | undefined = react.useConversations<Body>(client)[0]?.lastMessage?.body?.text;
  const waiting = react.useOutbox<Body>().map(({ body }) => body.text);
  react.PullcordProvider({ client, children: null });
  return [text, title, topic, error?.code, unread, react.useStatus(client).connection, ...waiting].join();
}

export function useVue(id: string | null): string {
  const { client, error } = vue.usePullcord<Body>(() => (id ? options : null));
  const { items, loadOlder } = vue.useTimeline<Body>(() => id, undefined, client);
  loadOlder().catch(() => {});
  const [item] = items.value;
  const text = item?.kind === "local" ? item.body.text : undefined;
  return [
    text,
    error.value?.code,
    vue.useConversation(() => id).value?.unread,
    vue.useStatus().value.connection,
  ].join();
}

export function useSvelte(id: string): string {
  const { client } = svelte.usePullcord<Body>(options);
  const timeline = svelte.useTimeline<Body>(() => id, { pageSize: 5 }, client);
  const stop = timeline.subscribe(({ items, send }) => void [items.length, send({ text: "a" })]);
  timeline.send({ text: "b" });
  stop();
  return [timeline.current.status, svelte.useConversations<Body>().current.length].join();
}

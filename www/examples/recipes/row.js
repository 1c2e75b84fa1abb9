// One row of a list: a message with its files, reactions, thread and receipts, or one that is on its way.

import { h } from "./dom.js";
import { threadOf, threadState } from "./threads.js";

const EMOJIS = ["❤", "★", "☺"];

/** The device's own copies. @type {Map<string, string>} id → address */
const copies = new Map();

/** Where a file can be seen: this device's own copy while it has one, the server's else. */
async function addressOf({ files, server }, id) {
  if (copies.has(id)) return copies.get(id);
  const file = await files.get(id).catch(() => undefined);
  if (!file) return server().file(id);
  copies.set(id, URL.createObjectURL(file));
  return copies.get(id);
}

function picture(context, { id, name, type }) {
  const isImage = /^image\/(png|jpeg|gif|webp)$/.test(type);
  const element = isImage
    ? h("img", { alt: name, className: "picture" })
    : h("a", { textContent: name, download: name, className: "file" });
  element.dataset.file = id;
  addressOf(context, id).then((address) => Object.assign(element, isImage ? { src: address } : { href: address }));
  return element;
}

/** What depends on more than the item: where it changes, the row is made anew. */
export function extrasOf(item, context, receipts) {
  if (item.kind !== "message") return "";
  const { message } = item;
  const reactions = [...context.reactions.of(message)].map(([emoji, who]) => [emoji, ...who]);
  return JSON.stringify([receipts.get(message.id) ?? [], reactions, threadState(context.client, message)]);
}

function reactionsOf(message, { reactions, user, notice }) {
  const all = reactions.of(message);
  const buttons = [...new Set([...EMOJIS, ...all.keys()])].map((emoji) => {
    const who = all.get(emoji) ?? new Set();
    const isOn = who.has(user);
    const button = h("button", {
      type: "button",
      className: "chip",
      title: [...who].join(", ") || `React with ${emoji}`,
    });
    button.textContent = who.size ? `${emoji} ${who.size}` : emoji;
    button.ariaPressed = String(isOn);
    button.classList.toggle("empty", who.size === 0);
    button.onclick = () => reactions.react(message, emoji, !isOn).catch(notice);
    return button;
  });
  return h("span", { className: "reactions" }, ...buttons);
}

function threadLink(message, { client, openThread }) {
  const { count, unread } = threadState(client, message);
  const words = count === 0 ? "Reply" : count === 1 ? "1 reply" : `${count} replies`;
  const button = h("button", {
    type: "button",
    className: "link",
    textContent: unread ? `${words}, ${unread} new` : words,
  });
  button.onclick = () => openThread(threadOf(message));
  return button;
}

function ofMessage({ message }, context, receipts) {
  const { body, sender, state } = message;
  const files = (body?.files ?? []).map((file) => picture(context, file));
  const text = body ? body.text : state;
  const seen = receipts.get(message.id);
  return [
    sender === context.user ? null : h("span", { className: "sender", textContent: sender }),
    ...files,
    text ? h("span", { className: "text", textContent: text }) : null,
    body &&
      h(
        "span",
        { className: "below" },
        reactionsOf(message, context),
        context.openThread ? threadLink(message, context) : null,
      ),
    seen ? h("span", { className: "seen", textContent: `Read by ${seen.join(", ")}` }) : null,
  ];
}

function ofLocal({ body, clientId, state, error }, { client, files, notice }) {
  const again = h("button", { type: "button", className: "link", textContent: "Try again" });
  again.onclick = () => client.retry(clientId).catch(notice);
  const discard = h("button", { type: "button", className: "link", textContent: "Discard" });
  discard.onclick = async () => {
    try {
      if (await client.discard(clientId)) for (const { id } of body.files ?? []) await files.delete(id);
    } catch (problem) {
      notice(problem);
    }
  };
  const said =
    state === "failed" ? `Not sent: ${error.message}` : { queued: "Waiting", sending: "Sending", sent: "Sent" }[state];
  return [
    ...(body.files ?? []).map((file) => picture({ files, server: () => ({ file: () => "" }) }, file)),
    body.text ? h("span", { className: "text", textContent: body.text }) : null,
    h(
      "span",
      { className: "below" },
      h("span", { className: `state ${state}`, textContent: said }),
      ...(state === "failed" ? [again, discard] : []),
    ),
  ];
}

/** @returns {HTMLElement} */
export function rowOf(item, context, receipts) {
  if (item.kind === "gap") return h("li", { className: "row gap", textContent: "…" });
  const own = item.kind === "local" || item.message.sender === context.user;
  const parts = item.kind === "local" ? ofLocal(item, context) : ofMessage(item, context, receipts);
  const row = h("li", { className: `row ${own ? "own" : ""}` }, h("div", { className: "bubble" }, ...parts));
  row.dataset.key = item.key;
  return row;
}

// One list with its composer: a conversation, or a thread.

import { h } from "./dom.js";
import { read, receipts } from "./receipts.js";
import { extrasOf, rowOf } from "./row.js";

/** The list. @returns {{ element: HTMLElement, toEnd: () => void, close: () => void }} */
function listOf(conversation, context) {
  const timeline = context.client.timeline(conversation);
  const state = context.client.conversation(conversation);
  const list = h("ul", { className: "list" });
  /** @type {Map<string, { item: any, extras: string, row: HTMLElement }>} */
  let rows = new Map();
  let anchored = 0;
  /** it follows what is new */
  let follows = true;

  const isAtEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < 5;
  const toEnd = () => {
    follows = true;
    list.scrollTop = list.scrollHeight;
  };

  function tellWhatIsOnScreen() {
    const { top, bottom } = list.getBoundingClientRect();
    const shown = [...list.children].filter((row) => {
      const box = row.getBoundingClientRect();
      return row.dataset.key && box.bottom > top && box.top < bottom;
    });
    if (shown.length) read(timeline, shown[0].dataset.key, shown.at(-1).dataset.key);
  }

  function draw() {
    const snapshot = timeline.getSnapshot();
    const seen = receipts(snapshot, state.getSnapshot()?.meta, context.user);
    // the row at the top keeps its place, whatever comes above it; at the end the list follows
    follows ||= snapshot.anchor.count !== anchored;
    const top = [...list.children].find((row) => row.offsetTop + row.offsetHeight > list.scrollTop);
    const before = top?.offsetTop ?? 0;
    anchored = snapshot.anchor.count;
    rows = new Map(
      snapshot.items.map((item) => {
        const extras = extrasOf(item, context, seen);
        const known = rows.get(item.key);
        const isSame = known?.item === item && known.extras === extras;
        return [item.key, isSame ? known : { item, extras, row: rowOf(item, context, seen) }];
      }),
    );
    list.replaceChildren(...[...rows.values()].map(({ row }) => row));
    const same = top && rows.get(top.dataset.key)?.row;
    if (follows) toEnd();
    else if (same) list.scrollTop += same.offsetTop - before;
    tellWhatIsOnScreen();
  }

  list.onscroll = () => {
    follows = isAtEnd();
    const { hasOlder, hasNewer } = timeline.getSnapshot();
    if (hasOlder && list.scrollTop < 300) timeline.loadOlder();
    if (hasNewer && follows) timeline.loadNewer();
    tellWhatIsOnScreen();
  };
  const resized = new ResizeObserver(() => follows && toEnd());
  resized.observe(list);
  const stores = [timeline, state, context.client.conversations, context.reactions];
  const stops = stores.map((store) => store.subscribe(draw));
  document.addEventListener("visibilitychange", tellWhatIsOnScreen);
  queueMicrotask(draw);
  return {
    element: list,
    toEnd,
    close() {
      resized.disconnect();
      for (const stop of stops) stop();
      document.removeEventListener("visibilitychange", tellWhatIsOnScreen);
    },
  };
}

/** @returns {{ element: HTMLElement, close: () => void }} */
function composerOf(conversation, { drafts, files, notice }, onSent) {
  const text = h("input", { className: "message", placeholder: "Message", autocomplete: "off", ariaLabel: "Message" });
  const file = h("input", { type: "file", multiple: true, hidden: true });
  const attach = h("button", { type: "button", className: "attach", textContent: "+", title: "Attach a file" });
  const chosen = h("span", { className: "chosen" });
  const form = h("form", { className: "composer" }, attach, file, chosen, text, h("button", { textContent: "Send" }));

  function show() {
    const body = drafts.read(conversation);
    if (text.value !== (body.text ?? "")) text.value = body.text ?? "";
    const chips = (body.files ?? []).map(({ id, name }) => {
      const chip = h("button", { type: "button", className: "chip", textContent: `${name} ✕`, title: "Remove it" });
      chip.onclick = () => remove(id);
      return chip;
    });
    chosen.replaceChildren(...chips);
  }

  const change = (more) => drafts.write(conversation, { ...drafts.read(conversation), ...more });

  function remove(id) {
    change({ files: (drafts.read(conversation).files ?? []).filter((one) => one.id !== id) });
    show();
    files.delete(id).catch(notice);
  }

  attach.onclick = () => file.click();
  text.oninput = () => change({ text: text.value });
  file.onchange = async () => {
    const given = [...file.files].map((one) => ({ file: one, id: crypto.randomUUID() }));
    file.value = "";
    for (const { file: one, id } of given) {
      try {
        // stored before it is named: what can be sent is there
        await files.put(id, one);
        change({ files: [...(drafts.read(conversation).files ?? []), { id, name: one.name, type: one.type }] });
        show();
      } catch (error) {
        notice(error);
      }
    }
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    drafts.send(conversation).catch(notice).finally(show);
    show();
    onSent();
  };
  const stop = drafts.subscribe(conversation, show);
  show();
  return { element: form, close: stop };
}

/** @param {string} conversation @param {any} context what app.js has of the account */
export function openChat(conversation, context) {
  const list = listOf(conversation, context);
  const composer = composerOf(conversation, context, list.toEnd);
  return {
    element: h("div", { className: "chat" }, list.element, composer.element),
    close() {
      list.close();
      composer.close();
    },
  };
}

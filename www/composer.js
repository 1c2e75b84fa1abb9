// @ts-check
// Writing: a new message, or a better version of one's own.

import { h, setText } from "./dom.js";
import { errorText, readBody } from "./format.js";
import { icon } from "./icons.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Message<Body>} Message */

/**
 * @param {object} given
 * @param {() => import("/pkg/index.js").Timeline<Body> | null} given.timeline the open one
 * @param {() => Message | null} given.lastOwn what the up arrow edits
 * @param {() => void} given.onSent
 */
export function composer({ timeline, lastOwn, onSent }) {
  /** @type {Map<string, string>} what was begun in other conversations */
  const drafts = new Map();
  /** @type {Message | null} */
  let editing = null;
  let conversation = "";

  const field = h("textarea", {
    class: "composer-field",
    rows: 1,
    placeholder: "Message",
    "aria-label": "Message",
    enterkeyhint: "send",
    dir: "auto",
    on: {
      input: () => {
        setText(error, "");
        fit();
      },
      keydown: onKey,
    },
  });
  const editingText = h("span", { class: "editing-text" });
  const editBar = h(
    "div",
    { class: "editing", hidden: true },
    icon("edit"),
    h("span", { class: "editing-label" }, "Edit message"),
    editingText,
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": "Stop editing",
        title: "Stop editing (Escape)",
        on: { click: () => stopEditing() },
      },
      icon("close"),
    ),
  );
  const error = h("p", { class: "composer-error", role: "alert" });
  const button = h("button", { class: "send", "aria-label": "Send" }, icon("send"));
  const element = h(
    "form",
    {
      class: "composer",
      on: {
        submit: (event) => {
          event.preventDefault();
          submit();
        },
      },
    },
    editBar,
    error,
    h("div", { class: "composer-row" }, field, button),
  );

  let width = 0;
  new ResizeObserver(() => {
    // Its own height changes with every line: only another width wraps the text anew.
    if (field.clientWidth !== width) fit();
    width = field.clientWidth;
  }).observe(field);

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    // Enter that ends a composition (Japanese, Chinese, …) is not meant for us.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && editing) {
      event.preventDefault();
      stopEditing();
    } else if (event.key === "ArrowUp" && !field.value && !editing && !event.shiftKey) {
      const message = lastOwn();
      if (message) {
        event.preventDefault();
        edit(message);
      }
    }
  }

  function fit() {
    field.style.height = "auto";
    // Not laid out, it has no height to go by.
    if (field.scrollHeight) field.style.height = `${field.scrollHeight}px`;
    button.disabled = field.value.trim() === "";
  }

  /** @param {string} text */
  function write(text) {
    field.value = text;
    fit();
    field.setSelectionRange(text.length, text.length);
  }

  /**
   * "/me waves" is an action, as it has been since IRC.
   * @param {string} text
   * @returns {Body}
   */
  function body(text) {
    const action = /^\/me\s+([\s\S]+)$/.exec(text);
    return action ? { text: action[1], kind: "action" } : { text, kind: "text" };
  }

  async function submit() {
    const open = timeline();
    const text = field.value.trim();
    if (!open || !text) return;
    setText(error, "");
    const old = editing;
    if (old) {
      const before = readBody(old.body);
      if (asTyped(before) === text) return stopEditing();
      field.disabled = true;
      try {
        await open.edit(old.id, body(text));
        if (editing === old) stopEditing();
      } catch (reason) {
        setText(error, `Not changed. ${errorText(reason)}`);
      } finally {
        field.disabled = false;
        field.focus();
      }
      return;
    }
    write("");
    try {
      await open.send(body(text));
      onSent();
    } catch (reason) {
      // It is not in the outbox: give the text back, unless something else was begun since.
      if (!field.value) write(text);
      setText(error, `Not sent. ${errorText(reason)}`);
    }
  }

  /** @param {Message} message */
  function edit(message) {
    if (!editing) drafts.set(conversation, field.value);
    editing = message;
    const before = readBody(message.body);
    editBar.hidden = false;
    setText(editingText, before.text);
    button.setAttribute("aria-label", "Save");
    button.replaceChildren(icon("check"));
    setText(error, "");
    write(asTyped(before));
    field.focus();
  }

  function sends() {
    button.setAttribute("aria-label", "Send");
    button.replaceChildren(icon("send"));
  }

  function stopEditing() {
    if (!editing) return;
    editing = null;
    editBar.hidden = true;
    sends();
    setText(error, "");
    write(drafts.get(conversation) ?? "");
    drafts.delete(conversation);
    field.focus();
  }

  return {
    element,
    edit,
    focus: () => field.focus(),
    /** @param {string} id the conversation that is open now */
    open(id) {
      if (!editing && conversation) drafts.set(conversation, field.value);
      editing = null;
      editBar.hidden = true;
      sends();
      conversation = id;
      setText(error, "");
      write(drafts.get(id) ?? "");
      drafts.delete(id);
    },
  };
}

/** @param {Body} body */
const asTyped = ({ text, kind }) => (kind === "action" ? `/me ${text}` : text);

// @ts-check
// Writing: a new message, or a better version of one's own.

import { h, setText } from "./dom.js";
import { errorText, readBody } from "./format.js";
import { icon } from "./icons.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Message<Body>} Message */
/** @typedef {import("/pkg/index.js").Timeline<Body>} Timeline */

/**
 * @param {object} given
 * @param {() => Timeline | null} given.timeline the open one
 * @param {() => Message | null} given.lastOwn what the up arrow edits
 * @param {() => void} given.onSent
 */
export function composer({ timeline, lastOwn, onSent }) {
  /** @type {Map<string, string>} what was begun in other conversations */
  const drafts = new Map();
  /** @type {Message | null} */
  let editing = null;
  let conversation = "";

  const { element, field, write, error, editBar, button } = form({ actOf, submit, stopEditing });

  /**
   * What a key does here, and not what it does in any field.
   * @param {KeyboardEvent} event
   */
  function actOf({ key, shiftKey }) {
    if (key === "Enter" && !shiftKey) return submit;
    if (key === "Escape" && editing) return stopEditing;
    const message = key === "ArrowUp" && !shiftKey && !field.value && !editing && lastOwn();
    return message ? () => edit(message) : undefined;
  }

  function submit() {
    const open = timeline();
    const text = field.value.trim();
    if (!open || !text) return;
    setText(error, "");
    if (editing) change(open, editing, text);
    else send(open, text);
  }

  /**
   * @param {Timeline} open
   * @param {string} text
   */
  async function send(open, text) {
    write("");
    try {
      await open.send(bodyOf(text));
      onSent();
    } catch (reason) {
      // It is not in the outbox: give the text back, unless something else was begun since.
      if (!field.value) write(text);
      setText(error, `Not sent. ${errorText(reason)}`);
    }
  }

  /**
   * @param {Timeline} open
   * @param {Message} old
   * @param {string} text
   */
  async function change(open, old, text) {
    if (asTyped(readBody(old.body)) === text) return stopEditing();
    field.disabled = true;
    try {
      await open.edit(old.id, bodyOf(text));
      if (editing === old) stopEditing();
    } catch (reason) {
      setText(error, `Not changed. ${errorText(reason)}`);
    } finally {
      field.disabled = false;
      field.focus();
    }
  }

  /** @param {Message} message */
  function edit(message) {
    if (!editing) drafts.set(conversation, field.value);
    editing = message;
    const before = readBody(message.body);
    editBar.show(before.text);
    button.saves(true);
    setText(error, "");
    write(asTyped(before));
    field.focus();
  }

  /** What was begun in the conversation that is open is there again. */
  function resume() {
    editing = null;
    editBar.show(null);
    button.saves(false);
    setText(error, "");
    write(drafts.get(conversation) ?? "");
    drafts.delete(conversation);
  }

  function stopEditing() {
    if (!editing) return;
    resume();
    field.focus();
  }

  return {
    element,
    edit,
    focus: () => field.focus(),
    /** @param {string} id the conversation that is open now */
    open(id) {
      if (!editing && conversation) drafts.set(conversation, field.value);
      conversation = id;
      resume();
    },
  };
}

/**
 * What is on screen of it.
 * @param {object} given
 * @param {(event: KeyboardEvent) => (() => void) | undefined} given.actOf what a key does here
 * @param {() => void} given.submit
 * @param {() => void} given.stopEditing
 */
function form({ actOf, submit, stopEditing }) {
  const error = h("p", { class: "composer-error", role: "alert" });
  const editBar = editingBar(stopEditing);
  const button = sendButton();
  const { field, write } = textField(actOf, (isEmpty) => {
    button.element.disabled = isEmpty;
  });
  field.addEventListener("input", () => setText(error, ""));
  const row = h("div", { class: "composer-row" }, field, button.element);
  const element = h("form", { class: "composer" }, editBar.element, error, row);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return { element, field, write, error, editBar, button };
}

/**
 * A field that is as high as its text.
 * @param {(event: KeyboardEvent) => (() => void) | undefined} actOf
 * @param {(isEmpty: boolean) => void} onText
 */
function textField(actOf, onText) {
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    // Enter that ends a composition (Japanese, Chinese, …) is not meant for us.
    if (event.isComposing || event.keyCode === 229) return;
    const act = actOf(event);
    if (!act) return;
    event.preventDefault();
    act();
  };
  const field = h("textarea", {
    class: "composer-field",
    rows: 1,
    placeholder: "Message",
    "aria-label": "Message",
    enterkeyhint: "send",
    dir: "auto",
    on: { input: fit, keydown: onKey },
  });
  function fit() {
    field.style.height = "auto";
    // Not laid out, it has no height to go by.
    if (field.scrollHeight) field.style.height = `${field.scrollHeight}px`;
    onText(field.value.trim() === "");
  }
  onWidth(field, fit);
  return {
    field,
    /** @param {string} text */
    write(text) {
      field.value = text;
      fit();
      field.setSelectionRange(text.length, text.length);
    },
  };
}

/** Above the field: what is being edited. @param {() => void} stop */
function editingBar(stop) {
  const shown = h("span", { class: "editing-text" });
  const close = h(
    "button",
    {
      type: "button",
      class: "icon-button",
      "aria-label": "Stop editing",
      title: "Stop editing (Escape)",
      on: { click: stop },
    },
    icon("close"),
  );
  const label = h("span", { class: "editing-label" }, "Edit message");
  const element = h("div", { class: "editing", hidden: true }, icon("edit"), label, shown, close);
  return {
    element,
    /** @param {string | null} text null: nothing is edited */
    show(text) {
      element.hidden = text === null;
      if (text !== null) setText(shown, text);
    },
  };
}

function sendButton() {
  const element = h("button", { class: "send", "aria-label": "Send" }, icon("send"));
  return {
    element,
    /** @param {boolean} edited what it sends is a better version, and not a new message */
    saves(edited) {
      element.setAttribute("aria-label", edited ? "Save" : "Send");
      element.replaceChildren(icon(edited ? "check" : "send"));
    },
  };
}

/**
 * Its own height changes with every line: only another width wraps the text anew.
 * @param {HTMLElement} field
 * @param {() => void} wrap
 */
function onWidth(field, wrap) {
  let width = 0;
  new ResizeObserver(() => {
    if (field.clientWidth !== width) wrap();
    width = field.clientWidth;
  }).observe(field);
}

/**
 * "/me waves" is an action, as it has been since IRC.
 * @param {string} text
 * @returns {Body}
 */
function bodyOf(text) {
  const action = /^\/me\s+([\s\S]+)$/.exec(text);
  return action ? { text: action[1], kind: "action" } : { text, kind: "text" };
}

/** @param {Body} body */
const asTyped = ({ text, kind }) => (kind === "action" ? `/me ${text}` : text);

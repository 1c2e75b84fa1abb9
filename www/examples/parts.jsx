// What the examples of virtual lists have in common: the chat around the list, and a row. A copy of one takes this along.

import { useTimeline } from "pullcord/react";
import { memo, useLayoutEffect, useRef, useState } from "react";
import { textOf } from "./backend.js";

/** The first unread message, when the list was opened at it: its divider stays there. */
function useDivider({ status, anchor }) {
  const [key, setKey] = useState();
  if (key === undefined && status === "ready") setKey(anchor.key);
  return key;
}

/** A row's height is that of its box: what has a margin would be taller than it measures. */
export const Row = memo(({ item, divided, onAnswered }) => {
  const answers = item.message?.body?.answers;
  return (
    <div className="row" data-key={item.key}>
      {divided && <div className="divider">Unread</div>}
      {answers && (
        <button type="button" className="answered" onClick={() => onAnswered(answers)}>
          to message {answers}
        </button>
      )}
      <div className="text">{textOf(item)}</div>
    </div>
  );
});

/** Renders the rows that a list begins with, unseen, and gives it their heights before anything is painted. */
function Measured({ items, divider, children }) {
  const [measured, setMeasured] = useState(null);
  const list = useRef(null);
  useLayoutEffect(() => {
    if (!list.current) return;
    const sizes = [...list.current.children].map((row) => [row.dataset.key, row.getBoundingClientRect().height]);
    setMeasured({ height: list.current.clientHeight, heights: new Map(sizes) });
  }, []);
  if (measured) return children(measured);
  return (
    <div className="list" ref={list}>
      {items.map((item) => (
        <Row key={item.key} item={item} divided={item.key === divider} />
      ))}
    </div>
  );
}

export const isAtEnd = ({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight < 5;

/** The keys of the first and the last row on screen: `unseen`, and what is let go of, go by them. */
export function keysOnScreen(list) {
  const { top, bottom } = list.getBoundingClientRect();
  const rows = [...list.querySelectorAll("[data-key]")].filter((row) => {
    const box = row.getBoundingClientRect();
    return box.bottom > top && box.top < bottom;
  });
  return rows.length ? [rows[0].dataset.key, rows.at(-1).dataset.key] : null;
}

const Bar = ({ jump }) => (
  <p className="bar">
    <button type="button" onClick={() => jump({ at: 0 })}>
      Oldest
    </button>
    <button type="button" onClick={() => jump("first-unread")}>
      First unread
    </button>
    <button type="button" onClick={() => jump("latest")}>
      Latest
    </button>
  </p>
);

/** Nothing can be sent before there is a client; what is typed meanwhile stays. */
function Composer({ isOpen, onSend }) {
  const [text, setText] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSend(text);
        setText("");
      }}
    >
      <input id="text" required aria-label="Message" value={text} onChange={({ target }) => setText(target.value)} />
      <button type="submit" disabled={!isOpen}>
        Send
      </button>
    </form>
  );
}

/** The chat around a list, which is the example's own: how it is opened, left for another place, and written to. */
export function ChatWith({ List, id, onSend }) {
  const timeline = useTimeline(id, { start: "first-unread" });
  const { items, status, anchor, unseen, jump, send } = timeline;
  const divider = useDivider(timeline);
  const atEnd = useRef(false);
  return (
    <>
      <Bar jump={jump} />
      {/* another list, when it was replaced: it begins at the item that was asked for */}
      {items.length > 0 && (
        <Measured key={anchor.count} items={items} divider={divider}>
          {(measured) => <List measured={measured} timeline={timeline} divider={divider} atEnd={atEnd} />}
        </Measured>
      )}
      {unseen > 0 && (
        <button type="button" className="pill" onClick={() => jump("latest")}>
          {unseen} new
        </button>
      )}
      <Composer
        isOpen={status !== "opening"}
        onSend={async (text) => {
          // what is written is sent, whatever becomes of the jump
          if (!atEnd.current) await jump("latest").catch(() => {});
          send({ text });
          onSend?.();
        }}
      />
    </>
  );
}

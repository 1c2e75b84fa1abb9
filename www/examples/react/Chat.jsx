import { useTimeline } from "pullcord/react";
import { memo, useLayoutEffect, useRef, useState } from "react";
import { textOf } from "../backend.js";

// items that did not change are the same objects: only what did is rendered
const Row = memo(({ item }) => (
  <li className="row" data-key={item.key}>
    {textOf(item)}
  </li>
));

const isAtEnd = (list) => list.scrollHeight - list.scrollTop - list.clientHeight < 5;

/** The row at the top keeps its place, whatever comes above it; at the end the list follows. */
function usePlace({ items, anchor }) {
  const ref = useRef(null);
  const place = useRef({ follows: true, top: null, at: 0, count: 0 });
  const look = () => {
    const list = ref.current;
    const top = [...list.children].find((row) => row.offsetTop + row.offsetHeight > list.scrollTop);
    place.current = { follows: isAtEnd(list), top, at: top?.offsetTop ?? 0, count: place.current.count };
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever other items are shown
  useLayoutEffect(() => {
    const list = ref.current;
    const { follows, top, at, count } = place.current;
    if (follows || count !== anchor.count) list.scrollTop = list.scrollHeight;
    else if (top?.isConnected) list.scrollTop += top.offsetTop - at;
    place.current.count = anchor.count;
    look();
  }, [items, anchor]);
  return [ref, look];
}

export function Chat({ id, onSend }) {
  const timeline = useTimeline(id);
  const { items, status, hasOlder, hasNewer, loadOlder, loadNewer, send } = timeline;
  const [ref, look] = usePlace(timeline);
  const scrolled = () => {
    look();
    if (hasOlder && ref.current.scrollTop < 300) loadOlder();
    if (hasNewer && isAtEnd(ref.current)) loadNewer();
  };
  return (
    <>
      <ul className="list" ref={ref} onScroll={scrolled}>
        {items.map((item) => (
          <Row key={item.key} item={item} />
        ))}
      </ul>
      <Composer
        isOpen={status !== "opening"}
        onSend={(text) => {
          ref.current.scrollTop = ref.current.scrollHeight;
          look();
          send({ text });
          onSend?.();
        }}
      />
    </>
  );
}

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

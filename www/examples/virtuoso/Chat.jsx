import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Virtuoso } from "react-virtuoso";
import { ChatWith, isAtEnd, keysOnScreen, Row } from "../parts.jsx";

function List({ measured, timeline, divider, atEnd }) {
  const { items, anchor, firstIndex, hasOlder, hasNewer, loadOlder, loadNewer, jump, visible } = timeline;
  const [heights] = useState(() => items.map(({ key }) => measured.heights.get(key)));
  const scroller = useRef(null);
  const look = useCallback(() => {
    const keys = scroller.current && keysOnScreen(scroller.current);
    if (keys) visible(...keys);
  }, [visible]);
  const note = useHold(scroller, atEnd, look);
  const scrolled = () => {
    atEnd.current = !hasNewer && isAtEnd(scroller.current);
    note();
    look();
  };
  useLayoutEffect(look);
  // biome-ignore lint/correctness/useExhaustiveDependencies: where it begins; a list that is short never scrolls
  useEffect(scrolled, []);

  const at = items.findIndex(({ key }) => key === anchor.key);
  return (
    <Virtuoso
      className="list"
      data={items}
      firstItemIndex={firstIndex}
      computeItemKey={(_, { key }) => key}
      heightEstimates={heights}
      initialTopMostItemIndex={at < 0 ? { index: items.length - 1, align: "end" } : at}
      itemContent={(_, item) => (
        <Row item={item} divided={item.key === divider} onAnswered={(seq) => jump({ around: seq })} />
      )}
      // rows are measured before they come on screen, and in the frame in which they are rendered
      increaseViewportBy={1000}
      skipAnimationFrameInResizeObserver
      alignToBottom
      startReached={() => hasOlder && loadOlder()}
      endReached={() => hasNewer && loadNewer()}
      // the end of a list that has more to load is not followed
      followOutput={() => atEnd.current && "auto"}
      scrollerRef={(element) => {
        scroller.current = element;
      }}
      onScroll={scrolled}
    />
  );
}

/**
 * Virtuoso keeps the place while the reader scrolls up, and not where heights become known while the list stands still.
 * So the row on top is noted when it was scrolled, and put back whenever the rows' heights change.
 */
function useHold(scroller, atEnd, look) {
  const held = useRef(null);
  const note = useCallback(() => {
    const { top } = scroller.current.getBoundingClientRect();
    const rows = [...scroller.current.querySelectorAll("[data-key]")];
    const row = rows.find((one) => one.getBoundingClientRect().bottom > top);
    held.current = row && { row, at: row.getBoundingClientRect().top };
  }, [scroller]);
  useEffect(() => {
    const list = scroller.current;
    // it comes after Virtuoso's own, and before the frame is painted
    const observer = new ResizeObserver(() => {
      const { row, at } = held.current ?? {};
      const moved = row?.isConnected ? row.getBoundingClientRect().top - at : 0;
      if (!atEnd.current && Math.abs(moved) >= 1) list.scrollTop += moved;
      note();
      look();
    });
    observer.observe(list.querySelector("[data-testid=virtuoso-item-list]"));
    return () => observer.disconnect();
  }, [scroller, atEnd, note, look]);
  return note;
}

export const Chat = (props) => <ChatWith List={List} {...props} />;

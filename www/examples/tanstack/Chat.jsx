import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { ChatWith, isAtEnd, keysOnScreen, Row } from "../parts.jsx";

/** Nearer than this (px) to an end the next page is loaded. */
const NEAR = 1000;

function List({ measured, timeline, divider, atEnd }) {
  const { items, anchor, hasOlder, hasNewer, error, loadOlder, loadNewer, jump, visible } = timeline;
  const scroller = useRef(null);
  const [begin] = useState(() => beginning(items, anchor.key, measured));

  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => items[index].key,
    estimateSize: () => 100,
    measureElement: (row) => row.getBoundingClientRect().height,
    initialMeasurementsCache: begin.rows,
    initialOffset: begin.offset,
    anchorTo: "end",
    // the end of a list that has more to load is not followed
    followOnAppend: atEnd.current,
    overscan: 5,
    // rows that have just come are rendered once, wherever they are: measured before anything of them is shown
    rangeExtractor: (range) => {
      const shown = new Set(defaultRangeExtractor(range));
      return [...items.keys()].filter((at) => shown.has(at) || !virtualizer.itemSizeCache.has(items[at].key));
    },
    directDomUpdates: true,
    directDomUpdatesMode: "position",
  });
  // what grows above moves nothing on screen, whichever way the reader scrolls
  virtualizer.shouldAdjustScrollPositionOnItemSizeChange = ({ end }, _, { scrollOffset }) => end <= scrollOffset;

  const look = () => {
    const keys = keysOnScreen(scroller.current);
    if (keys) visible(...keys);
  };
  const load = () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller.current;
    if (hasOlder && scrollTop < NEAR) loadOlder();
    if (hasNewer && scrollHeight - scrollTop - clientHeight < NEAR) loadNewer();
  };
  const scrolled = () => {
    atEnd.current = !hasNewer && isAtEnd(scroller.current);
    look();
    load();
  };
  useLayoutEffect(() => {
    look();
    // one that failed is tried again when the reader scrolls
    if (!error) load();
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: where it begins; a list that is short never scrolls
  useEffect(scrolled, []);

  return (
    <div className="list" ref={scroller} onScroll={scrolled}>
      <div ref={virtualizer.containerRef} style={{ position: "relative" }}>
        {virtualizer.getVirtualItems().map(({ key, index }) => (
          <div key={key} data-index={index} ref={virtualizer.measureElement} style={ROW}>
            <Row item={items[index]} divided={key === divider} onAnswered={(seq) => jump({ around: seq })} />
          </div>
        ))}
      </div>
    </div>
  );
}

/** The rows' places, and where the list is scrolled to: the row that was asked for is at the top, or the end is seen. */
function beginning(items, anchorKey, { heights, height }) {
  let end = 0;
  const rows = items.map(({ key }, index) => {
    const size = heights.get(key) ?? 0;
    end += size;
    return { key, index, start: end - size, size, end, lane: 0 };
  });
  const top = rows.find(({ key }) => key === anchorKey)?.start ?? end;
  return { rows, offset: Math.max(0, Math.min(top, end - height)) };
}

const ROW = { position: "absolute", left: 0, right: 0 };

export const Chat = (props) => <ChatWith List={List} {...props} />;

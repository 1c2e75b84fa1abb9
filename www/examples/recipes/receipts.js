// Others' read receipts. The server keeps how far each member has read, in the conversation's meta:
// { read: { bob: "42" } }. Each change of it is a conversation event, to every member.

import { compareSeq } from "pullcord";

/**
 * Where the others are: the newest message that each has read, of those that the list shows.
 * @param {{ items: readonly any[], hasNewer: boolean }} list a timeline's snapshot
 * @param {any} meta of the conversation
 * @param {string} me
 * @returns {Map<string, string[]>} message id → who
 */
export function receipts({ items, hasNewer }, meta, me) {
  const messages = items.filter(({ kind }) => kind === "message").map(({ message }) => message);
  const at = new Map();
  for (const [who, seq] of Object.entries(meta?.read ?? {})) {
    if (who === me) continue;
    const last = messages.findLast((message) => compareSeq(message.seq, seq) <= 0);
    // not read as far as to the beginning of what is shown
    if (!last) continue;
    // read on beyond its end
    const isBeyond = hasNewer && last === messages.at(-1) && compareSeq(last.seq, seq) < 0;
    if (!isBeyond) at.set(last.id, [...(at.get(last.id) ?? []), who]);
  }
  return at;
}

/**
 * Tells the server what has been read: what is on screen, in a page that is looked at.
 * @param {any} timeline
 * @param {string} first key of the first row on screen
 * @param {string} last
 */
export function read(timeline, first, last) {
  timeline.visible(first, last);
  // it is kept and told later where there is no network, and never goes back
  if (document.visibilityState === "visible") timeline.markRead();
}

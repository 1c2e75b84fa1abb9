// Reactions. They are part of the message, { reactions: { "❤": ["bob"] } }, and come by an update of it with a greater
// version. The client says "on" or "off" of its own one, and the server puts all of them together.

/**
 * @param {(method: string, request: object) => Promise<any>} call the app's own way to its server
 * @param {string} me
 */
export function reactions(call, me) {
  /**
   * What was asked for, until the message that is shown has it: shown beforehand.
   * @type {Map<string, { id: string, emoji: string, on: boolean, version: number }>}
   */
  const asked = new Map();
  const listeners = new Set();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  let last = Promise.resolve();

  /** @param {any} message @returns {Map<string, Set<string>>} emoji → who */
  function of(message) {
    const all = new Map(Object.entries(message.body?.reactions ?? {}).map(([emoji, who]) => [emoji, new Set(who)]));
    for (const [key, { id, emoji, on, version }] of asked) {
      if (id !== message.id) continue;
      if (message.version >= version) asked.delete(key);
      else if (on) all.set(emoji, new Set(all.get(emoji)).add(me));
      else all.get(emoji)?.delete(me);
    }
    for (const [emoji, who] of all) if (who.size === 0) all.delete(emoji);
    return all;
  }

  /**
   * Not stored, as an edit is not: it rejects where there is no network, and shows what was before.
   * @param {any} message
   * @param {string} emoji
   * @param {boolean} on not "the other one": said twice it is the same
   */
  function react(message, emoji, on) {
    const key = JSON.stringify([message.id, emoji]);
    const wish = { id: message.id, emoji, on, version: Number.POSITIVE_INFINITY };
    asked.set(key, wish);
    tell();
    const { id: messageId, conversation } = message;
    // one after the other: "on" and "off" are not to overtake each other
    const done = last.then(async () => {
      try {
        wish.version = (await call("react", { conversation, messageId, emoji, on })).version;
      } catch (error) {
        if (asked.get(key) === wish) asked.delete(key);
        throw error;
      } finally {
        tell();
      }
    });
    last = done.catch(() => {});
    return done;
  }

  return {
    of,
    react,
    /** @param {() => void} listener */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

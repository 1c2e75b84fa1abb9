// Drafts. They are the app's, by account and conversation; all tabs show the same one. Sending takes the draft away and
// hands it to the outbox in one step, and whatever is closed or killed in between, the text is sent, once.

/** @param {string | null} text */
function parsed(text) {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/** What the keys of an account begin with; no other account's do. @param {string} account */
const prefixes = (account) => ["draft", "sending"].map((kind) => `${kind}|${encodeURIComponent(account)}|`);

/** @param {any} body */
const isEmpty = (body) => !body?.text && !body?.files?.length;

/**
 * @param {string} account
 * @param {any} client that account's
 */
export function drafts(account, client) {
  const [draft, handedOver] = prefixes(account);
  const keyOf = (conversation) => draft + conversation;
  /** What is under the keys that begin so. @param {string} prefix */
  const under = (prefix) =>
    Object.keys(localStorage)
      .filter((key) => key.startsWith(prefix))
      .map((key) => ({ key, ...parsed(localStorage.getItem(key)) }));

  /** @param {string} key @param {{ conversation: string, clientId: string, body: any }} record */
  async function handOver(key, { conversation, clientId, body }) {
    try {
      await client.send(conversation, body, { clientId });
    } catch (error) {
      // it may be in the outbox: `resume` sends it under the same clientId, which is one message
      if (error.code === "closed" || error.uncertain) return;
      if (!localStorage.getItem(keyOf(conversation))) write(conversation, body);
      localStorage.removeItem(key);
      throw error;
    }
    localStorage.removeItem(key);
  }

  /** @param {string} conversation @returns {any} the body that it would be sent with */
  const read = (conversation) => parsed(localStorage.getItem(keyOf(conversation))) ?? { text: "" };

  /** @param {string} conversation @param {any} body */
  function write(conversation, body) {
    if (isEmpty(body)) localStorage.removeItem(keyOf(conversation));
    else localStorage.setItem(keyOf(conversation), JSON.stringify(body));
  }

  return {
    read,
    write,
    /** Sends it. Resolves once the message is stored. @param {string} conversation */
    async send(conversation) {
      const body = read(conversation);
      if (isEmpty(body)) return;
      const clientId = crypto.randomUUID();
      const key = handedOver + clientId;
      // from one to the other without an `await` between: no tab ever has both, or neither
      localStorage.setItem(key, JSON.stringify({ conversation, clientId, body }));
      localStorage.removeItem(keyOf(conversation));
      await handOver(key, { conversation, clientId, body });
    },
    /** What was being handed over when the page was closed. Two tabs may do so: a clientId is one message. */
    resume: () => Promise.all(under(handedOver).map(({ key, ...record }) => handOver(key, record))),
    /** Another tab has written it, or sent it. @param {string} conversation @param {() => void} listener */
    subscribe(conversation, listener) {
      const onStorage = ({ key }) => {
        if (key === keyOf(conversation) || key === null) listener();
      };
      addEventListener("storage", onStorage);
      return () => removeEventListener("storage", onStorage);
    },
    /** Ids of the files in all of them. */
    files: () => [...under(draft), ...under(handedOver).map(({ body }) => body)].flatMap(filesOf),
  };
}

/** @param {any} body @returns {string[]} */
export const filesOf = (body) => (body?.files ?? []).map(({ id }) => id);

/** Signing out. @param {string} account */
export function wipeDrafts(account) {
  for (const key of Object.keys(localStorage))
    if (prefixes(account).some((prefix) => key.startsWith(prefix))) localStorage.removeItem(key);
}

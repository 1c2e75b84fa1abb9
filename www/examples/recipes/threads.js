// Threads: each is a conversation of its own, named after the message that it answers. So it has a cursor, pages, an
// outbox and an unread count as any other, and the conversation that it hangs on shows none of its answers. How many
// there are is in the message, { thread: { count: 3 } }, and comes by an update of it.

const THREAD = "thread:";

/**
 * The same in every client, so that nobody has to ask for it, and an answer can be sent without a network: the server
 * makes the conversation when the first one comes.
 * @param {{ id: string }} message
 */
export const threadOf = (message) => THREAD + message.id;

/** Which of the conversations are no list of their own in the app. @param {{ id: string }} conversation */
export const isThread = ({ id }) => id.startsWith(THREAD);

/**
 * What stands below the message: how many answers, and how many of them are new to this account.
 * @param {any} client
 * @param {any} message
 * @returns {{ count: number, unread: number }}
 */
export function threadState(client, message) {
  const count = message.body?.thread?.count ?? 0;
  return { count, unread: client.conversation(threadOf(message)).getSnapshot()?.unread ?? 0 };
}

// What the engine's frames say of the whole account, as the stores that the app subscribes to.

import { ConversationStores, Source, applyPatch, kept, keptError, renewed, reviveItem } from "./stores.js";

/** @typedef {import("./index.js").PullcordError} PullcordError */
/** @typedef {import("./index.js").ClientStatus} ClientStatus */

/** @typedef {import("./index.js").Conversation<any>} Conversation */
/** @typedef {import("./index.js").LocalItem<any>} LocalItem */

export class Shown {
  /**
   * What an engine that began anew has said so far: shown with its first status.
   * @type {{ conversations: readonly Conversation[], outbox: readonly LocalItem[] } | null}
   */
  #fresh = null;

  /** @param {import("./stores.js").Notifier} notifier */
  constructor(notifier) {
    /** Null until the engine has said how it is. @type {Source<ClientStatus | null>} */
    this.status = new Source(null, notifier);
    /** @type {Source<readonly import("./index.js").Conversation<any>[]>} */
    this.conversations = new Source([], notifier, "conversations");
    /** @type {Source<readonly import("./index.js").LocalItem<any>[]>} */
    this.outbox = new Source([], notifier, "outbox");
    this.conversationStores = new ConversationStores(this.conversations, notifier);
  }

  /**
   * Shows what changed.
   * @param {import("./wire.js").Frame} frame
   * @returns {{ error: PullcordError | null } | undefined} what the engine has stopped with, if it has
   */
  apply({ status, conversations, outbox }) {
    const stopped = status && this.#applyStatus(status);
    const fresh = this.#fresh;
    if (fresh) {
      fresh.conversations = applyPatch(fresh.conversations, conversations ?? []);
      fresh.outbox = applyPatch(fresh.outbox, outbox ?? [], reviveItem);
      if (!status) return stopped;
      this.#fresh = null;
      this.conversations.set(renewed(this.conversations.value, fresh.conversations, ({ id }) => id));
      this.conversationStores.changed();
      this.outbox.set(renewed(this.outbox.value, fresh.outbox, ({ key }) => key));
      return stopped;
    }
    if (conversations?.length) {
      this.conversations.set(applyPatch(this.conversations.value, conversations));
      this.conversationStores.changed();
    }
    if (outbox?.length) this.outbox.set(applyPatch(this.outbox.value, outbox, reviveItem));
    return stopped;
  }

  /** Another engine shows everything again, from nothing on: what is shown stays until then. */
  anew() {
    this.#fresh = { conversations: [], outbox: [] };
  }

  /** @param {import("./wire.js").WireStatus} status */
  #applyStatus(status) {
    const before = this.status.value;
    const error = keptError(before?.error, status.error);
    // shown as closed together with the timelines, when the engine has stopped
    if (status.connection === "closed") return { error };
    const progress = kept(before?.progress ?? null, status.progress);
    this.status.set(kept(before, { ...status, progress, error }));
    return undefined;
  }

  /** Nothing comes any more. @param {PullcordError | null} error why; null: it was closed */
  end(error) {
    const status = this.status.value;
    if (!status) return;
    const ended = /** @type {const} */ ({ connection: "closed", pulling: false, progress: null });
    this.status.set({ ...status, ...ended, error: error ?? status.error });
  }
}

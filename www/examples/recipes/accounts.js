// Signing in, switching accounts, signing out. One client an account, and in a tab one at a time.

import { PullcordError, wipe } from "pullcord";

const TOKEN = "token|";

/** as a token: the account is being signed out */
const LEAVING = "";

/** A token is the account's, and every tab's: any of them may be the one that asks the server. */
export const tokens = {
  /** @param {string} account @returns {string | null} */
  of: (account) => localStorage.getItem(TOKEN + account),
  /** @param {string} account @param {string} token */
  keep: (account, token) => localStorage.setItem(TOKEN + account, token),
  /** @param {string} account */
  drop: (account) => localStorage.removeItem(TOKEN + account),
  /** What the transport is given. @param {string} account */
  async get(account) {
    const token = tokens.of(account);
    // the client says "needs-auth" then, until `sync()`
    if (!token) throw new PullcordError("unauthorized", "nobody is signed in");
    return token;
  },
  /** Whoever is signed in on this device, or is being signed out. @returns {string[]} */
  accounts: () =>
    Object.keys(localStorage)
      .filter((key) => key.startsWith(TOKEN))
      .map((key) => key.slice(TOKEN.length)),
};

/**
 * The client that this tab shows. Steps follow one another, however fast somebody clicks.
 * @param {object} options
 * @param {(account: string) => Promise<any>} options.open makes the client
 * @param {(client: any) => void} options.show shows it, or with null nothing of any account
 * @param {() => void} options.ended it was not ended here: another tab has signed out
 * @param {(account: string) => Promise<unknown>} options.wipeOwn deletes what the app itself has stored of an account
 */
export function accounts({ open, show, ended, wipeOwn }) {
  let client = null;
  let unsubscribe = () => {};
  let last = Promise.resolve();

  /** @param {() => Promise<void>} step */
  function inTurn(step) {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  }

  /** Nothing of it is on screen from here on. */
  function leave() {
    const left = client;
    client = null;
    unsubscribe();
    show(null);
    return left;
  }

  function watch() {
    const { connection, error } = client.status.getSnapshot();
    // "outdated" is a matter of the app's version, and not of who is signed in
    if (connection !== "closed" || error?.code === "outdated") return;
    leave();
    ended();
  }

  /**
   * Whatever ends it early, the next start goes on.
   * @param {string} account @param {() => Promise<void>} wipeClients ends the clients of all tabs
   */
  async function forget(account, wipeClients) {
    await wipeClients();
    await wipeOwn(account);
    tokens.drop(account);
  }

  return {
    /** Before anything is opened: a sign-out that did not come to its end does so. */
    start: () =>
      inTurn(async () => {
        const leaving = tokens.accounts().filter((account) => tokens.of(account) === LEAVING);
        for (const account of leaving) await forget(account, () => wipe(account));
      }),

    /** @param {string} account */
    switchTo: (account) =>
      inTurn(async () => {
        // its data and its outbox stay, and go on when it is opened again
        await leave()?.close();
        client = await open(account);
        unsubscribe = client.status.subscribe(watch);
        show(client);
        // another tab may have signed out meanwhile
        watch();
      }),

    /** To choose another account, or to sign in. */
    leave: () =>
      inTurn(async () => {
        await leave()?.close();
      }),

    /** @param {(token: string) => Promise<unknown>} revoke tells the server, which may be out of reach */
    signOut: (revoke) =>
      inTurn(async () => {
        const left = leave();
        if (!left) return;
        const token = tokens.of(left.account);
        tokens.keep(left.account, LEAVING);
        const revoked = token ? revoke(token).catch(() => {}) : null;
        await forget(left.account, left.wipe);
        await revoked;
      }),
  };
}

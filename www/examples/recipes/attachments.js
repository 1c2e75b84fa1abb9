// Attachments. The file is stored on the device, the message names it, { files: [{ id, name, type }] }, and goes into
// the outbox at once. Whoever delivers the outbox uploads the file first: this tab, another one, or the next visit.

/** bytes at a time: what has been uploaded stays when a try ends, and the next one goes on from there */
const PIECE = 256 * 1024;
/** ms after which a file that nobody names is forgotten */
const FORGOTTEN = 24 * 60 * 60 * 1000;

/** An account's files that are not delivered yet. In IndexedDB: whichever tab, or worker, delivers them has them. */
export class Files {
  #name;

  /** @param {string} account */
  constructor(account) {
    this.#name = `files|${account}`;
  }

  /** @returns {Promise<IDBDatabase>} */
  #open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.#name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore("files");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  /**
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} use
   * @returns {Promise<any>} once it is stored
   */
  async #run(mode, use) {
    // not held open: signing out deletes the database
    const database = await this.#open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction("files", mode, { durability: "strict" });
        const request = use(transaction.objectStore("files"));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  }

  /** @param {string} id @param {Blob} file */
  put = (id, file) => this.#run("readwrite", (store) => store.put({ file, at: Date.now() }, id));
  /** @param {string} id @returns {Promise<Blob | undefined>} */
  get = async (id) => (await this.#run("readonly", (store) => store.get(id)))?.file;
  /** @param {string} id */
  delete = (id) => this.#run("readwrite", (store) => store.delete(id));
  /** @returns {Promise<string[]>} */
  ids = () => this.#run("readonly", (store) => store.getAllKeys());

  /** Forgets what is in no draft and not in the outbox any more. @param {Set<string>} named */
  async sweep(named) {
    for (const id of await this.ids()) {
      const stored = await this.#run("readonly", (store) => store.get(id));
      if (!named.has(id) && stored && Date.now() - stored.at > FORGOTTEN) await this.delete(id);
    }
  }

  /** @returns {Promise<void>} */
  wipe() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase(this.#name);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error);
    });
  }
}

/**
 * A transport that uploads what a message names before it sends it.
 * @template {import("pullcord").Transport<any>} T
 * @param {T} transport
 * @param {Files} files
 * @param {(method: string, request: object, signal: AbortSignal) => Promise<any>} call the app's own way to its server.
 *   It throws a PullcordError: "rejected" for a file that will never be taken, which fails the message; "network" for
 *   all that may go well the next time, with the server's status where there was one
 * @returns {T}
 */
export function withUploads(transport, files, call) {
  /** @param {string} id @param {Blob} file @param {AbortSignal} signal */
  async function upload(id, file, signal) {
    const { size, type } = file;
    // the server says what it has already of this id, from whichever try and tab
    let { at } = await call("beginUpload", { id, size, type }, signal);
    while (at < size) ({ at } = await call("upload", { id, at, piece: file.slice(at, at + PIECE) }, signal));
  }

  return {
    ...transport,
    async send(request, signal) {
      const ids = (request.body?.files ?? []).map(({ id }) => id);
      for (const id of ids) {
        // signed out meanwhile: the files are not to be opened again
        signal.throwIfAborted();
        const file = await files.get(id);
        // none: an earlier try has delivered it, or the server will refuse the message
        if (file) await upload(id, file, signal);
      }
      const message = await transport.send(request, signal);
      if (!signal.aborted) for (const id of ids) await files.delete(id);
      return message;
    },
  };
}

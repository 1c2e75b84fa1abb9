// How numbers, times, states and errors read.

/** @typedef {import("../index.js").ClientStatus} ClientStatus */

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const whole = new Intl.NumberFormat();

/** A server may say any number; one that is no time would throw. @param {number} ms since the epoch */
export const time = (ms) => clock.format(Math.max(-8.64e15, Math.min(8.64e15, ms)));

/** @param {number} n */
export const number = (n) => whole.format(n);

/** @param {number} n @param {string} one @param {string} [many] */
export const counted = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** @param {number} n */
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  if (n < 1_000_000) return `${(n / 1000).toFixed(n < 10_000 ? 1 : 0)} kB`;
  return `${(n / 1_000_000).toFixed(1)} MB`;
}

/** @param {number} ms */
export const lasted = (ms) => (ms < 10_000 ? `${number(Math.round(ms))} ms` : `${number(Math.round(ms / 1000))} s`);

/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * How the connection and the sync stand.
 * @param {ClientStatus} status
 * @returns {{ tone: "good" | "quiet" | "bad", text: string }}
 */
export function describe({ connection, progress, caughtUp }) {
  const applied = progress?.applied ? `, ${counted(progress.applied, "change")}` : "";
  switch (connection) {
    case "online":
      return caughtUp && !applied
        ? { tone: "good", text: "Up to date" }
        : { tone: "quiet", text: `Catching up${applied}` };
    case "connecting":
      return { tone: "quiet", text: applied ? `Catching up${applied}` : "Connecting" };
    case "waiting":
      return { tone: "quiet", text: "Waiting for another tab" };
    case "offline":
      return { tone: "bad", text: "Offline" };
    case "needs-auth":
      return { tone: "bad", text: "The token is refused" };
    default:
      return { tone: "bad", text: "Closed" };
  }
}

/** Which client asks the server and stores what comes. @param {ClientStatus} status */
export function describeWriter({ writer }) {
  if (writer === "here") return "This tab writes";
  return writer === "elsewhere" ? "Another tab writes" : "No tab writes";
}

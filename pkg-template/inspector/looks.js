// When the store is looked at: after a change, and from time to time, for as long as somebody sees it.

/**
 * Least time (ms) between two looks. While nothing changes, it is looked at every `IDLE` ms, and every `BUSY` while
 * something kept is being checked.
 */
const LEAST = 200;
const BUSY = 400;
const IDLE = 2000;

/**
 * One look at a time, and once more where it was asked for during one.
 * @param {object} given
 * @param {HTMLElement} given.host what is to be seen
 * @param {() => Promise<void>} given.inspect
 * @param {() => boolean} given.isBusy something kept is being checked
 */
export function looks({ host, inspect, isBusy }) {
  let isOver = false;
  // without such an observer (a test in Node) it counts as seen
  let isSeen = typeof IntersectionObserver === "undefined";
  let looking = false;
  let again = false;
  let last = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  async function run() {
    timer = undefined;
    if (isOver || !isSeen) return;
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    again = false;
    last = performance.now();
    try {
      await inspect();
    } catch {
      // closed meanwhile: the last picture stays
    }
    looking = false;
    if (again) look();
  }

  const look = () => {
    if (isOver || timer !== undefined) return;
    timer = setTimeout(run, Math.max(0, last + LEAST - performance.now()));
  };

  // Requests in flight, evictions and segments out of sight change no snapshot.
  const regular = setInterval(() => {
    const wait = isBusy() ? BUSY : IDLE;
    if (document.visibilityState === "visible" && performance.now() - last >= wait) look();
  }, BUSY);

  const seen = isSeen
    ? null
    : new IntersectionObserver(([...entries]) => {
        isSeen = entries.some(({ isIntersecting }) => isIntersecting);
        if (isSeen) look();
      });
  seen?.observe(host);
  look();

  return {
    look,
    stop() {
      isOver = true;
      clearTimeout(timer);
      clearInterval(regular);
      seen?.disconnect();
    },
  };
}

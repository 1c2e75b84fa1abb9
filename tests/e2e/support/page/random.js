// Chance that can be repeated, in a page and in Node.

/**
 * mulberry32.
 * @param {number} seed
 * @returns {(below: number) => number} an integer from 0 on
 */
export function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) % below;
  };
}

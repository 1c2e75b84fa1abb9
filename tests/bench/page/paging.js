// Paging back as each contender does it, a page after the other.

/**
 * @param {number[]} seqs positions of the newest page, oldest first: those of older pages come before them
 * @param {number} pages how many more
 * @param {() => Promise<void>} between two pages, untimed
 * @param {(before: number) => Promise<() => number[]>} older reads a page, timed; what it gives tells the positions,
 *   untimed
 * @returns {Promise<{ times: number[], seqs: number[] }>} ms of each page, and all positions
 */
export async function pageBack(seqs, pages, between, older) {
  const times = [];
  for (let page = 0; page < pages; page++) {
    await between();
    const began = performance.now();
    const found = await older(seqs[0]);
    times.push(performance.now() - began);
    seqs.unshift(...found());
  }
  return { times, seqs };
}

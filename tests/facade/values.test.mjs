// What an app compares: errors and positions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PullcordError } from "../../pkg-template/errors.js";
import { compareSeq } from "../../pkg-template/seq.js";

test("PullcordError is what the contract says", () => {
  const cause = new Error("deeper");
  /** @type {import("../../pkg-template/index.js").PullcordError} */
  const error = new PullcordError("timeout", "late", { cause, status: 504, retryAfter: 5 });
  assert.ok(error instanceof Error);
  assert.deepEqual(
    [error.name, error.code, error.message, error.retryable, error.cause, error.status, error.retryAfter],
    ["PullcordError", "timeout", "late", true, cause, 504, 5],
  );
  assert.equal(new PullcordError("aborted").name, "AbortError");
  assert.equal("uncertain" in error, false);
  assert.deepEqual(
    /** @type {const} */ (["network", "timeout", "offline", "rejected", "unauthorized"]).map(
      (code) => new PullcordError(code).retryable,
    ),
    [true, true, true, false, false],
  );
  assert.equal("cause" in new PullcordError("closed"), false);
});

test("positions compare as integers", () => {
  assert.equal(compareSeq("9", "10"), -1);
  assert.equal(compareSeq("18446744073709551615", 18446744073709551614n), 1);
  assert.equal(compareSeq("0010", 10), 0);
  assert.equal(compareSeq(9007199254740991, "9007199254740993"), -1);
  for (const wrong of [-1, 1.5, 2 ** 53, "1e3", "", "-1", 2n ** 64n, null, undefined]) {
    assert.throws(() => compareSeq(wrong, 1), { code: "invalid" }, String(wrong));
  }
});

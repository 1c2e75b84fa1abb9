// A transport of which the test decides when each answer arrives: so that a race is exact, and no test waits.

/**
 * @param {any} transport the backend's
 * @returns {any} a transport, with `calls` (method and request of each), `refuse[method]` (gives the error that it
 *   rejects with) and `hold(method)`, which gives the function that lets the answers through
 */
export function gated(transport) {
  const held = new Map();
  const gate = {
    calls: [],
    refuse: {},
    count: (method) => gate.calls.filter(([name]) => name === method).length,
    /**
     * What is asked from here on is answered at once, from the backend as it then is, and arrives when it is let
     * through.
     */
    hold(method) {
      let release;
      held.set(method, new Promise((resolve) => (release = resolve)));
      return () => {
        held.delete(method);
        release();
      };
    },
    listen: (sink, signal) => transport.listen(sink, signal),
  };
  for (const method of ["pull", "conversations", "history", "send", "edit", "recall", "markRead"]) {
    gate[method] = async (request, signal) => {
      gate.calls.push([method, request]);
      const error = gate.refuse[method]?.(request);
      if (error) throw error;
      const answer = await transport[method](request, signal);
      await held.get(method);
      return answer;
    };
  }
  return gate;
}

// index.d.ts and the contract, assigned to each other: what either lacks, the compiler names. Where the package gives a
// message, its type is a union on `state`, which the contract's is not: there ours is assigned to the contract's alone.
// Wherever an app gives one, the contract's is taken. What of the contract is still to come (whispers) is named here.

import type * as contract from "../../../shared/contract/pullcord.js";
import type { PullcordOptions } from "../../pkg-template/frameworks.js";
import type * as ours from "../../pkg-template/index.js";
import type { PullcordInspector, traced } from "../../pkg-template/inspector.js";
import type * as react from "../../pkg-template/react.js";
import type * as svelte from "../../pkg-template/svelte.js";
import type { MemoryBackend } from "../../pkg-template/testing.js";
import type * as vue from "../../pkg-template/vue.js";
import type { serve, syncOnce } from "../../pkg-template/worker.js";

interface Body {
  text: string;
}

/** Of what the package exports. */
type Now = "PullcordError" | "compareSeq" | "wipe";

/** Both `A` and `B` can stand for the other. */
function same<A, B>(_there: (a: A) => B, _back: (b: B) => A): void {}

/** What the package gives can stand for what the contract says. */
function given<A, B>(_there: (a: A) => B): void {}

same<Pick<typeof ours, Now>, Pick<typeof contract, Now>>(
  (a) => a,
  (b) => b,
);
same<ours.PullcordError, contract.PullcordError>(
  (a) => a,
  (b) => b,
);
same<ours.ErrorCode, contract.ErrorCode>(
  (a) => a,
  (b) => b,
);
same<ours.Seq, contract.Seq>(
  (a) => a,
  (b) => b,
);
same<ours.SeqInput, contract.SeqInput>(
  (a) => a,
  (b) => b,
);
given<ours.Message<Body>, contract.Message<Body>>((a) => a);
given<ours.Conversation<Body>, contract.Conversation<Body>>((a) => a);
same<ours.Store<Body>, contract.Store<Body>>(
  (a) => a,
  (b) => b,
);
same<Omit<ours.ClientOptions<Body>, "transport">, Omit<contract.ClientOptions<Body>, "transport">>(
  (a) => a,
  (b) => b,
);
given<typeof syncOnce<Body>, typeof contract.syncOnce<Body>>((a) => a);
same<
  Omit<NonNullable<Parameters<typeof serve>[0]>, "transport">,
  Omit<NonNullable<Parameters<typeof contract.serve>[0]>, "transport">
>(
  (a) => a,
  (b) => b,
);
same<ours.HttpTransport, contract.HttpTransport>(
  (a) => a,
  (b) => b,
);
same<ours.ClientStatus, contract.ClientStatus>(
  (a) => a,
  (b) => b,
);
given<Omit<ours.Client<Body>, "on" | "status">, Omit<contract.Client<Body>, "on" | "status" | "whisper">>((a) => a);
given<ours.ClientEvents<Body>, Omit<contract.ClientEvents<Body>, "whisper">>((a) => a);
same<ours.Inspection, contract.Inspection>(
  (a) => a,
  (b) => b,
);
same<ours.TimelineOptions, contract.TimelineOptions>(
  (a) => a,
  (b) => b,
);
given<ours.TimelineItem<Body>, contract.TimelineItem<Body>>((a) => a);
given<ours.MessageItem<Body>, contract.MessageItem<Body>>((a) => a);
given<ours.LocalItem<Body>, contract.LocalItem<Body>>((a) => a);
same<ours.GapItem, contract.GapItem>(
  (a) => a,
  (b) => b,
);
given<ours.TimelineSnapshot<Body>, contract.TimelineSnapshot<Body>>((a) => a);
same<ours.LoadResult, contract.LoadResult>(
  (a) => a,
  (b) => b,
);
given<ours.Timeline<Body>, contract.Timeline<Body>>((a) => a);
same<ours.Batch<Body>, contract.Batch<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.Page<Body>, contract.Page<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.WireMessage<Body>, contract.WireMessage<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.WireConversation<Body>, contract.WireConversation<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.SyncEvent<Body>, contract.SyncEvent<Body>>(
  (a) => a,
  (b) => b,
);
same<Omit<ours.Transport<Body>, "listen">, Omit<contract.Transport<Body>, "listen" | "whisper">>(
  (a) => a,
  (b) => b,
);
same<ours.NotifySink<Body>, Omit<contract.NotifySink<Body>, "whisper">>(
  (a) => a,
  (b) => b,
);

/** What its checks are to drive. */
export const driven = (backend: MemoryBackend<Body>): contract.Backend<Body> => backend;

/** An app that knows the contract's types alone: each place that takes something takes what it has. */
export function takes(
  message: contract.Message<Body>,
  transport: Omit<contract.Transport<Body>, "listen" | "whisper">,
  options: Omit<contract.ClientOptions<Body>, "transport">,
  client: contract.Client<Body>,
): unknown[] {
  const wire: ours.WireMessage<Body> = message;
  const event: ours.SyncEvent<Body> = { type: "update", message };
  const page: ours.Page<Body> = { messages: [message], hasBefore: false, hasAfter: false };
  const batch: ours.Batch<Body> = { events: [event], cursor: "1", hasMore: false };
  const conversation: ours.WireConversation<Body> = { id: "c", lastMessage: message };
  const push = (sink: ours.NotifySink<Body>) => sink.push({ prev: "1", cursor: "2", events: [event] });
  const opened: ours.ClientOptions<Body> = { ...options, transport };
  const hooked: PullcordOptions<Body> = opened;
  const once: Parameters<typeof syncOnce<Body>>[0] = { ...options, transport };
  const served: NonNullable<Parameters<typeof serve<Body>>[0]> = { transport: () => transport };
  const seen: Parameters<typeof traced<Body>>[0] = transport;
  const like: ours.ClientLike<Body> = client;
  const shown = (element: PullcordInspector) => {
    element.client = client;
  };
  const hooks = (from: typeof react | typeof svelte | typeof vue) => [
    from.useStatus(client),
    from.useConversations(client),
    from.useConversation("c", client),
    from.useTimeline("c", undefined, client),
    from.useOutbox(client),
  ];
  const provided = [
    (from: typeof react) => from.PullcordProvider({ client }),
    (from: typeof svelte) => from.providePullcord(client),
    (from: typeof vue) => new from.PullcordProvider({ client }),
  ];
  return [wire, page, batch, conversation, push, hooked, once, served, seen, like, shown, hooks, provided];
}

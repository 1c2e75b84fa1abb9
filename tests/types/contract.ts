// index.d.ts and the contract, assigned to each other both ways: what either lacks, the compiler names. What of the
// contract is still to come (whispers) is named here.

import type * as contract from "../../../shared/contract/pullcord.js";
import type * as ours from "../../pkg-template/index.js";
import type { MemoryBackend } from "../../pkg-template/testing.js";
import type { serve, syncOnce } from "../../pkg-template/worker.js";

interface Body {
  text: string;
}

/** Of what the package exports. */
type Now = "PullcordError" | "compareSeq" | "wipe";

/** Both `A` and `B` can stand for the other. */
function same<A, B>(_there: (a: A) => B, _back: (b: B) => A): void {}

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
same<ours.Message<Body>, contract.Message<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.Conversation<Body>, contract.Conversation<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.Store<Body>, contract.Store<Body>>(
  (a) => a,
  (b) => b,
);
same<Omit<ours.ClientOptions<Body>, "transport">, Omit<contract.ClientOptions<Body>, "transport">>(
  (a) => a,
  (b) => b,
);
same<typeof syncOnce<Body>, typeof contract.syncOnce<Body>>(
  (a) => a,
  (b) => b,
);
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
same<Omit<ours.Client<Body>, "on" | "status">, Omit<contract.Client<Body>, "on" | "status" | "whisper">>(
  (a) => a,
  (b) => b,
);
same<ours.ClientEvents<Body>, Omit<contract.ClientEvents<Body>, "whisper">>(
  (a) => a,
  (b) => b,
);
same<ours.Inspection, contract.Inspection>(
  (a) => a,
  (b) => b,
);
same<ours.TimelineOptions, contract.TimelineOptions>(
  (a) => a,
  (b) => b,
);
same<ours.TimelineItem<Body>, contract.TimelineItem<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.MessageItem<Body>, contract.MessageItem<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.LocalItem<Body>, contract.LocalItem<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.GapItem, contract.GapItem>(
  (a) => a,
  (b) => b,
);
same<ours.TimelineSnapshot<Body>, contract.TimelineSnapshot<Body>>(
  (a) => a,
  (b) => b,
);
same<ours.LoadResult, contract.LoadResult>(
  (a) => a,
  (b) => b,
);
same<ours.Timeline<Body>, contract.Timeline<Body>>(
  (a) => a,
  (b) => b,
);
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

import {
  PullcordProvider,
  useConversation,
  useConversations,
  useOutbox,
  usePullcord,
  useStatus,
  useTimeline,
} from "pullcord/react";
import { createElement, useEffect, useState } from "react";
import { app, optionsOf, textOf } from "./world.js";

function Chat({ conversation }) {
  const { client, error } = usePullcord();
  const { connection } = useStatus();
  const conversations = useConversations();
  const one = useConversation(conversation);
  const outbox = useOutbox();
  // the options are others on each render, and say the same
  const view = useTimeline(conversation, { start: "latest", maxItems: 500 });
  useEffect(() => {
    app.view = view;
    app.client = client;
  });
  return (
    <div>
      <p id="error">{error?.code ?? ""}</p>
      <p id="state">{[connection, conversations.length, one?.id ?? "none", outbox.length, view.status].join(" ")}</p>
      <ul>
        {view.items.map((item) => (
          <li key={item.key}>{textOf(item)}</li>
        ))}
      </ul>
    </div>
  );
}

/** @param {{ first: any, client?: any, alone?: boolean | "nothing" }} props */
export function Root({ first, client, alone }) {
  const [wanted, setWanted] = useState(first);
  const [, again] = useState(0);
  useEffect(() => {
    app.set = setWanted;
    app.again = () => again((times) => times + 1);
  }, []);
  if (alone === true) return <Chat conversation={wanted.conversation} />;
  if (alone === "nothing") return createElement(PullcordProvider, { account: "apps|ada" }, <Chat />);
  const given = client ? { client } : { options: optionsOf(wanted) };
  return createElement(PullcordProvider, given, <Chat conversation={wanted?.conversation} />);
}

// A server component: what it imports runs on the server as well.
import { PullcordError, compareSeq } from "pullcord";
import { Chat } from "./chat.jsx";

export default function Page() {
  return (
    <main>
      <p id="server">{`${new PullcordError("closed").name} ${compareSeq(1, 2)}`}</p>
      <Chat />
    </main>
  );
}

import { PullcordProvider } from "pullcord/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { backend, optionsOf } from "../backend.js";
import { Chat } from "./Chat.jsx";

const answer = () => setTimeout(() => backend.post("general", "I see", "bob"), 500);

createRoot(document.getElementById("app")).render(
  <StrictMode>
    <PullcordProvider options={optionsOf("ada")}>
      <Chat id="general" onSend={answer} />
    </PullcordProvider>
  </StrictMode>,
);

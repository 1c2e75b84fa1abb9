import { usePullcord } from "pullcord/vue";
import { createApp, h } from "vue";
import { backend, optionsOf } from "../backend.js";
import Chat from "./Chat.vue";

const answer = () => setTimeout(() => backend.post("general", "I see", "bob"), 500);

createApp({
  setup() {
    usePullcord(optionsOf("ada"));
    return () => h(Chat, { id: "general", onSent: answer });
  },
}).mount("#app");

import {
  PullcordProvider,
  useConversation,
  useConversations,
  useOutbox,
  usePullcord,
  useStatus,
  useTimeline,
} from "pullcord/vue";
import { h, onMounted, onUpdated, ref, shallowRef } from "vue";
import { app, optionsOf, textOf } from "./world.js";

const Chat = {
  props: ["conversation"],
  setup(props) {
    const { client, error } = usePullcord();
    const status = useStatus();
    const conversations = useConversations();
    const one = useConversation(() => props.conversation);
    const outbox = useOutbox();
    const view = useTimeline(() => props.conversation, { start: "latest", maxItems: 500 });
    const look = () => {
      app.view = { ...view, items: view.items.value };
      app.client = client.value;
    };
    onMounted(look);
    onUpdated(look);
    return () => {
      const state = [
        status.value.connection,
        conversations.value.length,
        one.value?.id ?? "none",
        outbox.value.length,
        view.status.value,
      ];
      return h("div", [
        h("p", { id: "error" }, error.value?.code ?? ""),
        h("p", { id: "state" }, state.join(" ")),
        h(
          "ul",
          view.items.value.map((item) => h("li", { key: item.key }, textOf(item))),
        ),
      ]);
    };
  },
};

export const Root = {
  props: ["first", "client", "alone"],
  setup(props) {
    const wanted = shallowRef(props.first);
    const times = ref(0);
    app.set = (now) => {
      wanted.value = now;
    };
    app.again = () => {
      times.value += 1;
    };
    return () => {
      if (props.alone === "nothing") return h(PullcordProvider, {}, () => h(Chat, {}));
      if (props.alone) return h(Chat, { conversation: wanted.value.conversation });
      const given = props.client ? { client: props.client } : { options: optionsOf(wanted.value) };
      // rendered again when it is raised
      void times.value;
      return h(PullcordProvider, given, () => h(Chat, { conversation: wanted.value?.conversation }));
    };
  },
};

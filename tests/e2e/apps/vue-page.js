import { createApp, createSSRApp, reactive, ref, toRaw } from "vue";
import { useTimeline } from "pullcord/vue";
import { app, openClient } from "./world.js";
import { Root } from "./vue.js";

const place = document.getElementById("app");
let root;
app.mount = async (first, given, alone) => {
  app.given = given === "promise" ? Promise.resolve() : given && (await openClient(given));
  const props = { first, client: app.given, alone };
  root = place.hasChildNodes() ? createSSRApp(Root, props) : createApp(Root, props);
  root.mount(place);
};
app.unmount = () => root.unmount();

/** As an app keeps it in a ref, or in a store of Pinia, whose state is reactive. */
app.reactive = async () => {
  const client = ref(await openClient("eve"));
  const state = reactive({ client: client.value, timeline: client.value.timeline("general") });
  const { added } = await state.timeline.loadOlder();
  await state.client.send("general", { text: "from a ref" });
  await client.value.sync();
  const last = state.client.conversation("general").getSnapshot().lastMessage.body.text;
  await toRaw(state.client).close();
  return [added > 0, last, client.value.status.getSnapshot().connection];
};

/** In a callback, where there is no component. */
app.late = () => useTimeline("general").status.value;

import { hydrate, mount, unmount } from "svelte";
import Root from "./Root.svelte";
import { app, openClient } from "./world.js";

const target = document.getElementById("app");
let root;
app.mount = async (first, given, alone) => {
  app.given = given === "promise" ? Promise.resolve() : given && (await openClient(given));
  root = (target.hasChildNodes() ? hydrate : mount)(Root, { target, props: { first, client: app.given, alone } });
};
app.unmount = () => unmount(root);

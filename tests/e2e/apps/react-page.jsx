import { StrictMode } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { Root } from "./react.jsx";
import { app, openClient } from "./world.js";

const place = document.getElementById("app");
let root;
app.mount = async (first, given, alone) => {
  const client = given === "promise" ? Promise.resolve() : given && (await openClient(given));
  app.given = client;
  const whole = (
    <StrictMode>
      <Root first={first} client={client} alone={alone} />
    </StrictMode>
  );
  if (place.hasChildNodes()) root = hydrateRoot(place, whole);
  else {
    root = createRoot(place);
    root.render(whole);
  }
};
app.unmount = () => root.unmount();

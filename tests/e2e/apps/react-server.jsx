import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { Root } from "./react.jsx";

export const render = async (first) =>
  renderToString(
    <StrictMode>
      <Root first={first} />
    </StrictMode>,
  );

import { createSSRApp } from "vue";
import { renderToString } from "vue/server-renderer";
import { Root } from "./vue.js";

export const render = (first) => renderToString(createSSRApp(Root, { first }));

import { render as renderToString } from "svelte/server";
import Root from "./Root.svelte";

export const render = async (first) => (await renderToString(Root, { props: { first } })).body;

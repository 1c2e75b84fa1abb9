import { createClient } from "pullcord";
import { tried } from "./tried.js";

globalThis.run = (options) => tried(createClient, options);

import { createClient } from "pullcord/inline";
import { tried } from "./tried.js";

globalThis.run = () => tried(createClient);

import { serve } from "pullcord/worker";
import { transport } from "./tried.js";

serve({ transport });

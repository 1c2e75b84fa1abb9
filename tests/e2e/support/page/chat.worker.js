// The whole script of an app's worker.

// @ts-ignore: the address is the page's
import { serve } from "/pkg/worker.js";

serve();

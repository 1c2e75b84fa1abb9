// A worker whose requests and sockets its page is told of.

import "/blank/wire.js";
// @ts-ignore: the address is the page's
import { serve } from "/pkg/worker.js";

const tell = () => postMessage({ sockets: wire.sockets() });
wire.heard = (request) => {
  postMessage({ request });
  tell();
};
setInterval(tell, 200);
serve();
